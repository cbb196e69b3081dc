// Leaves that are finished in one go, in stage index, against leaves that the stages index,
// constraints and analyze go over one after the other, because gates are between them.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

class LeafFinishTest : public testing::WindowFixture {
 protected:
  static constexpr const char* kGates =
      "[source]\ntable = \"chunks\"\n[target]\npartitions = 4\n"
      "[gates]\nindex = \"confirm\"\nconstraints = \"confirm\"\n";

  /// Owner, statistics target and replica identity come with the leaf's constraints or after them.
  void make() {
    make_chunks(900);
    execute(
        "CREATE INDEX chunks_lower_idx ON chunks (lower(content));"
        "ALTER INDEX chunks_lower_idx ALTER COLUMN 1 SET STATISTICS 7;"
        "CREATE STATISTICS chunks_pairs ON collection_id, created_at FROM chunks;"
        "CREATE TABLE collections AS SELECT DISTINCT collection_id AS id FROM chunks;"
        "ALTER TABLE collections ADD PRIMARY KEY (id);"
        "ALTER TABLE chunks ADD CONSTRAINT positive CHECK (id > 0),"
        " ADD CONSTRAINT in_collection FOREIGN KEY (collection_id) REFERENCES collections");
  }

  [[nodiscard]] std::string job() const { return "job = '" + json.value("job", "") + "'"; }
  [[nodiscard]] std::string steps_like(const std::string& pattern) const {
    return value("SELECT count(*) FROM pgfanout.step WHERE " + job() + " AND step LIKE '" +
                 pattern + "'");
  }
  [[nodiscard]] std::string steps() const {
    return value("SELECT string_agg(step, E'\\n' ORDER BY step) FROM pgfanout.step WHERE " + job());
  }
  [[nodiscard]] std::string analyzed_leaves() const {
    return value(
        "SELECT count(DISTINCT tablename) FROM pg_stats WHERE tablename ~ '^chunks_new_p.$'");
  }
  [[nodiscard]] std::string detail_of(const std::string& name) const {
    for (const Json& stage : json["stages"]) {
      if (stage["name"] == name) return stage.value("detail", "");
    }
    return "no such stage";
  }
  /// All that the window has made, but for the job's number in names of the fence.
  [[nodiscard]] std::string made() const {
    std::string text = catalog();
    const std::string number = json.value("job", "");
    for (std::size_t at = text.find(number); at != std::string::npos; at = text.find(number)) {
      text.replace(at, number.size(), "JOB");
    }
    return text + value(
                      "SELECT string_agg(format('%s.%s %s %s', tablename, attname, inherited, "
                      "n_distinct), ','"
                      " ORDER BY tablename, attname, inherited) FROM pg_stats WHERE tablename ~ "
                      "'^chunks_(new|p)'");
  }
};

TEST_F(LeafFinishTest, GatesBetweenTheStagesGiveTheSameTable) {
  make();
  const CommandResult joined = window("run", {"--table", "chunks", "--partitions", "4"});
  ASSERT_EQ(joined.exit_code, 0) << joined;
  EXPECT_THAT(detail_of("index"), ::testing::HasSubstr(" index builds on leaves, "));
  EXPECT_THAT(detail_of("index"), ::testing::HasSubstr(", 4 leaves analyzed, "));
  EXPECT_THAT(detail_of("index"), ::testing::HasSubstr("; of the time on leaves index "));
  EXPECT_THAT(detail_of("constraints"), ::testing::StartsWith("leaves were done in stage index, "));
  EXPECT_FALSE(has_issue("gates-part-leaves"));
  EXPECT_EQ(value("SELECT max(array_length(histogram_bounds, 1)) FROM pg_stats WHERE tablename LIKE"
                  " 'chunks_p%lower%'"),
            "8")
      << "the statistics target was set before ANALYZE";
  const std::string made_in_one_go = made();
  const std::string steps_in_one_go = steps();
  ASSERT_EQ(window("rollback", {"--table", "chunks"}).exit_code, 0) << json.dump(1);

  harness::TemporaryFile file(kGates);
  ASSERT_EQ(window("run", {file.path()}).exit_code, 3) << json.dump(1);
  EXPECT_EQ(json["waiting_at"], "index");
  EXPECT_TRUE(has_issue("gates-part-leaves"));
  EXPECT_NE(steps_like("index %"), "0");
  EXPECT_EQ(steps_like("constraints %"), "0");
  EXPECT_EQ(analyzed_leaves(), "0");
  ASSERT_EQ(window("run", {file.path(), "--confirm", "index"}).exit_code, 3) << json.dump(1);
  EXPECT_EQ(json["waiting_at"], "constraints");
  EXPECT_EQ(steps_like("constraints %"), "4");
  EXPECT_EQ(steps_like("analyze %"), "0");
  EXPECT_EQ(analyzed_leaves(), "0");
  ASSERT_EQ(window("run", {file.path(), "--confirm", "constraints"}).exit_code, 0) << json.dump(1);
  EXPECT_EQ(analyzed_leaves(), "4");
  EXPECT_EQ(detail_of("analyze"), "4 leaves analyzed");
  EXPECT_EQ(made(), made_in_one_go);
  EXPECT_EQ(steps(), steps_in_one_go);
}

