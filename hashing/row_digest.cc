// XXH3 over a row's canonical bytes, and 128-bit sums of such digests. The digests of two sides are
// compared with each other and printed, so the bytes that are hashed (see the header) must never
// change; the number that is printed has XXH3's own value, high word first.
#include "hashing/row_digest.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <charconv>
#include <string_view>

namespace pgfanout {

RowDigest row_digest(ByteView canonical_row) {
  const XXH128_hash_t hash = XXH3_128bits(canonical_row.data(), canonical_row.size());
  return {hash.low64, hash.high64};
}

struct RowDigester::State {
  XXH3_state_t bytes;
};

RowDigester::RowDigester() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(&state_->bytes);
}
RowDigester::~RowDigester() = default;

void RowDigester::add(ByteView piece) {
  XXH3_128bits_update(&state_->bytes, piece.data(), piece.size());
}

RowDigest RowDigester::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->bytes);
  return {hash.low64, hash.high64};
}

void MultisetDigest::add(RowDigest row) {
  const std::uint64_t sum = low_ + row.low;
  high_ += row.high + (sum < low_ ? 1U : 0U);
  low_ = sum;
  ++rows_;
}

void MultisetDigest::merge(const MultisetDigest& other) {
  const std::uint64_t sum = low_ + other.low_;
  high_ += other.high_ + (sum < low_ ? 1U : 0U);
  low_ = sum;
  rows_ += other.rows_;
}

void MultisetDigest::subtract(const MultisetDigest& other) {
  high_ -= other.high_ + (low_ < other.low_ ? 1U : 0U);
  low_ -= other.low_;
  rows_ -= other.rows_;
}

std::string MultisetDigest::hex() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text(32, '0');
  for (std::size_t i = 0; i < 16; ++i) {
    text[i] = digits[(high_ >> (60 - 4 * i)) & 15U];
    text[16 + i] = digits[(low_ >> (60 - 4 * i)) & 15U];
  }
  return text;
}

std::optional<MultisetDigest> MultisetDigest::parse(std::uint64_t rows, std::string_view hex) {
  constexpr std::size_t kHalf = 16;
  MultisetDigest digest;
  digest.rows_ = rows;
  if (hex.size() != 2 * kHalf) return std::nullopt;
  for (const bool is_high : {true, false}) {
    const char* begin = hex.data() + (is_high ? 0 : kHalf);
    const auto [end, error] =
        std::from_chars(begin, begin + kHalf, is_high ? digest.high_ : digest.low_, 16);
    if (error != std::errc{} || end != begin + kHalf) return std::nullopt;
  }
  return digest;
}

}  // namespace pgfanout
