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

TEST(EmbeddedLocalTypeTest, WhatCarriesNoLocalOid) {
  // An enum travels as its label, a range as its bounds, a composite names only its fields' types.
  for (const std::uint32_t oid : {23U, 1007U, kMood, kPair, kIntRange}) {
    EXPECT_EQ(embedded_local_type(types(), oid), std::nullopt) << oid;
  }
}

TEST(EmbeddedLocalTypeTest, WhatCarriesOne) {
  EXPECT_EQ(embedded_local_type(types(), kMoodArray), "public.mood");
  EXPECT_EQ(embedded_local_type(types(), kMoodsDomain), "public.mood");
  EXPECT_EQ(embedded_local_type(types(), kMoodPair), "public.mood");
  EXPECT_EQ(embedded_local_type(types(), kMoodPairRange), "public.mood");
  EXPECT_EQ(embedded_local_type(types(), kPlainPairArray), "public.pair");
}

}  // namespace
}  // namespace pgfanout
