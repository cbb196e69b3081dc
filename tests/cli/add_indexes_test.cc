#include "copier/cli/add_indexes.h"

#include <gtest/gtest.h>

#include "copier/cli/job_file.h"

namespace pgfanout {
namespace {

std::vector<IndexAdvice> advice() {
  IndexAdvice index;
  index.priority = "high";
  index.query = "odd \"name\"\nof a query";
  index.kind = "partial";
  index.definition = "CREATE INDEX i ON {table} (a) WHERE b = 'x\\y\"'";
  IndexAdvice condition = index;
  condition.kind = "key-condition";
  condition.definition = "AND k = 1";
  return {index, condition, index};
}

std::string added(std::string_view text) {
  const auto more = indexes_to_add(text, "job.toml", advice());
  EXPECT_TRUE(more) << (more ? "" : more.error().message);
  return more.value_or("");
}

TEST(AddIndexesTest, AppendsEachOnceAndTheFileStaysAJobFile) {
  const std::string text = "[source]\ntable = \"t\"\n# the end, without a line feed";
  const std::string more = added(text);
  Invocation read;
  ASSERT_TRUE(apply_job_text(text + more, "job.toml", read));
  EXPECT_EQ(read.job.table, "t");
  ASSERT_EQ(read.job.target.indexes.size(), 1U);
  EXPECT_EQ(read.job.target.indexes[0], advice()[0].definition);
  EXPECT_EQ(added(text + more), "");
  EXPECT_EQ(added("[[target.indexes]]\ndefinition = '''create index other on {table} (a) WHERE b "
                  "= 'x\\y\"'  '''\n"),
            "")
      << "the same index under another name";
}

TEST(AddIndexesTest, AFileThatCannotTakeThemIsRefused) {
  for (const char* text : {"target = { into = \"u\" }\n", "[target]\nindexes = []\n", "no toml"}) {
    const auto more = indexes_to_add(text, "job.toml", advice());
    ASSERT_FALSE(more) << text;
    EXPECT_EQ(more.error().code, "job-file");
  }
}

}  // namespace
}  // namespace pgfanout
