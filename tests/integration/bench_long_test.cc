// Every case of the insert suite, with few rows. bench_test.cc runs one of each kind.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/harness/command.h"
#include "tests/harness/temporary_file.h"
#include "tests/harness/test_server.h"

namespace pgfanout {
namespace {

class BenchLongTest : public ::testing::Test {
 protected:
  static harness::CommandResult bench(std::vector<std::string> words) {
    harness::TestServer& server = harness::TestServer::shared();
    const std::string database = server.create_database("bench");
    words.insert(words.begin(), {"bench", "--source", server.dsn(database), "--quick"});
    return harness::pgfanout(words);
  }
};

TEST_F(BenchLongTest, EveryCaseArrivesAndIsCounted) {
  const harness::TemporaryFile file("");
  const harness::CommandResult result =
      bench({"--sweep", "method,key,batch,width,indexes", "--rows", "120", "--json", file.path()});
  ASSERT_EQ(result.exit_code, 0) << result;
  std::ifstream stream(file.path());
  for (const auto& each : nlohmann::json::parse(stream)["benchmarks"]) {
    const std::string name = each["name"];
    EXPECT_FALSE(each.contains("error_occurred")) << name;
    if (!name.starts_with("question/")) {
      EXPECT_EQ(each["rows"], 120) << name;
    }
  }
}

TEST_F(BenchLongTest, AHundredWritersWithFewerRowsThanWriters) {
  const harness::CommandResult result =
      bench({"--sweep", "writers", "--rows", "70", "--benchmark_filter=writers:100/"});
  EXPECT_EQ(result.exit_code, 0) << result;
}

}  // namespace
}  // namespace pgfanout
