#include "copier/queries/layout_advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace pgfanout {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint32_t kUuid = 2950;
constexpr std::uint32_t kInt4 = 23;
constexpr std::uint32_t kJsonb = 3802;
constexpr std::uint32_t kTimestamptz = 1184;

Column typed(const std::string& name, std::uint32_t type) {
  Column made;
  made.name = made.quoted = name;
  made.type_oid = made.base_type_oid = type;
  return made;
}

/// 100 leaves by a key that the source does not store; today 16 by collection_id.
LayoutFacts known_facts() {
  LayoutFacts made;
  made.columns = {typed("id", kUuid), typed("collection_id", kUuid), typed("status", kInt4),
                  typed("doc", kJsonb), typed("created", kTimestamptz)};
  made.primary_key = {"id", "collection_id"};
  made.distinct = {{"id", 1e6}, {"collection_id", 5000}, {"status", 4}};
  made.asked = {"LIST by the key", 'l', {}, 100, "inserts supply partition_key"};
  made.present = {"HASH (collection_id)", 'h', {"collection_id"}, 16, "inserts unchanged"};
  return made;
}

QueryPlan scanning(const std::vector<std::pair<std::string, std::string>>& scans) {
  QueryPlan plan;
  for (const auto& [relation, conditions] : scans) {
    plan.scans.push_back({"Seq Scan", relation, "", conditions_of(conditions)});
  }
  return plan;
}

LayoutQuery asked(const std::string& name, const std::string& conditions, double calls = 1) {
  return {name, calls, *pinned_columns(scanning({{"public.t", conditions}}), {"public.t"}), false};
}

std::vector<std::string> option_names(const std::vector<LayoutOption>& options) {
  std::vector<std::string> names;
  for (const LayoutOption& option : options) {
    names.push_back(option.layout + (option.is_better ? " (better)" : ""));
  }
  return names;
}

TEST(PinnedColumnsTest, AreThoseThatAreComparedWithConstants) {
  const PinnedColumns pinned =
      asked("q",
            "((a = 5) AND (b = $1) AND (c = ANY ('{1,2}'::integer[])) AND (d > '2025-01-01'::date)"
            " AND (e <> 3) AND (f = g) AND (lower(h) = 'x'::text) AND (i = (-4)) AND (k IS NULL))")
          .pinned;
  EXPECT_THAT(pinned.equal, ElementsAre("a", "b", "i", "k"));
  EXPECT_THAT(pinned.listed, ElementsAre("c"));
  EXPECT_THAT(pinned.ranged, ElementsAre("d"));
  EXPECT_THAT(asked("q", "((a = 1) OR (b = 2))").pinned.equal, IsEmpty());
}

TEST(PinnedColumnsTest, AreCommonToAllPlacesThatReadTheTable) {
  const std::set<std::string> leaves{"public.t", "public.t_0", "public.t_1"};
  const auto both = pinned_columns(scanning({{"public.t_0", "((a = 5) AND (b = 1))"},
                                             {"public.t_1", "(a = 5)"},
                                             {"public.other", "(c = 1)"}}),
                                   leaves);
  ASSERT_TRUE(both);
  EXPECT_THAT(both->equal, ElementsAre("a"));
  EXPECT_FALSE(pinned_columns(scanning({{"public.other", "(a = 1)"}}), leaves));
}

TEST(PinnedColumnsTest, OfABitmapAreThoseOfItsHeapScan) {
  QueryPlan plan = scanning({{"public.t", "((a = 5) AND (b = 1))"}});
  plan.scans.push_back({"Bitmap Index Scan", "public.t", "t_a", conditions_of("(a = 5)")});
  plan.scans.push_back({"ModifyTable", "public.t", "", {}});
  EXPECT_THAT(pinned_columns(plan, {"public.t"})->equal, ElementsAre("a", "b"));
}

