// Keys, constraints and indexes where the new layout changes what can hold: named before anything
// starts, carried in a weaker form only if that is accepted.
#include "tests/integration/carry_fixture.h"

namespace pgfanout {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Lines;
using testing::succeeded;

class CarryKeysTest : public testing::CarryFixture {
 protected:
  static JobDescription job_by_a(KeyMode mode = KeyMode::check) {
    JobDescription job = job_for("public.t", "mod(a, 4)");
    job.key_mode = mode;
    return job;
  }

  [[nodiscard]] Lines constraints(const std::string& table) const {
    return lines(
        "SELECT conname || ' ' || pg_catalog.pg_get_constraintdef(oid) FROM "
        "pg_catalog.pg_constraint WHERE conrelid = 'public." +
        table + "'::regclass AND contype <> 'n' ORDER BY 1");
  }
  [[nodiscard]] Lines indexes(const std::string& table) const {
    return lines(
        "SELECT pg_catalog.pg_get_indexdef(indexrelid) FROM pg_catalog.pg_index WHERE "
        "indrelid = 'public." +
        table + "'::regclass ORDER BY 1");
  }
};

TEST_F(CarryKeysTest, UniquenessThatCannotBeKeptIsNamedAndWeakenedOnlyIfAccepted) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b int, CONSTRAINT \"B key\" UNIQUE (b));"
      "CREATE UNIQUE INDEX lower_idx ON t ((b + 1)); CREATE UNIQUE INDEX fine_idx ON t (a, b);"
      "INSERT INTO t SELECT n, n, n FROM generate_series(1, 40) n");
  for (const KeyMode mode : {KeyMode::check, KeyMode::none, KeyMode::generated}) {
    JobDescription job = job_by_a(mode);
    const auto strict = carry_plan(job);
    ASSERT_TRUE(succeeded(strict));
    EXPECT_THAT(left_behind(*strict),
                ElementsAre("constraint t_pkey", "constraint \"B key\"", "index lower_idx"));
    for (const CarryStep& step : strict->carry.leaf_indexes) {
      EXPECT_THAT(step.sql, HasSubstr("fine_idx"));
    }
    job.window.accept = {"constraint t_pkey", "index lower_idx", "constraint \"B key\""};
    const auto made = carry(job);
    ASSERT_TRUE(made);
    EXPECT_THAT(left_behind(*made),
                ElementsAre("constraint t_pkey (accepted)", "constraint \"B key\" (accepted)",
                            "index lower_idx (accepted)"));
    swap(*made);
    EXPECT_EQ(value("SELECT count(*) FROM pg_index WHERE indrelid = 't_p1'::regclass AND "
                    "indisunique AND indisvalid"),
              "4");
    if (mode != KeyMode::generated) {
      EXPECT_EQ(value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = "
                      "'t'::regclass AND conname = 't_pkey'"),
                "PRIMARY KEY (id, partition_key)");
    }
    EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conrelid = 't_p1'::regclass AND "
                    "contype = 'p'"),
              "1");
    roll_back(*made);
  }
}

TEST_F(CarryKeysTest, AKeyThatHoldsThePartitionKeyStaysAsItIs) {
  execute(
      "CREATE TABLE t (id int, a int NOT NULL, partition_key int NOT NULL, PRIMARY KEY (id, "
      "partition_key)) PARTITION BY LIST (partition_key); CREATE TABLE t_p0 PARTITION OF t FOR "
      "VALUES IN (0); CREATE TABLE t_p1 PARTITION OF t FOR VALUES IN (1); ALTER TABLE t ADD "
      "CONSTRAINT partition_key_check CHECK (partition_key = mod(a, 2));"
      "CREATE TABLE child (id int, k int, CONSTRAINT to_t FOREIGN KEY (id, k) REFERENCES t ON "
      "DELETE CASCADE); COMMENT ON CONSTRAINT to_t ON child IS 'still here';"
      "INSERT INTO t SELECT n, n, mod(n, 2) FROM generate_series(1, 40) n;"
      "INSERT INTO child SELECT id, partition_key FROM t");
  const Lines before = catalog_of("public.t");
  // The same layout again, so that the stored keys stay right.
  const JobDescription job = job_for("public.t", "mod(a, 2)", 2);
  const auto made = carry(job);
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), IsEmpty());
  EXPECT_THAT(issue_codes(*made), Contains("key-check-replaced"));
  swap(*made);
  // The foreign key of the other table has come along, and is validated.
  Lines after = catalog_of("public.t");
  EXPECT_EQ(value("SELECT concat_ws(' ', confrelid::regclass, convalidated, obj_description(oid)) "
                  "FROM pg_constraint WHERE conname = 'to_t' AND conparentid = 0"),
            "t t still here");
  execute("DELETE FROM t WHERE id = 7");
  EXPECT_EQ(value("SELECT count(*) FROM child WHERE id = 7"), "0");
  execute("DELETE FROM t_backup WHERE id = 7");
  roll_back(*made);
  expect_same(catalog_of("public.t"), before);
}

