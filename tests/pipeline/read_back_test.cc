// The read-back finds what is not as it was written.
#include "copier/pipeline/read_back.h"

#include <gtest/gtest.h>

#include "copier/reconcile/balance.h"
#include "hashing/pg_hash.h"
#include "tests/layout/list_layout.h"
#include "tests/pipeline/fakes.h"

namespace pgfanout {
namespace {

using testing::copy_row;
using testing::FakeSource;
using testing::int4;

RowLayout read_back_layout() {
  RowLayout layout = testing::id_name_layout();
  layout.fields = 3;
  layout.stored_key = 2;
  return layout;
}

class ReadBackTest : public ::testing::Test {
 protected:
  Result<void> run() {
    const RowLayout layout = read_back_layout();
    const KeyExpression key = testing::name_key("abs(hashtext(name)) % 2");
    const LayoutPointer leaves = testing::list_layout(2);
    std::vector<std::unique_ptr<RangeSource>> sources;
    auto source = std::make_unique<FakeSource>(table);
    source->stream_error = stream_error;
    sources.push_back(std::move(source));
    const std::vector<SourceRange> ranges = {{0, 0, std::nullopt, 0}, {1, 0, std::nullopt, 0}};
    return run_read_back({ranges, layout, key, *leaves, std::move(sources), 16ULL << 20U}, ledger,
                         counters, cancellation);
  }

  static std::int32_t key_of(const std::string& name) {
    return std::abs(hashtext(as_bytes(name))) % 2;
  }
  void put(int id, const std::string& name) {
    const auto leaf = static_cast<std::size_t>(key_of(name));
    table[leaf].push_back(copy_row({int4(id), name, int4(key_of(name))}));
  }

  FakeSource::Table table{2};
  std::optional<Error> stream_error;
  Ledger ledger{0, 2};
  JobCounters counters;
  Cancellation cancellation;
};

TEST_F(ReadBackTest, CleanLeavesRaiseNoAlarm) {
  for (int id = 0; id < 100; ++id) put(id, "n" + std::to_string(id));
  ASSERT_TRUE(run());
  for (const LeafAccount& leaf : ledger.leaves()) {
    EXPECT_EQ(leaf.wrong_key, 0U);
    EXPECT_EQ(leaf.wrong_leaf, 0U);
    EXPECT_TRUE(leaf.is_read_back);
  }
  EXPECT_EQ(counters.rows_read_back, 100U);
}

TEST_F(ReadBackTest, RowInTheWrongLeafAndWrongKeyAreCounted) {
  const std::string name = "n1";
  const auto other = static_cast<std::size_t>(1 - key_of(name));
  table[other].push_back(copy_row({int4(1), name, int4(key_of(name))}));
  table[other].push_back(copy_row({int4(1), name, int4(1 - key_of(name))}));
  table[other].push_back(copy_row({int4(1), name, std::nullopt}));
  ASSERT_TRUE(run());
  EXPECT_EQ(ledger.leaves()[other].wrong_leaf, 3U);
  EXPECT_EQ(ledger.leaves()[other].wrong_key, 2U);
}

TEST_F(ReadBackTest, StreamThatBreaksOffLeavesTheLeafUnproven) {
  put(1, "n1");
  stream_error = interrupted("connection-lost", "gone");
  EXPECT_FALSE(run());
  EXPECT_FALSE(ledger.leaves()[0].is_read_back);
  EXPECT_EQ(balance_after_read_back(ledger, {"a", "b"}).verdict, Verdict::unproven);
}

}  // namespace
}  // namespace pgfanout
