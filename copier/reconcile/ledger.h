// The books of one copy: how many rows each stage handed over, and which.
//
//   read (a source range) = routed (a leaf) + rejected;  routed = committed = read back, leaf by
//   leaf.
//
// Rows that earlier calls of the job have committed are part of the sums: they come from the
// journal.
//
// Each hand-over writes its own column, from its own view of the bytes. Thread-safe; entries are
// written a batch at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "copier/base/guarded.h"
#include "hashing/row_digest.h"

namespace pgfanout {

/// Books of one source range.
struct RangeAccount {
  MultisetDigest read;
  std::uint64_t announced_rows = 0;  ///< Rows that the reader counted, by messages.
  bool is_complete = false;          ///< The reader saw the trailer and the server's OK.
};

/// Books of one target leaf.
struct LeafAccount {
  MultisetDigest before;   ///< Rows in the leaf when the copy began (append).
  MultisetDigest earlier;  ///< Committed by earlier calls of the job.
  MultisetDigest routed;   ///< To be written by this call.
  MultisetDigest refused;  ///< Routed here, but set aside since the server would not take them.
  MultisetDigest refused_earlier;
  MultisetDigest repeated;  ///< Routed here, but committed by an earlier call: dropped.
  std::uint64_t earlier_bytes = 0;
  std::uint64_t routed_bytes = 0;
  std::uint64_t sent_rows = 0;    ///< Handed to the server.
  std::uint64_t copied_rows = 0;  ///< By the server's own count of its COPYs.
  bool is_committed = false;      ///< The server answered COMMIT.
  MultisetDigest read_back;
  std::uint64_t wrong_key = 0;   ///< Rows whose stored key is not the recomputed one.
  std::uint64_t wrong_leaf = 0;  ///< Rows whose recomputed key belongs to another leaf.
  bool is_read_back = false;

  /// The rows of this copy that the leaf must hold.
  [[nodiscard]] MultisetDigest taken() const {
    MultisetDigest sum = earlier;
    sum.merge(routed);
    sum.subtract(refused);
    return sum;
  }
};

class Ledger {
 public:
  Ledger(std::size_t ranges, std::size_t leaves)
      : books_({std::vector<RangeAccount>(ranges), std::vector<LeafAccount>(leaves), {}, {}}) {}

  void add_read(std::uint32_t range, const MultisetDigest& rows) {
    books_->ranges[range].read.merge(rows);
  }
  /// The reader has seen the range's end after `announced_rows` rows.
  void complete_range(std::uint32_t range, std::uint64_t announced_rows) {
    const auto books = books_.lock();
    books->ranges[range].announced_rows = announced_rows;
    books->ranges[range].is_complete = true;
  }
  void add_rejected(const MultisetDigest& rows) { books_->rejected.merge(rows); }
  void add_routed(std::uint32_t leaf, const MultisetDigest& rows, std::uint64_t bytes) {
    const auto books = books_.lock();
    books->leaves[leaf].routed.merge(rows);
    books->leaves[leaf].routed_bytes += bytes;
  }
  void add_sent(std::uint32_t leaf, std::uint64_t rows) { books_->leaves[leaf].sent_rows += rows; }
  void add_copied(std::uint32_t leaf, std::uint64_t rows) {
    books_->leaves[leaf].copied_rows += rows;
  }
  void mark_committed(std::uint32_t leaf) { books_->leaves[leaf].is_committed = true; }
  void add_repeated(std::uint32_t leaf, const MultisetDigest& rows) {
    books_->leaves[leaf].repeated.merge(rows);
  }
  /// The server refused this row: it was set aside.
  void add_refused(std::uint32_t leaf, const MultisetDigest& row) {
    books_->leaves[leaf].refused.merge(row);
  }
  void set_before(std::uint32_t leaf, const MultisetDigest& rows) {
    books_->leaves[leaf].before = rows;
  }
  /// Takes over the rows that earlier calls committed to a leaf, and those set aside there.
  void restore_leaf(std::uint32_t leaf, const MultisetDigest& rows, std::uint64_t bytes,
                    const MultisetDigest& refused, bool is_committed) {
    const auto books = books_.lock();
    LeafAccount& account = books->leaves[leaf];
    account.earlier = rows;
    account.earlier_bytes = bytes;
    account.refused_earlier = refused;
    account.is_committed = is_committed;
  }
  /// Takes over the rows that earlier calls read in finished epochs, and those without a leaf among
  /// them.
  void restore_read(const MultisetDigest& rows, const MultisetDigest& rejected) {
    const auto books = books_.lock();
    books->read_earlier.merge(rows);
    books->rejected.merge(rejected);
  }
  /// A range of a finished epoch.
  void restore_range(std::uint32_t range) { books_->ranges[range].is_complete = true; }
  /// Leaves are to be committed again, but for those that are `done`.
  void begin_epoch(const std::vector<bool>& done) {
    const auto books = books_.lock();
    for (std::size_t leaf = 0; leaf < done.size(); ++leaf) {
      books->leaves[leaf].is_committed = done[leaf];
    }
  }
  /// An epoch is read again, and a mapping gives other values each time: only counts agree.
  void compare_counts_only() { counts_only_ = true; }
  void add_read_back(std::uint32_t leaf, const MultisetDigest& rows, std::uint64_t wrong_key,
                     std::uint64_t wrong_leaf) {
    const auto books = books_.lock();
    books->leaves[leaf].read_back.merge(rows);
    books->leaves[leaf].wrong_key += wrong_key;
    books->leaves[leaf].wrong_leaf += wrong_leaf;
  }
  void mark_read_back(std::uint32_t leaf) { books_->leaves[leaf].is_read_back = true; }

  [[nodiscard]] std::vector<RangeAccount> ranges() const { return books_->ranges; }
  [[nodiscard]] std::vector<LeafAccount> leaves() const { return books_->leaves; }
  [[nodiscard]] LeafAccount leaf(std::uint32_t leaf) const { return books_->leaves[leaf]; }
  [[nodiscard]] MultisetDigest rejected() const { return books_->rejected; }
  [[nodiscard]] MultisetDigest read_earlier() const { return books_->read_earlier; }
  [[nodiscard]] bool compares_counts_only() const { return counts_only_; }

 private:
  struct Books {
    std::vector<RangeAccount> ranges;
    std::vector<LeafAccount> leaves;
    MultisetDigest rejected;
    MultisetDigest read_earlier;
  };
  Guarded<Books> books_;
  bool counts_only_ = false;
};

}  // namespace pgfanout
