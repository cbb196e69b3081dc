// Network byte order: known bytes, every alignment, and back.
#include "copier/base/byte_order.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

namespace pgfanout {
namespace {

constexpr std::array<std::uint8_t, 10> kBytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

TEST(ByteOrder, MostSignificantByteFirst) {
  EXPECT_EQ(load_be16(kBytes.data()), 0x0102);
  EXPECT_EQ(load_be32(kBytes.data()), 0x01020304U);
  EXPECT_EQ(load_be64(kBytes.data()), 0x0102030405060708U);
}

TEST(ByteOrder, AnyAlignment) {
  EXPECT_EQ(load_be16(kBytes.data() + 1), 0x0203);
  EXPECT_EQ(load_be32(kBytes.data() + 3), 0x04050607U);
  EXPECT_EQ(load_be64(kBytes.data() + 1), 0x0203040506070809U);
}

TEST(ByteOrder, StoresWhatItLoadsAndNothingBeside) {
  for (std::size_t shift = 0; shift < 8; ++shift) {
    std::array<std::uint8_t, 24> room{};
    std::uint8_t* const at = room.data() + 4 + shift;
    store_be64(at, 0x8182838485868788U);
    EXPECT_EQ(load_be64(at), 0x8182838485868788U);
    EXPECT_EQ(at[0], 0x81);
    EXPECT_EQ(at[-1], 0);
    EXPECT_EQ(at[8], 0);
    store_be32(at, 0x01020304U);
    EXPECT_EQ(load_be64(at), 0x0102030485868788U);
    store_be16(at, 0xfffe);
    EXPECT_EQ(load_be64(at), 0xfffe030485868788U);
  }
}

TEST(ByteOrder, Extremes) {
  std::array<std::uint8_t, 8> room{};
  for (const std::uint16_t value :
       {std::uint16_t{0}, std::uint16_t{0x8000}, std::uint16_t{0xffff}}) {
    store_be16(room.data(), value);
    EXPECT_EQ(load_be16(room.data()), value);
  }
  for (const std::uint32_t value : {0U, 0x80000000U, std::numeric_limits<std::uint32_t>::max()}) {
    store_be32(room.data(), value);
    EXPECT_EQ(load_be32(room.data()), value);
  }
}

}  // namespace
}  // namespace pgfanout
