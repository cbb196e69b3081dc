// The process: its signals, and how it becomes pgfanout-bench, since pgfanout itself does not link
// Google Benchmark.
#pragma once

#include <span>
#include <string>

#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The commit that the program was built from: "2d8d53a50951", with "-dirty" if files differed from
/// it; empty outside a git tree. Only the program links its definition, which is generated at every
/// build, so that a commit rebuilds no library.
extern const char* const git_commit;

/// The first SIGINT, SIGTERM or SIGHUP sets `soon`, the second sets `now`; both live as long as the
/// process. A third SIGINT ends it with exit code 3. SIGHUP stays ignored if the parent ignores it
/// (nohup); SIGINT does not, so that a shell's background job can be stopped. SIGPIPE is ignored.
/// Call once, before any thread starts.
void handle_signals(Cancellation& soon, Cancellation& now);

/// Ends the process at once, whatever its threads do. Async-signal-safe.
[[noreturn]] void leave_process(int exit_code);

/// pgfanout-bench in `directory`, else in ../libexec/pgfanout from there. Code "no-bench": neither.
Result<std::string> find_bench_program(const std::string& directory);

/// Becomes pgfanout-bench with `words` as its arguments. Returns only if that failed.
[[nodiscard]] Error become_bench_program(std::span<const std::string> words);

}  // namespace pgfanout
