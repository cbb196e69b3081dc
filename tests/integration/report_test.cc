// The HTML report of real jobs: what it says, however the job ended, and that a browser shows it.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "tests/integration/held_copy.h"

namespace pgfanout::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;

class ReportTest : public HeldCopyFixture {
 protected:
  void SetUp() override {
    HeldCopyFixture::SetUp();
    std::string name = (fs::temp_directory_path() / "pgfanout-report-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string file(const std::string& name) const {
    return (folder_ / (name + ".html")).string();
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream in(file(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name) << content;
  }
  /// One that tells what is wrong with each page; it fails if there is no browser.
  [[nodiscard]] CommandResult look_at(const std::vector<std::string>& names) const {
    std::vector<std::string> argv = {"python3", PGFANOUT_SOURCE_DIR "/tests/browser/look_at.py"};
    for (const std::string& name : names) argv.push_back(file(name));
    return harness::run_command(argv);
  }
  static std::string heading(const std::string& html) {
    const std::string before = html.substr(0, html.find("</h1>"));
    return before.substr(before.rfind('>') + 1);
  }
  static std::string part(const std::string& html, const std::string& id) {
    const std::size_t begin = html.find("<section id=\"" + id + "\"");
    if (begin == std::string::npos) return {};
    return html.substr(begin, html.find("</section>", begin) - begin);
  }

  fs::path folder_;
};

TEST_F(ReportTest, RunWithAGateAndSwap) {
  make_chunks(500);
  put("job.toml",
      "target.partitions = 8\n[gates]\nverify = \"confirm\"\n[hooks]\njob_finished = \"true "
      "--token geheim\"\n");
  const std::string job = (folder_ / "job.toml").string();
  const std::vector<std::string> words = {job, "--table", "chunks", "--swap", "--report"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return more;
  };
  ASSERT_EQ(window("run", with({file("waiting")})).exit_code, 3) << json.dump(1);
  const std::string waiting = text("waiting");
  EXPECT_EQ(heading(waiting), "Waiting");
  EXPECT_THAT(waiting,
              AllOf(HasSubstr("--confirm</span> verify"), HasSubstr("refused by a fence")));
  EXPECT_THAT(part(waiting, "sign-off"), HasSubstr("waits for a person"));
  EXPECT_THAT(part(waiting, "rates"), HasSubstr("Rates as a table"));

  ASSERT_EQ(window("run", with({file("swapped"), "--confirm", "verify"})).exit_code, 0)
      << json.dump(1);
  const std::string swapped = text("swapped");
  EXPECT_EQ(heading(swapped), "Swapped");
  EXPECT_THAT(part(swapped, "sign-off"), HasSubstr("confirmed by postgres from"));
  std::string confirmed_by;
  for (const Json& stage : json["stages"]) {
    if (stage["name"] == "verify") confirmed_by = stage["confirmed_by"];
  }
  EXPECT_THAT(confirmed_by, HasSubstr("postgres from"));
  EXPECT_THAT(part(swapped, "settings"),
              AllOf(HasSubstr("verify"), HasSubstr("job_finished=true")));
  EXPECT_THAT(swapped, Not(HasSubstr("geheim")));
  EXPECT_THAT(swapped, Not(HasSubstr(" --report /"))) << "no command writes over this report";

  ASSERT_EQ(window("rollback", {"--table", "chunks", "--report", file("back")}).exit_code, 0);
  EXPECT_EQ(heading(text("back")), "Rolled back");

  const CommandResult seen = look_at({"waiting", "swapped", "back"});
  EXPECT_EQ(seen.exit_code, 0) << seen;
}

TEST_F(ReportTest, CopyVerifyAndWhatEndsThem) {
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
  EXPECT_THAT(text("interrupted"), HasSubstr("to go on"));

  const CommandResult seen = look_at({"copy", "verify", "refused", "interrupted"});
  EXPECT_EQ(seen.exit_code, 0) << seen;
}

TEST_F(ReportTest, FileThatCannotBeWrittenIsRefusedBeforeAnything) {
  make_chunks(10);
  EXPECT_EQ(copy({"--table", "chunks", "--report", (folder_ / "no" / "r.html").string()}).exit_code,
            2);
  EXPECT_EQ(error_code(), "report-file");
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_new%'"), "0");
}

TEST_F(ReportTest, FolderThatIsGoneAtTheEndIsAWarning) {
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

TEST_F(ReportTest, CommandsThatOnlyLookWriteNone) {
  make_chunks(10);
  ASSERT_EQ(window("plan", {"--table", "chunks", "--report", file("plan")}).exit_code, 0)
      << json.dump(1);
  EXPECT_FALSE(fs::exists(file("plan")));
}

/// What looks at the pages must see what is wrong with one.
TEST_F(ReportTest, BrowserFindsWhatIsWrong) {
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
