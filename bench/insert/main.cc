// The insert suite as a program: signals, then one run. `pgfanout bench` starts it.
#include <sys/prctl.h>

#include <string>
#include <vector>

#include "bench/insert/bench_program.h"
#include "copier/cli/signals.h"

int main(int argc, char** argv) {
  // libpq keeps the password of a user's server in memory: no core dump may hold it.
  prctl(PR_SET_DUMPABLE, 0);
  static pgfanout::Cancellation now;
  static pgfanout::Cancellation soon(&now);
  pgfanout::handle_signals(soon, now);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  return pgfanout::bench::run_bench(words, soon);
}
