// The program: signals, then one session.
#include <sys/prctl.h>
#ifdef PGFANOUT_MIMALLOC
#include <mimalloc.h>
#endif

#include <string>
#include <vector>

#include "copier/cli/bench_program.h"
#include "copier/cli/git_commit.h"
#include "copier/cli/session.h"
#include "copier/cli/signals.h"
#include "copier/copy/copy_command.h"
#include "copier/preflight/key_command.h"
#include "copier/report/text/tool_version.h"
#include "copier/status/status_command.h"
#include "copier/verify/verification.h"
#include "copier/window/commands.h"

namespace {

/// libpq keeps the password in memory, and PGPASSWORD stays in the environment: neither may get
/// into a core dump, or be read by other processes of the same user through /proc. Sanitizers look
/// at the process from outside to find leaks, so their builds are left as they are.
void keep_memory_private() {
#ifndef PGFANOUT_SANITIZED
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

/// Buffers come and go by the thousand, bounded by --memory. To give each one's pages back to the
/// system and fault them in again took a tenth of the client's time.
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
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const pgfanout::CommandFunctions functions = {
      pgfanout::run_plan,    pgfanout::run_window,
      pgfanout::run_copy,    pgfanout::run_verify,
      pgfanout::run_swap,    pgfanout::run_rollback,
      pgfanout::run_cleanup, pgfanout::run_status,
      pgfanout::run_key,     pgfanout::become_bench_program,
      pgfanout::watch_job};
  return pgfanout::run_session(words, functions, {}, soon);
}
