// Rows that are larger than the memory for rows: a command takes four times the size of the largest
// at most, a repair six times, however many readers meet such rows.
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {
namespace {

constexpr long kMegabyte = 1L << 20;
constexpr long kRowMegabytes = 48;
constexpr long kBudgetMegabytes = 16;

class LargeRowsTest : public CopyFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    execute(
        "CREATE TABLE small (id bigint PRIMARY KEY, v text); INSERT INTO small VALUES (1, 'x')");
    const CommandResult result = call({"copy", "--table", "small"});
    ASSERT_EQ(result.exit_code, 0) << result;
    base_ = result.peak_rss_bytes;
  }

  /// public.t with so many rows of kRowMegabytes, which do not shrink.
  void make_table(int rows) const {
    execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text) PARTITION BY HASH (id);"
        "DO $$ BEGIN FOR r IN 0..3 LOOP EXECUTE format('CREATE TABLE t_%s PARTITION OF t FOR VALUES"
        " WITH (MODULUS 4, REMAINDER %s)', r, r); END LOOP; END $$;"
        "ALTER TABLE t ALTER v SET STORAGE EXTERNAL;"
        "INSERT INTO t SELECT i, repeat(md5(i::text), " +
        std::to_string(kRowMegabytes * 32768) + ") FROM generate_series(1, " +
        std::to_string(rows) + ") i");
  }
  [[nodiscard]] CommandResult call(std::vector<std::string> words) const {
    words.insert(words.end(), {"--source", dsn(), "--key", "abs(hashtext(id::text)) % 4",
                               "--partitions", "4", "--progress", "none", "--memory", "16MB"});
    harness::CommandOptions options;
    // A sanitizer would keep what was freed.
    const char* before = std::getenv("ASAN_OPTIONS");
    options.environment["ASAN_OPTIONS"] =
        std::string(before == nullptr ? "" : before) + ":quarantine_size_mb=0";
    return harness::pgfanout(words, options);
  }
  /// Beside the rows there is the budget, and what libpq has of other readers' rows.
  void expect_bounded(const CommandResult& result, long times = 4) const {
    EXPECT_LT(result.peak_rss_bytes - base_,
              (times * kRowMegabytes + 2 * kBudgetMegabytes) * kMegabyte)
        << base_ / kMegabyte << " MB at least, then " << result.peak_rss_bytes / kMegabyte << " MB "
        << result;
  }

 private:
  long base_ = 0;
};

TEST_F(LargeRowsTest, ReadersTakeTurns) {
  make_table(6);
  CommandResult result = call({"copy", "--table", "t", "--readers", "4"});
  EXPECT_EQ(result.exit_code, 0) << result;
  expect_bounded(result);
  result = call({"verify", "--table", "t", "--data", "--readers", "4"});
  EXPECT_EQ(result.exit_code, 0) << result;
  expect_bounded(result);
}

TEST_F(LargeRowsTest, RowsThatDifferAreNamedAndRepaired) {
  make_table(4);
  ASSERT_EQ(call({"copy", "--table", "t"}).exit_code, 0);
  execute("UPDATE t_new SET v = v || 'x' WHERE id < 4; DELETE FROM t_new WHERE id = 4");
  CommandResult result = call({"verify", "--table", "t", "--data"});
  EXPECT_EQ(result.exit_code, 1) << result;
  expect_bounded(result);
  result = call({"verify", "--table", "t", "--data", "--repair", "--yes"});
  expect_bounded(result, 6);
  EXPECT_EQ(difference("t", "t_new", "id, v"), "0") << result;
}

}  // namespace
}  // namespace pgfanout::testing
