// The program: signals, then one session.
#include <string>
#include <vector>

#include "copier/cli/session.h"
#include "copier/cli/signals.h"
#include "copier/lifecycle/copy_job.h"
#include "copier/lifecycle/key_command.h"
#include "copier/lifecycle/verify_job.h"
#include "copier/lifecycle/window_commands.h"

int main(int argc, char** argv) {
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
