// Every command loses its connection at one statement after another, before the statement is sent
// or once it is: it says so by its exit code, never ends as if it had been done, and the same
// command resumes. Statements are taken in steps, since a window makes more than a thousand.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "tests/faults/window_rig.h"

namespace pgfanout::testing {
namespace {

constexpr int kSmallTable = 200;

class LostStatementsTest : public WindowRig {
 protected:
  void SetUp() override { begin(kSmallTable); }
  void TearDown() override { end(); }

  /// Calls the command, which loses another statement each time, until it has come to its end and,
  /// where it `repeats` itself, makes fewer statements than that; `check` is called after each
  /// call.
  template <typename Check>
  void lose_each(const std::string& command, int step, const Check& check) {
    int calls = 0;
    int ends = 0;
    for (int number = 1; ends < 4; number += step, ++calls) {
      const char* variable = number % 2 == 0 ? "PGFANOUT_LOSE_STATEMENT" : "PGFANOUT_LOSE_ANSWER";
      const std::string what = fmt::format("{} {}={}", command, variable, number);
      const CommandResult result = call(command, {{variable, std::to_string(number)}});
      ASSERT_TRUE(result.exit_code == 0 || result.exit_code == 3 || result.exit_code == 4)
          << what << result;
      check(what);
      ASSERT_FALSE(HasFailure()) << what << result;
      ends = result.exit_code == 0 ? ends + 1 : 0;
      ASSERT_LT(calls, 400) << what << result;
    }
    EXPECT_GT(calls, 8) << command;
    const CommandResult result = call(command);
    ASSERT_EQ(result.exit_code, 0) << command << result;
  }
};

TEST_F(LostStatementsTest, OfAWindowOnAndBack) {
  const auto check = [&](const std::string& what) { check_always(what); };
  lose_each("run", 23, check);
  check_swapped("run lost statements");
  lose_each("rollback", 7, check);
  check_as_before("rollback lost statements");
  ASSERT_EQ(call("run").exit_code, 0);
  lose_each("cleanup", 5, check);
  check_swapped("cleanup lost statements");
}

TEST_F(LostStatementsTest, OfACopyAndItsVerification) {
  const auto check = [&](const std::string& what) { check_always(what); };
  lose_each("copy", 5, check);
  EXPECT_EQ(difference("public.chunks", "public.chunks_new", kChunkColumns), "0");
  lose_each("verify", 7, check);
  lose_each("status", 2, check);
}

TEST_F(LostStatementsTest, OfWhatOnlyReads) {
  const auto check = [&](const std::string& what) { check_always(what); };
  lose_each("plan", 11, check);
  lose_each("key", 3, check);
}

}  // namespace
}  // namespace pgfanout::testing
