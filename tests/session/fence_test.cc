// How facts of a fence are compared; the fence itself needs a server.
#include "copier/session/fence.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(FenceFacts, EqualFactsAreUnbroken) {
  EXPECT_EQ(broken_facts({"a", "b"}, {"a", "b"}), "");
  EXPECT_EQ(broken_facts({}, {}), "");
}

TEST(FenceFacts, WhatIsGoneAndWhatIsNewIsSaid) {
  EXPECT_EQ(broken_facts({"a", "b"}, {"a", "c"}), "was: b; is: c");
  EXPECT_EQ(broken_facts({"a"}, {}), "was: a; is: nothing");
  EXPECT_EQ(broken_facts({}, {"x"}), "was: nothing; is: x");
}

TEST(FenceFacts, LongListsAreCut) {
  EXPECT_EQ(broken_facts({"a", "b", "c", "d", "e"}, {}), "was: a; b; c; is: nothing");
}

}  // namespace
}  // namespace pgfanout
