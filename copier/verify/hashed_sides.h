// The comparison that the servers make: each hashes its rows and sums the hashes by group, so that
// no row travels. A group is that of Comparison: the target's leaf that a row belongs to, or a
// share of all rows. Groups that differ, and leaves with rows that do not belong there, are
// streamed afterwards, and that decides: rows that are the same on both sides may have different
// hashes, if the servers hash in different ways.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/base/pace.h"
#include "copier/plan/verify_plan.h"
#include "copier/reconcile/comparison.h"
#include "copier/verify/verify_sides.h"
#include "hashing/row_digest.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The rows of one group in one range, as a server returns them.
struct HashedGroup {
  std::optional<std::int64_t> value;  ///< Of RowSql::group.
  MultisetDigest hashes;
  std::uint64_t wrong_keys = 0;  ///< Rows whose stored key is not the recomputed one.
  std::uint64_t keyless = 0;     ///< Rows whose key is NULL.
};

/// The statement that hashes the rows of a range; a row of its result is a HashedGroup.
[[nodiscard]] std::string hash_sql(const VerifyPlan& plan, Side side, const SourceRange& range);

/// An integer of any size, "-170141183460469231731687303715884105728", modulo 2^128.
[[nodiscard]] RowDigest sum_of_decimal(std::string_view decimal);

/// The part of both sides that has to be streamed.
struct SuspectRows {
  std::string source_only;  ///< As RowSql::only.
  std::string target_only;
  std::vector<bool> target_leaves;
};

/// Gathers what the servers return. Thread-safe.
class HashBooks {
 public:
  /// Books into `books` as a comparison of streams does, places apart. Both outlive it.
  HashBooks(const VerifyPlan& plan, Comparison& books)
      : plan_(plan), books_(books), groups_of_leaf_(plan.target.leaves.size()) {}

  void add(Side side, std::uint32_t leaf, const std::vector<HashedGroup>& groups);
  /// Called when all ranges were added.
  [[nodiscard]] SuspectRows suspects() const;

 private:
  [[nodiscard]] std::uint32_t group_of(std::optional<std::int64_t> value) const;
  [[nodiscard]] std::string condition(Side side, const std::vector<bool>& groups) const;

  const VerifyPlan& plan_;
  Comparison& books_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::optional<std::int64_t>, std::uint32_t> group_of_value_;  ///< Of values that occur.
  struct LeafGroups {
    std::vector<std::uint32_t> groups;
    bool has_misplaced = false;
  };
  std::vector<LeafGroups> groups_of_leaf_;  ///< Of the target.
};

struct HashPass {
  const VerifyPlan& plan;
  VerifySides& sides;
  Comparison& books;
  HashBooks& hashes;
  JobCounters& counters;
  const Pace& pace;
  LeafBoard* leaves = nullptr;  ///< Of the target: rows that were hashed are added.
};
/// Has the servers hash all rows of both sides, a range at a time, as many readers as the plan has.
/// An error of either side ends both.
Result<void> hash_sides(const HashPass& pass, const Cancellation& cancellation);

}  // namespace pgfanout
