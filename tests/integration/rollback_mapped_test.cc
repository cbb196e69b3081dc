// The way back of a job that makes other columns: uuid to bigint, json to jsonb, a column left out.
// Rows are inserted, updated and deleted after the swap; each way back is compared row by row.
#include <gmock/gmock.h>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kColumns = "id, \"Coll ection\", content, meta, note, created_at";

class RollbackMappedTest : public testing::WindowFixture {
 protected:
  void make_docs() {
    execute(
        "CREATE TABLE docs (id uuid NOT NULL DEFAULT gen_random_uuid(), \"Coll ection\" uuid NOT"
        " NULL, content text, meta json NOT NULL DEFAULT '{}', note text DEFAULT 'none',"
        " created_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, \"Coll ection\"))"
        " PARTITION BY HASH (\"Coll ection\");"
        "CREATE TABLE docs_h0 PARTITION OF docs FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE docs_h1 PARTITION OF docs FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO docs SELECT md5(n::text)::uuid, md5((n % 40)::text)::uuid, 'text ' || n,"
        " format('{\"n\":  %s}', n)::json, 'note ' || n FROM generate_series(1, 400) n;"
        "CREATE SEQUENCE docs_new_id_seq; CREATE TABLE before AS TABLE docs; ANALYZE docs");
  }
  static std::string job_with(const std::string& rollback_map) {
    return "skip = [\"note\"]\n[source]\ntable = \"docs\"\n[target]\npartitions = 8\n[map]\n"
           "id = \"nextval('docs_new_id_seq')\"\nlegacy_id = \"id\"\nmeta = \"meta::jsonb\"\n" +
           rollback_map;
  }
  static constexpr const char* kMap =
      "[rollback.map]\nid = \"coalesce(legacy_id, gen_random_uuid())\"\nmeta = \"meta::json\"\n";
  void begin_with_table() {
    begin_at("table", [this] { make_docs(); });
  }
  void begin_swapped(const std::string& state, const std::string& map) {
    begin_at(state, [&] {
      begin_with_table();
      const harness::TemporaryFile job(job_with(map));
      ASSERT_EQ(window("run", {job.path(), "--swap"}).exit_code, 0) << json.dump(1);
    });
  }
  /// As the application does, and what the old table would hold had it been written there.
  void write() {
    const std::string key = ", abs(hashtext(md5('7')::uuid::text)) % 8";
    execute(
        "INSERT INTO docs (id, \"Coll ection\", content, meta, partition_key) SELECT"
        " nextval('docs_new_id_seq'), md5('7')::uuid, 'new ' || n, '{\"new\": 1}'" +
        key +
        " FROM generate_series(1, 5) n;"
        "INSERT INTO docs (legacy_id, \"Coll ection\", content, meta, partition_key, id) SELECT"
        " md5('known')::uuid, md5('7')::uuid, 'with an old id', '{}'" +
        key +
        ", nextval('docs_new_id_seq');"
        "UPDATE docs SET content = 'changed' WHERE legacy_id IN (md5('10')::uuid,"
        " md5('11')::uuid);"
        "UPDATE docs SET meta = '{\"changed\": true}' WHERE legacy_id = md5('12')::uuid;"
        "DELETE FROM docs WHERE legacy_id IN (md5('20')::uuid, md5('21')::uuid, md5('22')::uuid)");
    execute(
        "CREATE TABLE wanted AS TABLE before;"
        "UPDATE wanted SET content = 'changed' WHERE id IN (md5('10')::uuid, md5('11')::uuid);"
        "UPDATE wanted SET meta = '{\"changed\": true}' WHERE id = md5('12')::uuid;"
        "DELETE FROM wanted WHERE id IN (md5('20')::uuid, md5('21')::uuid, md5('22')::uuid);"
        "INSERT INTO wanted SELECT legacy_id, \"Coll ection\", content, meta::json, 'none',"
        " created_at FROM docs WHERE content = 'with an old id'");
  }
  [[nodiscard]] std::string differences_from(const std::string& table,
                                             const std::string& where = "true") const {
    const std::string columns =
        "SELECT id, \"Coll ection\", content, meta::text, note, created_at FROM ";
    const std::string a = columns + "docs WHERE " + where;
    const std::string b = columns + table;
    return value("SELECT count(*) FROM ((" + a + " EXCEPT ALL " + b + ") UNION ALL (" + b +
                 " EXCEPT ALL " + a + ")) d");
  }
};

