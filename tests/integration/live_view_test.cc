// The live view in a real terminal: drawn in place, resized, and gone without a trace.
#include <gmock/gmock.h>

#include "tests/integration/held_copy.h"
#include "tests/integration/real_terminal.h"

namespace pgfanout {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RealTerminal;
using testing::shell_words;

class LiveViewTest : public testing::HeldCopyFixture {
 protected:
  static int occurrences(const std::string& text, const std::string& what) {
    int count = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != text.npos; ++at) ++count;
    return count;
  }
};

TEST_F(LiveViewTest, IsDrawnInPlaceSurvivesResizingAndLeavesACleanPrompt) {
  hold_copy(500);
  RealTerminal terminal(100, 30);
  terminal.type(shell_words(words("run")) + "; echo ended with $?");
  ASSERT_TRUE(terminal.wait_for("▸ copy")) << terminal.screen();
  ASSERT_TRUE(terminal.wait_for("busy   readers 2/2"));
  EXPECT_THAT(terminal.screen(), AllOf(HasSubstr("pgfanout run "), HasSubstr("· analyze"),
                                       HasSubstr("· · ·   ✓ preflight"), HasSubstr("▃ loading"),
                                       HasSubstr("Ctrl-C ")));
  EXPECT_THAT(terminal.screen(true), HasSubstr("\x1b[32m"));
  for (const auto& [columns, rows] :
       {std::pair(60U, 16U), std::pair(80U, 24U), std::pair(120U, 40U), std::pair(40U, 8U)}) {
    terminal.resize(columns, rows);
    EXPECT_TRUE(terminal.wait_until([&](const std::string& now) {
      return occurrences(now, "pgfanout run ") == 1 && occurrences(now, "Ctrl-C ") == 1;
    })) << terminal.screen();
  }
  terminal.resize(30, 10);
  EXPECT_TRUE(terminal.wait_until([](const std::string& now) {
    return now.find("copy/copy") != now.npos && now.find("Ctrl-C ") == now.npos;
  })) << terminal.screen();
  terminal.resize(100, 40);
  ASSERT_TRUE(terminal.wait_for("▸ copy"));
  terminal.press("C-c");
  ASSERT_TRUE(terminal.wait_for("ended with 3")) << terminal.screen();
  ASSERT_TRUE(terminal.wait_until(
      [](const std::string& now) { return now.rfind("prompt>") > now.find("ended with 3"); }));
  EXPECT_THAT(terminal.screen(), Not(HasSubstr("▃ loading")));
  EXPECT_TRUE(terminal.has_cursor());
}

TEST_F(LiveViewTest, HasNeitherColorNorMoreThanAsciiWhereItIsNotWanted) {
  hold_copy(100);
  RealTerminal terminal(80, 24, "C");
  terminal.type("export NO_COLOR=1");
  terminal.type(shell_words(words("copy")) + "; echo ended with $?");
  ASSERT_TRUE(terminal.wait_for("> copy")) << terminal.screen();
  const std::string screen = terminal.screen(true);
  EXPECT_THAT(screen, AllOf(Not(HasSubstr("\x1b[3")), HasSubstr("= loading")));
  for (const char byte : screen) EXPECT_LT(static_cast<unsigned char>(byte), 0x80U);
  let_go();
  ASSERT_TRUE(terminal.wait_for("ended with 0")) << terminal.screen();
  EXPECT_THAT(terminal.screen(), Not(HasSubstr("= loading")));
}

TEST_F(LiveViewTest, TheThirdCtrlCLeavesTheCursorToo) {
  hold_copy(100);
  RealTerminal terminal(80, 24);
  terminal.type(shell_words(words("copy", {"--commit-every", "1MB"})) + "; echo ended with $?");
  ASSERT_TRUE(terminal.wait_for("▸ copy")) << terminal.screen();
  // Signals that come before one of them is handled are one.
  ASSERT_TRUE(terminal.wait_until([&](const std::string& now) {
    if (now.find("ended with 3") != now.npos) return true;
    terminal.press("C-c");
    return false;
  })) << terminal.screen();
  EXPECT_TRUE(terminal.has_cursor());
}

}  // namespace
}  // namespace pgfanout
