// Rows whose COPY message would pass 1 GB, which no server sends: the row is named, with its size
// and a way out.
#include <gmock/gmock.h>

#include <string>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::HasSubstr;

class LargeRowsLongTest : public CopyFixture {};

TEST_F(LargeRowsLongTest, ARowThatIsTooLargeForAMessageIsNamed) {
  execute(
      "CREATE TABLE t (id bigint PRIMARY KEY, a text, b text);"
      "INSERT INTO t VALUES (1, 'x', 'y');"
      "INSERT INTO t SELECT 2, repeat('a', 600000000);"
      "INSERT INTO t VALUES (3, 'x', 'y')");
  execute("UPDATE t SET b = repeat('b', 500000000) WHERE id = 2");  // The new version is (0,4).
  const std::vector<std::string> words = {
      "--table", "t", "--key", "abs(hashtext(id::text)) % 4", "--partitions", "4"};
  CommandResult result = copy(words);
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_EQ(error_code(), "row-too-large") << result;
  EXPECT_THAT(result.err, HasSubstr("would pass 1 GB"));
  EXPECT_THAT(result.err, HasSubstr("it holds 1.1 GB, of which 600.0 MB in column a"));
  EXPECT_THAT(result.err, HasSubstr("public.t ctid (0,4)"));
  EXPECT_THAT(result.err, HasSubstr("--map"));

  std::vector<std::string> aside = words;
  aside.insert(aside.end(), {"--reject-limit", "1"});
  result = copy(aside);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM t_new"), "2");
  EXPECT_EQ(value("SELECT code || ' ' || source_ctid FROM t_new_rejects"), "row-too-large (0,4)");
}

}  // namespace
}  // namespace pgfanout::testing
