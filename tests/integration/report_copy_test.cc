// The HTML report of real copies and comparisons, however they ended, and that a browser shows it.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "tests/integration/report_fixture.h"

namespace pgfanout::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

using ReportCopyTest = ReportFixture;

TEST_F(ReportCopyTest, CopyVerifyAndWhatEndsThem) {
  make_chunks(500);
  ASSERT_EQ(copy({"--table", "chunks", "--report", file("copy")}).exit_code, 0) << json.dump(1);
  const std::string copied = text("copy");
  EXPECT_EQ(heading(copied), "Match");
  EXPECT_THAT(copied, HasSubstr(json["target"]["digest"].get<std::string>().substr(0, 16)));
  EXPECT_THAT(part(copied, "leaves"), HasSubstr("chunks_new_p"));
  EXPECT_THAT(part(copied, "digests"),
              HasSubstr(json["partitions"][7]["digest"].get<std::string>()));

  execute(
      "DELETE FROM chunks_new WHERE id = 17; UPDATE chunks_new SET content = '<script>' || 'x'"
      " WHERE id = 18");
  ASSERT_EQ(window("verify", {"--data", "--table", "chunks", "--report", file("verify")}).exit_code,
            1)
      << json.dump(1);
  const std::string verified = text("verify");
  EXPECT_EQ(heading(verified), "Differs");
  EXPECT_THAT(part(verified, "differences"),
              AllOf(HasSubstr("id = <code>17</code>"), HasSubstr("id = <code>18</code>"),
                    HasSubstr("content")));
  EXPECT_THAT(verified, Not(HasSubstr("<script>")));

  ASSERT_EQ(copy({"--table", "nothing", "--report", file("refused")}).exit_code, 2);
  EXPECT_EQ(heading(text("refused")), "Refused");

  hold();
  harness::BackgroundCommand command(
      words("copy", {"--into", "chunks_slow", "--report", file("interrupted")}));
  wait_until_held();
  command.send_signal(SIGINT);
  const CommandResult stopped = command.wait();
  EXPECT_EQ(stopped.exit_code, 3) << stopped;
  EXPECT_EQ(heading(text("interrupted")), "Interrupted");
  EXPECT_THAT(text("interrupted"), HasSubstr("to resume"));

  const CommandResult seen = look_at({"copy", "verify", "refused", "interrupted"});
  EXPECT_EQ(seen.exit_code, 0) << seen;
}

TEST_F(ReportCopyTest, FolderThatIsGoneAtTheEndIsAWarning) {
  make_chunks(10);
  fs::create_directory(folder_ / "sub");
  hold();
  harness::BackgroundCommand command(
      words("copy", {"--json", "--report", (folder_ / "sub" / "r.html").string()}));
  wait_until_held();
  fs::remove_all(folder_ / "sub");
  let_go();
  const CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(result.out, HasSubstr("report-not-written"));
}

/// The browser check must find the faults of a page.
TEST_F(ReportCopyTest, BrowserFindsWhatIsWrong) {
  put("bad.html",
      "<!DOCTYPE html><html><head><title>x</title><meta name=\"viewport\" "
      "content=\"width=device-width\"/><link rel=\"stylesheet\" href=\"other.css\"/>"
      "</head><body style=\"background:#fff\"><p style=\"width:500px\">wide</p>"
      "<p style=\"color:#bbb\">pale</p><svg viewBox=\"0 0 1 1\"></svg>"
      "<details><summary>folded</summary><p>text</p></details>"
      "<script>console.log('heard')</script></body></html>");
  put("broken.html", "<!DOCTYPE html><html><body><p>open</body></html>");
  const CommandResult seen = look_at({"bad", "broken"});
  EXPECT_EQ(seen.exit_code, 1) << seen;
  for (const char* problem : {"phone: too wide", "phone: asks for", "poor contrast", "heard",
                              "a drawing without words", "paper: hides folded"}) {
    EXPECT_THAT(seen.out, HasSubstr(problem));
  }
  EXPECT_THAT(seen.out, HasSubstr("broken.html: not well-formed"));
}

}  // namespace
}  // namespace pgfanout::testing
