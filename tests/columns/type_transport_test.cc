#include "copier/columns/type_transport.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

constexpr std::uint32_t kMood = 16385;
constexpr std::uint32_t kMoodArray = 16386;
constexpr std::uint32_t kPair = 16390;
constexpr std::uint32_t kMoodPair = 16391;
constexpr std::uint32_t kPlainPairArray = 16392;
constexpr std::uint32_t kMoodPairRange = 16393;
constexpr std::uint32_t kMoodsDomain = 16394;
constexpr std::uint32_t kIntRange = 3904;

TypeFacts type(std::string name, char kind) {
  TypeFacts facts;
  facts.name = std::move(name);
  facts.kind = kind;
  return facts;
}

TypeMap types() {
  TypeMap map = {{23, type("integer", 'b')},
                 {1007, type("integer[]", 'b')},
                 {kMood, type("public.mood", 'e')},
                 {kMoodArray, type("public.mood[]", 'b')},
                 {kPair, type("public.pair", 'c')},
                 {kMoodPair, type("public.mood_pair", 'c')},
                 {kPlainPairArray, type("public.pair[]", 'b')},
                 {kMoodPairRange, type("public.odd_range", 'r')},
                 {kMoodsDomain, type("public.moods", 'd')},
                 {kIntRange, type("int4range", 'r')}};
  map[1007].element = 23;
  map[kMoodArray].element = kMood;
  map[kPair].fields = {23, 23};
  map[kMoodPair].fields = {23, kMood};
  map[kPlainPairArray].element = kPair;
  map[kMoodPairRange].subtype = kMoodPair;
  map[kMoodsDomain].base = kMoodArray;
  map[kIntRange].subtype = 23;
  return map;
}

using Form = TypeShape::Form;

/// Every type that users made has another OID in the target's database.
std::map<std::uint32_t, std::uint32_t> there() {
  std::map<std::uint32_t, std::uint32_t> oids;
  for (const auto& [oid, facts] : types()) {
    if (oid > 10000) oids[oid] = oid + 5000;
  }
  return oids;
}

TEST(ShapeOfTest, WhatNamesNoLocalTypeIsPlain) {
  // An enum travels as its label, a range as its bounds, a composite names only its fields' types.
  for (const std::uint32_t oid : {23U, 1007U, kMood, kPair, kIntRange}) {
    EXPECT_EQ(shape_of(types(), there(), oid).form, Form::plain) << oid;
  }
}

TEST(ShapeOfTest, WhatNamesOneIsRewrittenAtItsPlace) {
  const TypeShape array = shape_of(types(), there(), kMoodArray);
  ASSERT_EQ(array.form, Form::array);
  EXPECT_EQ(array.parts.front().from_oid, kMood);
  EXPECT_EQ(array.parts.front().to_oid, kMood + 5000);
  EXPECT_EQ(shape_of(types(), there(), kMoodsDomain).form, Form::array);
  EXPECT_EQ(shape_of(types(), there(), kMoodPair).form, Form::composite);
  EXPECT_EQ(shape_of(types(), there(), kPlainPairArray).form, Form::array);
  const TypeShape range = shape_of(types(), there(), kMoodPairRange);
  ASSERT_EQ(range.form, Form::range);
  EXPECT_EQ(range.parts.front().form, Form::composite);
}

TEST(ShapeOfTest, WhereAllOidsAreTheSameNothingIsRewritten) {
  for (const auto& [oid, facts] : types()) {
    EXPECT_EQ(shape_of(types(), {}, oid).form, Form::plain) << oid;
  }
}

}  // namespace
}  // namespace pgfanout