TEST_F(RollbackMappedTest, KeepsNewRowsByTheMapOfTheJournal) {
  begin_swapped("mapped", kMap);
  write();
  const std::string created = value("SELECT min(created_at) FROM docs WHERE content = 'new 1'");
  CommandResult result = window("rollback", {"--table", "docs"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_THAT(result.err, HasSubstr("6 inserted, 3 updated, 3 deleted"));
  EXPECT_THAT(result.err, HasSubstr("--keep-new-rows applies them"));
  // No job file: the map is in the journal.
  result = window("rollback", {"--table", "docs", "--keep-new-rows"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(result.err, HasSubstr("rolled back: docs has its old layout again, with the "
                                    "rows written since the swap (6 inserted, 3 updated, 3 "
                                    "deleted)"));
  EXPECT_EQ(json["new_rows"]["fate"], "kept");
  EXPECT_EQ(json["new_rows"]["inserted"], 6);
  // A value that did not change is as it was, also where the map would write it otherwise.
  EXPECT_EQ(differences_from("wanted", "content NOT LIKE 'new %'"), "0");
  EXPECT_EQ(value("SELECT concat_ws(' ', count(*), count(DISTINCT id), count(*) FILTER (WHERE note"
                  " = 'none'), count(DISTINCT content), min(meta::text)) FROM docs WHERE content"
                  " LIKE 'new %' AND \"Coll ection\" = md5('7')::uuid AND created_at = '" +
                  created + "'"),
            "5 5 5 5 {\"new\": 1}");
  EXPECT_EQ(value("SELECT count(*) FROM docs"), "403");
}

TEST_F(RollbackMappedTest, WithoutAMapTheyAreSavedAndThePlanSaysSo) {
  begin_with_table();
  const harness::TemporaryFile job(job_with(""));
  CommandResult plan = window("plan", {job.path()});
  EXPECT_EQ(plan.exit_code, 0) << plan;
  EXPECT_THAT(plan.err, HasSubstr("can only save rows written since in a table"));
  EXPECT_THAT(plan.err, HasSubstr("nothing gives column meta a value"));
  EXPECT_THAT(plan.err, HasSubstr("column id must not be NULL, and column legacy_id"));
  const harness::TemporaryFile mapped(job_with(kMap));
  plan = window("plan", {mapped.path()});
  EXPECT_THAT(plan.err, HasSubstr("can keep rows written since by [rollback.map]"));
  EXPECT_THAT(plan.err, HasSubstr("the new table does not have note"));
  for (const auto& [map, message] : std::vector<std::pair<std::string, std::string>>{
           {"id = \"no_such_column\"", "column \\\"no_such_column\\\" does not exist"},
           {"id = \"42\"", "is of type uuid but expression is of type integer"},
           {"id = \"count(*)\"", "aggregate functions are not allowed"},
           {"nothing = \"id\"", "has no such column"}}) {
    const harness::TemporaryFile wrong(job_with("[rollback.map]\n" + map + "\n"));
    plan = window("plan", {wrong.path()});
    EXPECT_EQ(plan.exit_code, 2) << map;
    EXPECT_TRUE(has_issue("bad-rollback-map")) << map;
    EXPECT_THAT(plan.out, HasSubstr(message));
  }

  begin_swapped("without a map", "");
  write();
  const std::string live = value(
      "SELECT string_agg(d::text, ' ' ORDER BY id) FROM docs d WHERE"
      " content LIKE 'new %' OR content LIKE 'with an%'");
  CommandResult result = window("rollback", {"--table", "docs", "--keep-new-rows"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_TRUE(has_issue("cannot-keep"));
  EXPECT_THAT(result.err, HasSubstr("--save-new-rows"));
  result = window("rollback", {"--table", "docs", "--save-new-rows"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(differences_from("before"), "0");
  const std::string saved = json["new_rows"]["table"];
  EXPECT_THAT(saved, ::testing::MatchesRegex("public\\.docs_new_rows_[0-9]{8}_[0-9]{6}"));
  EXPECT_THAT(result.err, HasSubstr("are saved in " + saved + "\n"));
  EXPECT_EQ(
      value("SELECT string_agg(c || ' ' || n, ', ' ORDER BY c) FROM (SELECT pgfanout_change c,"
            " count(*) n FROM " +
            saved + " GROUP BY 1) s"),
      "deleted 3, inserted 6, updated 3");
  execute("ALTER TABLE " + saved + " DROP COLUMN pgfanout_change");
  EXPECT_EQ(value("SELECT string_agg(d::text, ' ' ORDER BY id) FROM " + saved +
                  " d WHERE content LIKE 'new %' OR content LIKE 'with an%'"),
            live);
  EXPECT_EQ(value("SELECT count(*) FROM " + saved +
                  " s JOIN before b ON b.id = s.legacy_id"
                  " AND b.content = s.content WHERE s.id IS NULL"),
            "3");
}

TEST_F(RollbackMappedTest, AMapThatIsStatedLaterAndAnOldIdThatChanged) {
  begin_swapped("without a map", "");
  execute("UPDATE docs SET legacy_id = md5('moved')::uuid WHERE legacy_id = md5('5')::uuid");
  const harness::TemporaryFile job(job_with(kMap));
  const CommandResult result = window("rollback", {job.path(), "--keep-new-rows"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM docs WHERE id = md5('5')::uuid"), "0");
  EXPECT_EQ(value("SELECT content FROM docs WHERE id = md5('moved')::uuid"), "text 5");
  EXPECT_EQ(value("SELECT count(*) FROM docs"), "400");
}

TEST_F(RollbackMappedTest, GivenUpAfterSavingLeavesNoTable) {
  begin_swapped("without a map", "");
  execute("DELETE FROM docs WHERE legacy_id = md5('5')::uuid");
  harness::Session reader = server().connect(database);
  reader.execute("BEGIN; LOCK TABLE docs IN ACCESS SHARE MODE");
  const CommandResult result =
      window("rollback", {"--table", "docs", "--save-new-rows", "--swap-within", "1s"});
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_FALSE(json.contains("new_rows"));
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'docs_new_rows%'"), "0");
  EXPECT_EQ(sqlstate_of("DELETE FROM docs WHERE legacy_id = md5('6')::uuid"), "00000");
}

/// Killed once the rows are applied: the next call applies them again, and none twice.
TEST_F(RollbackMappedTest, KilledAfterApplying) {
  begin_swapped("mapped", kMap);
  write();
  harness::CommandOptions options;
  options.environment = {{"PGFANOUT_CRASH_AT", "new-rows-applied"}};
  harness::pgfanout({"rollback", "--source", dsn(), "--table", "docs", "--keep-new-rows"}, options);
  EXPECT_EQ(window("rollback", {"--table", "docs", "--force"}).exit_code, 2);
  EXPECT_TRUE(has_issue("keep-began"));
  const CommandResult result = window("rollback", {"--table", "docs", "--keep-new-rows"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(differences_from("wanted", "content NOT LIKE 'new %'"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM docs"), "403");
}

/// The old table stores a key for another number of leaves: the new key must not get into it.
TEST_F(RollbackMappedTest, StoredKeyOfATableThatWasConvertedBefore) {
  execute(
      "CREATE TABLE docs (id int PRIMARY KEY, content text); INSERT INTO docs SELECT n, 'c' || n"
      " FROM generate_series(1, 200) n");
  const std::string key = "abs(hashtext(id::text)) % ";
  ASSERT_EQ(window("run", {"--table", "docs", "--key", key + "4", "--partitions", "4", "--swap"})
                .exit_code,
            0)
      << json.dump(1);
  ASSERT_EQ(window("cleanup", {"--table", "docs", "--force"}).exit_code, 0);
  ASSERT_EQ(window("run", {"--table", "docs", "--partitions", "8", "--swap"}).exit_code, 0);
  EXPECT_TRUE(has_issue("way-back"));
  execute("INSERT INTO docs VALUES (1000, 'new', abs(hashtext('1000')) % 8)");
  execute("UPDATE docs SET content = 'changed' WHERE id = 5; DELETE FROM docs WHERE id = 6");
  EXPECT_EQ(window("rollback", {"--table", "docs", "--keep-new-rows"}).exit_code, 2);
  EXPECT_TRUE(has_issue("cannot-keep"));
  const harness::TemporaryFile job(
      "[source]\ntable = \"docs\"\n[rollback.map]\npartition_key = \"" + key + "4\"\n");
  const CommandResult result = window("rollback", {job.path(), "--keep-new-rows"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT string_agg(concat_ws(' ', id, content), ', ' ORDER BY id) FROM docs WHERE"
                  " id IN (5, 6, 1000)"),
            "5 changed, 1000 new");
  EXPECT_EQ(value("SELECT count(*) FROM docs WHERE partition_key <> " + key + "4"), "0");
}

/// Nothing is half applied, so the rows can still be saved.
TEST_F(RollbackMappedTest, ARowThatTheOldTableDoesNotAllow) {
  execute(
      "CREATE TABLE docs (id int PRIMARY KEY, place int UNIQUE); INSERT INTO docs SELECT n, n FROM"
      " generate_series(1, 100) n");
  ASSERT_EQ(window("run", {"--table", "docs", "--key", "abs(hashtext(id::text)) % 8", "--accept",
                           "constraint docs_place_key", "--swap"})
                .exit_code,
            0)
      << json.dump(1);
  execute(
      "DELETE FROM docs WHERE id = 50; UPDATE docs SET place = -1 WHERE id = 1; UPDATE docs SET"
      " place = 1 WHERE id = 2; UPDATE docs SET place = 2 WHERE id = 1");
  EXPECT_EQ(window("rollback", {"--table", "docs", "--keep-new-rows"}).exit_code, 2);
  EXPECT_TRUE(has_issue("cannot-keep"));
  EXPECT_EQ(value("SELECT count(*) FROM " + value("SELECT backup_name FROM pgfanout.job")), "100");
  EXPECT_EQ(sqlstate_of("UPDATE docs SET place = 200 WHERE id = 3"), "00000");
  ASSERT_EQ(window("rollback", {"--table", "docs", "--save-new-rows"}).exit_code, 0)
      << json.dump(1);
  EXPECT_EQ(json["new_rows"]["updated"], 3);
  EXPECT_EQ(value("SELECT count(*) FROM docs WHERE place = id"), "100");
}

}  // namespace
}  // namespace pgfanout
