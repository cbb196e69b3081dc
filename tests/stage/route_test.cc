// Router and lanes: every row reaches the lane of its key, once, and the books say so.
#include "copier/stage/route.h"

#include <gtest/gtest.h>

#include "copier/stage/row_batch.h"
#include "tests/layout/list_layout.h"
#include "tests/stage/copy_bytes.h"

namespace pgfanout {
namespace {

using testing::batch_of;
using testing::copy_row;
using testing::id_name_layout;
using testing::int4;

class RouteStage : public ::testing::Test {
 protected:
  Result<void> route(const std::vector<std::string>& rows, const KeyExpression& key,
                     std::uint64_t reject_limit = 0) {
    rejects = std::make_unique<Rejects>(reject_limit);
    RowBatch batch = batch_of(rows);
    PGFANOUT_TRY(decode_batch(fields, batch));
    KeyScratch scratch;
    hash_batch(fields, key, scratch, batch);
    ledger.add_read(0, digest_of(batch));
    Router router(fields, *leaves, lanes, ledger, *rejects, counters, done);
    return router.route(batch);
  }

  std::vector<bool> done;
  MemoryBudget budget{1U << 20U};
  RowFields fields{id_name_layout()};
  LayoutPointer leaves = testing::list_layout(100);
  LaneSet lanes{100, 1024, budget};
  Ledger ledger{1, 100};
  std::unique_ptr<Rejects> rejects;
  JobCounters counters;
};

TEST_F(RouteStage, EveryRowReachesTheLaneOfItsKey) {
  std::vector<std::string> rows;
  for (int id = 0; id < 500; ++id)
    rows.push_back(copy_row({int4(id), "name " + std::to_string(id)}));
  ASSERT_TRUE(route(rows, testing::name_key()));
  lanes.close();
  std::uint64_t taken = 0;
  for (std::uint32_t lane = 0; lane < 100; ++lane) {
    std::uint64_t in_lane = 0;
    while (auto batch = lanes.take(lane)) in_lane += batch->rows;
    EXPECT_EQ(in_lane, ledger.leaves()[lane].routed.rows());
    taken += in_lane;
  }
  EXPECT_EQ(taken, 500U);
  MultisetDigest routed;
  for (const LeafAccount& leaf : ledger.leaves()) routed.merge(leaf.routed);
  EXPECT_EQ(routed, ledger.ranges()[0].read);
  EXPECT_EQ(counters.rows_routed, 500U);
}

TEST_F(RouteStage, TheKeyIsAppendedBehindTheCopiedFields) {
  ASSERT_TRUE(route({copy_row({int4(1), "x"})}, testing::name_key("7")));
  lanes.close();
  const auto batch = lanes.take(7);
  ASSERT_TRUE(batch);
  EXPECT_EQ(as_text(batch->bytes.view()), copy_row({int4(1), "x", int4(7)}));
}

/// Routes by the first byte of the first field that the layout asked for; others have no leaf.
class ByFirstByte final : public Layout {
 public:
  [[nodiscard]] std::size_t leaf_count() const override { return 100; }
  [[nodiscard]] std::optional<std::int64_t> leaf_key(std::uint32_t) const override { return {}; }
  [[nodiscard]] std::string leaf_name(std::string_view, std::uint32_t,
                                      std::string_view) const override {
    return {};
  }
  [[nodiscard]] std::vector<std::string> missing_leaves(std::uint32_t) const override { return {}; }
  [[nodiscard]] std::string group_sql(const std::string& key_sql) const override { return key_sql; }
  void route(const LayoutRows& rows, std::span<std::uint32_t> leaf_of_row) const override {
    for (std::size_t row = 0; row < leaf_of_row.size(); ++row) {
      const FieldRef& field = rows.fields[row * rows.fields_per_row];
      leaf_of_row[row] = field.length > 0 ? rows.bytes[field.offset] - 'a' : kNoLeaf;
    }
  }
  [[nodiscard]] std::pair<std::string, std::string> why_no_leaf(const LayoutRows&,
                                                                std::size_t) const override {
    return {"no-value", "a row has no value"};
  }
  Result<void> prove(Connection&, const Table&) const override { return {}; }
};

TEST_F(RouteStage, ALayoutMayReadTheRowsThemselves) {
  leaves = std::make_shared<ByFirstByte>();
  ASSERT_TRUE(route({copy_row({int4(1), "c"}), copy_row({int4(2), "a"}), copy_row({int4(3), "cc"})},
                    testing::name_key()));
  EXPECT_EQ(ledger.leaves()[0].routed.rows(), 1U);
  EXPECT_EQ(ledger.leaves()[2].routed.rows(), 2U);
  const auto refused_row = route({copy_row({int4(1), ""})}, testing::name_key());
  ASSERT_FALSE(refused_row);
  EXPECT_EQ(refused_row.error().code, "no-value");
}

TEST_F(RouteStage, NullKeyEndsTheJobUnlessRowsMayBeSetAside) {
  const auto refused_row = route({copy_row({int4(1), std::nullopt})}, testing::name_key());
  ASSERT_FALSE(refused_row);
  EXPECT_EQ(refused_row.error().code, "key-null");
  EXPECT_EQ(refused_row.error().consequence, Consequence::refuse);

  ASSERT_TRUE(
      route({copy_row({int4(1), std::nullopt}), copy_row({int4(2), "a"})}, testing::name_key(), 1));
  EXPECT_EQ(rejects->rows().size(), 1U);
  EXPECT_EQ(rejects->rows()[0].row, 0U);
  EXPECT_EQ(ledger.rejected().rows(), 1U);
}

TEST_F(RouteStage, SmallestHashOverflowsAbsAndNeverBecomesAnIndex) {
  const auto routed = route({copy_row({int4(1), "c1606105947x"})}, testing::name_key());
  ASSERT_FALSE(routed);
  EXPECT_EQ(routed.error().code, "key-overflow");
}

TEST_F(RouteStage, KeyWithoutLeafIsRefusedAndNeverSentToADefault) {
  const auto routed = route({copy_row({int4(1), "a"})}, testing::name_key("-5"));
  ASSERT_FALSE(routed);
  EXPECT_EQ(routed.error().code, "key-no-leaf");
}

TEST_F(RouteStage, StoredKeyThatIsWrongOrMissingIsAMismatch) {
  RowLayout layout = id_name_layout();
  layout.fields = 3;
  layout.stored_key = 2;
  fields = RowFields(layout);
  ASSERT_TRUE(route({copy_row({int4(1), "a", int4(7)}), copy_row({int4(2), "b", int4(8)}),
                     copy_row({int4(3), "c", std::nullopt})},
                    testing::name_key("7")));
  ASSERT_EQ(rejects->key_mismatch_count(), 2U);
  const std::vector<Reject> found = rejects->key_mismatches();
  EXPECT_EQ(found[0].row, 1U);
  EXPECT_EQ(found[0].reason, "the stored key is 8, the recomputed one 7");
  EXPECT_EQ(found[1].row, 2U);
  EXPECT_EQ(found[1].reason, "the stored key is NULL, the recomputed one 7");
  EXPECT_EQ(ledger.leaves()[7].routed.rows(), 3U);
}

TEST_F(RouteStage, RowLargerThanABatchTravelsAlone) {
  ASSERT_TRUE(route({copy_row({int4(1), "a"}), copy_row({int4(2), std::string(5000, 'x')}),
                     copy_row({int4(3), "b"})},
                    testing::name_key("3")));
  lanes.close();
  std::vector<std::uint64_t> rows;
  while (auto batch = lanes.take(3)) rows.push_back(batch->rows);
  EXPECT_EQ(rows, (std::vector<std::uint64_t>{1, 1, 1}));
}

TEST_F(RouteStage, StarvationSendsTheLargestPartialBatch) {
  ASSERT_TRUE(route({copy_row({int4(1), "a"})}, testing::name_key("1")));
  ASSERT_TRUE(route({copy_row({int4(1), std::string(500, 'a')})}, testing::name_key("2")));
  lanes.seal_largest_if_idle();
  EXPECT_EQ(lanes.take_ready(), std::vector<std::uint32_t>{2});
  lanes.seal_largest_if_idle();  // one is waiting: nothing more is sealed
  EXPECT_TRUE(lanes.take_ready().empty());
  lanes.sent(*lanes.take(2));
  lanes.seal_largest_if_idle();
  EXPECT_EQ(lanes.take_ready(), std::vector<std::uint32_t>{1});
}

TEST(LeafBuckets, SortsByLeafAndKeepsOrder) {
  LeafBuckets buckets;
  buckets.sort({2, 0, Layout::kNoLeaf, 2, 0}, 3);
  const auto rows = [&](std::uint32_t leaf) {
    const auto span = buckets.rows_of(leaf);
    return std::vector<std::uint32_t>(span.begin(), span.end());
  };
  EXPECT_EQ(rows(0), (std::vector<std::uint32_t>{1, 4}));
  EXPECT_TRUE(rows(1).empty());
  EXPECT_EQ(rows(2), (std::vector<std::uint32_t>{0, 3}));
}

}  // namespace
}  // namespace pgfanout