TEST_F(CarryKeysTest, ForeignKeysToTheTableItselfNeedItsKey) {
  execute(
      "CREATE TABLE t (a int NOT NULL, partition_key int NOT NULL, up int, PRIMARY KEY (a, "
      "partition_key)); ALTER TABLE t ADD CONSTRAINT up_fkey FOREIGN KEY (up, partition_key) "
      "REFERENCES t (a, partition_key); CREATE TABLE u (a int PRIMARY KEY, up int CONSTRAINT "
      "u_up REFERENCES u);"
      "INSERT INTO t SELECT n, mod(n, 4), n FROM generate_series(1, 40) n; INSERT INTO u SELECT n, "
      "n FROM generate_series(1, 40) n");
  const Lines before = catalog_of("public.t");
  const auto made = carry(job_by_a());
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), IsEmpty());
  swap(*made);
  EXPECT_THAT(constraints("t"),
              Contains("up_fkey FOREIGN KEY (up, partition_key) REFERENCES public.t(a, "
                       "partition_key)"));
  EXPECT_THROW(execute("UPDATE t SET up = 1000 WHERE a = 3"), harness::ServerError);
  roll_back(*made);
  expect_same(catalog_of("public.t"), before);
  const auto lost = carry_plan(job_for("public.u", "mod(a, 4)"));
  ASSERT_TRUE(succeeded(lost));
  EXPECT_THAT(left_behind(*lost), ElementsAre("foreign key u_up"));
}

TEST_F(CarryKeysTest, ExclusionConstraintsStandOnLeaves) {
  execute(
      "CREATE EXTENSION IF NOT EXISTS btree_gist; CREATE TABLE t (a int, during int4range, "
      "CONSTRAINT no_overlap EXCLUDE USING gist (a WITH =, during WITH &&) WITH (fillfactor = 80) "
      "WHERE (a > 0) DEFERRABLE, CONSTRAINT nowhere EXCLUDE USING gist (during WITH &&));"
      "INSERT INTO t SELECT n, int4range(n * 10, n * 10 + 5) FROM generate_series(1, 40) n;"
      "COMMENT ON CONSTRAINT no_overlap ON t IS 'of the exclusion'");
  JobDescription job = job_by_a();
  const auto made = carry(job);
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), ElementsAre("constraint nowhere"));
  EXPECT_THAT(constraints("t_new_p2"),
              Contains("t_p2_no_overlap EXCLUDE USING gist (a WITH =, during WITH &&) WITH "
                       "(fillfactor='80') WHERE ((a > 0)) DEFERRABLE"));
  EXPECT_EQ(value("SELECT reloptions FROM pg_class WHERE relname = 't_p2_no_overlap'"),
            "{fillfactor=80}");
  EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE obj_description(oid) = 'of the "
                  "exclusion' AND conrelid <> 't'::regclass"),
            "4");
  EXPECT_THROW(execute("INSERT INTO t_new VALUES (2, '[22,23)', 2)"), harness::ServerError);
}