TEST_F(LeafFinishTest, GoesOnWithTheStepsThatAreLeft) {
  make();
  harness::CommandOptions options;
  options.environment["PGFANOUT_CRASH_AT"] = "step-committed:5";
  const std::vector<std::string> words = {"--table", "chunks",       "--partitions",
                                          "4",       "--index-jobs", "1"};
  std::vector<std::string> killed = words;
  killed.insert(killed.begin(), {"run", "--source", dsn()});
  ASSERT_EQ(harness::pgfanout(killed, options).signal, SIGKILL);
  expect_sessions_end();
  // Some leaves are analyzed while others have no index yet.
  const std::string of_leaves = "FROM pgfanout.step WHERE step ~ ' public.chunks_new_p[0-9]'";
  EXPECT_NE(value("SELECT count(*) FROM pgfanout.step WHERE step LIKE 'analyze %'"), "0");
  const int before = std::stoi(value("SELECT count(*) " + of_leaves));
  EXPECT_EQ(value("SELECT status FROM pgfanout.stage WHERE name = 'index'"), "running");
  const std::string built = value(
      "SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_class WHERE relkind = 'i' AND"
      " relname ~ '^chunks_p[0-9]'");
  execute("CREATE TABLE done AS SELECT step, done_at FROM pgfanout.step");
  ASSERT_EQ(window("run", words).exit_code, 0) << json.dump(1);
  EXPECT_TRUE(has_issue("resumed"));
  EXPECT_EQ(value("SELECT count(*) FROM done d JOIN pgfanout.step s USING (step, done_at)"),
            value("SELECT count(*) FROM done"))
      << "a step ran twice";
  EXPECT_EQ(value("SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_class WHERE relkind = 'i'"
                  " AND oid::text = ANY (string_to_array('" +
                  built + "', ' '))"),
            built);
  EXPECT_GT(std::stoi(value("SELECT count(*) " + of_leaves)), before);
  EXPECT_EQ(analyzed_leaves(), "4");
  EXPECT_EQ(steps_like("analyze %"), "5") << "four leaves and their parent";
}

/// The mark of a leaf's ANALYZE is there, and the server's figures say that its pages are not
/// frozen: the call was killed between the two.
TEST_F(LeafFinishTest, VacuumsWhatAKilledCallLeft) {
  make_chunks(600);
  server().execute("postgres", "ALTER DATABASE " + database + " SET synchronous_commit = on");
  harness::TemporaryFile file(
      "[source]\ntable = \"chunks\"\n[target]\npartitions = 4\n[limits]\ncommit_every = 200\n"
      "[gates]\nconstraints = \"confirm\"\n");
  ASSERT_EQ(window("run", {file.path()}).exit_code, 3) << json.dump(1);
  execute("ANALYZE chunks_new_p1");
  execute("INSERT INTO pgfanout.step (job, step) VALUES ('" + json.value("job", "") +
          "', 'analyze public.chunks_new_p1')");
  ASSERT_EQ(window("run", {file.path(), "--confirm", "constraints"}).exit_code, 0) << json.dump(1);
  EXPECT_THAT(detail_of("analyze"), ::testing::StartsWith("3 leaves analyzed, "));
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname ~ '^chunks_new_p.$' AND"
                  " relallvisible < relpages"),
            "0");
}

}  // namespace
}  // namespace pgfanout
