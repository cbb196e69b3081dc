// The options of bench, and where the program that measures is looked for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "copier/cli/arguments.h"
#include "copier/cli/process.h"

namespace pgfanout {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

Words with_command(Words words) {
  words.insert(words.begin(), "bench");
  return words;
}

BenchRequest request_of(const Words& words) {
  const auto parsed = parse_arguments(with_command(words));
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? std::get<Invocation>(*parsed).bench : BenchRequest{};
}

Error bench_refusal_of(const Words& words) {
  const auto parsed = parse_arguments(with_command(words));
  EXPECT_FALSE(parsed);
  return parsed ? Error{} : parsed.error();
}

TEST(BenchArguments, DefaultsNeedNothing) {
  const BenchRequest request = request_of({});
  EXPECT_FALSE(request.source_dsn);
  EXPECT_FALSE(request.rows);
  EXPECT_TRUE(request.methods.empty());
  EXPECT_TRUE(request.sweeps.empty());
  EXPECT_FALSE(request.quick || request.list);
}

TEST(BenchArguments, EveryOptionReachesTheRequest) {
  const BenchRequest request =
      request_of({"--rows", "1000", "--methods", "row,fan_out", "--methods=row", "--sweep",
                  "writers,key", "--repetitions=7", "--quick", "--list", "--json", "out.json",
                  "--server-bindir", "/opt/pg/bin", "--source", "host=a dbname=b"});
  EXPECT_EQ(request.rows, 1000U);
  EXPECT_THAT(request.methods, ElementsAre("row", "fan_out"));
  EXPECT_THAT(request.sweeps, ElementsAre("writers", "key"));
  EXPECT_EQ(request.repetitions, 7U);
  EXPECT_TRUE(request.quick && request.list);
  EXPECT_EQ(request.json_file, "out.json");
  EXPECT_EQ(request.server_bindir, "/opt/pg/bin");
  EXPECT_EQ(request.source_dsn, "host=a dbname=b");
  EXPECT_THAT(request_of({"--sweep", "all"}).sweeps, ElementsAreArray(kBenchSweeps));
}

TEST(BenchArguments, GoogleBenchmarksOptionsAreHandedOn) {
  EXPECT_THAT(request_of({"--benchmark_filter=row", "--quick", "--benchmark_counters_tabular=true"})
                  .benchmark_words,
              ElementsAre("--benchmark_filter=row", "--benchmark_counters_tabular=true"));
}

TEST(BenchArguments, WrongWordsAreRefusedWithAHint) {
  EXPECT_THAT(bench_refusal_of({"--methods", "copy_binry"}).hint, HasSubstr("copy_binary"));
  EXPECT_THAT(bench_refusal_of({"--sweep", "writer"}).hint, HasSubstr("writers"));
  EXPECT_THAT(bench_refusal_of({"--sweep", ""}).message, HasSubstr("--sweep"));
  EXPECT_THAT(bench_refusal_of({"--rows", "0"}).message, HasSubstr("from 1"));
  EXPECT_THAT(bench_refusal_of({"--row", "5"}).hint, HasSubstr("--rows"));
  EXPECT_THAT(bench_refusal_of({"--table", "t"}).message, HasSubstr("bench has no option --table"));
  EXPECT_THAT(bench_refusal_of({"job.toml"}).hint, Not(HasSubstr(".toml")));
  EXPECT_EQ(bench_refusal_of({"--json"}).code, "usage");
  for (const Words& words : {Words{"--rows", "x"}, Words{"--repetitions", "-1"}}) {
    EXPECT_EQ(bench_refusal_of(words).consequence, Consequence::refuse);
  }
}

TEST(BenchArguments, APasswordIsRefusedAndNotRepeated) {
  const Error error = bench_refusal_of({"--source", "host=a password=s3cret"});
  EXPECT_EQ(error.code, "password-in-dsn");
  EXPECT_THAT(error.message + error.hint + error.where, Not(HasSubstr("s3cret")));
}

TEST(BenchArguments, HelpHasItsOwnOptionsOnly) {
  const auto parsed = parse_arguments(Words{"bench", "--help"});
  ASSERT_TRUE(parsed);
  const std::string page = std::get<Information>(*parsed).text;
  EXPECT_THAT(page, AllOf(HasSubstr("--sweep LIST"), HasSubstr("Examples:"),
                          Not(HasSubstr("--table")), Not(HasSubstr("JOB.toml"))));
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = page.find('\n', at);
    EXPECT_LE(end - at, 100U) << page.substr(at, end - at);
    at = end + 1;
  }
  const auto general = parse_arguments(Words{"--help"});
  EXPECT_THAT(std::get<Information>(*general).text, HasSubstr("\n  bench "));
}

TEST(BenchArguments, ItsJsonIsAFileAndNotTheErrorsForm) {
  EXPECT_FALSE(wants_json(Words{"bench", "--json"}));
}

TEST(BenchProgram, IsFoundBesideAndInstalled) {
  std::string folder = "/tmp/pgfanout-bench-test.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string bin = folder + "/bin";
  const std::string libexec = folder + "/libexec/pgfanout";
  std::filesystem::create_directories(bin);
  std::filesystem::create_directories(libexec);
  const auto make_program = [](const std::string& directory) {
    std::ofstream(directory + "/pgfanout-bench") << "#!/bin/true\n";
    chmod((directory + "/pgfanout-bench").c_str(), 0755);
  };
  const auto missing = find_bench_program(bin);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().consequence, Consequence::refuse);
  EXPECT_THAT(missing.error().hint, AllOf(HasSubstr("build"), HasSubstr("install")));
  make_program(libexec);
  EXPECT_EQ(find_bench_program(bin).value_or(""), bin + "/../libexec/pgfanout/pgfanout-bench");
  make_program(bin);
  EXPECT_EQ(find_bench_program(bin).value_or(""), bin + "/pgfanout-bench");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace pgfanout
