// One call of the program, understood: which command, on which job, shown how. Plain data.
#pragma once

#include <string>

#include "copier/lifecycle/key_command.h"
#include "copier/report/progress.h"
#include "pgfanout/job.h"

namespace pgfanout {

struct Invocation {
  std::string command;  ///< "copy" or "key".
  JobDescription job;
  KeyQuestion key;  ///< For the key command.
  bool json = false;
  ProgressMode progress = ProgressMode::automatic;
};

}  // namespace pgfanout
