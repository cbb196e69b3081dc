// The key command: a value's key and leaf, and whether the server computes the same key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

struct KeyQuestion {
  /// "value" for the key's only column, or "column=value"; one entry a column and row.
  std::vector<std::string> values;
  /// Random, adversarial and sampled values to compare with the server; 0: none.
  std::uint64_t check = 0;
  /// For the random values; printed with a disagreement, so that it can be repeated.
  std::uint64_t seed = 1;
};

/// The answers are the result's KeyResult. Disagreement with the server is Verdict::differs.
JobResult run_key(const JobDescription& job, const KeyQuestion& question,
                  const Cancellation& cancellation);

}  // namespace pgfanout
