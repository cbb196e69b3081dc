// Both sides of a comparison between fakes: what differs is booked, fed to the sketch, and found
// again by the second pass; a side that breaks off proves nothing.
#include "copier/pipeline/compare_sides.h"

#include <gtest/gtest.h>

#include "hashing/pg_hash.h"
#include "tests/layout/list_layout.h"
#include "tests/pipeline/fakes.h"

namespace pgfanout {
namespace {

using testing::copy_row;
using testing::FakeSource;
using testing::int4;

/// Rows of (int4 id, text name): the id identifies, the name gives the key; the target stores it.
VerifyPlan plan_of(IdentityKind identity) {
  VerifyPlan plan(testing::name_key("abs(hashtext(name)) % 2"));
  plan.columns.resize(2);
  plan.identity = identity;
  plan.identity_columns = identity == IdentityKind::row ? 0 : 1;
  plan.identity_bytes = identity == IdentityKind::fixed ? 8 : 0;
  plan.has_key = true;
  plan.layout = testing::list_layout(2);
  plan.source.leaves.resize(1);
  plan.target.leaves.resize(2);
  RowLayout layout = testing::id_name_layout();
  layout.copied = static_cast<std::uint16_t>(plan.identity_columns);
  plan.source_layout = plan.target_layout = layout;
  plan.target_layout.fields = 3;
  plan.target_layout.stored_key = 2;
  return plan;
}

class CompareSidesTest : public ::testing::TestWithParam<IdentityKind> {
 protected:
  static std::size_t leaf_of(const std::string& name) {
    return static_cast<std::size_t>(std::abs(hashtext(as_bytes(name))) % 2);
  }
  void put_source(int id, const std::string& name) {
    source[0].push_back(copy_row({int4(id), name}));
  }
  void put_target(int id, const std::string& name) {
    put_into(leaf_of(name), id, name, static_cast<std::int32_t>(leaf_of(name)));
  }
  void put_into(std::size_t leaf, int id, const std::string& name, std::int32_t key) {
    target[leaf].push_back(copy_row({int4(id), name, int4(key)}));
  }
  void put_both(int count) {
    for (int id = 0; id < count; ++id) {
      put_source(id, "n" + std::to_string(id));
      put_target(id, "n" + std::to_string(id));
    }
  }

  BothSides sides() {
    const auto open = [&](const FakeSource::Table& table, std::optional<Error> error) {
      std::vector<std::unique_ptr<RangeSource>> sources;
      auto fake = std::make_unique<FakeSource>(table);
      fake->stream_error = std::move(error);
      sources.push_back(std::move(fake));
      return sources;
    };
    return {plan,
            {source_ranges, open(source, std::nullopt)},
            {target_ranges, open(target, target_error)},
            1U << 20U};
  }
  DifferenceSketch::Answer compare() {
    auto sketch = run_comparison(sides(), 100, books, counters, cancellation);
    EXPECT_TRUE(sketch);
    return sketch ? std::move(*sketch).peel() : DifferenceSketch::Answer();
  }

  VerifyPlan plan = plan_of(GetParam());
  FakeSource::Table source{1};
  FakeSource::Table target{2};
  std::optional<Error> target_error;
  const std::vector<SourceRange> source_ranges = {{0, 0, std::nullopt, 0}};
  const std::vector<SourceRange> target_ranges = {{0, 0, std::nullopt, 0}, {1, 0, std::nullopt, 0}};
  Comparison books{3, 1, 2, 100};
  JobCounters counters;
  Cancellation cancellation;
};

TEST_P(CompareSidesTest, EqualSidesCancelOut) {
  put_both(500);
  const auto answer = compare();
  EXPECT_TRUE(answer.is_complete);
  EXPECT_TRUE(answer.differences.empty());
  EXPECT_TRUE(books.is_equal());
  EXPECT_EQ(books.misplaced_count(), 0U);
  EXPECT_EQ(books.total(Side::source).rows(), 500U);
  EXPECT_EQ(counters.rows_read + counters.rows_read_back, 1000U);
}

TEST_P(CompareSidesTest, EachKindOfDifferenceIsAnElementOfItsSide) {
  put_both(100);
  put_source(1000, "missing");
  put_target(1001, "extra");
  put_source(1002, "before");
  put_target(1002, "after");
  put_target(5, "n5");  // A second copy.
  const auto answer = compare();
  ASSERT_TRUE(answer.is_complete);
  EXPECT_FALSE(books.is_equal());
  std::int64_t on_source = 0;
  std::int64_t on_target = 0;
  for (const auto& difference : answer.differences) {
    (difference.count > 0 ? on_source : on_target) += difference.count;
  }
  EXPECT_EQ(on_source, 2);
  EXPECT_EQ(on_target, -3);
}

TEST_P(CompareSidesTest, SecondPassFindsTheRowsOfTheGroupsThatDiffer) {
  put_both(100);
  put_source(1000, "missing");
  compare();
  CollectFilter filter;
  filter.groups.assign(3, false);
  filter.groups[leaf_of("missing")] = true;
  auto rows = run_collection(sides(), filter, counters, cancellation);
  ASSERT_TRUE(rows);
  const CollectedSides surplus = surplus_of(std::move(*rows));
  ASSERT_EQ(surplus.source.size(), 1U);
  EXPECT_TRUE(surplus.target.empty());
  EXPECT_EQ(surplus.source[0].place, (RowPlace{0, 100}));
}

TEST_P(CompareSidesTest, WrongLeafAndWrongKeyAreMisplacedThoughTheContentIsRight) {
  put_both(100);
  const std::size_t right = leaf_of("x");
  put_source(1000, "x");
  put_into(1 - right, 1000, "x", static_cast<std::int32_t>(right));
  put_source(1001, "x");
  put_into(right, 1001, "x", static_cast<std::int32_t>(1 - right));
  const auto answer = compare();
  EXPECT_TRUE(answer.is_complete);
  EXPECT_TRUE(answer.differences.empty());
  EXPECT_TRUE(books.is_equal());
  EXPECT_EQ(books.misplaced_count(), 2U);
}

TEST_P(CompareSidesTest, SideThatBreaksOffIsAnError) {
  put_both(10);
  target_error = interrupted("connection-lost", "gone");
  const auto sketch = run_comparison(sides(), 100, books, counters, cancellation);
  ASSERT_FALSE(sketch);
  EXPECT_EQ(sketch.error().code, "connection-lost");
}

TEST_P(CompareSidesTest, CancelledRunIsAnError) {
  put_both(10);
  cancellation.set();
  EXPECT_FALSE(run_comparison(sides(), 100, books, counters, cancellation));
}

INSTANTIATE_TEST_SUITE_P(Identities, CompareSidesTest,
                         ::testing::Values(IdentityKind::fixed, IdentityKind::hashed,
                                           IdentityKind::row));

}  // namespace
}  // namespace pgfanout
