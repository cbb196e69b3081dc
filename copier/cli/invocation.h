// One call of the program, understood: which command, on which job, shown how. Plain data.
#pragma once

#include <string>
#include <vector>

#include "copier/cli/bench_request.h"
#include "copier/preflight/key_command.h"
#include "copier/report/live/progress.h"
#include "copier/report/record/output_request.h"
#include "pgfanout/job.h"

namespace pgfanout {

/// An option that was given, on the command line or in a job file; these first.
struct GivenOption {
  std::string name;   ///< "--table"; of settings that only a job file has "verify.scope".
  std::string value;  ///< Empty for a flag.
};

struct Invocation {
  std::string command;             ///< "plan", "run", "copy", ...
  std::vector<std::string> words;  ///< The command line.
  std::vector<GivenOption> given;
  JobDescription job;
  KeyQuestion key;        ///< For the key command.
  BenchRequest bench;     ///< For the bench command.
  int verify_scopes = 0;  ///< How many of --quick, --data, --schema and --full were given.
  bool json = false;
  ProgressMode progress = ProgressMode::automatic;
  OutputRequest output;
  bool watch = false;  ///< status: again and again, until interrupted or the job has ended.
};

}  // namespace pgfanout
