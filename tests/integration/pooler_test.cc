// A real pgbouncer between the program and the server: a window through a pool in session mode, a
// state that can be read through a pool in transaction mode, and no setting of ours on a backend
// that others use.
#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "tests/harness/session.h"
#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;

/// Runs as long as it lives.
class Pooler {
 public:
  Pooler(const harness::TestServer& server, const std::string& settings)
      : folder_(server.socket_directory()), port_(6432 + count_++) {
    const std::string port = std::to_string(port_);
    file_ = std::make_unique<harness::TemporaryFile>(
        "[databases]\n* = user=postgres host=" + folder_ +
            " port=" + std::to_string(server.port()) + "\n[pgbouncer]\nlisten_port = " + port +
            "\nunix_socket_dir = " + folder_ + "\nauth_type = any\n" + settings + "\n",
        ".ini");
    namespace fs = std::filesystem;
    fs::permissions(file_->path(), fs::perms::others_read, fs::perm_options::add);
    harness::CommandOptions options;
    options.unprivileged = true;
    process_ = std::make_unique<harness::BackgroundCommand>(
        std::vector<std::string>{"/usr/sbin/pgbouncer", file_->path()}, options);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!fs::exists(folder_ + "/.s.PGSQL." + port)) {
      if (std::chrono::steady_clock::now() > deadline || !process_->running()) {
        throw std::runtime_error("pgbouncer did not start: " + process_->err());
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  [[nodiscard]] std::string dsn(const std::string& database) const {
    return "host=" + folder_ + " port=" + std::to_string(port_) +
           " user=postgres dbname=" + database;
  }

 private:
  static inline int count_ = 0;

  const std::string folder_;
  const int port_;
  std::unique_ptr<harness::TemporaryFile> file_;
  std::unique_ptr<harness::BackgroundCommand> process_;
};

class PoolerTest : public testing::WindowFixture {
 protected:
  void SetUp() override {
    WindowFixture::SetUp();
    execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text);"
        "INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, 500) n");
  }
  CommandResult through(const Pooler& pooler, const std::string& command,
                        std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--source", pooler.dsn(database), "--table", "t"});
    if (command == "run" || command == "plan") {
      more.insert(more.end(), {"--key", "id % 4", "--partitions", "4", "--readers", "2"});
      more.insert(more.end(), {"--writers", "2"});
    }
    return window(command, std::move(more));
  }
};

/// The pool's next clients must not meet a setting of ours, also if the pool resets nothing.
TEST_F(PoolerTest, AWindowPassesAPoolInSessionMode) {
  const Pooler pooler(server(), "pool_mode = session\nserver_reset_query =");
  const CommandResult swapped = through(pooler, "run", {"--swap"});
  EXPECT_EQ(swapped.exit_code, 0) << swapped;
  EXPECT_EQ(json["source"]["digest"], json["target"]["digest"]);
  EXPECT_EQ(value("SELECT relkind FROM pg_class WHERE oid = 't'::regclass"), "p");
  EXPECT_EQ(through(pooler, "rollback").exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
                  " (SELECT oid FROM pg_database WHERE datname = current_database())"),
            "0");
  harness::Session next(pooler.dsn(database));
  EXPECT_EQ(next.value("SHOW search_path"), "\"$user\", public");
  EXPECT_EQ(next.value("SHOW row_security"), "on");
}

TEST_F(PoolerTest, TheStateIsReadThroughATransactionPoolAndNothingElseIsDone) {
  const Pooler pooler(server(), "pool_mode = transaction");
  ASSERT_EQ(window("run", {"--table", "t", "--key", "id % 4", "--partitions", "4"}).exit_code, 0);
  harness::Session application(pooler.dsn(database));
  EXPECT_EQ(application.value("SELECT 1"), "1");
  for (const std::string command : {"plan", "run", "swap", "rollback", "verify"}) {
    const CommandResult refused = through(pooler, command);
    EXPECT_EQ(refused.exit_code, 2) << command << refused;
    EXPECT_THAT(refused.err, HasSubstr("is not in session mode"));
  }
  EXPECT_EQ(through(pooler, "status").exit_code, 0) << json.dump(1);
  EXPECT_EQ(json["standing"]["next"], "pgfanout swap") << json.dump(1);
  EXPECT_EQ(
      through(pooler, "key", {"--key", "id % 4", "--partitions", "4", "--check", "100"}).exit_code,
      0)
      << json.dump(1);
  EXPECT_EQ(application.value("SHOW search_path"), "\"$user\", public");
  EXPECT_EQ(application.value("SHOW row_security"), "on");
  EXPECT_EQ(application.value("SHOW default_transaction_isolation"), "read committed");
  EXPECT_EQ(value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND"
                  " state LIKE 'idle in transaction%'"),
            "0");
}

TEST_F(PoolerTest, APoolInStatementModeIsNamed) {
  const Pooler pooler(server(), "pool_mode = statement");
  const CommandResult refused = through(pooler, "status");
  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.err, HasSubstr("statement pooling mode"));
}

/// Behind the fence, the job would wait for backends that the pool never gives.
TEST_F(PoolerTest, ThePlanCountsTheBackendsOfThePool) {
  const Pooler small(server(), "pool_mode = session\ndefault_pool_size = 7");
  EXPECT_EQ(through(small, "plan").exit_code, 2);
  EXPECT_TRUE(has_issue("pooler-room")) << json.dump(1);
  const Pooler enough(server(), "pool_mode = session\ndefault_pool_size = 8");
  EXPECT_EQ(through(enough, "run").exit_code, 0) << json.dump(1);
}

}  // namespace
}  // namespace pgfanout
