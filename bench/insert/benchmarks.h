// The cases as benchmarks of Google Benchmark. The first failure ends the measuring: what comes
// after it is skipped.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/insert/insert_runner.h"
#include "bench/insert/speedup.h"
#include "bench/insert/suite.h"

namespace pgfanout::bench {

/// The outcome of a run, beside what Google Benchmark prints.
struct Findings {
  std::optional<Error> failure;
  std::vector<std::string> answers;      ///< A line for each question.
  std::vector<std::string> not_reached;  ///< Cases that this server has too few connections for.
};

struct Repeats {
  std::uint32_t cases = 1;
  std::uint32_t question_pairs = 9;
};

/// Registers all of them. The references outlive RunSpecifiedBenchmarks().
void register_benchmarks(const Suite& suite, const Repeats& repeats, InsertRunner& runner,
                         Findings& findings);

}  // namespace pgfanout::bench
