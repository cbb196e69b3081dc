// Drives a Decoder the way a reader does, with inputs that are cut at chosen places, and puts what
// it found into the words of the naive twin, so that the two can be compared.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "copier/wire/decoder.h"
#include "pgfanout/bytes.h"
#include "tests/wire/naive_decoder.h"

namespace pgfanout {

struct Decoded {
  DecodeStatus status = DecodeStatus::need_more;
  std::uint64_t consumed = 0;
  std::uint64_t error_position = 0;  ///< 0 unless malformed.
  RowIndex index;
  std::string broken_promise;  ///< A promise that the decoder broke; empty if none.
  friend bool operator==(const Decoded& a, const Decoded& b) {
    return a.status == b.status && a.consumed == b.consumed &&
           a.error_position == b.error_position && a.index.rows == b.index.rows &&
           a.index.fields == b.index.fields && a.broken_promise == b.broken_promise;
  }
};

/// The twin's result for a stream, with the fields that `wanted` asks for.
inline Decoded decode_naively(ByteView stream, std::uint16_t field_count,
                              const std::vector<std::uint16_t>& wanted, bool with_header) {
  NaiveDecoder twin(field_count, with_header);
  twin.feed(stream);
  Decoded result{twin.status(), twin.consumed(), twin.error_position(), {}, {}};
  for (const NaiveDecoder::Row& row : twin.rows()) {
    result.index.rows.push_back(row.whole);
    for (const std::uint16_t field : wanted) result.index.fields.push_back(row.fields[field]);
  }
  return result;
}

/// Decodes `stream` in inputs that grow by next_piece() bytes at a time (0 counts as 1). What a
/// step did not consume comes again at the start of the next input.
inline Decoded decode_in_pieces(ByteView stream, std::uint16_t field_count,
                                const std::vector<std::uint16_t>& wanted, bool with_header,
                                const std::function<std::size_t()>& next_piece) {
  Decoder decoder(field_count, wanted);
  if (with_header) {
    decoder.start_stream();
  } else {
    decoder.start_at_row();
  }
  Decoded result;
  std::size_t start = 0;
  std::size_t end = 0;
  std::size_t at_least = 0;
  do {
    end += std::min(stream.size() - end, std::max<std::size_t>(next_piece(), 1));
    const ByteView input = stream.subspan(start, end - start);
    const std::size_t rows_before = result.index.rows.size();
    const DecodeStep step = decoder.decode(input, static_cast<std::uint32_t>(start), result.index);
    result.status = step.status;
    result.consumed = start + step.consumed;
    result.error_position =
        step.status == DecodeStatus::malformed ? start + step.position : std::uint64_t{0};
    const bool took_something = step.consumed > 0 || result.index.rows.size() > rows_before ||
                                step.status == DecodeStatus::done;
    if (took_something && input.size() < at_least && step.status != DecodeStatus::malformed) {
      result.broken_promise = "took something before at_least bytes were there";
    }
    if (step.consumed > input.size()) result.broken_promise = "consumed more than there was";
    if (step.status == DecodeStatus::need_more && step.at_least <= input.size() - step.consumed) {
      result.broken_promise = "at_least asks for nothing new";
    }
    if (step.status == DecodeStatus::malformed) break;
    start += step.consumed;
    at_least = step.at_least;
  } while (end < stream.size());
  return result;
}

/// The same in one input.
inline Decoded decode_at_once(ByteView stream, std::uint16_t field_count,
                              const std::vector<std::uint16_t>& wanted, bool with_header) {
  return decode_in_pieces(stream, field_count, wanted, with_header,
                          [&stream] { return stream.size(); });
}

}  // namespace pgfanout
