// Finds the rows in a binary COPY stream. Layout: copier/wire/FORMAT.md. Pure and resumable: bytes
// in; rows and the fields asked for out. It trusts nothing that it reads.
//
// How a stream is cut into inputs does not change what is found: every word is judged as soon as it
// is whole.
#pragma once

#include <cstdint>
#include <vector>

#include "pgfanout/bytes.h"
#include "pgfanout/row_view.h"

namespace pgfanout {

/// Rows found in one batch's bytes. Reused between batches, so that rows cost no allocation.
struct RowIndex {
  std::vector<RowRef> rows;
  /// `wanted` fields of every row, row by row, in the order in which they were asked for.
  std::vector<FieldRef> fields;

  void clear() {
    rows.clear();
    fields.clear();
  }
};

enum class DecodeStatus : std::uint8_t {
  need_more,  ///< All whole rows were taken; the rest begins at `consumed`.
  done,       ///< The trailer was reached, and nothing follows it.
  malformed,  ///< Not a stream of the expected shape; `position` and `reason` say where and why.
};

struct DecodeStep {
  DecodeStatus status = DecodeStatus::need_more;
  std::size_t consumed = 0;  ///< Bytes of the input that belong to the header, whole rows, trailer.
  /// need_more: how long the next input, which begins at `consumed`, must be at the least before
  /// anything more can be taken of it. Always above what is left of this input, so that a caller
  /// who waits for it makes progress: at least one more word of an unfinished row is then there.
  std::size_t at_least = 0;
  std::uint64_t position = 0;  ///< malformed: offset of the offending word in the input.
  const char* reason = "";     ///< malformed: a static string.
};

class Decoder {
 public:
  /// Rows must have `field_count` fields (0 to 1664); `wanted` are 0-based field numbers, in any
  /// order and none twice, whose positions are recorded for every row.
  Decoder(std::uint16_t field_count, std::vector<std::uint16_t> wanted);

  /// Begins a stream: a header comes next.
  void start_stream();
  /// Begins in the middle of a stream: a row or the trailer comes next.
  void start_at_row();

  /// Takes what it can from `input`, which starts at the first byte not consumed by the step
  /// before. Appends to `out`; offsets count from the start of `input` plus `base_offset`.
  ///
  /// `base_offset` plus the input's length must stay below 4 GiB, or the step takes nothing and is
  /// malformed. A malformed step leaves the whole rows before the error in `out`. After `done` an
  /// empty input is done again and any byte is malformed; after `malformed` all is, until a start.
  [[nodiscard]] DecodeStep decode(ByteView input, std::uint32_t base_offset, RowIndex& out);

 private:
  enum class Expect : std::uint8_t { header, row, end, nothing };
  class Sink;

  [[nodiscard]] DecodeStep decode_stream(ByteView input, std::uint32_t base_offset, RowIndex& out);
  [[nodiscard]] DecodeStep decode_header(ByteView input);
  [[nodiscard]] std::size_t take_rows(ByteView input, std::size_t from, std::uint32_t base_offset,
                                      RowIndex& out) const;
  [[nodiscard]] DecodeStep judge_rest(ByteView input, std::size_t row_start);
  [[nodiscard]] DecodeStep judge_partial_row(ByteView input, std::size_t row_start) const;

  std::uint16_t field_count_;
  std::vector<std::uint16_t> wanted_;
  std::vector<std::uint16_t> order_;  ///< Positions in wanted_, sorted by field number.
  Expect expect_ = Expect::header;
};

}  // namespace pgfanout
