// One run of the program: parses the command line, runs the command, prints its result. All of
// main() but signals, so that it can be tested with commands that need no server.
#pragma once

#include <functional>
#include <map>
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

/// The functions of the commands.
struct CommandFunctions {
  std::map<std::string, JobFunction> jobs;  ///< By the command's name: all but key and bench.
  std::function<JobResult(const JobDescription&, const KeyQuestion&, const Cancellation&)> key;
  /// Becomes pgfanout-bench with these arguments; returns only if that failed.
  std::function<Error(std::span<const std::string>)> bench = {};
  /// Returns a function that reads the state of a job; both arguments outlive it.
  std::function<std::function<Result<JobSnapshot>()>(const JobDescription&, const Cancellation&)>
      watch = {};
  /// Ends the process, from any thread: for a command that a stop at once does not end in time.
  /// Absent: such a command is waited for.
  std::function<void(int exit_code)> leave = {};
};

/// `result_fd` takes what scripts read: the JSON document, the SQL of a dry run, the answers of
/// key, the findings of plan and status, and the summary of a job that ended with exit code 0.
/// `message_fd` takes all else. Neither is closed.
struct OutputStreams {
  int result_fd = 1;
  int message_fd = 2;
};

/// Returns the exit code. `words` are the arguments after the program's name. Never throws.
int run_session(std::span<const std::string> words, const CommandFunctions& functions,
                const OutputStreams& streams, const Cancellation& cancellation);

}  // namespace pgfanout
