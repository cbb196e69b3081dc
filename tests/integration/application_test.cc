// The application's side of the swap with real libraries: docs/APPLICATION.md has the matrix that
// tests/application prints, and its recipes and errors are tried.
#include <iostream>

#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

class ApplicationTest : public testing::CopyFixture {
 protected:
  /// Runs a program of tests/application on the shared server. Its output goes to the log.
  static void expect_success(const std::string& program, std::vector<std::string> words = {}) {
    std::vector<std::string> argv = {"/usr/bin/python3",
                                     PGFANOUT_SOURCE_DIR "/tests/application/" + program};
    argv.insert(argv.end(), words.begin(), words.end());
    argv.insert(argv.end(), {server().dsn(), harness::pgfanout_binary()});
    harness::CommandOptions options;
    options.timeout = std::chrono::seconds(300);
    const testing::CommandResult result = harness::run_command(argv, options);
    EXPECT_EQ(result.exit_code, 0) << result;
    std::cout << result.out;
  }
};

TEST_F(ApplicationTest, TheMatrixIsTheOneOfThePage) {
  expect_success("matrix.py", {"--check"});
}

TEST_F(ApplicationTest, RecipesOfThePageWork) {
  expect_success("recipes.py");
}

TEST_F(ApplicationTest, ErrorsOfThePageAreThoseOfTheServer) {
  expect_success("errors.py");
}

TEST_F(ApplicationTest, MigrationsLeaveLeavesAndBackupAlone) {
  expect_success("migrations.py");
}

TEST_F(ApplicationTest, ApplicationGoesOnThroughAWindow) {
  expect_success("window.py");
}

}  // namespace
}  // namespace pgfanout
