// The program: signals, then one session.
#include <sys/prctl.h>
#include <unistd.h>
#ifdef PGFANOUT_MIMALLOC
#include <mimalloc.h>
#endif

#include <string>
#include <vector>

#include "copier/cli/process.h"
#include "copier/cli/session.h"
#include "copier/copy/copy_command.h"
#include "copier/pg/connection.h"
#include "copier/preflight/key_command.h"
#include "copier/report/text/tool_version.h"
#include "copier/status/status_command.h"
#include "copier/verify/verification.h"
#include "copier/window/commands.h"

namespace {

/// The password is in libpq's memory and may be in the environment: core dumps, and other processes
/// of the same user by /proc, must not see it. Not in sanitized builds: their leak check reads the
/// process from outside.
void keep_memory_private() {
#ifndef PGFANOUT_SANITIZED
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

/// Keeps the pages of freed buffers, which --memory bounds: to return them to the system and fault
/// them in again took a tenth of the client's time.
void keep_freed_pages() {
#if defined(PGFANOUT_MIMALLOC) && MI_MALLOC_VERSION < 210
  mi_option_disable(mi_option_allow_decommit);
#elif defined(PGFANOUT_MIMALLOC)
  mi_option_set(mi_option_purge_delay, -1);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  keep_memory_private();
  keep_freed_pages();
  pgfanout::name_commit(pgfanout::git_commit);
  static pgfanout::Cancellation now;
  static pgfanout::Cancellation soon(&now);
  pgfanout::handle_signals(soon, now);
  pgfanout::set_user_stop(soon);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const pgfanout::CommandFunctions functions = {{{"plan", pgfanout::run_plan},
                                                 {"run", pgfanout::run_window},
                                                 {"copy", pgfanout::run_copy},
                                                 {"verify", pgfanout::run_verify},
                                                 {"queries", pgfanout::run_queries_command},
                                                 {"swap", pgfanout::run_swap},
                                                 {"rollback", pgfanout::run_rollback},
                                                 {"cleanup", pgfanout::run_cleanup},
                                                 {"status", pgfanout::run_status}},
                                                pgfanout::run_key,
                                                pgfanout::become_bench_program,
                                                pgfanout::watch_job,
                                                pgfanout::leave_process};
  const int exit_code = pgfanout::run_session(words, functions, {}, soon);
  if (pgfanout::has_left_threads()) _exit(exit_code);
  return exit_code;
}
