// The page of --version: every library that the program is built with, each with a version.
#include "copier/report/text/tool_version.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>

namespace pgfanout {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// The text after "<name>: ".
std::string line_of(const std::string& page, const std::string& name) {
  const std::size_t at = page.find("\n" + name + ": ");
  if (at == std::string::npos) return "(no such line)";
  const std::size_t begin = at + name.size() + 3;
  return page.substr(begin, page.find('\n', begin) - begin);
}

TEST(ToolVersion, EveryLibraryHasAVersion) {
  const std::string page = version_page("15.7");
  for (const char* name :
       {"oneTBB", "xxHash", "fmt", "nlohmann-json", "toml++", "prometheus-cpp"}) {
    EXPECT_TRUE(std::regex_match(line_of(page, name), std::regex(R"(\d+(\.\d+)+)")))
        << name << ": " << line_of(page, name);
  }
  EXPECT_TRUE(std::regex_match(line_of(page, "mimalloc"), std::regex(R"(none|\d+(\.\d+)+)")))
      << line_of(page, "mimalloc");
  EXPECT_TRUE(
      std::regex_match(page.substr(0, page.find('\n')), std::regex(R"(pgfanout \d+\.\d+\.\d+)")));
  EXPECT_EQ(line_of(page, "servers"), "PostgreSQL 14 to 18");
}

TEST(ToolVersion, SaysHowItWasCompiled) {
  const std::string page = version_page("15.7");
  EXPECT_EQ(line_of(page, "compiler"), compiler());
  EXPECT_THAT(line_of(page, "build"), HasSubstr(" (-"));
#ifdef PGFANOUT_SANITIZED
  EXPECT_NE(line_of(page, "sanitizers"), "none");
  EXPECT_EQ(line_of(page, "mimalloc"), "none");
#else
  EXPECT_EQ(line_of(page, "sanitizers"), "none");
#endif
}

TEST(ToolVersion, ALibpqOtherThanTheOneItWasBuiltWithIsTold) {
  const std::string line = line_of(version_page("9.6.24"), "libpq");
  const std::string head = "9.6.24 (built with ";
  ASSERT_THAT(line, StartsWith(head));
  const std::string own = line.substr(head.size(), line.size() - head.size() - 1);
  EXPECT_EQ(line_of(version_page(own), "libpq"), own);
}

TEST(ToolVersion, TheCommitIsNamedWhereItIsKnown) {
  EXPECT_THAT(version_page("15.7"), Not(HasSubstr("\ncommit: ")));
  name_commit("2d8d53a50951-dirty");
  EXPECT_EQ(line_of(version_page("15.7"), "commit"), "2d8d53a50951-dirty");
  name_commit("");
}

}  // namespace
}  // namespace pgfanout
