// The program pgfanout-bench, but for signals.
#pragma once

#include <span>
#include <string>

#include "pgfanout/cancellation.h"

namespace pgfanout::bench {

/// `words` are the arguments behind the program's name: those of `pgfanout bench`. Returns the exit
/// code: 0 all was measured and checked; 1 a check failed; 2 it could not start, or the server
/// would not; 3 stopped part-way. Call once a process.
int run_bench(std::span<const std::string> words, const Cancellation& cancellation);

}  // namespace pgfanout::bench
