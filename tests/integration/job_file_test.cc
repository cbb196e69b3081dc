// A job file does on a server what the same options do, and options win over it.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::HasSubstr;

class JobFileTest : public CopyFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    std::string folder = (std::filesystem::temp_directory_path() / "job_XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// A file of `text`; DSN in it stands for that of the database.
  [[nodiscard]] std::string file_of(std::string text) const {
    const std::string placeholder = "DSN";
    text.replace(text.find(placeholder), placeholder.size(), dsn());
    const std::string path = folder_ / "job.toml";
    std::ofstream(path) << text;
    return path;
  }

 private:
  std::filesystem::path folder_;
};

constexpr const char* chunks_by_hand = R"toml(
skip = ["metadata"]
[source]
dsn = "DSN"
table = "public.chunks"
[target]
into = "public.chunks_by_hand"
partitions = 8
[key]
expression = "abs(hashtext(collection_id::text)) % 8"
column = "leaf_key"
[map]
body = "upper(content)"
[limits]
readers = 2
writers = 3
[output]
json = true
progress = "none"
)toml";

TEST_F(JobFileTest, CopiesAndVerifiesWithoutAnOption) {
  make_chunks(2000);
  const std::string path = file_of(chunks_by_hand);
  const CommandResult copied = harness::pgfanout({"copy", path, "--skip", "content"});
  ASSERT_EQ(copied.exit_code, 0) << copied;
  const Json document = Json::parse(copied.out, nullptr, false);
  ASSERT_FALSE(document.is_discarded()) << copied;
  EXPECT_EQ(document["target"]["table"], "public.chunks_by_hand");
  EXPECT_EQ(document["partitions"].size(), 8U);
  EXPECT_EQ(document["resources"]["writers"], 3);
  EXPECT_EQ(difference("(SELECT id, collection_id, upper(content) AS body FROM chunks) s",
                       "chunks_by_hand", "id, collection_id, body"),
            "0");
  EXPECT_EQ(value("SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_attribute"
                  " WHERE attrelid = 'chunks_by_hand'::regclass AND attnum > 0"),
            "body collection_id created_at id leaf_key");
  const CommandResult verified = harness::pgfanout({"verify", path, "--skip", "content", "--data"});
  EXPECT_EQ(verified.exit_code, 0) << verified;
}

TEST_F(JobFileTest, OptionsWin) {
  make_chunks(500);
  const CommandResult copied =
      harness::pgfanout({"copy", file_of(chunks_by_hand), "--into", "public.other", "--map",
                         "body=lower(content)", "--writers", "2", "--skip", "content"});
  ASSERT_EQ(copied.exit_code, 0) << copied;
  const Json document = Json::parse(copied.out, nullptr, false);
  EXPECT_EQ(document["target"]["table"], "public.other");
  EXPECT_EQ(document["resources"]["writers"], 2);
  EXPECT_EQ(value("SELECT count(*) FROM other JOIN chunks USING (id) WHERE body IS NOT DISTINCT"
                  " FROM lower(content)"),
            "500");
}

TEST_F(JobFileTest, AMistakeInItStopsBeforeAnyConnection) {
  const CommandResult result = harness::pgfanout(
      {"copy", file_of("[source]\ndsn = \"DSN\"\ntabel = \"public.chunks\"\n"), "--json"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("error: [source] has no tabel [job-file]\n"));
  EXPECT_THAT(result.err, HasSubstr("job.toml:3:1\n  hint: did you mean table?\n"));
  const Json document = Json::parse(result.out, nullptr, false);
  EXPECT_EQ(document["issues"][0]["code"], "job-file");
}

}  // namespace
}  // namespace pgfanout::testing
