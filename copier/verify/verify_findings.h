// Judges the facts that a verification gathered: the issues that a person reads, and the verdict.
// Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/journal/reject_table.h"
#include "copier/plan/verify_plan.h"
#include "copier/verify/criteria.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"
#include "pgfanout/verdict.h"

namespace pgfanout {

/// An issue for each kind of difference, and one for rows of the source that the copy set aside.
[[nodiscard]] std::vector<Issue> issues_of(const Differences& counts, std::uint64_t set_aside,
                                           const Table& target);

/// Why it cannot be known which rows of the source are missing: more were found set aside than the
/// job's books have, or rows are missing and some of those set aside cannot be told from them.
[[nodiscard]] std::optional<Error> doubt_of(std::uint64_t missing, std::uint64_t set_aside,
                                            const SetAside& rejects, const Table& target);

/// Rows whose keys are wrong without a difference between the sides.
struct KeyFacts {
  std::uint64_t stored_key_errors = 0;  ///< Of the source: stored key is not the recomputed one.
  std::uint64_t impossible_keys = 0;    ///< Of the source: no key, or one without a leaf.
  bool stored_keys_may_differ = false;  ///< They are no fault of the copy.
};
[[nodiscard]] std::vector<Issue> issues_of(const KeyFacts& facts, const Table& source);

/// Of the largest leaf over the mean; absent: it is fine.
[[nodiscard]] std::optional<Issue> skew_issue(double skew, const Table& target);

/// Rows by a quick verification.
struct RowCounts {
  std::uint64_t source = 0;
  std::uint64_t target = 0;
  std::uint64_t set_aside = 0;  ///< Rows of the source that need not be in the target.
  bool is_exact = true;         ///< Both sides were counted, not estimated.
};
/// The same for counts: rows that were set aside are not where they were, and could explain it.
[[nodiscard]] std::optional<Error> doubt_of(const RowCounts& counts, const SetAside& rejects,
                                            const Table& target);
/// Absent: as many on both sides.
[[nodiscard]] std::optional<Issue> issue_of(const RowCounts& counts, const Table& target);

/// The result of looking for a sample of one side's rows on the other. `lost`: not on the other
/// side as they are here.
[[nodiscard]] Issue sample_issue(std::size_t lost, std::size_t sampled, Side from,
                                 const Table& table);

struct VerifyEnd {
  bool is_complete = false;   ///< Its scope was looked at to the end, without an error.
  bool is_unchanged = false;  ///< Nothing was written to either side meanwhile.
};
/// "1,000 on each side".
[[nodiscard]] std::string counts_text(std::uint64_t source, std::uint64_t target,
                                      std::uint64_t set_aside);

/// Unproven unless both hold. Then a criterion that failed with severity `fail_on` or a worse one
/// makes the sides differ, and so does an error that belongs to none.
[[nodiscard]] Verdict verdict_of(const VerifyEnd& end, const CriteriaBook& criteria,
                                 Severity fail_on, const std::vector<Issue>& issues);

}  // namespace pgfanout
