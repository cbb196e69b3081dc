// Who handed over how many rows, and which: the books of one copy.
//
//   read (a source range) = routed (a leaf) + rejected;  routed = committed = read back, leaf by
//   leaf.
//
// Each hand-over writes its own column, from its own view of the bytes. Thread-safe; entries are
// written a batch at a time.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "hashing/row_digest.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Books of one source range.
struct RangeAccount {
  MultisetDigest read;
  std::uint64_t announced_rows = 0;  ///< Rows that the reader counted, by messages.
  bool is_complete = false;          ///< The reader saw the trailer and the server's OK.
};

/// Books of one target leaf.
struct LeafAccount {
  MultisetDigest before;  ///< What the leaf held when the copy began (append).
  MultisetDigest routed;
  std::uint64_t routed_bytes = 0;
  std::uint64_t sent_rows = 0;    ///< Handed to the server.
  std::uint64_t copied_rows = 0;  ///< What the server says of its COPYs.
  bool is_committed = false;      ///< The server said COMMIT.
  MultisetDigest read_back;
  std::uint64_t wrong_key = 0;   ///< Rows whose stored key is not the recomputed one.
  std::uint64_t wrong_leaf = 0;  ///< Rows whose recomputed key belongs to another leaf.
  bool is_read_back = false;
};

class Ledger {
 public:
  Ledger(std::size_t ranges, std::size_t leaves) : ranges_(ranges), leaves_(leaves) {}

  void add_read(std::uint32_t range, const MultisetDigest& rows);
  /// The reader has seen the range's end after `announced_rows` rows.
  void complete_range(std::uint32_t range, std::uint64_t announced_rows);
  void add_rejected(const MultisetDigest& rows);
  void add_routed(std::uint32_t leaf, const MultisetDigest& rows, std::uint64_t bytes);
  void add_sent(std::uint32_t leaf, std::uint64_t rows);
  void add_copied(std::uint32_t leaf, std::uint64_t rows);
  void mark_committed(std::uint32_t leaf);
  void set_before(std::uint32_t leaf, const MultisetDigest& rows);
  void add_read_back(std::uint32_t leaf, const MultisetDigest& rows, std::uint64_t wrong_key,
                     std::uint64_t wrong_leaf);
  void mark_read_back(std::uint32_t leaf);

  [[nodiscard]] std::vector<RangeAccount> ranges() const;
  [[nodiscard]] std::vector<LeafAccount> leaves() const;
  [[nodiscard]] MultisetDigest rejected() const;

 private:
  mutable std::mutex mutex_;
  std::vector<RangeAccount> ranges_;  // guarded by mutex_
  std::vector<LeafAccount> leaves_;   // guarded by mutex_
  MultisetDigest rejected_;           // guarded by mutex_
};

}  // namespace pgfanout
