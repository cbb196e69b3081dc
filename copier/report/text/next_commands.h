// Commands that a summary tells its reader to type: complete and quoted for a shell, made from the
// command line that was given, in its user's words. Plain data.
#pragma once

#include <string>

namespace pgfanout {

struct NextCommands {
  std::string again;    ///< The same command.
  std::string confirm;  ///< The same, past the gate at which the job waits; empty if it does not.
  std::string run;
  std::string swap;
  std::string rollback;
  std::string cleanup;
  std::string release;   ///< Lifts the fence.
  std::string standing;  ///< The next command by status; empty if there is none.
  std::string table;     ///< The source, as its user calls it.
};

}  // namespace pgfanout
