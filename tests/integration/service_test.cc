// The systemd unit, as systemd runs its command: no terminal, no input, its own state folder, and
// the signal of KillSignal= for a stop.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <thread>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;

class ServiceTest : public testing::WindowFixture {
 protected:
  void SetUp() override {
    WindowFixture::SetUp();
    execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text);"
        "INSERT INTO t SELECT n, 'v' FROM generate_series(1, 300) n");
    std::string name = std::filesystem::temp_directory_path() / "pgfanout-service-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::ofstream(folder_ + "/move.toml")
        << "[source]\ndsn = \"" << dsn() << "\"\ntable = \"t\"\n"
        << "[key]\nexpression = \"id % 4\"\n[target]\npartitions = 4\n";
  }
  void TearDown() override {
    std::filesystem::remove_all(folder_);
    WindowFixture::TearDown();
  }

  static std::string file(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
    return text;
  }
  static std::string unit() {
    return replaced(file(PGFANOUT_SOURCE_DIR "/scripts/systemd/pgfanout@.service"), "\\\n", "");
  }
  static std::string setting(const std::string& name) {
    const std::string text = unit();
    const std::size_t at = text.find("\n" + name + "=");
    if (at == std::string::npos) return "";
    const std::size_t begin = at + name.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
  }
  /// The command of instance "move", of this build and with the job file in the folder.
  [[nodiscard]] harness::BackgroundCommand start() const {
    std::string command = replaced(setting("ExecStart"), "$$", "$");
    command = replaced(command, "/usr/bin/pgfanout", harness::pgfanout_argv({}).front());
    command = replaced(command, "/etc/pgfanout/", folder_ + "/");
    harness::CommandOptions options;
    options.environment = {{"STATE_DIRECTORY", folder_}};
    return harness::BackgroundCommand({"/bin/sh", "-c", "exec " + replaced(command, "%i", "move")},
                                      options);
  }
  [[nodiscard]] testing::Json document() const {
    return testing::Json::parse(file(folder_ + "/move.json"), nullptr, false);
  }

  std::string folder_;
};

TEST_F(ServiceTest, LeavesItsDocumentEventsAndReport) {
  const CommandResult done = start().wait();
  EXPECT_EQ(done.exit_code, 0) << done;
  EXPECT_EQ(done.out, "");
  EXPECT_EQ(document()["status"], "ok");
  EXPECT_THAT(file(folder_ + "/move.events.jsonl"), HasSubstr("job_finished"));
  EXPECT_THAT(file(folder_ + "/move.html"), HasSubstr("</html>"));
}

/// It waits for a writer's lock, and would for minutes.
TEST_F(ServiceTest, AStopEndsItInTimeAndTheNextStartResumes) {
  ASSERT_EQ(setting("KillSignal"), "SIGINT");
  ASSERT_EQ(setting("KillMode"), "mixed");
  for (const int signal : {SIGINT, SIGTERM}) {
    auto writer = server().connect(database);
    writer.execute("BEGIN; INSERT INTO t VALUES (1000, 'v')");
    auto command = start();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    const std::string prepare = "\"stage\":\"prepare\"";
    while (replaced(file(folder_ + "/move.events.jsonl"), " ", "").find(prepare) ==
           std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << command.err();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    command.send_signal(signal);
    const CommandResult stopped = command.wait();
    EXPECT_EQ(stopped.exit_code, 3) << stopped;
    EXPECT_LT(stopped.seconds, 30);
    EXPECT_THAT(stopped.err, HasSubstr("[cancelled]"));
    EXPECT_EQ(document()["status"], "interrupted");
    writer.execute("ROLLBACK");
    std::filesystem::remove(folder_ + "/move.events.jsonl");
  }
  EXPECT_EQ(start().wait().exit_code, 0);
  EXPECT_EQ(document()["status"], "ok");
}

/// Beyond its own folder it writes nothing, and it starts on a host where that does not exist yet.
TEST_F(ServiceTest, NoStreamIsAFileOfAFolderThatSystemdMakesLater) {
  EXPECT_EQ(setting("StateDirectory"), "pgfanout");
  EXPECT_EQ(setting("StandardOutput"), "");
  EXPECT_EQ(setting("StandardError"), "journal");
}

}  // namespace
}  // namespace pgfanout