TEST(LeavesReadTest, DependOnStrategyAndConditions) {
  const LayoutCandidate hash{"", 'h', {"a", "b"}, 8, ""};
  const LayoutCandidate range{"", 'r', {"a"}, 8, ""};
  const LayoutCandidate list{"", 'l', {"a"}, 8, ""};
  const LayoutCandidate key{"", 'l', {}, 8, ""};
  const auto read = [](const std::string& conditions, const LayoutCandidate& layout) {
    return leaves_read(asked("q", conditions), layout);
  };
  EXPECT_EQ(read("((a = 1) AND (b = 2))", hash), "1");
  EXPECT_EQ(read("(a = 1)", hash), "all");
  EXPECT_EQ(read("((a = ANY ('{1,2}'::integer[])) AND (b = 2))", hash), "some");
  EXPECT_EQ(read("((a > 1) AND (b = 2))", hash), "all");
  for (const LayoutCandidate& layout : {range, list}) {
    EXPECT_EQ(read("(a = 1)", layout), "1");
    EXPECT_EQ(read("(a >= 1)", layout), "some");
    EXPECT_EQ(read("(b = 1)", layout), "all");
  }
  EXPECT_EQ(read("(a = 1)", key), "all");
  LayoutQuery gives = asked("q", "(a = 1)");
  gives.gives_key = true;
  EXPECT_EQ(leaves_read(gives, key), "1");
}

TEST(LayoutChangesTest, NameWhatStaysAndWhatDoesNot) {
  LayoutFacts known = known_facts();
  known.references = {{"id", "collection_id"}, {"id"}};
  EXPECT_EQ(changes_of(known, {"collection_id"}),
            "inserts unchanged; primary key unchanged; foreign keys to it: 1 of 2 stay");
  EXPECT_EQ(changes_of(known, {"created"}),
            "inserts unchanged; primary key gains created; foreign keys to it: 0 of 2 stay");
  known.references.clear();
  known.primary_key.clear();
  EXPECT_EQ(changes_of(known, {}), "inserts unchanged");
}

TEST(LayoutOptionsTest, HashByTheComparedColumnIsBetterThanAKeyThatQueriesDoNotGive) {
  const auto options = layout_options(
      known_facts(), {asked("by collection", "(collection_id = $1)", 900),
                      asked("by both", "((collection_id = $1) AND (id = $2))", 100)});
  EXPECT_THAT(option_names(options), ElementsAre("LIST by the key", "HASH (collection_id)",
                                                 "HASH (collection_id) (better)"));
  EXPECT_EQ(options[1].leaves, 16U);
  EXPECT_TRUE(options[1].is_present);
  EXPECT_EQ(options[2].leaves, 100U);
  EXPECT_FALSE(options[2].is_present);
  EXPECT_TRUE(options[0].is_asked);
  EXPECT_EQ(options[0].reads.front().leaves, "all");
  EXPECT_EQ(options[2].reads.back().leaves, "1");
  const auto advice = layout_advice(options, true, "public.t");
  ASSERT_TRUE(advice);
  EXPECT_EQ(advice->code, "layout-advice");
  EXPECT_EQ(advice->severity, Severity::warning);
  EXPECT_THAT(advice->message, HasSubstr("of 2 queries, 2 would read all 100 leaves"));
  EXPECT_THAT(advice->hint, HasSubstr("--partition-by 'HASH (collection_id)'"));
}

TEST(LayoutOptionsTest, CallsDecideBetweenHashAndRange) {
  const auto with = [](double by_time) {
    return option_names(layout_options(
        known_facts(),
        {asked("by id", "(id = $1)", 100), asked("by time", "(created > $1)", by_time)}));
  };
  EXPECT_THAT(with(10), ElementsAre("LIST by the key", "HASH (collection_id)", "HASH (id) (better)",
                                    "RANGE (created)"));
  EXPECT_THAT(with(100000), testing::Contains("RANGE (created)"));
}

TEST(LayoutOptionsTest, ColumnsOfFewValuesOrWithoutHashAreNotNamed) {
  const auto options = layout_options(
      known_facts(), {asked("by status", "(status = 1)"), asked("by doc", "(doc = '{}'::jsonb)")});
  EXPECT_THAT(option_names(options), ElementsAre("LIST by the key", "HASH (collection_id)"));
  EXPECT_FALSE(layout_advice(options, true, "public.t"));
}

TEST(LayoutOptionsTest, AQueryThatGivesTheKeyNeedsNoOtherLayout) {
  LayoutQuery gives = asked("q", "(collection_id = $1)");
  gives.gives_key = true;
  EXPECT_FALSE(layout_advice(layout_options(known_facts(), {gives}), true, "public.t"));
}

TEST(LayoutOptionsTest, NothingIsAdvisedAgainstAPlainTable) {
  LayoutFacts known = known_facts();
  known.asked = {"none", 0, {}, 1, ""};
  const auto options = layout_options(known, {asked("q", "(collection_id = $1)")});
  EXPECT_THAT(option_names(options), ElementsAre("none", "HASH (collection_id)"));
  EXPECT_FALSE(layout_advice(options, true, "public.t"));
}

}  // namespace
}  // namespace pgfanout
