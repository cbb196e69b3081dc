// Two loops. take_rows() walks whole rows with one load and one comparison a field, and stops at
// the first place that is not a whole row. judge_rest() then reads that place word by word: a row
// that continues in the next input, the trailer, or an error.
#include "copier/wire/decoder.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "copier/base/byte_order.h"
#include "copier/wire/format.h"

namespace pgfanout {
namespace {

DecodeStep malformed(std::size_t consumed, std::size_t position, const char* reason) {
  return {DecodeStatus::malformed, consumed, 0, position, reason};
}

DecodeStep need_more(std::size_t consumed, std::size_t at_least) {
  return {DecodeStatus::need_more, consumed, at_least, 0, ""};
}

/// Where a field ends whose length word at `at` is `length`: NULL has no bytes. A length that is
/// neither NULL nor a length leads beyond any row's limit.
std::size_t field_end(std::size_t at, std::uint32_t length) {
  return at + kLengthWordBytes + (length == kNullLength ? 0 : length);
}

}  // namespace

/// Appends to a RowIndex whose vectors are kept a little longer than what was taken, so that a row
/// costs a comparison and not a call. The destructor cuts them to size.
class Decoder::Sink {
 public:
  Sink(RowIndex& out, std::size_t fields_per_row)
      : out_(out),
        fields_per_row_(fields_per_row),
        rows_(out.rows.size()),
        fields_(out.fields.size()) {}
  ~Sink() {
    out_.rows.resize(rows_);
    out_.fields.resize(fields_);
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// Room for the fields of the next row. Valid until the next call; counts once take() is called.
  FieldRef* next_fields() {
    if (rows_ == out_.rows.size()) grow();
    return out_.fields.data() + fields_;
  }
  void take(RowRef row) {
    out_.rows[rows_++] = row;
    fields_ += fields_per_row_;
  }

 private:
  static constexpr std::size_t kStepRows = 128;

  void grow() {
    out_.rows.resize(rows_ + kStepRows);
    out_.fields.resize(fields_ + kStepRows * fields_per_row_);
  }

  RowIndex& out_;
  const std::size_t fields_per_row_;
  std::size_t rows_;
  std::size_t fields_;
};

Decoder::Decoder(std::uint16_t field_count, std::vector<std::uint16_t> wanted)
    : field_count_(field_count), wanted_(std::move(wanted)), order_(wanted_.size()) {
  assert(field_count_ <= kMaxFields);
  std::iota(order_.begin(), order_.end(), std::uint16_t{0});
  std::ranges::sort(order_,
                    [this](std::uint16_t a, std::uint16_t b) { return wanted_[a] < wanted_[b]; });
  [[maybe_unused]] const auto same = [this](std::uint16_t a, std::uint16_t b) {
    return wanted_[a] == wanted_[b];
  };
  assert(std::adjacent_find(order_.begin(), order_.end(), same) == order_.end());
  assert(order_.empty() || wanted_[order_.back()] < field_count_);
}

void Decoder::start_stream() {
  expect_ = Expect::header;
}

void Decoder::start_at_row() {
  expect_ = Expect::row;
}

DecodeStep Decoder::decode(ByteView input, std::uint32_t base_offset, RowIndex& out) {
  constexpr std::uint64_t kMaxOffset = std::numeric_limits<std::uint32_t>::max();
  if (std::uint64_t{base_offset} + input.size() > kMaxOffset) {
    expect_ = Expect::nothing;
    return malformed(0, 0, "the batch would exceed 4 GiB");
  }
  const DecodeStep step = decode_stream(input, base_offset, out);
  if (step.status == DecodeStatus::malformed) expect_ = Expect::nothing;
  if (step.status == DecodeStatus::done) expect_ = Expect::end;
  return step;
}

DecodeStep Decoder::decode_stream(ByteView input, std::uint32_t base_offset, RowIndex& out) {
  std::size_t from = 0;
  switch (expect_) {
    case Expect::header: {
      const DecodeStep header = decode_header(input);
      if (header.status == DecodeStatus::malformed || header.at_least > 0) return header;
      from = header.consumed;
      expect_ = Expect::row;
      break;
    }
    case Expect::row:
      break;
    case Expect::end:
      if (input.empty()) return {DecodeStatus::done, 0, 0, 0, ""};
      return malformed(0, 0, "bytes follow the trailer");
    case Expect::nothing:
      return malformed(0, 0, "the stream was malformed before this point");
  }
  const std::size_t row_start = take_rows(input, from, base_offset, out);
  return judge_rest(input, row_start);
}

/// A whole header has `consumed` set and `at_least` 0.
DecodeStep Decoder::decode_header(ByteView input) {
  if (input.size() >= kCopySignature.size() &&
      std::memcmp(input.data(), kCopySignature.data(), kCopySignature.size()) != 0) {
    return malformed(0, 0, "the signature of binary COPY is missing");
  }
  if (input.size() >= kExtensionLengthOffset) {
    const std::uint32_t flags = load_be32(input.data() + kFlagsOffset);
    if ((flags & kOidsFlag) != 0) return malformed(0, kFlagsOffset, "rows carry OIDs");
    if ((flags & kCriticalFlags) != 0) {
      return malformed(0, kFlagsOffset, "an unknown critical flag is set");
    }
  }
  if (input.size() < kFixedHeaderBytes) return need_more(0, kFixedHeaderBytes);
  const std::uint32_t extension = load_be32(input.data() + kExtensionLengthOffset);
  if (extension > kMaxExtensionBytes) {
    return malformed(0, kExtensionLengthOffset, "the header extension's length is not sane");
  }
  const std::size_t header_bytes = kFixedHeaderBytes + extension;
  if (input.size() < header_bytes) return need_more(0, header_bytes);
  return need_more(header_bytes, 0);
}

/// Takes whole rows from `from` on; returns where the first one begins that is not whole, not a
/// row, or too long.
///
/// `limit` is the end of the bytes that the current field may use: each later field of the row
/// needs at least a length word. So every load is inside the input, and a length beyond the input
/// or the row's limit fails the same single comparison.
std::size_t Decoder::take_rows(ByteView input, std::size_t from, std::uint32_t base_offset,
                               RowIndex& out) const {
  Sink sink(out, wanted_.size());
  const std::uint8_t* const data = input.data();
  const std::size_t smallest_row = kFieldCountBytes + kLengthWordBytes * field_count_;
  std::size_t row_start = from;
  while (input.size() - row_start >= smallest_row) {
    if (load_be16(data + row_start) != field_count_) return row_start;
    const std::size_t row_room = std::min<std::size_t>(input.size() - row_start, kMaxRowBytes);
    std::size_t limit = row_start + row_room - kLengthWordBytes * field_count_;
    std::size_t at = row_start + kFieldCountBytes;
    const auto pass_field = [&at, &limit](std::uint32_t length) {
      at = field_end(at, length);
      limit += kLengthWordBytes;
      return at <= limit;
    };
    FieldRef* const fields = sink.next_fields();
    std::size_t field = 0;
    for (const std::uint16_t wanted_at : order_) {
      for (const std::size_t stop = wanted_[wanted_at]; field < stop; ++field) {
        if (!pass_field(load_be32(data + at))) return row_start;
      }
      const std::uint32_t length = load_be32(data + at);
      fields[wanted_at] = {static_cast<std::uint32_t>(base_offset + at + kLengthWordBytes),
                           static_cast<std::int32_t>(length)};
      if (!pass_field(length)) return row_start;
      ++field;
    }
    for (; field < field_count_; ++field) {
      if (!pass_field(load_be32(data + at))) return row_start;
    }
    sink.take({static_cast<std::uint32_t>(base_offset + row_start),
               static_cast<std::uint32_t>(at - row_start)});
    row_start = at;
  }
  return row_start;
}

/// Judges the bytes at `row_start`, where there is no whole row.
DecodeStep Decoder::judge_rest(ByteView input, std::size_t row_start) {
  const std::size_t left = input.size() - row_start;
  if (left < kFieldCountBytes) return need_more(row_start, kFieldCountBytes);
  const std::uint16_t count = load_be16(input.data() + row_start);
  if (count == kTrailerCount) {
    const std::size_t end = row_start + kFieldCountBytes;
    if (left > kFieldCountBytes) return malformed(end, end, "bytes follow the trailer");
    return {DecodeStatus::done, end, 0, 0, ""};
  }
  if (count != field_count_) {
    return malformed(row_start, row_start, "a row has an unexpected number of fields");
  }
  return judge_partial_row(input, row_start);
}

DecodeStep Decoder::judge_partial_row(ByteView input, std::size_t row_start) const {
  std::size_t at = row_start + kFieldCountBytes;
  for (std::size_t field = 0; field < field_count_; ++field) {
    const std::size_t words_after = kLengthWordBytes * (field_count_ - field - 1U);
    if (input.size() - at < kLengthWordBytes) {
      return need_more(row_start, at + kLengthWordBytes + words_after - row_start);
    }
    const std::uint32_t length = load_be32(input.data() + at);
    if (length != kNullLength && length > kMaxFieldBytes) {
      return malformed(row_start, at, "a field's length is not valid");
    }
    const std::size_t end = field_end(at, length);
    const std::size_t row_bytes = end + words_after - row_start;
    if (row_bytes > kMaxRowBytes) return malformed(row_start, at, "a row exceeds 1 GiB");
    if (end > input.size()) return need_more(row_start, row_bytes);
    at = end;
  }
  assert(false && "a whole row was not taken");
  return malformed(row_start, row_start, "a whole row was not taken");
}

}  // namespace pgfanout
