// The digest of a row, and of a set of rows.
//
// A row's digest is XXH3 with 128 bits over its canonical bytes: the fields as binary COPY carries
// them, each with its 4-byte length (-1 for NULL), without the field count and without the stored
// key column. A set's digest is the number of rows and the sum of their digests modulo 2^128: it
// does not depend on order, and it counts duplicates (an XOR would cancel a pair of equal rows).
// It finds accidents. It is not proof against someone who constructs collisions.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "pgfanout/bytes.h"

namespace pgfanout {

struct RowDigest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const RowDigest&, const RowDigest&) = default;
  friend std::strong_ordering operator<=>(const RowDigest& a, const RowDigest& b) {
    return std::tie(a.high, a.low) <=> std::tie(b.high, b.low);
  }
};

/// Digest of one row's canonical bytes.
[[nodiscard]] RowDigest row_digest(ByteView canonical_row);

/// The same of bytes that come in pieces.
class RowDigester {
 public:
  RowDigester();
  ~RowDigester();
  RowDigester(const RowDigester&) = delete;
  RowDigester& operator=(const RowDigester&) = delete;

  void add(ByteView piece);
  /// Of all pieces so far.
  [[nodiscard]] RowDigest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Digest of a multiset of rows. Not thread-safe; merge per-thread values.
class MultisetDigest {
 public:
  MultisetDigest() = default;
  /// Of `rows` rows whose digests have that sum.
  MultisetDigest(std::uint64_t rows, RowDigest sum) : rows_(rows), low_(sum.low), high_(sum.high) {}

  void add(RowDigest row);
  /// Adds all rows of `other`.
  void merge(const MultisetDigest& other);
  /// Takes out rows that were added before, for example those that were there at the start.
  void subtract(const MultisetDigest& other);
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  /// The sum as 32 hexadecimal digits, most significant first.
  [[nodiscard]] std::string hex() const;
  /// The digest that rows() and hex() were taken from; absent if `hex` is not 32 hexadecimal
  /// digits.
  [[nodiscard]] static std::optional<MultisetDigest> parse(std::uint64_t rows,
                                                           std::string_view hex);
  friend bool operator==(const MultisetDigest&, const MultisetDigest&) = default;

 private:
  std::uint64_t rows_ = 0;
  std::uint64_t low_ = 0;
  std::uint64_t high_ = 0;
};

}  // namespace pgfanout
