#include "copier/verify/table_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/layout/list_layout.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> bounds_issues(LayoutPointer layout, std::uint32_t partitions) {
  const std::vector<KeyColumn> columns = {{"id", KeyType::int4, "integer"}};
  VerifyPlan plan(KeyExpression::compile("id % 2", columns).value());
  plan.layout = std::move(layout);
  std::vector<std::string> found;
  plan.wanted_keys = partitions;
  check_bounds(plan, [&](const Issue& issue) {
    EXPECT_EQ(issue.severity, Severity::error);
    found.push_back(issue.code + ": " + issue.message);
  });
  return found;
}

TEST(TableChecks, EveryKeyNeedsALeafAndTheDefaultPartitionIsNone) {
  const LayoutPointer layout = testing::list_layout(testing::LeafKeys{{0, 2}, {1}, {}});
  EXPECT_THAT(bounds_issues(layout, 3), IsEmpty());
  EXPECT_THAT(bounds_issues(layout, 5),
              ElementsAre("leaf-missing: 2 of 5 keys have no partition, the first is 3"));
  EXPECT_THAT(bounds_issues(testing::list_layout(testing::LeafKeys{{}}), 1),
              ElementsAre("leaf-missing: 1 of 1 keys have no partition, the first is 0"));
  EXPECT_THAT(bounds_issues(nullptr, 5), IsEmpty()) << "not laid out by a key";
}

}  // namespace
}  // namespace pgfanout
