// Stage: keeps a note of some rows of a side, each with its place. The second pass of a comparison:
// over rows whose elements are wanted, or over all rows of some groups.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_set>
#include <vector>

#include "copier/reconcile/comparison.h"
#include "copier/stage/compare.h"
#include "hashing/row_digest.h"

namespace pgfanout {

/// A row by what it is: who (a hash of its identity, or of all of it) and what (its digest).
struct RowName {
  RowDigest identity;
  RowDigest digest;
  friend bool operator==(const RowName&, const RowName&) = default;
};

struct CollectedRow {
  RowName name;
  RowPlace place;
  bool is_misplaced = false;  ///< A row of the target with a wrong key or in a wrong leaf.
};

struct RowNameHash {
  std::size_t operator()(const RowName& name) const {
    return static_cast<std::size_t>(name.digest.low ^ name.identity.high);
  }
};

/// The name of a row with these identity bytes.
[[nodiscard]] RowName row_name(IdentityKind kind, ByteView identity, RowDigest digest);

/// Which rows are kept: all of the groups marked, and those with a name that is wanted.
struct CollectFilter {
  std::vector<bool> groups;
  std::unordered_set<RowName, RowNameHash> wanted;
};

struct CollectedSides {
  std::vector<CollectedRow> source;
  std::vector<CollectedRow> target;
};

/// The rows that are left when equal names of both sides cancel each other, copy by copy. Sorted by
/// name; of copies, those that are misplaced are left first.
[[nodiscard]] CollectedSides surplus_of(CollectedSides rows);

/// Thread-safe. Holds 56 bytes a row.
class RowCollector {
 public:
  RowCollector(const CollectFilter& filter, IdentityKind kind) : filter_(filter), kind_(kind) {}

  /// Looks through a hashed batch of `comparer`'s side, read from `leaf`.
  void collect(const Comparer& comparer, const RowBatch& batch, std::uint32_t leaf);
  [[nodiscard]] std::vector<CollectedRow> take() { return std::move(rows_); }

 private:
  const CollectFilter& filter_;
  const IdentityKind kind_;
  std::mutex mutex_;
  std::vector<CollectedRow> rows_;  // guarded by mutex_
};

}  // namespace pgfanout
