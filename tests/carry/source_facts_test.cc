// Changes of the source's definition, in words.
#include "copier/carry/source_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string fact(const std::string& object, const std::string& setting, const std::string& value) {
  return object + '\001' + setting + '\001' + value;
}

TEST(SourceFacts, NameObjectSettingAndBothValues) {
  const std::vector<std::string> then = {fact("column v", "statistics target", "-1"),
                                         fact("column v", "storage", "EXTENDED")};
  EXPECT_EQ(changed_facts(then, then), "");
  EXPECT_EQ(changed_facts(then, {fact("column v", "statistics target", "55"),
                                 fact("column v", "storage", "EXTENDED")}),
            "column v: statistics target was -1, is 55");
  EXPECT_EQ(changed_facts(then, {fact("column v", "comment", "a: b"), then[0], then[1]}),
            "column v: comment was none, is a: b");
  EXPECT_EQ(changed_facts(then, {then[0]}), "column v: storage was EXTENDED, is none");
}

TEST(SourceFacts, WholeObjectsComeAndGo) {
  const std::string column = fact("column v", "type", "text");
  const std::vector<std::string> trigger = {fact("trigger a", "definition", "CREATE TRIGGER"),
                                            fact("trigger a", "state", "enabled")};
  EXPECT_EQ(changed_facts({column, trigger[0], trigger[1]}, {column}), "trigger a is gone");
  EXPECT_EQ(changed_facts({column}, {column, trigger[0], trigger[1]}), "trigger a is new");
  EXPECT_EQ(changed_facts({column}, {column, fact("constraint k", "definition", "CHECK (true)")}),
            "constraint k: definition was none, is CHECK (true)");
}

TEST(SourceFacts, TableAndColumnsComeFirstAndLinesAreJoined) {
  const std::vector<std::string> then = {fact("column v", "type", "text"),
                                         fact("index i", "valid", "true"),
                                         fact("table public.t", "owner", "a")};
  EXPECT_EQ(changed_facts(then, {fact("column v", "type", "int"), fact("index i", "valid", "false"),
                                 fact("table public.t", "owner", "b\n  c")}),
            "table public.t: owner was a, is b c; column v: type was text, is int; index i: valid "
            "was true, is false");
}

TEST(SourceFacts, ManyChangesAreCounted) {
  std::vector<std::string> now;
  for (int number = 0; number < 9; ++number) {
    now.push_back(fact("index " + std::to_string(number), "valid", "true"));
  }
  const std::string changes = changed_facts({fact("index 0", "valid", "false")}, now);
  EXPECT_THAT(changes, HasSubstr("index 0: valid was false, is true; index 1"));
  EXPECT_THAT(changes, HasSubstr("; and 4 more"));
  EXPECT_THAT(changes, Not(HasSubstr("index 5")));
}

TEST(SourceFacts, FactsOfAnotherVersionAreNotTakenForEqual) {
  EXPECT_THAT(changed_facts({"indexes 0123456789abcdef"}, {fact("column v", "type", "text")}),
              HasSubstr("another version"));
  EXPECT_NE(changed_facts({}, {fact("column v", "type", "text")}), "");
}

}  // namespace
}  // namespace pgfanout
