// One run of the program: parse, run the command, tell what came of it. Everything that main() does
// but for signals, so that it can be tested with commands that need no server.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "copier/preflight/key_command.h"
#include "copier/status/status_command.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/observer.h"

namespace pgfanout {

using JobFunction = std::function<JobResult(const JobDescription&, Observer&, const Cancellation&)>;

/// The commands themselves.
struct CommandFunctions {
  JobFunction plan;
  JobFunction run;
  JobFunction copy;
  JobFunction verify;
  JobFunction swap;
  JobFunction rollback;
  JobFunction cleanup;
  JobFunction status;
  std::function<JobResult(const JobDescription&, const KeyQuestion&, const Cancellation&)> key;
  /// Becomes the program that measures, with these arguments; returns only if that failed.
  std::function<Error(std::span<const std::string>)> bench = {};
  /// Gives what looks at a job; both arguments outlive that.
  std::function<std::function<Result<JobSnapshot>()>(const JobDescription&, const Cancellation&)>
      watch = {};
};

/// Where output goes. `result_fd` takes what scripts read: the JSON document, the SQL of a dry run,
/// the answers of key, what plan and status found, and the summary of a job that ended with exit
/// code 0. `message_fd` takes all else. Neither is closed.
struct OutputStreams {
  int result_fd = 1;
  int message_fd = 2;
};

/// Returns the exit code. `words` are the arguments behind the program's name. Never throws.
int run_session(std::span<const std::string> words, const CommandFunctions& functions,
                const OutputStreams& streams, const Cancellation& cancellation);

}  // namespace pgfanout
