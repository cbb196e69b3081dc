// Rows without a parent: the plan finds them, and each way out that it names works.
#include <gmock/gmock.h>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using harness::CommandResult;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Json;
using ::testing::Not;

class ReferencesTest : public testing::WindowFixture {
 protected:
  static constexpr const char* kAccepted = "orphans of foreign key t_p_fkey";

  /// 300 rows of t refer to p; those of 7 and 70 came past the triggers.
  void make_tables() const {
    execute(
        "CREATE TABLE p (id bigint PRIMARY KEY, name text NOT NULL);"
        "INSERT INTO p SELECT n, 'p' FROM generate_series(1, 300) n;"
        "CREATE TABLE t (id bigint PRIMARY KEY, p bigint REFERENCES p DEFERRABLE INITIALLY "
        "DEFERRED,"
        " v text);"
        "INSERT INTO t SELECT n, n, 'v' FROM generate_series(1, 300) n");
    lose_parents();
  }
  void lose_parents() const {
    execute(
        "SET session_replication_role = replica;"
        "DELETE FROM p WHERE id IN (7, 70)");
  }
  static std::vector<std::string> job(std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"--table", "t", "--key", "abs(hashtext(id::text)) % 8", "--partitions", "8"});
    return more;
  }

  struct Told {
    std::string severity;
    std::string message;
    std::string hint;
  };
  [[nodiscard]] Told told(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code) {
        return {issue["severity"], issue["message"], issue.value("hint", "")};
      }
    }
    return {};
  }
  /// The statement in a hint that begins with this.
  static std::string statement_in(const std::string& hint, const std::string& begin) {
    const std::size_t at = hint.find(begin);
    if (at == std::string::npos) return "SELECT 'the hint has no " + begin + "'::int";
    return hint.substr(at, hint.find(';', at) - at);
  }
  [[nodiscard]] std::string without_parent(const std::string& table) const {
    return value("SELECT count(*) FROM " + table +
                 " AS x WHERE p IS NOT NULL AND NOT EXISTS"
                 " (SELECT FROM p WHERE p.id = x.p)");
  }
};

TEST_F(ReferencesTest, ThePlanNamesThemAndTheWaysOut) {
  make_tables();
  EXPECT_EQ(window("plan", job()).exit_code, 2);
  const Told orphans = told("orphans");
  EXPECT_EQ(orphans.severity, "ERROR");
  EXPECT_THAT(orphans.message,
              AllOf(HasSubstr("2 of 300 sampled rows have no parent in public.p by foreign key "
                              "t_p_fkey: "),
                    HasSubstr("id = 7 (public.t ctid (0,7))"), HasSubstr("id = 70 (")));
  EXPECT_THAT(orphans.hint, AllOf(HasSubstr("insert the parents (add values for name)"),
                                  HasSubstr(kAccepted), HasSubstr("--reject-limit")));
  EXPECT_EQ(window("plan", job({"--check-references"})).exit_code, 2);
  EXPECT_THAT(told("orphans").message, HasSubstr("2 rows have no parent in public.p"));

  // Each mend as it is printed.
  for (const char* begin : {"INSERT INTO", "UPDATE", "DELETE FROM"}) {
    SCOPED_TRACE(begin);
    execute("ALTER TABLE p ALTER name SET DEFAULT 'mended'");
    execute(statement_in(told("orphans").hint, begin));
    EXPECT_EQ(without_parent("t"), "0");
    EXPECT_EQ(window("plan", job({"--check-references"})).exit_code, 0);
    EXPECT_THAT(told("references-checked").message, HasSubstr("t_p_fkey"));
    execute("DROP TABLE t, p");
    make_tables();
    EXPECT_EQ(window("plan", job()).exit_code, 2);
  }
}

