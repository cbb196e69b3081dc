// Looks at a job again and again, from any session: status --watch.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "copier/status/job_look.h"
#include "copier/window/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

class JobOnlooker {
 public:
  /// Both outlive it.
  JobOnlooker(const JobDescription& job, const Cancellation& cancellation)
      : job_(job), cancellation_(cancellation) {}

  /// Connects if need be, and again after an error.
  Result<JobLook> look();

 private:
  struct Range {
    std::uint32_t number = 0;
    std::uint32_t leaf = 0;  ///< OID.
    std::uint64_t first_block = 0;
    std::uint64_t bytes = 0;
    std::uint32_t epoch = 0;
  };
  /// Of one backend's COPY.
  struct Copied {
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
  };
  Result<JobLook> look_once();
  Result<void> open();
  Result<void> read_ranges(JobLook& look);
  Result<void> read_leaves(JobLook& look);
  Result<void> read_sessions(Connection& connection, bool is_target, JobLook& look);
  Result<void> read_copies(Connection& connection, JobLook& look);
  Result<void> read_progress(JobLook& look);
  Result<void> read_steps(JobLook& look);

  const JobDescription& job_;
  const Cancellation& cancellation_;
  std::optional<WindowState> state_;
  std::string watched_;        ///< The job that the following belongs to.
  std::vector<Range> ranges_;  ///< Of the source, by number.
  std::uint64_t estimated_rows_ = 0;
  std::map<std::pair<int, int>, Copied> copies_;  ///< By side and backend.
  Copied seen_;
};

/// The same as a function. Both outlive it.
std::function<Result<JobLook>()> watch_job(const JobDescription& job,
                                           const Cancellation& cancellation);

}  // namespace pgfanout
