// The report's file: refused before the job if it could not be written, and never half there.
#include "copier/report/html/report_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace pgfanout {
namespace {

namespace fs = std::filesystem;

class ReportFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "pgfanout-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  [[nodiscard]] static std::string content(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  fs::path folder_;
};

TEST_F(ReportFile, CheckingLeavesNothing) {
  EXPECT_TRUE(check_report_file(folder_ / "r.html"));
  EXPECT_EQ(files(), 0U);
}

TEST_F(ReportFile, CheckingLeavesAnEarlierReport) {
  ASSERT_TRUE(write_report_file(folder_ / "r.html", "first"));
  EXPECT_TRUE(check_report_file(folder_ / "r.html"));
  EXPECT_EQ(content(folder_ / "r.html"), "first");
}

TEST_F(ReportFile, AFolderThatIsNotThereIsRefused) {
  const auto checked = check_report_file(folder_ / "no" / "r.html");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, "report-file");
  EXPECT_EQ(checked.error().consequence, Consequence::refuse);
  EXPECT_FALSE(write_report_file(folder_ / "no" / "r.html", "text"));
}

TEST_F(ReportFile, OnlyAnOrdinaryFileIsReplaced) {
  EXPECT_FALSE(check_report_file(folder_));
  EXPECT_FALSE(check_report_file("/dev/null"));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(ReportFile, IsWhollyReplacedAndReadableByOthersAsUsual) {
  const mode_t mask = umask(027);
  const bool written = write_report_file(folder_ / "r.html", "a long first one").has_value() &&
                       write_report_file(folder_ / "r.html", "second").has_value();
  umask(mask);
  ASSERT_TRUE(written);
  EXPECT_EQ(content(folder_ / "r.html"), "second");
  EXPECT_EQ(files(), 1U);
  EXPECT_EQ(static_cast<unsigned>(fs::status(folder_ / "r.html").permissions()), 0640U);
}

}  // namespace
}  // namespace pgfanout
