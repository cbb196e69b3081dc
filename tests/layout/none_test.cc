#include "copier/layout/none.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace pgfanout {
namespace {

Table plain_table(std::size_t leaves) {
  Table table;
  table.qualified = "public.t";
  table.leaves.resize(leaves);
  for (Leaf& leaf : table.leaves) leaf.qualified = "public.t";
  return table;
}

JobDescription job_of(const std::string& by) {
  JobDescription job;
  job.layout.by = by;
  return job;
}

TEST(NoLayout, IsThatOfAPlainTableAndOfAJobThatAsksForNone) {
  EXPECT_EQ(&layout_kind_of(plain_table(1)), &no_layout());
  EXPECT_EQ(&layout_kind_of(job_of(" None ")), &no_layout());
  EXPECT_NE(&layout_kind_of(job_of("")), &no_layout());
  EXPECT_NE(&layout_kind_of(job_of("HASH (none)")), &no_layout());
}

TEST(NoLayout, OneLeafTakesEveryRow) {
  const Table table = plain_table(1);
  auto key = KeyExpression::compile(kKeyOfPlainTable, {});
  ASSERT_TRUE(key) << key.error().message;
  const auto layout = no_layout().layout_of(table.leaves, *key);
  ASSERT_TRUE(layout) << layout.error().message;
  EXPECT_EQ((*layout)->leaf_count(), 1U);
  EXPECT_EQ((*layout)->leaf_name("chunks", 0, ""), "chunks");
  const std::array keys = {std::int64_t{-1}, std::int64_t{0}, std::int64_t{7}};
  const std::array states = {KeyState::ok, KeyState::null, KeyState::out_of_range};
  std::vector<std::uint32_t> leaves(keys.size(), Layout::kNoLeaf);
  (*layout)->route({keys, states, nullptr, nullptr, 0}, leaves);
  EXPECT_EQ(leaves, (std::vector<std::uint32_t>{0, 0, 0}));
}

TEST(NoLayout, RefusesLeavesAndTheirNames) {
  JobDescription job = job_of("none");
  EXPECT_TRUE(no_layout().check_request(job));
  job.partitions = 4;
  EXPECT_EQ(no_layout().check_request(job).error().code, "bad-partitions");
  job.partitions.reset();
  job.target.leaf_name = "{table}_p{key}";
  EXPECT_EQ(no_layout().check_request(job).error().code, "bad-leaf-name");
}

TEST(NoLayout, ATableWithHeirsIsNone) {
  const auto layout =
      no_layout().layout_of(plain_table(2).leaves, *KeyExpression::compile("0", {}));
  ASSERT_FALSE(layout);
  EXPECT_EQ(layout.error().code, "not-partitioned");
}

}  // namespace
}  // namespace pgfanout
