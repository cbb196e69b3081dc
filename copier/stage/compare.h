// Stages of a comparison. The first pass books the rows of one side, and feeds them to the sketch
// that names the difference. The second keeps a note of some rows, each with its place: those whose
// elements are wanted, or all rows of some groups.
#pragma once

#include <compare>
#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "copier/plan/verify_plan.h"
#include "copier/reconcile/comparison.h"
#include "copier/stage/row_batch.h"
#include "hashing/difference_sketch.h"
#include "hashing/row_digest.h"

namespace pgfanout {

/// The words of a sketch element: identity (if there is one), then the row's digest, as 32-bit
/// words.
class RowElements {
 public:
  static constexpr std::size_t kDigestWords = 4;
  /// No identity begins with it: its first word is the length of a value that is not NULL.
  static constexpr std::uint32_t kNoIdentity = UINT32_MAX;

  explicit RowElements(const VerifyPlan& plan)
      : identity_(plan.identity), identity_bytes_(plan.identity_bytes) {}

  [[nodiscard]] std::size_t words() const { return identity_words() + kDigestWords; }
  /// Fills `element` with words() words; `identity` are the row's canonical identity bytes. If a
  /// fixed identity has another length (a NULL in it), kNoIdentity fills its place.
  void make(ByteView identity, RowDigest digest, std::uint32_t* element) const;

 private:
  [[nodiscard]] std::size_t identity_words() const;

  IdentityKind identity_;
  std::size_t identity_bytes_;
};

/// Groups that rows are booked in: the target's leaves, and one for rows without a leaf.
[[nodiscard]] std::size_t group_count(const VerifyPlan& plan);

/// One side's rows, batch by batch. Thread-safe.
class Comparer {
 public:
  Comparer(const VerifyPlan& plan, Side side, const RowFields& fields, Comparison& books);

  /// Books a hashed batch read from `leaf`. `sketch` belongs to the calling thread; null: none.
  void compare(const RowBatch& batch, std::uint32_t leaf, DifferenceSketch* sketch) const;
  /// Puts the target's leaf of each row of a hashed batch into `belongs`; empties it if only the
  /// server knows the target's layout.
  void route(const RowBatch& batch, std::vector<std::uint32_t>& belongs) const;
  /// The group of a row; `belongs` by route().
  [[nodiscard]] std::uint32_t group_of(const RowBatch& batch, std::size_t row,
                                       std::span<const std::uint32_t> belongs) const;
  /// Whether a row of the target, read from `leaf`, has a wrong key or stands in a wrong leaf.
  [[nodiscard]] bool is_misplaced(const RowBatch& batch, std::size_t row,
                                  std::span<const std::uint32_t> belongs, std::uint32_t leaf) const;
  [[nodiscard]] const RowFields& fields() const { return fields_; }

 private:
  struct Placing {
    bool has_key = false;   ///< One that a leaf takes.
    bool is_stored = true;  ///< The stored key, if there is one, is the recomputed one.
    bool is_in_leaf = true;
    [[nodiscard]] bool is_right() const { return has_key && is_stored && is_in_leaf; }
  };
  [[nodiscard]] Placing placing_of(const RowBatch& batch, std::size_t row,
                                   std::span<const std::uint32_t> belongs,
                                   std::uint32_t leaf) const;
  void check_place(const RowBatch& batch, std::size_t row, std::span<const std::uint32_t> belongs,
                   BatchAccount& account) const;
  void feed(const RowBatch& batch, DifferenceSketch& sketch) const;

  const VerifyPlan& plan_;
  const Side side_;
  const RowFields& fields_;
  Comparison& books_;
  const RowElements elements_;
};

/// A row by what it is: who (a hash of its identity, or of all of it) and what (its digest).
struct RowName {
  RowDigest identity;
  RowDigest digest;
  friend std::strong_ordering operator<=>(const RowName&, const RowName&) = default;
};

struct CollectedRow {
  RowName name;
  RowPlace place;
  bool is_misplaced = false;  ///< A row of the target with a wrong key or in a wrong leaf.
  std::uint64_t copies = 1;   ///< Rows that it stands for; the places of the others are forgotten.
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
  /// Of the groups' rows only those of the buckets marked; empty: all of them.
  std::vector<bool> buckets;
  std::unordered_set<RowName, RowNameHash> wanted;
  /// From how many rows of a side on copies of a row are counted, and only so many of each kept.
  std::uint64_t rows_before_merging = UINT64_MAX;
  std::size_t kept_copies = SIZE_MAX;
};

/// Groups are cut into buckets by the rows' identities, so that both versions of a changed row are
/// in one bucket.
[[nodiscard]] std::size_t bucket_of(const RowName& name, std::size_t buckets);

struct CollectedSides {
  std::vector<CollectedRow> source;
  std::vector<CollectedRow> target;
};

/// The rows that are left when equal names of both sides cancel each other, copy by copy. Sorted by
/// name; of copies, those that are misplaced are left first.
[[nodiscard]] CollectedSides surplus_of(CollectedSides rows);

/// Thread-safe. Holds 64 bytes a row.
class RowCollector {
 public:
  RowCollector(const CollectFilter& filter, IdentityKind kind)
      : filter_(filter), kind_(kind), next_merge_(filter.rows_before_merging) {}

  /// Looks through a hashed batch of `comparer`'s side, read from `leaf`.
  void collect(const Comparer& comparer, const RowBatch& batch, std::uint32_t leaf);
  [[nodiscard]] std::vector<CollectedRow> take() { return std::move(rows_); }

 private:
  void merge_copies();

  const CollectFilter& filter_;
  const IdentityKind kind_;
  std::mutex mutex_;
  std::vector<CollectedRow> rows_;  // guarded by mutex_
  std::uint64_t next_merge_;        // guarded by mutex_: by how many rows
};

/// Counts and digests the rows of each bucket of the groups marked. Thread-safe.
class BucketBooks {
 public:
  BucketBooks(const std::vector<bool>& groups, std::size_t buckets, IdentityKind kind)
      : groups_(groups), kind_(kind), buckets_(buckets) {}

  void add(const Comparer& comparer, Side side, const RowBatch& batch);
  [[nodiscard]] std::vector<GroupAccount> take() { return std::move(buckets_); }

 private:
  const std::vector<bool>& groups_;
  const IdentityKind kind_;
  std::mutex mutex_;
  std::vector<GroupAccount> buckets_;  // guarded by mutex_
};

}  // namespace pgfanout
