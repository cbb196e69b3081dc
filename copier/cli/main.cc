// The program: signals, then one session.
#include <sys/prctl.h>

#include <string>
#include <vector>

#include "copier/cli/session.h"
#include "copier/cli/signals.h"
#include "copier/lifecycle/copy_job.h"
#include "copier/lifecycle/key_command.h"
#include "copier/lifecycle/verify_job.h"
#include "copier/lifecycle/window_commands.h"

namespace {

/// libpq keeps the password in memory, and PGPASSWORD stays in the environment: neither may get
/// into a core dump, or be read by other processes of the same user through /proc. Sanitizers look
/// at the process from outside to find leaks, so their builds are left as they are.
void keep_memory_private() {
#ifndef PGFANOUT_SANITIZED
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  keep_memory_private();
  static pgfanout::Cancellation now;
  static pgfanout::Cancellation soon(&now);
  pgfanout::handle_signals(soon, now);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const pgfanout::CommandFunctions functions = {
      pgfanout::run_plan,    pgfanout::run_window, pgfanout::run_copy,
      pgfanout::run_verify,  pgfanout::run_swap,   pgfanout::run_rollback,
      pgfanout::run_cleanup, pgfanout::run_status, pgfanout::run_key};
  return pgfanout::run_session(words, functions, {}, soon);
}