TEST_F(CarryKeysTest, RenamedColumnsAreRenamedInDefinitionsAndLostOnesNamed) {
  execute(
      "CREATE TABLE p (x int, y int, PRIMARY KEY (x, y)); INSERT INTO p SELECT n, n FROM "
      "generate_series(0, 40) n;"
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
      "CREATE TABLE t (a int NOT NULL, id uuid, \"Old name\" int, y int, gone text, CONSTRAINT "
      "t_pkey PRIMARY KEY (a), CONSTRAINT fk FOREIGN KEY (\"Old name\", y) REFERENCES p (x, y),"
      "CONSTRAINT c CHECK (\"Old name\" > 0 AND 'Old name' <> ''), CONSTRAINT g CHECK (gone <> "
      "''));"
      "CREATE INDEX by_id ON t (id); CREATE INDEX by_old ON t (\"Old name\" DESC, abs(\"Old "
      "name\")) "
      "WHERE \"Old name\" <> 3; CREATE INDEX by_gone ON t (lower(gone));"
      "CREATE STATISTICS st ON \"Old name\", y FROM t; CREATE STATISTICS st_gone ON gone, y FROM t;"
      "CREATE TRIGGER tr BEFORE UPDATE OF \"Old name\" ON t FOR EACH ROW WHEN (OLD.\"Old name\" > "
      "NEW.\"Old name\") EXECUTE FUNCTION f(); CREATE TRIGGER tr_gone BEFORE UPDATE OF gone ON t "
      "FOR "
      "EACH ROW EXECUTE FUNCTION f();"
      "CREATE POLICY po ON t USING (\"Old name\" > 0); GRANT SELECT (\"Old name\", gone) ON t TO "
      "PUBLIC; COMMENT ON COLUMN t.\"Old name\" IS 'renamed';"
      "CREATE VIEW v AS SELECT t.\"Old name\", t.y FROM t; CREATE VIEW v_gone AS SELECT gone FROM "
      "t;"
      "CREATE VIEW v_id AS SELECT id FROM t; CREATE VIEW v_count AS SELECT count(id) FROM t;"
      "INSERT INTO t SELECT n, md5(n::text)::uuid, n, n, 'x' FROM generate_series(1, 40) n;"
      "CREATE SEQUENCE new_ids");
  JobDescription job = job_by_a();
  job.map = {{"id", "nextval('public.new_ids')"}, {"legacy_id", "id"}, {"renamed", "\"Old name\""}};
  job.skip = {"Old name", "gone"};
  const Lines before = catalog_of("public.t");
  const auto made = carry(job);
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), ElementsAre("index by_gone", "constraint g", "trigger tr_gone",
                                              "statistics "
                                              "public.st_gone",
                                              "view public.v_gone", "view public.v_id"));
  EXPECT_EQ(made->carry.views.size(), 2U);
  swap(*made);
  EXPECT_THAT(indexes("t"),
              ElementsAre("CREATE INDEX by_id ON ONLY public.t USING btree (id)",
                          "CREATE INDEX by_old ON ONLY public.t USING btree (renamed DESC, "
                          "abs(renamed)) WHERE (renamed <> 3)",
                          "CREATE UNIQUE INDEX t_pkey ON ONLY public.t USING btree (a, "
                          "partition_key)"));
  EXPECT_THAT(constraints("t"),
              ElementsAre("c CHECK (((renamed > 0) AND ('Old name'::text <> ''::text)))",
                          "fk FOREIGN KEY (renamed, y) REFERENCES public.p(x, y)",
                          "partition_key_check CHECK ((partition_key = mod(a, 4)))",
                          "t_pkey PRIMARY KEY (a, partition_key)"));
  EXPECT_THAT(value("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 't'::regclass "
                    "AND tgname = 'tr'"),
              HasSubstr("UPDATE OF renamed ON public.t FOR EACH ROW WHEN ((old.renamed > "
                        "new.renamed))"));
  EXPECT_EQ(value("SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = "
                  "'t'::regclass"),
            "(renamed > 0)");
  EXPECT_EQ(value("SELECT attacl FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = "
                  "'renamed'"),
            "{=r/postgres}");
  EXPECT_EQ(
      value("SELECT col_description('t'::regclass, attnum) FROM pg_attribute WHERE attrelid = "
            "'t'::regclass AND attname = 'renamed'"),
      "renamed");
  EXPECT_EQ(value("SELECT sum(\"Old name\") FROM v"), "820");
  EXPECT_EQ(value("SELECT count FROM v_count"), "40");
  roll_back(*made);
  expect_same(catalog_of("public.t"), before);
}

