// The criteria that a verification can look at: one list, from which their table in the output, in
// the JSON document, in the report and in docs/RUNBOOK.md is made.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "pgfanout/severity.h"

namespace pgfanout {

enum class Criterion : std::uint8_t {
  row_counts,
  row_digests,
  sample,
  keys,
  leaves,
  all_leaves,
  required,
  references,
  skew,
  constraints,
  indexes,
  sequences,
  key_function,
  schema,
  rules,
};

struct CriterionFacts {
  Criterion criterion;
  std::string_view name;
  std::string_view scopes;   ///< That look at it; full looks at what data and schema look at.
  Severity severity;         ///< Of a failure, unless the finding says another one.
  std::string_view failure;  ///< Words for the verdict's line; empty: rows differ, or as above.
  std::string_view code;     ///< How the codes of its issues begin, if it has words.
};

/// In their order. Of "schema" there is one for each kind of object, of "rule" for each rule.
inline constexpr std::array kCriteria = {
    CriterionFacts{Criterion::row_counts, "row counts equal", "quick data", Severity::critical, "",
                   ""},
    CriterionFacts{Criterion::row_digests, "row digests equal", "data", Severity::critical, "", ""},
    CriterionFacts{Criterion::sample, "sampled rows equal", "quick", Severity::critical, "", ""},
    CriterionFacts{Criterion::keys, "keys right", "data", Severity::critical,
                   "stored keys of the source are wrong", "key-mismatch"},
    CriterionFacts{Criterion::leaves, "rows in their leaf", "data", Severity::critical, "", ""},
    CriterionFacts{Criterion::all_leaves, "a leaf for every key", "quick data", Severity::error,
                   "a leaf is missing", "leaf-missing"},
    CriterionFacts{Criterion::required, "no NULL in required columns", "data", Severity::error,
                   "a column holds NULL that is required on the source", "null-required"},
    CriterionFacts{Criterion::references, "no orphans", "data", Severity::error,
                   "rows refer to rows that are not there", "orphans"},
    CriterionFacts{Criterion::skew, "skew below 1.5", "quick data", Severity::warning,
                   "the largest leaf is too large", "skew"},
    CriterionFacts{Criterion::constraints, "constraints valid", "quick data", Severity::error,
                   "a constraint or an index is not valid", "not-valid"},
    CriterionFacts{Criterion::indexes, "indexes valid", "quick data", Severity::error, "", ""},
    CriterionFacts{Criterion::sequences, "sequences ahead of the data", "quick data",
                   Severity::error, "a sequence is behind", "sequence-behind"},
    CriterionFacts{Criterion::key_function, "key function there", "quick data", Severity::warning,
                   "the key function is missing", "key-function-missing"},
    CriterionFacts{Criterion::schema, "schema", "schema", Severity::error, "the schema differs",
                   "schema-"},
    CriterionFacts{Criterion::rules, "rule", "quick data", Severity::error,
                   "a rule of the job is violated", "rule-violated"},
};

[[nodiscard]] constexpr const CriterionFacts& facts_of(Criterion criterion) {
  return kCriteria.at(static_cast<std::size_t>(criterion));
}

}  // namespace pgfanout
