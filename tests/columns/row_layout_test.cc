#include "copier/columns/row_layout.h"

#include <gtest/gtest.h>

#include <string>

namespace pgfanout {
namespace {

using Form = TypeShape::Form;

std::string word(std::uint32_t value) {
  std::string bytes;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(value >> shift);
  return bytes;
}
std::string counted_bytes(const std::string& value) {
  return word(static_cast<std::uint32_t>(value.size())) + value;
}

const TypeShape kIntShape{Form::plain, 23, 23, {}};
const TypeShape kMoodShape{Form::plain, 7001, 9001, {}};
const TypeShape kPairShape{Form::composite, 7002, 9002, {kIntShape, kMoodShape}};
const TypeShape kPairsShape{Form::array, 7003, 9003, {kPairShape}};
const TypeShape kNestedShape{Form::composite, 7004, 9004, {kPairsShape, kPairShape}};
const TypeShape kRangeShape{Form::range, 7005, 9005, {kPairShape}};
const TypeShape kRangesShape{Form::multirange, 7006, 9006, {kRangeShape}};

/// A value of each shape, with the OIDs that begin at 7000 or 9000.
std::string pair(std::uint32_t base, bool has_null = false) {
  return word(2) + word(23) + counted_bytes(word(5)) + word(base + 1) +
         (has_null ? word(0xFFFFFFFFU) : counted_bytes("glad"));
}
std::string pairs(std::uint32_t base) {
  return word(2) + word(1) + word(base + 2) + word(1) + word(1) + word(3) + word(1) +
         counted_bytes(pair(base)) + word(0xFFFFFFFFU) + counted_bytes(pair(base, true));
}
std::string nested(std::uint32_t base) {
  return word(2) + word(base + 3) + counted_bytes(pairs(base)) + word(base + 2) +
         counted_bytes(pair(base));
}
std::string range(std::uint32_t base) {
  return std::string(1, '\2') + counted_bytes(pair(base)) + counted_bytes(pair(base));
}
std::string ranges(std::uint32_t base) {
  return word(2) + counted_bytes(range(base)) + counted_bytes(std::string(1, '\1'));
}

bool rewrite(const TypeShape& shape, std::string& value) {
  return rewrite_oids(shape, {reinterpret_cast<std::uint8_t*>(value.data()), value.size()});
}

TEST(RewriteOidsTest, EveryOidWithinAValueIsReplacedAndNothingElse) {
  const std::pair<const TypeShape*, std::string (*)(std::uint32_t)> cases[] = {
      {&kPairShape, [](std::uint32_t base) { return pair(base); }},
      {&kPairShape, [](std::uint32_t base) { return pair(base, true); }},
      {&kPairsShape, pairs},
      {&kNestedShape, nested},
      {&kRangeShape, range},
      {&kRangesShape, ranges}};
  for (const auto& [shape, value_of] : cases) {
    std::string value = value_of(7000);
    EXPECT_TRUE(rewrite(*shape, value)) << shape->from_oid;
    EXPECT_EQ(value, value_of(9000)) << shape->from_oid;
  }
  std::string empty = word(0) + word(0) + word(7002);
  EXPECT_TRUE(rewrite(kPairsShape, empty));
  EXPECT_EQ(empty, word(0) + word(0) + word(9002));
}

TEST(RewriteOidsTest, AValueThatIsCutOrLongerOrOfAnotherTypeIsRefused) {
  for (std::size_t length = 0; length < nested(7000).size(); ++length) {
    std::string cut = nested(7000).substr(0, length);
    EXPECT_FALSE(rewrite(kNestedShape, cut)) << length;
  }
  std::string longer = nested(7000) + "x";
  EXPECT_FALSE(rewrite(kNestedShape, longer));
  std::string other = nested(8000);
  EXPECT_FALSE(rewrite(kNestedShape, other));
  std::string more_fields = word(3) + pair(7000).substr(4) + word(23) + counted_bytes(word(1));
  EXPECT_FALSE(rewrite(kPairShape, more_fields));
  std::string many_dimensions = word(0x7FFFFFFFU) + word(0) + word(7002);
  EXPECT_FALSE(rewrite(kPairsShape, many_dimensions));
}

}  // namespace
}  // namespace pgfanout