TEST_F(ReferencesTest, AcceptedTheyGoAlongAndTheKeyIsNotValid) {
  make_tables();
  const std::string before = catalog();
  const CommandResult run = window("run", job({"--swap", "--accept", kAccepted}));
  ASSERT_EQ(run.exit_code, 0) << run;
  EXPECT_EQ(told("orphans").severity, "WARNING");
  EXPECT_EQ(without_parent("t"), "2");
  const std::string valid =
      "SELECT bool_or(convalidated) FROM pg_constraint k JOIN"
      " pg_partition_tree('t') l ON l.relid = k.conrelid WHERE contype = 'f'";
  EXPECT_EQ(value(valid), "f");
  EXPECT_EQ(sqlstate_of("INSERT INTO t (id, p, partition_key) VALUES (999, 7, "
                        "abs(hashtext('999')) % 8)"),
            "23503");
  // The old table's rows have no parents either, and its key comes back.
  ASSERT_EQ(window("rollback", {"--table", "t"}).exit_code, 0);
  EXPECT_EQ(value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 't_p_fkey'"),
            "FOREIGN KEY (p) REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED NOT VALID");
}

TEST_F(ReferencesTest, OfAPartitionedTableTheyHinderNoRollback) {
  for (const std::string way : {"--accept", "--reject-limit"}) {
    SCOPED_TRACE(way);
    database = server().create_database("orphans");
    execute(
        "CREATE TABLE p (id bigint PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 300);"
        "CREATE TABLE t (id bigint PRIMARY KEY, p bigint CONSTRAINT t_p_fkey REFERENCES p, v text)"
        " PARTITION BY HASH (id);"
        "CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO t SELECT n, n, 'v' FROM generate_series(1, 300) n;"
        "COMMENT ON CONSTRAINT t_p_fkey ON t IS 'its parent'");
    lose_parents();
    const bool accepts = way == "--accept";
    ASSERT_EQ(window("run", job({"--swap", way, accepts ? kAccepted : "5"})).exit_code, 0)
        << json.dump(1);
    ASSERT_EQ(window("rollback", {"--table", "t"}).exit_code, 0) << json.dump(1);
    EXPECT_EQ(value("SELECT count(*) FROM t"), "300");
    EXPECT_EQ(value("SELECT count(*) > 0 AND NOT bool_or(convalidated) FROM pg_constraint"
                    " WHERE conname = 't_p_fkey'"),
              "t");
  }
}

TEST_F(ReferencesTest, SetAsideTheyAreNamedAndVerified) {
  make_tables();
  // The plan knows of one more than the limit.
  EXPECT_EQ(window("run", job({"--reject-limit", "1"})).exit_code, 2);
  EXPECT_EQ(told("orphans").severity, "ERROR");
  EXPECT_FALSE(json["writes_refused"]);
  const CommandResult run = window("run", job({"--reject-limit", "5"}));
  ASSERT_EQ(run.exit_code, 0) << run;
  EXPECT_EQ(json["rows"]["rejected"], 2);
  ASSERT_EQ(window("swap", job()).exit_code, 0) << "which says nothing of the limit";
  EXPECT_EQ(value("SELECT count(*) FROM t"), "298");
  EXPECT_EQ(value("SELECT count(*) FROM t_rejects WHERE reason LIKE '%t_p_fkey%'"), "2");
  EXPECT_EQ(value("SELECT bool_and(convalidated) FROM pg_constraint WHERE conrelid ="
                  " 't'::regclass AND contype = 'f'"),
            "t");
  ASSERT_EQ(window("rollback", {"--table", "t"}).exit_code, 0);
  EXPECT_EQ(value("SELECT count(*) FROM t"), "300");
  EXPECT_EQ(without_parent("t"), "2");
}