TEST_F(CarryKeysTest, ForeignKeysOfAChangedTypeAreNamed) {
  execute(
      "CREATE TABLE p (id uuid PRIMARY KEY); CREATE TABLE t (a int, p_id uuid CONSTRAINT fk "
      "REFERENCES p)");
  JobDescription job = job_by_a();
  job.map = {{"p_id", "p_id::text"}};
  const auto made = carry_plan(job);
  ASSERT_TRUE(succeeded(made));
  EXPECT_THAT(left_behind(*made), ElementsAre("foreign key fk"));
  EXPECT_THAT(made->carry.not_carried.front().reason, HasSubstr("becomes text"));
}

TEST_F(CarryKeysTest, NotValidConstraintsStayNotValid) {
  execute(
      "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (a int, b int);"
      "INSERT INTO t SELECT n, n FROM generate_series(1, 40) n;"
      "ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (b) REFERENCES p NOT VALID;"
      "ALTER TABLE t ADD CONSTRAINT c CHECK (a < 10) NO INHERIT NOT VALID");
  const auto made = carry(job_by_a());
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), IsEmpty());
  swap(*made);
  EXPECT_EQ(value("SELECT string_agg(conname || ' ' || convalidated, ', ' ORDER BY conname) FROM "
                  "pg_constraint WHERE conrelid = 't_p1'::regclass AND contype IN ('f', 'c')"),
            "c false, fk false, partition_key_check true");
  EXPECT_EQ(value("SELECT convalidated FROM pg_constraint WHERE conrelid = 't'::regclass AND "
                  "conname = 'c'"),
            "f");
  EXPECT_THROW(execute("INSERT INTO t VALUES (1, 1, 1)"), harness::ServerError);
  roll_back(*made);
}

TEST_F(CarryKeysTest, IndexesThatLeavesHaveByThemselves) {
  execute(
      "CREATE TABLE t (a int, b int, c int) PARTITION BY HASH (a); CREATE TABLE \"t h0\" PARTITION "
      "OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE \"t h1\" (c int, gone int, b "
      "int, a "
      "int); ALTER TABLE \"t h1\" DROP COLUMN gone; ALTER TABLE t ATTACH PARTITION \"t h1\" FOR "
      "VALUES "
      "WITH (MODULUS 2, REMAINDER 1);"
      "CREATE INDEX \"t h0_both\" ON \"t h0\" (b) WITH (fillfactor = 50); CREATE INDEX other_name "
      "ON "
      "\"t h1\" (b) WITH (fillfactor = 50); CREATE INDEX alone ON \"t h0\" (c);"
      "ALTER TABLE \"t h0\" ADD CONSTRAINT only_here CHECK (c > 0)");
  const auto made = carry(job_by_a());
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), IsEmpty());
  EXPECT_THAT(indexes("t_new_p1"),
              ElementsAre("CREATE INDEX t_p1_both ON public.t_new_p1 USING btree (b) WITH "
                          "(fillfactor='50')"));
  EXPECT_THAT(indexes("t_new"), IsEmpty());
  EXPECT_EQ(std::count_if(made->carry.issues.begin(), made->carry.issues.end(),
                          [](const Issue& issue) { return issue.code == "leaf-object"; }),
            2);
}

TEST_F(CarryKeysTest, ReplicaIdentityAndClusterFollowTheirIndexes) {
  execute(
      "CREATE TABLE t (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX by_ab ON t (a, b); "
      "CREATE "
      "INDEX by_b ON t (b); ALTER TABLE t REPLICA IDENTITY USING INDEX by_ab; ALTER TABLE t "
      "CLUSTER ON "
      "by_b; INSERT INTO t SELECT n, n FROM generate_series(1, 40) n");
  for (const KeyMode mode : {KeyMode::check, KeyMode::generated}) {
    const auto made = carry(job_by_a(mode));
    ASSERT_TRUE(made);
    EXPECT_THAT(left_behind(*made), IsEmpty());
    EXPECT_EQ(
        value("SELECT string_agg(concat_ws(' ', c.relname, indisreplident, indisclustered), ', "
              "' ORDER BY 1) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid WHERE "
              "indrelid = 't_new_p3'::regclass"),
        "t_p3_by_ab t f, t_p3_by_b f t");
    EXPECT_EQ(value("SELECT relreplident FROM pg_class WHERE oid = 't_new'::regclass"),
              mode == KeyMode::check ? "i" : "d");
    swap(*made);
    roll_back(*made);
  }
}

}  // namespace
}  // namespace pgfanout
