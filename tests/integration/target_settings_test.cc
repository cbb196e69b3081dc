// Wishes of the job file beside the source's definition: indexes, NOT NULL and defaults, a
// sequence and names of leaves. The plan refuses what could not be made; the window makes it, and a
// rollback leaves nothing of it.
#include <gmock/gmock.h>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using ::testing::AllOf;
using testing::CommandResult;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;

class TargetSettingsTest : public testing::WindowFixture {
 protected:
  void SetUp() override {
    WindowFixture::SetUp();
    execute(
        "DO $$ BEGIN CREATE ROLE settings_writer; EXCEPTION WHEN duplicate_object THEN NULL; END "
        "$$;"
        "CREATE TABLE t (id uuid DEFAULT gen_random_uuid(), g text, n bigint, PRIMARY KEY (id, g),"
        " meta json); INSERT INTO t SELECT md5(n::text)::uuid, 'g' || n % 7, n,"
        " CASE WHEN n % 3 > 0 THEN '{\"a\": 1}'::json END FROM generate_series(1, 300) n;"
        "GRANT SELECT, INSERT ON t TO settings_writer");
  }

  static constexpr const char* kSettings = R"toml(
skip = ["meta"]
[map]
id = "nextval('t_id_seq')"
legacy_id = "id"
metadata = "meta::jsonb"
[target]
leaf_name = "{table}-{key:03}"
[target.sequences.t_id_seq]
owned_by = "id"
start = 5
[target.columns.n]
default = "own_default()"
[[target.indexes]]
definition = "CREATE INDEX t_meta ON {table} USING gin (metadata jsonb_path_ops) WHERE metadata IS NOT NULL"
[[target.indexes]]
definition = "CREATE UNIQUE INDEX \"t N\" ON {table} (g, n, partition_key) INCLUDE (legacy_id)"
)toml";

  CommandResult run(const std::string& command, const std::string& settings = kSettings,
                    std::vector<std::string> more = {}) {
    const harness::TemporaryFile job(settings);
    more.insert(more.begin(),
                {job.path(), "--table", "t", "--key", "abs(hashtext(g)) % 4", "--partitions", "4"});
    return window(command, std::move(more));
  }

  /// "code: message" of what is a reason not to begin.
  [[nodiscard]] std::string reasons() const {
    std::string found;
    for (const Json& issue : json["issues"]) {
      if (issue["severity"] != "ERROR") continue;
      found += issue["code"].get<std::string>() + ": " + issue["message"].get<std::string>() + "\n";
    }
    if (json.contains("error")) found += json["error"].dump();
    return found;
  }
};