TEST_F(ReferencesTest, MetAfterTheCopyTheyNeedNoOtherCopy) {
  const harness::TemporaryFile gate("[gates]\nindex = \"confirm\"\n");
  const auto on = [&](std::vector<std::string> more = {}) {
    std::vector<std::string> words = job(std::move(more));
    words.insert(words.begin(), gate.path());
    return words;
  };
  begin_at("copied", [&] {
    make_tables();
    execute("INSERT INTO p VALUES (7, 'p'), (70, 'p')");
    ASSERT_EQ(window("run", on()).exit_code, 3);
    lose_parents();  // The fence is around t alone.
    ASSERT_EQ(window("run", on({"--confirm", "index"})).exit_code, 2);
  });
  const CommandResult again = window("run", on());
  EXPECT_EQ(again.exit_code, 2);
  const Told orphans = told("orphans");
  EXPECT_THAT(orphans.message,
              AllOf(HasSubstr("without a parent in public.p, by foreign key t_p_fkey: "),
                    HasSubstr("id = 7")))
      << again;
  EXPECT_THAT(orphans.hint, HasSubstr("insert the parents (add values for name)"));
  const std::string copied = value("SELECT string_agg(ctid::text, ' ' ORDER BY id) FROM t_new_p0");
  // While the fence stands, parents can be inserted.
  execute("ALTER TABLE p ALTER name SET DEFAULT 'mended'");
  execute(statement_in(orphans.hint, "INSERT INTO"));
  EXPECT_EQ(window("run", on()).exit_code, 0);
  EXPECT_EQ(value("SELECT string_agg(ctid::text, ' ' ORDER BY id) FROM t_new_p0"), copied);

  // Or the rows are accepted, by the same job.
  begin_at("copied", [] {});
  const CommandResult accepted = window("run", on({"--accept", kAccepted}));
  EXPECT_EQ(accepted.exit_code, 0) << accepted;
  EXPECT_EQ(window("run", on()).exit_code, 2) << "the job has accepted them";
  EXPECT_TRUE(has_issue("other-request"));
  EXPECT_EQ(window("swap", job({"--accept", kAccepted})).exit_code, 0);
  EXPECT_EQ(without_parent("t"), "2");
  EXPECT_EQ(window("rollback", {"--table", "t"}).exit_code, 0);
}

