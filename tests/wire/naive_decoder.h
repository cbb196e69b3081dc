// The decoder's naive twin: one byte at a time, one state, no offsets but a counter. Slow and
// plain, so that it can be checked by reading it beside copier/wire/FORMAT.md. It shares no code
// and no constants with the decoder.
#pragma once

#include <cstdint>
#include <vector>

#include "copier/wire/decoder.h"
#include "pgfanout/bytes.h"
#include "pgfanout/row_view.h"

namespace pgfanout {

class NaiveDecoder {
 public:
  struct Row {
    RowRef whole;
    std::vector<FieldRef> fields;  ///< All of them, in the order of the stream.
    friend bool operator==(const Row&, const Row&) = default;
  };

  NaiveDecoder(std::uint16_t field_count, bool with_header)
      : field_count_(field_count), state_(with_header ? State::signature : State::count) {}

  /// Takes the next byte of the stream. Bytes after an error are ignored.
  void feed(std::uint8_t byte) {
    if (status_ == DecodeStatus::malformed) return;
    if (status_ == DecodeStatus::done) return fail(seen_);
    ++seen_;
    switch (state_) {
      case State::signature:
        return on_signature(byte);
      case State::flags:
        return on_flags(byte);
      case State::extension_length:
        return on_extension_length(byte);
      case State::extension:
        if (--bytes_to_skip_ == 0) begin_row();
        return;
      case State::count:
        return on_count(byte);
      case State::length:
        return on_length(byte);
      case State::value:
        if (--bytes_to_skip_ == 0) end_field();
        return;
    }
  }

  void feed(ByteView bytes) {
    for (const std::uint8_t byte : bytes) feed(byte);
  }

  /// need_more as long as the stream has neither ended nor failed.
  [[nodiscard]] DecodeStatus status() const { return status_; }
  [[nodiscard]] std::uint64_t error_position() const { return error_position_; }
  /// Bytes that belong to the header, whole rows and the trailer.
  [[nodiscard]] std::uint64_t consumed() const { return consumed_; }
  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

 private:
  enum class State { signature, flags, extension_length, extension, count, length, value };

  void fail(std::uint64_t position) {
    status_ = DecodeStatus::malformed;
    error_position_ = position;
  }

  /// Adds a byte to the word being read; true once it has `bytes` of them.
  bool word_is_whole(std::uint8_t byte, int bytes) {
    word_ = word_ * 256 + byte;
    return ++word_bytes_ == bytes;
  }
  std::uint64_t take_word() {
    const std::uint64_t word = word_;
    word_ = 0;
    word_bytes_ = 0;
    return word;
  }

  void on_signature(std::uint8_t byte) {
    static constexpr std::uint8_t kExpected[] = {0x50, 0x47, 0x43, 0x4f, 0x50, 0x59,
                                                 0x0a, 0xff, 0x0d, 0x0a, 0x00};
    if (byte != kExpected[seen_ - 1]) signature_is_wrong_ = true;
    if (seen_ < 11) return;
    if (signature_is_wrong_) return fail(0);
    state_ = State::flags;
  }

  void on_flags(std::uint8_t byte) {
    if (!word_is_whole(byte, 4)) return;
    const std::uint64_t flags = take_word();
    if (flags >= 65536) return fail(11);
    state_ = State::extension_length;
  }

  void on_extension_length(std::uint8_t byte) {
    if (!word_is_whole(byte, 4)) return;
    const std::uint64_t length = take_word();
    if (length > 1024 * 1024) return fail(15);
    if (length == 0) return begin_row();
    bytes_to_skip_ = length;
    state_ = State::extension;
  }

  void begin_row() {
    consumed_ = seen_;
    row_ = {};
    state_ = State::count;
  }

  void on_count(std::uint8_t byte) {
    if (!word_is_whole(byte, 2)) return;
    const std::uint64_t count = take_word();
    if (count == 65535) {
      consumed_ = seen_;
      status_ = DecodeStatus::done;
      return;
    }
    if (count != field_count_) return fail(seen_ - 2);
    if (field_count_ == 0) return end_row();
    state_ = State::length;
  }

  void on_length(std::uint8_t byte) {
    if (!word_is_whole(byte, 4)) return;
    const std::uint64_t length = take_word();
    const bool is_null = length == 4294967295U;
    if (!is_null && length > 1073741823U) return fail(seen_ - 4);
    // The row must have room for this value and for the length words of the fields behind it.
    const std::uint64_t fields_behind = field_count_ - row_.fields.size() - 1;
    const std::uint64_t row_bytes = seen_ - consumed_ + (is_null ? 0 : length) + 4 * fields_behind;
    if (row_bytes > 1073741824U) return fail(seen_ - 4);
    row_.fields.push_back(
        {static_cast<std::uint32_t>(seen_), is_null ? -1 : static_cast<std::int32_t>(length)});
    if (is_null || length == 0) return end_field();
    bytes_to_skip_ = length;
    state_ = State::value;
  }

  void end_field() {
    if (row_.fields.size() == field_count_) return end_row();
    state_ = State::length;
  }

  void end_row() {
    row_.whole = {static_cast<std::uint32_t>(consumed_),
                  static_cast<std::uint32_t>(seen_ - consumed_)};
    rows_.push_back(row_);
    begin_row();
  }

  std::uint16_t field_count_;
  State state_;
  DecodeStatus status_ = DecodeStatus::need_more;
  std::uint64_t seen_ = 0;
  std::uint64_t consumed_ = 0;
  std::uint64_t error_position_ = 0;
  std::uint64_t word_ = 0;
  int word_bytes_ = 0;
  std::uint64_t bytes_to_skip_ = 0;
  bool signature_is_wrong_ = false;
  Row row_;
  std::vector<Row> rows_;
};

}  // namespace pgfanout
