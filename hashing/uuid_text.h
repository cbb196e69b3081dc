// A uuid as the server writes it: 8-4-4-4-12 lower-case hexadecimal digits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pgfanout {

inline constexpr std::size_t uuid_text_bytes = 36;

namespace uuid_text_detail {

constexpr std::array<std::array<char, 2>, 256> make_pairs() {
  constexpr char digits[] = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t value = 0; value < pairs.size(); ++value) {
    pairs[value] = {digits[value >> 4], digits[value & 15U]};
  }
  return pairs;
}

inline constexpr auto pairs = make_pairs();

}  // namespace uuid_text_detail

/// Writes the 36 characters of the 16 bytes at `uuid` to `out`.
inline void write_uuid_text(const std::uint8_t* uuid, std::uint8_t* out) {
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
    std::memcpy(out, uuid_text_detail::pairs[uuid[i]].data(), 2);
    out += 2;
  }
}

}  // namespace pgfanout