TEST_F(ReferencesTest, EveryKindOfKeyIsAskedAsTheServerAsks) {
  struct Case {
    const char* what;
    std::string sql;
    std::string orphans;  ///< Part of the message; empty: none.
    std::vector<std::string> words = {};
  };
  const std::string load = "; SET session_replication_role = replica; INSERT INTO t ";
  const std::vector<Case> cases = {
      {"NULL in part",
       "CREATE TABLE q (a int, b int, PRIMARY KEY (a, b));"
       "CREATE TABLE t (id bigint PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES q)" +
           load + "VALUES (1, 1, NULL), (2, NULL, NULL)",
       ""},
      {"two columns",
       "CREATE TABLE q (a int, b int, PRIMARY KEY (a, b)); INSERT INTO q VALUES"
       " (1, 2); CREATE TABLE t (id bigint PRIMARY KEY, b int, a int,"
       " FOREIGN KEY (a, b) REFERENCES q)" +
           load + "VALUES (1, 2, 1), (2, 1, 2)",
       "1 of 2 sampled rows have no parent in public.q by foreign key t_a_b_fkey: id = 2 "},
      {"MATCH FULL",
       "CREATE TABLE q (a int, b int, PRIMARY KEY (a, b));"
       "CREATE TABLE t (id bigint PRIMARY KEY, a int, b int, FOREIGN KEY (a, b) REFERENCES q"
       " MATCH FULL)" +
           load + "VALUES (1, 1, NULL), (2, NULL, NULL)",
       "1 of 2 sampled rows have no parent in public.q by foreign key t_a_b_fkey: id = 1 "},
      {"the table itself",
       "CREATE TABLE t (id bigint, partition_key int, up bigint, up_key int, PRIMARY KEY (id,"
       " partition_key), FOREIGN KEY (up, up_key) REFERENCES t)" +
           load +
           "SELECT id, abs(hashtext(id::text)) % 8, up, abs(hashtext(up::text)) % 8 FROM (VALUES"
           " (1, NULL), (2, 1), (3, 9)) AS v(id, up)",
       "1 of 3 sampled rows have no parent in public.t by foreign key t_up_up_key_fkey: id = 3, "},
      {"a partitioned parent",
       "CREATE TABLE q (id int PRIMARY KEY) PARTITION BY RANGE (id);"
       "CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (9); INSERT INTO q VALUES (1);"
       "CREATE TABLE t (id bigint PRIMARY KEY, q int REFERENCES q)" +
           load + "VALUES (1, 1), (2, 2)",
       "1 of 2 sampled rows have no parent in public.q by foreign key t_q_fkey: id = 2 "},
      {"a renamed column",
       "CREATE TABLE q (id int PRIMARY KEY); INSERT INTO q VALUES (1);"
       "CREATE TABLE t (id bigint PRIMARY KEY, old int REFERENCES q)" +
           load + "VALUES (1, 1), (2, 2)",
       "1 of 2 sampled rows have no parent in public.q by foreign key t_old_fkey: id = 2 ",
       {"--map", "new=old", "--skip", "old"}},
      {"a mapped column",
       "CREATE TABLE q (id int PRIMARY KEY); INSERT INTO q VALUES (1), (3);"
       "CREATE TABLE t (id bigint PRIMARY KEY, q int REFERENCES q); INSERT INTO t VALUES (1, 1),"
       " (2, 3)",
       "1 of 2 sampled rows have no parent in public.q by foreign key t_q_fkey: id = 1 ",
       {"--map", "q=q + 1 - q / 3"}},
      {"a case that other collations fold",
       "CREATE TABLE q (id text COLLATE \"C\" PRIMARY KEY);"
       "INSERT INTO q VALUES ('a'); CREATE TABLE t (id bigint PRIMARY KEY, q text COLLATE"
       " \"POSIX\" REFERENCES q)" +
           load + "VALUES (1, 'a'), (2, 'A')",
       "1 of 2 sampled rows have no parent in public.q by foreign key t_q_fkey: id = 2 "},
      {"hostile names",
       "CREATE TABLE \"p;\"\"'ä\" (\"i'd\" int PRIMARY KEY);"
       "CREATE TABLE t (id bigint, \"I d\" int, q int, PRIMARY KEY (\"I d\", id), CONSTRAINT"
       " \"f'k;\" FOREIGN KEY (q) REFERENCES \"p;\"\"'ä\")" +
           load + "VALUES (1, 2, 1)",
       "by foreign key \"f'k;\": \"I d\" = 2, id = 1 "},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.what);
    database = server().create_database("keys");
    execute(each.sql);
    const CommandResult result = window("plan", job(each.words));
    const Told orphans = told("orphans");
    if (each.orphans.empty()) {
      EXPECT_THAT(orphans.message, IsEmpty()) << result;
    } else {
      EXPECT_EQ(orphans.severity, "ERROR") << result;
      EXPECT_THAT(orphans.message, HasSubstr(each.orphans)) << result;
    }
    EXPECT_FALSE(has_issue("check-not-run")) << result;
  }
}

TEST_F(ReferencesTest, WithoutTheRightToLookItSaysSo) {
  make_tables();
  execute("CREATE ROLE looker_" + database + " LOGIN; ALTER TABLE t OWNER TO looker_" + database +
          "; GRANT CREATE ON SCHEMA public TO looker_" + database + "; GRANT CREATE ON DATABASE " +
          database + " TO looker_" + database + "; GRANT REFERENCES ON p TO looker_" + database);
  const auto as = [&](std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--source", dsn("looker_" + database)});
    return window("plan", job(std::move(more))).exit_code;
  };
  EXPECT_EQ(as(), 0) << json;
  EXPECT_EQ(told("reference-not-checked").severity, "INFO");
  EXPECT_THAT(told("reference-not-checked").hint, HasSubstr("GRANT SELECT ON public.p TO looker"));
  EXPECT_EQ(as({"--check-references"}), 2) << "what was asked for was not done";
  EXPECT_EQ(told("reference-not-checked").severity, "ERROR");
}

}  // namespace
}  // namespace pgfanout