TEST_F(TargetSettingsTest, AreMadeAndTakenBack) {
  execute("CREATE FUNCTION own_default() RETURNS bigint LANGUAGE sql AS 'SELECT 42::bigint'");
  const std::string before = catalog();
  ASSERT_EQ(run("plan", kSettings, {"--dry-run"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(catalog(), before) << "the plan leaves nothing of what it tries";
  EXPECT_THAT(json["statements"].dump(), HasSubstr("CREATE SEQUENCE"));
  ASSERT_EQ(run("run").exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT min(id) || ' ' || max(id) FROM t_new"), "5 304");
  // Resumed with another setting it is another job.
  std::string other = kSettings;
  other.replace(other.find("start = 5"), 9, "start = 6");
  EXPECT_EQ(run("run", other).exit_code, 2);
  EXPECT_THAT(reasons(), HasSubstr("other-request"));
  ASSERT_EQ(run("verify", kSettings, {"--schema"}).exit_code, 0) << json.dump(1);
  for (const Json& object : json["schema"]) {
    if (object["name"] != "t_meta_new" && object["name"] != "n") continue;
    EXPECT_EQ(object["severity"], "INFO") << object;
  }
  ASSERT_EQ(run("rollback").exit_code, 0) << json.dump(1);
  EXPECT_EQ(catalog(), before) << "before the swap the sequence goes with the table";

  ASSERT_EQ(run("run", kSettings, {"--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE"
                  " i.inhparent = 't'::regclass AND c.relname ~ '^t-00[0-3]$'"),
            "4");
  EXPECT_EQ(value("SELECT pg_get_serial_sequence('t', 'id')"), "public.t_id_seq");
  EXPECT_EQ(value("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid AND"
                  " indexrelid IN ('t_meta'::regclass, '\"t N\"'::regclass)"),
            "2");
  EXPECT_THAT(value("SELECT pg_get_indexdef('t_meta'::regclass)"),
              HasSubstr("USING gin (metadata jsonb_path_ops) WHERE (metadata IS NOT NULL)"));
  execute(
      "SET ROLE settings_writer; INSERT INTO t (g, partition_key) VALUES ('g1', "
      "t_partition_key('g1'))");
  EXPECT_EQ(value("SELECT id || ' ' || n FROM t WHERE legacy_id IS NULL"), "305 42");
  ASSERT_EQ(run("rollback", kSettings, {"--force"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(catalog(), before);
}

TEST_F(TargetSettingsTest, AJobThatEndsBeforeLeavesAreAttachedLeavesNoSequence) {
  execute(
      "CREATE FUNCTION own_default() RETURNS bigint LANGUAGE sql AS 'SELECT 42::bigint';"
      "CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF"
      " current_query() LIKE '%ATTACH PARTITION%' THEN RAISE 'not now'; END IF; END $$");
  const std::string before = catalog();
  execute("CREATE EVENT TRIGGER stop ON ddl_command_start EXECUTE FUNCTION stop()");
  ASSERT_NE(run("run").exit_code, 0);
  execute("DROP EVENT TRIGGER stop");
  ASSERT_EQ(run("rollback").exit_code, 0) << json.dump(1);
  EXPECT_EQ(catalog(), before);
}

TEST_F(TargetSettingsTest, ThePlanSaysWhatCannotBeMade) {
  execute("CREATE TABLE taken (a int)");
  const std::string wrong = R"toml(
[target.columns.n]
not_null = true
default = "no_such_function()"
[[target.indexes]]
definition = "CREATE INDEX missing_column ON {table} (nowhere)"
[[target.indexes]]
definition = "CREATE INDEX wrong_method ON {table} USING gin (n)"
[[target.indexes]]
definition = "CREATE UNIQUE INDEX without_key ON {table} (n)"
[[target.indexes]]
definition = "CREATE INDEX taken ON {table} (n)"
)toml";
  EXPECT_EQ(run("plan", wrong).exit_code, 2);
  const std::string found = reasons();
  EXPECT_THAT(found, HasSubstr("bad-column: target.columns.n is refused by the server"));
  EXPECT_THAT(found, HasSubstr("bad-index: target.indexes missing_column is refused"));
  EXPECT_THAT(found, HasSubstr("bad-index: target.indexes wrong_method is refused"));
  EXPECT_THAT(found, HasSubstr("unique index without_key of the job file lacks the key column"));
  EXPECT_THAT(found, HasSubstr("name-taken: the swap needs the name public.taken for an index"));

  EXPECT_EQ(run("plan", "target.leaf_name = \"t_{key}\"").exit_code, 2);
  EXPECT_THAT(reasons(), HasSubstr("bad-leaf-name"));
  const std::string too_long(50, 'x');
  EXPECT_EQ(run("plan", "target.leaf_name = \"{table}" + too_long + "{table}{key:09}\"").exit_code,
            2);
  EXPECT_THAT(reasons(), HasSubstr("bytes; 63 are possible"));
  EXPECT_EQ(run("plan", "[target.sequences.taken]\nowned_by = \"n\"\n").exit_code, 2);
  EXPECT_THAT(reasons(), HasSubstr("name-taken"));
  EXPECT_EQ(run("plan", "[target.sequences.s]\nowned_by = \"g\"\n").exit_code, 2);
  EXPECT_THAT(reasons(), AllOf(HasSubstr("bad-sequence"), HasSubstr("column g is of type text")));
  EXPECT_EQ(run("plan", "[target.columns.nowhere]\nnot_null = true\n").exit_code, 2);
  EXPECT_THAT(reasons(), HasSubstr("no-such-column"));
}

TEST_F(TargetSettingsTest, NullsAreFoundBeforeAndSetAside) {
  const std::string strict = "[target.columns.n]\nnot_null = true\n";
  execute("UPDATE t SET n = NULL WHERE n = 17");
  EXPECT_EQ(run("plan", strict).exit_code, 2);
  EXPECT_THAT(reasons(), HasSubstr("NOT NULL of column n"));
  ASSERT_EQ(run("run", strict, {"--reject-limit", "1", "--swap"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(json["rows"]["rejected"], 1);
  EXPECT_EQ(value("SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND "
                  "attname = 'n'"),
            "t");
}

TEST_F(TargetSettingsTest, ASequenceOfAColumnWithValuesEndsAboveThem) {
  ASSERT_EQ(run("run", "[target.sequences.t_n_seq]\nowned_by = \"n\"\n", {"--swap"}).exit_code, 0)
      << json.dump(1);
  EXPECT_EQ(value("SELECT nextval('t_n_seq')"), "301");
  // The same file serves the next job: the sequence is there by then, and says so.
  EXPECT_EQ(run("plan", "[target.sequences.t_n_seq]\nowned_by = \"n\"\n").exit_code, 2);
  EXPECT_THAT(reasons(), HasSubstr("name-taken: sequence public.t_n_seq exists already"));
}

}  // namespace
}  // namespace pgfanout
