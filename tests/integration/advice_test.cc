// Advice on indexes for the queries of a job file, tried by the server where HypoPG is installed,
// and put into the job file; and what servers say of indexes while they build them.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;

class AdviceTest : public testing::WindowFixture {
 protected:
  void SetUp() override {
    WindowFixture::SetUp();
    execute(
        "CREATE TABLE t (id bigint, g text, n int, done boolean, note text, PRIMARY KEY (id, g));"
        "INSERT INTO t SELECT i, 'g' || i % 40, i % 900, i % 50 > 0, repeat('x', 200) FROM"
        " generate_series(1, 6000) i; CREATE INDEX t_g ON t (g); CREATE INDEX t_g_n ON t (g, n);"
        "ANALYZE t");
  }
  CommandResult queries(std::vector<std::string> more = {"--advise"}) {
    more.insert(more.begin(), file_);
    return window("queries", std::move(more));
  }
  /// Of one kind; null: none was given.
  [[nodiscard]] Json advice(const std::string& kind) const {
    for (const Json& each : json["advice"]) {
      if (each["kind"] == kind) return each;
    }
    return {};
  }
  [[nodiscard]] std::string file_text() const {
    std::ifstream file(file_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::string message_of(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code)
        return issue["severity"].get<std::string>() + ": " + issue["message"].get<std::string>();
    }
    return {};
  }

  const harness::TemporaryFile job_{R"toml([source]
table = "t"
[key]
expression = "abs(hashtext(g)) % 4"
[target]
partitions = 4
[[queries]]
name = "by n"
sql = "SELECT id, n FROM {table} WHERE n = 17 ORDER BY id"
[[queries]]
name = "open ones"
sql = "SELECT count(*) FROM {table} WHERE NOT done"
[[queries]]
name = "by the key"
sql = "SELECT note FROM {table} WHERE id = 17 AND g = 'g17'"
)toml"};
  const std::string& file_ = job_.path();
};

TEST_F(AdviceTest, IsTriedWherePossibleAndMadeByTheNextWindow) {
  const bool has_hypopg =
      value("SELECT count(*) FROM pg_available_extensions WHERE name = 'hypopg'") == "1";
  execute(has_hypopg ? "CREATE SCHEMA tools; CREATE EXTENSION hypopg SCHEMA tools" : "SELECT 1");
  ASSERT_EQ(queries().exit_code, 0) << json.dump(1);
  const Json composite = advice("composite");
  EXPECT_EQ(composite["query"], "by n");
  EXPECT_EQ(composite["sql"], "CREATE INDEX t_n_id_idx ON public.t (n, id)");
  EXPECT_EQ(composite["tried"], has_hypopg ? "hypopg" : "rules");
  if (has_hypopg) {
    EXPECT_LT(composite["cost_after"].get<double>(), composite["cost_before"].get<double>() / 2);
  }
  EXPECT_EQ(advice("partial")["sql"], "CREATE INDEX t_id_part_idx ON public.t (id) WHERE NOT done");
  EXPECT_EQ(advice("key-condition")["query"], "by the key");
  EXPECT_EQ(advice("key-condition")["sql"], "AND partition_key = abs(hashtext('g17'::text)) % 4");
  EXPECT_EQ(json["advice"].size(), 3U) << json["advice"].dump(1);
  EXPECT_THAT(message_of("index-redundant"), HasSubstr("index t_g has the first columns of"));

  execute(has_hypopg ? "DROP EXTENSION hypopg" : "SELECT 1");
  const std::string before = file_text();
  ASSERT_EQ(queries({"--add-to", file_}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(advice("partial")["tried"], "rules");
  EXPECT_THAT(message_of("indexes-added"), HasSubstr("2 indexes were added"));
  const std::string after = file_text();
  EXPECT_EQ(after.substr(0, before.size()), before);
  ASSERT_EQ(queries({"--add-to", file_}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(file_text(), after) << "nothing is added twice";

  ASSERT_EQ(window("run", {file_, "--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indexrelid IN "
                  "('t_n_id_idx'::regclass, 't_id_part_idx'::regclass)"),
            "2");
  ASSERT_EQ(queries().exit_code, 0) << json.dump(1);
  EXPECT_TRUE(advice("partial").is_null()) << json["advice"].dump(1);
  EXPECT_EQ(advice("key-condition")["query"], "by the key");
}

TEST_F(AdviceTest, WhatTheServerSaysOfAnIndexIsPassedOn) {
  execute(
      "CREATE FUNCTION loud(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF $1 = 17 THEN"
      " RAISE WARNING 'graph no longer fits after % tuples', 40 + random() * 10; END IF; RETURN $1;"
      " END $$; CREATE ACCESS METHOD ivfflat TYPE INDEX HANDLER hashhandler; CREATE OPERATOR CLASS"
      " own_int DEFAULT FOR TYPE int USING ivfflat AS OPERATOR 1 =, FUNCTION 1 hashint4(int);"
      "CREATE INDEX t_loud ON t (loud(n)); CREATE INDEX t_lists ON t USING ivfflat (n)");
  ASSERT_EQ(window("plan", {file_}).exit_code, 0) << json.dump(1);
  EXPECT_THAT(message_of("ivfflat-lists"),
              HasSubstr("WARNING: index t_lists has 100 lists on each leaf of about 1,500 rows: 1 "
                        "would fit"));
  ASSERT_EQ(window("run", {file_}).exit_code, 0) << json.dump(1);
  EXPECT_THAT(message_of("server-notice"), HasSubstr("WARNING: the server said of index"));
  EXPECT_THAT(message_of("server-notice"), HasSubstr("t_new_p"));
  EXPECT_THAT(message_of("server-notice"), HasSubstr("graph no longer fits after"));
}

}  // namespace
}  // namespace pgfanout
