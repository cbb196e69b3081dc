// The key command: which key and leaf a value goes to, and whether the server agrees.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct KeyQuestion {
  /// "value" for the key's only column, or "column=value"; one entry a column and row.
  std::vector<std::string> values;
  /// Random, adversarial and sampled values to compare with the server; 0: none.
  std::uint64_t check = 0;
  /// For the random values; printed with a disagreement, so that it can be repeated.
  std::uint64_t seed = 1;
};

struct KeyAnswer {
  std::string expression;
  std::optional<std::int64_t> key;         ///< Absent: the row has no key; `reason` says why.
  std::string reason;                      ///< "null", "integer out of range", ...
  std::optional<std::string> leaf;         ///< Qualified name in the target, if it has one.
  std::optional<std::int64_t> server_key;  ///< Computed by the server.
  bool server_agrees = false;
};

struct KeyReport {
  std::vector<KeyAnswer> answers;
  std::uint64_t compared = 0;  ///< Values compared by check.
  std::uint64_t disagreements = 0;
  std::vector<std::string> examples;  ///< The first few disagreements, values escaped.
};

/// Fills `report`; the result carries exit code, issues and error as for any command. Disagreement
/// with the server is Verdict::differs.
JobResult run_key(const JobDescription& job, const KeyQuestion& question, KeyReport& report,
                  const Cancellation& cancellation);

}  // namespace pgfanout
