// The books of one comparison: the rows of each side, group by group, and those in a wrong leaf. A
// group is a leaf of the target that takes a key. Where the target is not laid out by a key, it is
// a share of all rows by their identity's hash, so that rows of one identity are in one group.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "copier/plan/verify_plan.h"
#include "hashing/row_digest.h"

namespace pgfanout {

/// A row by its place in the stream of a side.
struct RowPlace {
  std::uint32_t range = 0;  ///< Of that side's ranges.
  std::uint64_t row = 0;    ///< Ordinal in the range, in physical order.
  friend bool operator==(const RowPlace&, const RowPlace&) = default;
};

struct GroupAccount {
  MultisetDigest source;
  MultisetDigest target;
  friend bool operator==(const GroupAccount&, const GroupAccount&) = default;
};

struct LeafCount {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  ///< Of row data, as sent.
  MultisetDigest digest;
};

/// The rows of one batch.
struct BatchAccount {
  std::uint32_t leaf = 0;
  LeafCount count;
  std::vector<MultisetDigest> groups;
  std::vector<RowPlace> misplaced;      ///< Wrong key or wrong leaf.
  std::uint64_t misplaced_unseen = 0;   ///< More of these, counted by the server.
  std::uint64_t key_errors = 0;         ///< Rows whose key cannot be computed, or has no leaf.
  std::uint64_t stored_key_errors = 0;  ///< Of the source: stored key is not the recomputed one.
};

/// Thread-safe; entries are written a batch at a time.
class Comparison {
 public:
  Comparison(std::size_t groups, std::size_t source_leaves, std::size_t target_leaves,
             std::size_t max_named)
      : max_named_(max_named),
        groups_(groups),
        leaves_{std::vector<LeafCount>(source_leaves), std::vector<LeafCount>(target_leaves)} {}

  void add(Side side, const BatchAccount& batch);
  /// A range of that side was read to its end.
  void complete_range(Side side) { ++complete_ranges_[index_of(side)]; }

  [[nodiscard]] const std::vector<GroupAccount>& groups() const { return groups_; }
  [[nodiscard]] const std::vector<LeafCount>& leaves(Side side) const {
    return leaves_[index_of(side)];
  }
  [[nodiscard]] std::uint64_t complete_ranges(Side side) const {
    return complete_ranges_[index_of(side)];
  }
  [[nodiscard]] MultisetDigest total(Side side) const;
  [[nodiscard]] bool is_equal() const;
  [[nodiscard]] std::uint64_t misplaced_count() const { return misplaced_count_; }
  [[nodiscard]] const std::vector<RowPlace>& misplaced() const { return misplaced_; }
  [[nodiscard]] std::uint64_t key_errors(Side side) const { return key_errors_[index_of(side)]; }
  [[nodiscard]] std::uint64_t stored_key_errors() const { return stored_key_errors_; }

 private:
  static std::size_t index_of(Side side) { return side == Side::source ? 0 : 1; }

  const std::size_t max_named_;
  std::mutex mutex_;
  // All guarded by mutex_ while batches come in.
  std::vector<GroupAccount> groups_;
  std::array<std::vector<LeafCount>, 2> leaves_;  ///< By index_of().
  std::vector<RowPlace> misplaced_;               ///< The first max_named_.
  std::uint64_t misplaced_count_ = 0;
  std::array<std::uint64_t, 2> key_errors_{};
  std::uint64_t stored_key_errors_ = 0;
  std::array<std::atomic<std::uint64_t>, 2> complete_ranges_{};
};

}  // namespace pgfanout
