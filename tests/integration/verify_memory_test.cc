// More rows differ than memory holds notes of: they are still counted to the last one, the first
// ones are named, and --memory holds.
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {
namespace {

constexpr long kMegabyte = 1L << 20;
constexpr long kMostMegabytes = 64;
constexpr int kRows = 300'000;

class VerifyMemoryTest : public CopyFixture {
 protected:
  /// public.s, and public.d with two leaves, filled by these SELECTs.
  void make_sides(const std::string& columns, const std::string& source,
                  const std::string& target) const {
    execute("CREATE TABLE s (" + columns + "); CREATE TABLE d (" + columns +
            ") PARTITION BY LIST ((abs(hashtext(v)) % 2));"
            "CREATE TABLE d_0 PARTITION OF d FOR VALUES IN (0);"
            "CREATE TABLE d_1 PARTITION OF d FOR VALUES IN (1);"
            "INSERT INTO s " +
            source + "; INSERT INTO d " + target + "; ANALYZE s, d");
  }
  CommandResult verify(const std::string& from, const std::string& into) {
    harness::CommandOptions options;
    // A sanitizer would keep what was freed.
    const char* before = std::getenv("ASAN_OPTIONS");
    options.environment["ASAN_OPTIONS"] =
        std::string(before == nullptr ? "" : before) + ":quarantine_size_mb=0";
    CommandResult result = harness::pgfanout(
        {"verify", "--json", "--progress", "none", "--source", dsn(), "--table", from, "--into",
         into, "--key", "abs(hashtext(v)) % 2", "--partitions", "2", "--memory", "16MB", "--data"},
        options);
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    return result;
  }
  void expect(std::uint64_t missing, std::uint64_t extra, std::uint64_t changed) {
    execute("CREATE TABLE few AS SELECT 1 AS id, 'x' AS v; CREATE TABLE few_d AS TABLE few");
    const long base = verify("few", "few_d").peak_rss_bytes;
    const CommandResult result = verify("s", "d");
    EXPECT_EQ(result.exit_code, 1) << result;
    const Json& found = json["differences"];
    EXPECT_EQ(found["missing"], missing) << result.err;
    EXPECT_EQ(found["extra"], extra) << result.err;
    EXPECT_EQ(found["changed"], changed) << result.err;
    EXPECT_GT(found["rows"].size(), 0U);
    EXPECT_LT(result.peak_rss_bytes, base + kMostMegabytes * kMegabyte)
        << base / kMegabyte << " MB for a tiny table, now " << result.peak_rss_bytes / kMegabyte;
  }
  static std::string numbers(const std::string& columns, int rows = kRows) {
    return "SELECT " + columns + " FROM generate_series(1, " + std::to_string(rows) + ") i";
  }
};

TEST_F(VerifyMemoryTest, EveryRowDiffers) {
  make_sides("id int, v text, w int", numbers("i, 'v', 1"), numbers("i, 'v', 2"));
  expect(kRows, kRows, 0);
}

TEST_F(VerifyMemoryTest, ALeafIsEmpty) {
  make_sides("id int, v text", numbers("i, 'v'"), numbers("i, 'w'", 10) + " WHERE false");
  expect(kRows, 0, 0);
}

TEST_F(VerifyMemoryTest, AllRowsAreCopiesOfOneAnother) {
  make_sides("id int, v text", numbers("1, 'v'"), numbers("1, 'v'", kRows - 5'000));
  expect(5'000, 0, 0);
}

TEST_F(VerifyMemoryTest, FewDifferInALargeLeaf) {
  make_sides("id int, v text", numbers("i, 'v'"), numbers("i + (i % 30 = 0)::int * 1000000, 'v'"));
  expect(kRows / 30, kRows / 30, 0);
}

}  // namespace
}  // namespace pgfanout::testing
