// The program that measures, pgfanout-bench: where it is, and how it takes over. pgfanout itself
// does not know Google Benchmark.
#pragma once

#include <span>
#include <string>

#include "pgfanout/result.h"

namespace pgfanout {

/// pgfanout-bench beside the program in `directory`, else in ../libexec/pgfanout from there. Code
/// "no-bench" if there is none.
Result<std::string> find_bench_program(const std::string& directory);

/// Becomes pgfanout-bench with `words` as its arguments. Returns only if that failed.
[[nodiscard]] Error become_bench_program(std::span<const std::string> words);

}  // namespace pgfanout
