// Looks at a job's servers, host and counters about once a second, and says which limits are
// crossed and what that asks for. Not thread-safe but for what is said.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "copier/base/pace.h"
#include "copier/watch/limit_watch.h"
#include "copier/watch/server_watch.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

class JobWatch {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  /// The job's present work, as far as watching depends on it.
  struct Doing {
    bool reads_back = false;  ///< Readers are on the target.
    bool swaps = false;       ///< Nothing slows, pauses or stops it.
  };
  struct Look {
    WatchSample sample;
    std::vector<ThresholdState> changed;
    std::optional<Error> stop;   ///< The job must end, resumably.
    bool stops_at_once = false;  ///< Not at the next good place: an epoch would make it worse.
  };

  /// All references outlive it. `ending` ends what waits for a server.
  JobWatch(const JobDescription& job, const std::string& job_id, const JobCounters& counters,
           Pace& pace, const Cancellation& ending);

  /// Connects, and says which limits cannot be measured, why, and what to grant: at most one issue.
  [[nodiscard]] std::optional<Issue> begin(Moment now);
  [[nodiscard]] Look look(Doing doing, Moment now);
  /// One issue for each limit that was crossed since the job began.
  [[nodiscard]] std::vector<Issue> crossings() const { return limits_.crossings(); }

 private:
  [[nodiscard]] std::map<Measure, Reading> read(Doing doing, Moment now, WatchSample& sample);
  void look_at_sessions(ServerWatch& server, ServerPart part, Doing doing, Reading& lock,
                        WatchSample& sample);
  void find_sides();

  const JobDescription& job_;
  const JobCounters& counters_;
  Pace& pace_;
  LimitWatch limits_;
  ServerWatch target_;
  std::optional<ServerWatch> source_;  ///< Where it is another server than the target's.
  bool knows_sides_ = false;
};

}  // namespace pgfanout
