// A password that comes from libpq's own places appears nowhere: not among the words of the
// process, not in what it prints, whether it succeeds or not, and not where others could read its
// memory.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/command.h"
#include "tests/harness/temporary_file.h"
#include "tests/harness/test_server.h"

namespace pgfanout {
namespace {

using harness::BackgroundCommand;
using harness::CommandOptions;
using harness::CommandResult;
using harness::ServerOptions;
using harness::TestServer;

const std::string kSecret = "s3cret-Word";

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class PasswordTest : public ::testing::Test {
 protected:
  static ServerOptions asking() {
    ServerOptions options;
    options.hba = {"local all postgres trust", "local all all scram-sha-256"};
    return options;
  }
  void SetUp() override {
    server.execute("postgres",
                   "CREATE ROLE dba LOGIN SUPERUSER PASSWORD '" + kSecret +
                       "'; CREATE TABLE t AS SELECT n AS id FROM generate_series(1, 100)"
                       " n; ALTER TABLE t OWNER TO dba");
  }

  std::vector<std::string> words(const std::string& table, const std::string& format) const {
    std::vector<std::string> all = {"copy",        "--source",     server.dsn("postgres", "dba"),
                                    "--table",     table,          "--key",
                                    "abs(id) % 8", "--partitions", "8"};
    all.push_back(format);
    return all;
  }
  void expect_no_word_of_it(const CommandResult& result) const {
    EXPECT_EQ((result.out + result.err).find(kSecret), std::string::npos) << result;
    EXPECT_EQ(server.log().find(kSecret), std::string::npos);
  }
  /// A copy that succeeds, a refusal, and both as JSON.
  void expect_silence(const CommandOptions& options) {
    const CommandResult copied = harness::pgfanout(words("public.t", "--progress=plain"), options);
    EXPECT_EQ(copied.exit_code, 0) << copied;
    expect_no_word_of_it(copied);
    for (const std::string format : {"--json", "--dry-run"}) {
      expect_no_word_of_it(harness::pgfanout(words("public.nothing", format), options));
      expect_no_word_of_it(harness::pgfanout(words("public.t", format), options));
    }
  }

  TestServer server{asking()};
};

TEST_F(PasswordTest, FromTheEnvironmentStaysThere) {
  CommandOptions options;
  options.environment = {{"PGPASSWORD", kSecret}};
  expect_silence(options);
}

TEST_F(PasswordTest, FromAFileStaysThere) {
  const harness::TemporaryFile file("*:*:*:dba:" + kSecret + "\n", ".pgpass");
  chmod(file.path().c_str(), S_IRUSR | S_IWUSR);
  CommandOptions options;
  options.environment = {{"PGPASSFILE", file.path()}};
  expect_silence(options);
}

TEST_F(PasswordTest, ProcessShowsItToNobody) {
  harness::Session blocker = server.connect();
  blocker.execute("BEGIN; LOCK TABLE t");
  CommandOptions options;
  options.environment = {{"PGPASSWORD", kSecret}};
  options.unprivileged = true;
  std::vector<std::string> all = words("public.t", "--lock-timeout=60s");
  BackgroundCommand command(harness::pgfanout_argv(all), options);
  const std::string waiting =
      "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgfanout/%'";
  for (int look = 0; look < 2000 && server.value("postgres", waiting) == "0"; ++look) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_NE(server.value("postgres", waiting), "0") << command.err();
  const std::string process = "/proc/" + std::to_string(command.pid());
  const std::string cmdline = read_file(process + "/cmdline");
  EXPECT_NE(cmdline.find("dba"), std::string::npos);
  EXPECT_EQ(cmdline.find(kSecret), std::string::npos);
#ifndef PGFANOUT_SANITIZED
  struct stat environment {};
  ASSERT_EQ(stat((process + "/environ").c_str(), &environment), 0);
  EXPECT_NE(environment.st_uid, harness::unprivileged_user().uid)
      << "dumpable: its memory is written to a core file, and open to the same user";
#endif
  blocker.execute("ROLLBACK");
  const CommandResult result = command.wait();
  EXPECT_EQ(result.exit_code, 0) << result;
  expect_no_word_of_it(result);
}

}  // namespace
}  // namespace pgfanout
