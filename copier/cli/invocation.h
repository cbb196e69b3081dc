// One call of the program, understood: which command, on which job, shown how. Plain data.
#pragma once

#include <string>

#include "copier/cli/bench_request.h"
#include "copier/lifecycle/key_command.h"
#include "copier/report/output_request.h"
#include "copier/report/progress.h"
#include "pgfanout/job.h"

namespace pgfanout {

struct Invocation {
  std::string command;  ///< "plan", "run", "copy", ...
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
