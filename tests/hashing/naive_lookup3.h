// The naive twin of hashing/pg_hash.cc: lookup3 byte by byte, following its published description
// (fill a block of twelve bytes, add it, mix; the last block's length byte is skipped).
#pragma once

#include <cstdint>
#include <string_view>

namespace pgfanout::naive {

inline std::uint32_t rotate(std::uint32_t word, int bits) {
  return (word << bits) | (word >> (32 - bits));
}

inline void mix(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c) {
  const int turns[] = {4, 6, 8, 16, 19, 4};
  std::uint32_t* words[] = {&a, &b, &c};
  for (int i = 0; i < 6; ++i) {
    std::uint32_t& first = *words[i % 3];
    std::uint32_t& second = *words[(i + 1) % 3];
    std::uint32_t& third = *words[(i + 2) % 3];
    first -= third;
    first ^= rotate(third, turns[i]);
    third += second;
  }
}

inline void finish(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c) {
  const int turns[] = {14, 11, 25, 16, 4, 14, 24};
  std::uint32_t* words[] = {&c, &a, &b};
  for (int i = 0; i < 7; ++i) {
    std::uint32_t& word = *words[i % 3];
    const std::uint32_t other = *words[(i + 2) % 3];
    word ^= other;
    word -= rotate(other, turns[i]);
  }
}

/// 64 bits; the low half with seed 0 is the 32-bit hash.
inline std::uint64_t lookup3(std::string_view bytes, std::uint64_t seed) {
  std::uint32_t a = 0x9e3779b9U + static_cast<std::uint32_t>(bytes.size()) + 3923095U;
  std::uint32_t b = a;
  std::uint32_t c = a;
  if (seed != 0) {
    a += static_cast<std::uint32_t>(seed >> 32);
    b += static_cast<std::uint32_t>(seed & 0xffffffffU);
    mix(a, b, c);
  }
  std::uint32_t* words[] = {&a, &b, &c};
  std::size_t place = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool last_block = bytes.size() - (i - place) < 12;
    const std::size_t shifted = last_block && place >= 8 ? place + 1 : place;
    *words[place / 4] += std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * (shifted % 4));
    if (++place == 12) {
      mix(a, b, c);
      place = 0;
    }
  }
  finish(a, b, c);
  return (std::uint64_t{b} << 32) | c;
}

}  // namespace pgfanout::naive
