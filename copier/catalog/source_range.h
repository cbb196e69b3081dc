// A piece of a relation that one COPY reads: a leaf, or the pages of a leaf from one block to
// another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgfanout {

struct SourceRange {
  std::uint32_t leaf = 0;  ///< Index of the leaf in its table.
  std::uint64_t first_block = 0;
  std::optional<std::uint64_t> end_block;  ///< Absent: to the end of the leaf.
  std::uint64_t estimated_bytes = 0;       ///< Heap and TOAST.
  std::uint32_t epoch = 1;                 ///< Its ranges are committed together; from 1.
};

/// Size of a leaf on disk.
struct LeafSize {
  std::uint64_t blocks = 0;
  std::uint64_t total_bytes = 0;  ///< Heap and TOAST, without indexes.
};

/// Cuts leaves into ranges of roughly `range_bytes` of heap and TOAST each, largest first.
/// Leaf i's ranges are disjoint and cover it whole; the last one has no end.
[[nodiscard]] std::vector<SourceRange> cut_ranges(const std::vector<LeafSize>& leaves,
                                                  std::uint64_t range_bytes);

/// Cut for that many readers: small enough that they end together, large enough that a COPY is
/// worth its start.
[[nodiscard]] std::vector<SourceRange> cut_ranges_for(const std::vector<LeafSize>& leaves,
                                                      std::size_t readers);

/// The SELECT of a range's rows, in the pieces from which a reader makes its statements.
struct RangeSelect {
  std::string columns;    ///< The select list.
  std::string relation;   ///< The leaf, quoted.
  std::string condition;  ///< That of range_condition().
  /// "<leaf's OID>:<first page>", by which status finds the range among the server's statements;
  /// empty: it does not look for it.
  std::string place = {};

  [[nodiscard]] std::string copy_sql() const {
    return (place.empty() ? "COPY (" : "COPY /* " + place + " */ (") + sql() +
           ") TO STDOUT (FORMAT binary)";
  }
  [[nodiscard]] std::string sql() const {
    return "SELECT " + columns + " FROM ONLY " + relation + condition;
  }
};

/// " WHERE ctid >= '(a,0)' AND ...", its operators qualified: always a WHERE, to which " AND ..."
/// may be added.
[[nodiscard]] std::string range_condition(const SourceRange& range);

}  // namespace pgfanout
