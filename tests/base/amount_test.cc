#include "copier/base/amount.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace pgfanout {
namespace {

TEST(AmountTest, Bytes) {
  EXPECT_EQ(amount_of_bytes(0), "0 B");
  EXPECT_EQ(amount_of_bytes(999), "999 B");
  EXPECT_EQ(amount_of_bytes(1000), "1.0 kB");
  EXPECT_EQ(amount_of_bytes(586'123'456), "586.1 MB");
  EXPECT_EQ(amount_of_bytes(999'949'999), "999.9 MB");
  EXPECT_EQ(amount_of_bytes(999'999'999), "1.0 GB");
  EXPECT_EQ(amount_of_bytes(UINT64_MAX), "18.4 EB");
}

TEST(AmountTest, Time) {
  EXPECT_EQ(amount_of_time(0), "0 s");
  EXPECT_EQ(amount_of_time(59), "59 s");
  EXPECT_EQ(amount_of_time(187), "3 min 7 s");
  EXPECT_EQ(amount_of_time(7384), "2 h 3 min");
}

TEST(AmountTest, SomeNames) {
  EXPECT_EQ(some_of({}), "");
  EXPECT_EQ(some_of({"a"}), "a");
  EXPECT_EQ(some_of({"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(some_of({"a", "b", "c", "d", "e"}), "a, b, c and 2 more");
  EXPECT_EQ(some_of({"a", "b"}, 1), "a and 1 more");
}

}  // namespace
}  // namespace pgfanout
