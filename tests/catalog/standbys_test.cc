// Which standbys a commit waits for, and which are missing.
#include "copier/catalog/standbys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string rule_text(std::string_view setting) {
  const auto rule = parse_standby_names(setting);
  std::string text = std::to_string(rule.needed) + ":";
  for (const std::string& name : rule.names) text += " <" + name + ">";
  return text;
}

ConnectedStandby streaming(std::string name) {
  return {std::move(name), "streaming", true};
}

TEST(StandbysTest, ReadsEachFormOfTheSetting) {
  EXPECT_EQ(rule_text(""), "0:");
  EXPECT_EQ(rule_text("  \n"), "0:");
  EXPECT_EQ(rule_text("s1"), "1: <s1>");
  EXPECT_EQ(rule_text("s1, s2"), "1: <s1> <s2>");
  EXPECT_EQ(rule_text("*"), "1: <*>");
  EXPECT_EQ(rule_text("2 (s1,s2 , \"s 3\")"), "2: <s1> <s2> <s 3>");
  EXPECT_EQ(rule_text("FIRST 2(s1, s2)"), "2: <s1> <s2>");
  EXPECT_EQ(rule_text("any 3 (*)"), "3: <*>");
  EXPECT_EQ(rule_text("\"a \"\"b\"\", (c)\""), "1: <a \"b\", (c)>");
  // Words of the setting are names, too, and so are numbers.
  EXPECT_EQ(rule_text("first, any"), "1: <first> <any>");
  EXPECT_EQ(rule_text("\"first\", 2"), "1: <first> <2>");
}

TEST(StandbysTest, CountsThoseThatStreamAndAreListed) {
  EXPECT_FALSE(missing_standbys("", {}));
  EXPECT_FALSE(missing_standbys("s1", {streaming("S1")}));
  EXPECT_FALSE(missing_standbys("*", {streaming("walreceiver")}));
  EXPECT_FALSE(missing_standbys("ANY 1 (s1, s2)", {streaming("s2")}));
  EXPECT_FALSE(missing_standbys("2 (s1)", {streaming("s1"), streaming("s1")}));
  const auto one = missing_standbys("s1", {streaming("s2")});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->connected, 0U);
  EXPECT_EQ(one->needed, 1U);
  EXPECT_THAT(one->absent, ElementsAre("s1"));
  const auto second = missing_standbys("FIRST 2 (s1, s2, s3)", {streaming("s2")});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->connected, 1U);
  EXPECT_THAT(second->absent, ElementsAre("s1", "s3"));
  EXPECT_THAT(text_of(*second), HasSubstr("1 of 2 needed synchronous standbys are streaming"));
  EXPECT_THAT(text_of(*second), HasSubstr("missing: s1, s3"));
}

TEST(StandbysTest, MoreThanTheListHasAreNamedByTheSetting) {
  const auto many = missing_standbys("FIRST 2 (s1)", {streaming("s1")});
  ASSERT_TRUE(many);
  EXPECT_THAT(many->absent, ElementsAre("FIRST 2 (s1)"));
  const auto any = missing_standbys("*", {});
  ASSERT_TRUE(any);
  EXPECT_THAT(any->absent, ElementsAre("*"));
}

TEST(StandbysTest, AStandbyThatCatchesUpDoesNotCountYet) {
  const auto behind = missing_standbys("s1", {{"s1", "catchup", true}});
  ASSERT_TRUE(behind);
  EXPECT_THAT(behind->absent, ElementsAre("s1"));
  // A base backup is no standby, and one that streams to a file reports no position.
  const auto backup = missing_standbys(
      "*", {{"pg_basebackup", "backup", false}, {"pg_basebackup", "streaming", false}});
  ASSERT_TRUE(backup);
  EXPECT_EQ(backup->connected, 0U);
}

TEST(StandbysTest, AHiddenStateCountsAsConnected) {
  EXPECT_FALSE(missing_standbys("s1", {{"s1", "", false}}));
  EXPECT_TRUE(missing_standbys("s1", {{"s2", "", false}}));
}

}  // namespace
}  // namespace pgfanout
