// A thousand leaves on a server with its default settings: there and back, and forwards to the end.
#include <gmock/gmock.h>

#include <map>

#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::Json;

class ManyLeavesLongTest : public testing::WindowFixture {
 protected:
  static testing::TestServer& default_server() {
    harness::ServerOptions options;
    options.settings = {"max_connections = 100", "max_locks_per_transaction = 64"};
    static testing::TestServer made(options);
    return made;
  }
  [[nodiscard]] std::string read(const std::string& sql) const {
    return default_server().value(database, sql);
  }
  void call(const std::string& command, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--source", default_server().dsn(database), "--table", "t"});
    const testing::CommandResult result = window(command, more);
    ASSERT_EQ(result.exit_code, 0) << result;
  }
};

TEST_F(ManyLeavesLongTest, ThereAndBackAndToTheEnd) {
  database = default_server().create_database("many");
  default_server().execute(
      database,
      "CREATE TABLE t (id bigint, c text, a int, b int, PRIMARY KEY (id, c)) PARTITION BY HASH (c);"
      "DO $$ BEGIN FOR r IN 0..15 LOOP EXECUTE format('CREATE TABLE t_h%s PARTITION OF t"
      " FOR VALUES WITH (MODULUS 16, REMAINDER %s)', r, r); END LOOP; END $$;"
      "INSERT INTO t SELECT n, 'c' || n, n % 100, n % 7 FROM generate_series(1, 20000) n;"
      "CREATE INDEX ON t (a); CREATE INDEX ON t (b); CREATE INDEX ON t (a, b);"
      "CREATE INDEX ON t (b, a); ANALYZE t");
  const std::string relations =
      "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class"
      " WHERE relnamespace = 'public'::regnamespace";
  const std::string before = read(relations);
  const std::vector<std::string> leaves = {"--partitions", "1000"};
  std::vector<std::string> swap = leaves;
  swap.emplace_back("--swap");

  call("plan", leaves);
  std::map<std::string, double> estimated;
  for (const Json& each : json["estimates"]) estimated[each["stage"]] = each["seconds"];
  call("run", swap);
  double together = 0;
  double expected = 0;
  for (const Json& stage : json["stages"]) {
    if (!estimated.contains(stage["name"])) continue;
    RecordProperty(stage["name"], std::to_string(estimated[stage["name"]]) + " s estimated, " +
                                      std::to_string(stage["seconds"].get<double>()) + " s");
    together += stage["seconds"].get<double>();
    expected += estimated[stage["name"]];
  }
  // A busy machine, and a client without optimization: the order of magnitude.
  EXPECT_GT(together, expected / 4);
  EXPECT_LT(together, expected * 4);
  call("rollback");
  EXPECT_EQ(read(relations), before);

  call("run", leaves);
  call("rollback");
  EXPECT_EQ(read(relations), before);

  call("run", swap);
  call("cleanup", {"--force"});
  EXPECT_EQ(read("SELECT count(*) FROM t"), "20000");
  EXPECT_EQ(read("SELECT count(*) FROM pg_class WHERE relname LIKE 't_backup%'"), "0");
}

}  // namespace
}  // namespace pgfanout
