// lookup3 over bytes of any alignment: words are loaded with memcpy, twelve bytes a round. The tail
// is made of overlapping loads, so that nothing outside the input is read.
#include "hashing/pg_hash.h"

#include <array>
#include <bit>
#include <cstring>

namespace pgfanout {
namespace {

// PostgreSQL folds its own constant into lookup3's golden ratio; the length is added to it.
constexpr std::uint32_t start_word = 0x9e3779b9U + 3923095U;
constexpr std::size_t block_bytes = 12;

/// lookup3's three words.
struct State {
  std::uint32_t a;
  std::uint32_t b;
  std::uint32_t c;

  explicit State(std::uint32_t length)
      : a(start_word + length), b(start_word + length), c(start_word + length) {}

  /// A seed of zero leaves the state alone: that is what makes both widths agree.
  void add_seed(std::uint64_t seed) {
    if (seed == 0) return;
    a += static_cast<std::uint32_t>(seed >> 32);
    b += static_cast<std::uint32_t>(seed);
    mix();
  }

  void mix() {
    a = (a - c) ^ std::rotl(c, 4), c += b;
    b = (b - a) ^ std::rotl(a, 6), a += c;
    c = (c - b) ^ std::rotl(b, 8), b += a;
    a = (a - c) ^ std::rotl(c, 16), c += b;
    b = (b - a) ^ std::rotl(a, 19), a += c;
    c = (c - b) ^ std::rotl(b, 4), b += a;
  }

  void finish() {
    c = (c ^ b) - std::rotl(b, 14);
    a = (a ^ c) - std::rotl(c, 11);
    b = (b ^ a) - std::rotl(a, 25);
    c = (c ^ b) - std::rotl(b, 16);
    a = (a ^ c) - std::rotl(c, 4);
    b = (b ^ a) - std::rotl(a, 14);
    c = (c ^ b) - std::rotl(b, 24);
  }

  [[nodiscard]] std::uint64_t wide() const { return (std::uint64_t{b} << 32) | c; }
};

std::uint32_t load32(const std::uint8_t* at) {
  std::uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// The little-endian number in `count` bytes, 0 to 3.
std::uint32_t load_up_to_3(const std::uint8_t* at, std::size_t count) {
  if (count == 0) return 0;
  const std::size_t middle = count / 2;
  const std::size_t last = count - 1;
  return std::uint32_t{at[0]} | std::uint32_t{at[middle]} << (8 * middle) |
         std::uint32_t{at[last]} << (8 * last);
}

/// The little-endian number in `count` bytes, 0 to 7.
std::uint64_t load_up_to_7(const std::uint8_t* at, std::size_t count) {
  if (count < 4) return load_up_to_3(at, count);
  const std::uint64_t high = load32(at + count - 4);
  return load32(at) | high << (8 * (count - 4));
}

/// Adds the last 0 to 11 bytes. The lowest byte of `c` belongs to the length, so its share of the
/// tail starts one byte higher.
void add_tail(State& state, const std::uint8_t* at, std::size_t count) {
  if (count >= 8) {
    state.a += load32(at);
    state.b += load32(at + 4);
    state.c += load_up_to_3(at + 8, count - 8) << 8;
    return;
  }
  const std::uint64_t words = load_up_to_7(at, count);
  state.a += static_cast<std::uint32_t>(words);
  state.b += static_cast<std::uint32_t>(words >> 32);
}

/// The state after all of `bytes`; the length counts modulo 2^32 as on the server, whose values
/// are far shorter. `memory_of(at, count)` is where the server's memory of those bytes is.
template <class MemoryOf>
State run(ByteView bytes, std::uint64_t seed, MemoryOf memory_of) {
  State state(static_cast<std::uint32_t>(bytes.size()));
  state.add_seed(seed);
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= block_bytes; left -= block_bytes, at += block_bytes) {
    const std::uint8_t* block = memory_of(at, block_bytes);
    state.a += load32(block);
    state.b += load32(block + 4);
    state.c += load32(block + 8);
    state.mix();
  }
  add_tail(state, memory_of(at, left), left);
  state.finish();
  return state;
}

State run(ByteView bytes, std::uint64_t seed) {
  return run(bytes, seed, [](const std::uint8_t* at, std::size_t) { return at; });
}

State run_word(std::uint32_t value, std::uint64_t seed) {
  State state(sizeof value);
  state.add_seed(seed);
  state.a += value;
  state.finish();
  return state;
}

/// An int8 folded to 32 bits such that values that fit into int4 give that int4: the high half is
/// all zeros or all ones for those, and is inverted for negative values.
std::uint32_t fold_int8(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  const auto low = static_cast<std::uint32_t>(bits);
  const auto high = static_cast<std::uint32_t>(bits >> 32);
  return low ^ (value >= 0 ? high : ~high);
}

}  // namespace

std::uint32_t hash_bytes(ByteView bytes) {
  return run(bytes, 0).c;
}

std::uint64_t hash_bytes_extended(ByteView bytes, std::uint64_t seed) {
  return run(bytes, seed).wide();
}

std::uint64_t hash_words_extended(ByteView words, std::uint64_t seed) {
  std::array<std::uint8_t, block_bytes> memory;
  const auto swapped = [&](const std::uint8_t* at, std::size_t count) {
    for (std::size_t byte = 0; byte < count; ++byte) memory[byte] = at[byte ^ 1U];
    return memory.data();
  };
  return run(words, seed, swapped).wide();
}

std::int32_t hashint8(std::int64_t value) {
  return static_cast<std::int32_t>(run_word(fold_int8(value), 0).c);
}

std::int64_t hashint8extended(std::int64_t value, std::int64_t seed) {
  return static_cast<std::int64_t>(
      run_word(fold_int8(value), static_cast<std::uint64_t>(seed)).wide());
}

}  // namespace pgfanout
