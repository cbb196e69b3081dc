// Every object that depends on a table depends on its successor after a swap, and on the table
// itself again after a rollback.
#include "tests/integration/carry_fixture.h"

namespace pgfanout {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using testing::Lines;
using ::testing::Not;
using testing::succeeded;

/// Roles are the server's: made once for all tests.
constexpr const char* kRoles = R"sql(
DO $$ BEGIN
  IF to_regrole('"App Owner"') IS NULL THEN CREATE ROLE "App Owner"; END IF;
  IF to_regrole('reader') IS NULL THEN CREATE ROLE reader; END IF;
  IF to_regrole('writer') IS NULL THEN CREATE ROLE writer; END IF;
END $$;
)sql";

/// The schema of chunks_schema.h in small, with one object of each kind.
constexpr const char* kChunks = R"sql(
CREATE TABLE collections (id uuid PRIMARY KEY, name text);
CREATE TABLE documents (id bigint PRIMARY KEY);
INSERT INTO collections SELECT md5(n::text)::uuid, 'c' || n FROM generate_series(0, 19) n;
INSERT INTO documents SELECT generate_series(0, 9);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE chunks (id bigint NOT NULL, collection_id uuid NOT NULL, document_id bigint,
  content text, metadata jsonb NOT NULL DEFAULT '{}', tokens int, created_at timestamptz NOT NULL
  DEFAULT '2024-01-01', CONSTRAINT chunks_pkey PRIMARY KEY (id, collection_id))
  PARTITION BY HASH (collection_id);
CREATE TABLE chunks_h0 PARTITION OF chunks FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE chunks_h1 PARTITION OF chunks FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO chunks SELECT n, md5((n % 20)::text)::uuid, n % 10, 'text ' || n,
  jsonb_build_object('n', n), n FROM generate_series(1, 500) n;
CREATE INDEX chunks_content_idx ON chunks USING gin (to_tsvector('english', content));
CREATE INDEX chunks_metadata_idx ON chunks USING gin (metadata jsonb_path_ops);
CREATE INDEX chunks_created_at_idx ON chunks USING brin (created_at) WITH (pages_per_range = 16);
CREATE INDEX "Chunks by document" ON chunks (document_id DESC NULLS LAST) INCLUDE (tokens)
  WHERE document_id IS NOT NULL;
CREATE INDEX chunks_lower_idx ON chunks (lower(content) COLLATE "C" text_pattern_ops, tokens)
  WITH (fillfactor = 70);
CREATE INDEX chunks_hash_idx ON chunks USING hash (document_id);
CREATE UNIQUE INDEX chunks_unique_idx ON chunks (collection_id, lower(content)) INCLUDE (id);
ALTER TABLE chunks ADD CONSTRAINT chunks_doc_key UNIQUE (collection_id, id, document_id)
  INCLUDE (tokens) WITH (fillfactor = 80) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE chunks ADD CONSTRAINT tokens_check CHECK (tokens > 0 AND content <> 'public.chunks');
ALTER TABLE chunks ADD CONSTRAINT later_check CHECK (tokens < 400) NOT VALID;
ALTER TABLE chunks ADD CONSTRAINT chunks_collection_id_fkey FOREIGN KEY (collection_id)
  REFERENCES collections ON DELETE CASCADE DEFERRABLE;
ALTER TABLE chunks ADD CONSTRAINT chunks_document_id_fkey FOREIGN KEY (document_id)
  REFERENCES documents (id) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL;
CREATE TRIGGER "Touch It" BEFORE UPDATE OF content ON chunks FOR EACH ROW
  WHEN (OLD.content IS DISTINCT FROM NEW.content) EXECUTE FUNCTION touch('chunks', 'public.chunks');
CREATE TRIGGER statement_trigger AFTER TRUNCATE ON chunks EXECUTE FUNCTION touch();
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON chunks DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE chunks ENABLE ALWAYS TRIGGER "Touch It";
ALTER TABLE chunks DISABLE TRIGGER statement_trigger;
ALTER TABLE chunks ENABLE REPLICA TRIGGER checked;
CREATE RULE quiet AS ON DELETE TO chunks WHERE OLD.id = -1 DO INSTEAD NOTHING;
ALTER TABLE chunks ENABLE ALWAYS RULE quiet;
CREATE STATISTICS chunks_stats (ndistinct, dependencies) ON collection_id, document_id FROM chunks;
ALTER STATISTICS chunks_stats SET STATISTICS 42;
CREATE POLICY "my own" ON chunks AS RESTRICTIVE FOR UPDATE TO reader, writer
  USING (EXISTS (SELECT 1 FROM chunks c WHERE c.id = chunks.id)) WITH CHECK (tokens > 1);
CREATE POLICY everybody ON chunks USING (true);
ALTER TABLE chunks ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE chunks IS 'it''s chunks';
COMMENT ON COLUMN chunks.content IS E'back\\slash';
COMMENT ON CONSTRAINT chunks_pkey ON chunks IS 'of the key';
COMMENT ON CONSTRAINT tokens_check ON chunks IS 'of the check';
COMMENT ON CONSTRAINT chunks_document_id_fkey ON chunks IS 'of the reference';
COMMENT ON INDEX "Chunks by document" IS 'of the index';
COMMENT ON TRIGGER "Touch It" ON chunks IS 'of the trigger';
COMMENT ON POLICY everybody ON chunks IS 'of the policy';
COMMENT ON RULE quiet ON chunks IS 'of the rule';
COMMENT ON STATISTICS chunks_stats IS 'of the statistics';
GRANT SELECT, INSERT ON chunks TO reader, PUBLIC;
GRANT UPDATE (content, tokens), SELECT (id) ON chunks TO writer WITH GRANT OPTION;
GRANT DELETE ON chunks TO writer WITH GRANT OPTION;
REVOKE TRUNCATE ON chunks FROM CURRENT_USER;
CREATE MATERIALIZED VIEW collection_chunking_stats AS SELECT collection_id, count(*) AS chunks,
  max(chunks.id) AS last FROM chunks GROUP BY 1;
CREATE UNIQUE INDEX collection_chunking_stats_idx ON collection_chunking_stats (collection_id);
COMMENT ON MATERIALIZED VIEW collection_chunking_stats IS 'statistics';
GRANT SELECT ON collection_chunking_stats TO reader;
CREATE VIEW collection_overview WITH (security_barrier) AS SELECT c.name, s.chunks
  FROM collections c JOIN collection_chunking_stats s ON s.collection_id = c.id;
CREATE VIEW recent AS SELECT * FROM chunks WHERE created_at > '2023-01-01';
GRANT SELECT ON recent TO reader;
CREATE VIEW over_recent AS SELECT count(*) FROM recent;
CREATE MATERIALIZED VIEW empty_yet AS SELECT s.last FROM collection_chunking_stats s WITH NO DATA;
ALTER TABLE chunks OWNER TO "App Owner";
ALTER TABLE chunks_h0 OWNER TO "App Owner";
ALTER TABLE chunks_h1 OWNER TO "App Owner";
ALTER MATERIALIZED VIEW collection_chunking_stats OWNER TO "App Owner";
ALTER STATISTICS chunks_stats OWNER TO "App Owner";
)sql";

class CarryPlanTest : public testing::CarryFixture {
 protected:
  void SetUp() override {
    CarryFixture::SetUp();
    execute(kRoles);
  }

  static JobDescription chunks_job(KeyMode mode = KeyMode::check) {
    JobDescription job = job_for("public.chunks", "abs(hashtext(collection_id::text)) % 4");
    job.key_mode = mode;
    return job;
  }

  /// Removes what only the new table has, and only because it has a key.
  static Lines as_before(Lines after) {
    after = without(std::move(after), ", partition_key");
    after.erase(std::remove_if(after.begin(), after.end(),
                               [](const std::string& line) {
                                 return line.starts_with("constraint partition_key_check ") ||
                                        line == "column partition_key";
                               }),
                after.end());
    return after;
  }
};

TEST_F(CarryPlanTest, EverythingIsThereAfterTheSwapAndBackAfterTheRollback) {
  execute(kChunks);
  const Lines before = catalog_of("public.chunks");
  for (const char* kind : {"constraint ", "index ", "trigger ", "rule ", "policy ", "statistics ",
                           "comment ", "grant ", "view ", "matview ", "leaves "}) {
    EXPECT_THAT(before, Contains(::testing::StartsWith(kind)));
  }
  const auto made = carry(chunks_job());
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), IsEmpty());
  swap(*made);
  EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE partition_key IS NOT NULL"), "500");
  expect_same(as_before(catalog_of("public.chunks")), before);
  EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conrelid = 'chunks_backup'::regclass "
                  "AND contype = 'f'"),
            "0");
  EXPECT_EQ(value("SELECT count(*) FROM recent"), "500");
  // The copies that leaves have of row triggers are those that fire.
  EXPECT_EQ(
      value("SELECT string_agg(DISTINCT concat(t.tgname, t.tgenabled), ' ' ORDER BY "
            "concat(t.tgname, t.tgenabled)) FROM pg_trigger t JOIN pg_trigger p ON p.oid = "
            "t.tgparentid WHERE t.tgrelid = 'chunks_p1'::regclass AND p.tgname IN ('Touch It', "
            "'checked')"),
      "Touch ItA checkedR");
  EXPECT_EQ(value("SELECT sum(chunks) FROM collection_overview"), "500");
  EXPECT_EQ(value("SELECT public.chunks_partition_key(md5('7')::uuid) = abs(hashtext("
                  "md5('7')::uuid::text)) % 4"),
            "t");
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_new%'"), "0");
  roll_back(*made);
  expect_same(catalog_of("public.chunks"), before);
  EXPECT_THAT(
      lines("SELECT relname FROM pg_catalog.pg_class WHERE relname LIKE '%\\_new%' OR relname "
            "LIKE '%\\_backup' OR relname LIKE 'chunks\\_p_\\_%'"),
      IsEmpty());
  EXPECT_EQ(value("SELECT count(*) FROM pg_proc WHERE proname = 'chunks_partition_key'"), "0");
}

TEST_F(CarryPlanTest, LeafObjectsAreAdoptedWithoutAnotherScan) {
  execute(kChunks);
  auto made = carry_plan(chunks_job());
  ASSERT_TRUE(succeeded(made));
  make_target(*made, database);
  auto session = server().connect(database);
  session.execute("SET search_path = ''");
  run(session, made->carry.leaf_indexes);
  const std::string indexes =
      "SELECT string_agg(concat_ws(' ', c.oid, c.relname, c.relfilenode), ', ' ORDER BY c.oid) "
      "FROM "
      "pg_class c JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = i.indrelid "
      "WHERE t.relname LIKE 'chunks_new_p%'";
  const std::string built = session.value(indexes);
  // A session's own figures, before they are handed in.
  auto adopting = server().connect(database);
  adopting.execute("SET search_path = ''; BEGIN");
  run(adopting, made->carry.parent_indexes);
  const std::string scans =
      "SELECT sum(pg_stat_get_xact_numscans(oid)) FROM pg_class WHERE relname LIKE 'chunks_new_p_'";
  EXPECT_EQ(adopting.value(scans), "0");
  adopting.execute("COMMIT");
  run(session, made->carry.leaf_constraints);
  const std::string constraints =
      "SELECT string_agg(concat_ws(' ', c.oid, c.conname), ', ' ORDER BY c.oid) FROM "
      "pg_constraint c JOIN pg_class t ON t.oid = c.conrelid WHERE t.relname LIKE 'chunks_new_p_' "
      "AND c.contype IN ('p', 'u', 'f', 'c')";
  const std::string added = session.value(constraints);
  adopting.execute("BEGIN");
  run(adopting, made->carry.parent_constraints);
  EXPECT_EQ(adopting.value(scans), "0");
  adopting.execute("COMMIT");
  EXPECT_EQ(session.value(indexes), built) << "no index was built again";
  EXPECT_EQ(session.value(constraints), added) << "each leaf has one of each";
  EXPECT_EQ(session.value("SELECT count(*) FROM pg_constraint c JOIN pg_class t ON t.oid = "
                          "c.conrelid WHERE t.relname LIKE 'chunks_new_p_' AND c.contype IN ('p', "
                          "'u', 'f') AND c.conparentid = 0"),
            "0");
  EXPECT_EQ(session.value("SELECT count(*) FROM pg_constraint c JOIN pg_class t ON t.oid = "
                          "c.conrelid WHERE t.relname LIKE 'chunks_new_p_' AND c.contype = 'c' AND "
                          "c.coninhcount = 0"),
            "0");
  EXPECT_EQ(session.value("SELECT count(*) FROM pg_index WHERE indrelid = "
                          "'public.chunks_new'::regclass AND NOT indisvalid"),
            "0");
  // The figure does move where the server looks at rows.
  session.execute(
      "BEGIN; ALTER TABLE public.chunks_new ADD FOREIGN KEY (document_id) REFERENCES "
      "public.documents");
  EXPECT_NE(session.value(scans), "0");
}

TEST_F(CarryPlanTest, ThePlanIsTheSameAfterItsSteps) {
  execute(kChunks);
  const auto before = carry_plan(chunks_job());
  ASSERT_TRUE(succeeded(before));
  make_target(*before, database);
  run_steps(*before, database);
  Connection source = open();
  Connection target = open();
  const JobDescription job = chunks_job();
  const auto after = make_carry_plan(request(job, before->copy), source, target);
  ASSERT_TRUE(succeeded(after));
  const auto same = [](const std::vector<CarryStep>& one, const std::vector<CarryStep>& other) {
    ASSERT_EQ(one.size(), other.size());
    for (std::size_t at = 0; at < one.size(); ++at) {
      EXPECT_EQ(one[at].id, other[at].id);
      EXPECT_EQ(one[at].sql, other[at].sql);
    }
  };
  same(before->carry.leaf_indexes, after->leaf_indexes);
  same(before->carry.parent_indexes, after->parent_indexes);
  same(before->carry.leaf_constraints, after->leaf_constraints);
  same(before->carry.parent_constraints, after->parent_constraints);
  same(before->carry.attributes, after->attributes);
  ASSERT_EQ(before->carry.names.size(), after->names.size());
  for (std::size_t at = 0; at < after->names.size(); ++at) {
    EXPECT_EQ(before->carry.names[at].until_swap, after->names[at].until_swap);
  }
  std::vector<std::string> ids;
  for (const auto* steps : {&after->leaf_indexes, &after->parent_indexes, &after->leaf_constraints,
                            &after->parent_constraints, &after->attributes}) {
    for (const CarryStep& step : *steps) ids.push_back(step.id);
  }
  const std::size_t count = ids.size();
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  EXPECT_EQ(ids.size(), count) << "each id once";
}

TEST_F(CarryPlanTest, LeafIndexesHaveNamesThatPeopleExpect) {
  execute(kChunks);
  const auto made = carry(chunks_job());
  ASSERT_TRUE(made);
  EXPECT_THAT(lines("SELECT c.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON "
                    "c.oid = i.indexrelid WHERE i.indrelid = 'public.chunks_new_p2'::regclass "
                    "ORDER BY 1"),
              ElementsAre("chunks_p2_Chunks by document", "chunks_p2_content_idx",
                          "chunks_p2_created_at_idx", "chunks_p2_doc_key", "chunks_p2_hash_idx",
                          "chunks_p2_lower_idx", "chunks_p2_metadata_idx", "chunks_p2_pkey",
                          "chunks_p2_unique_idx"));
}

TEST_F(CarryPlanTest, GeneratedKeysKeepUniquenessOnEachLeaf) {
  execute(kChunks);
  for (const KeyMode mode : {KeyMode::generated, KeyMode::expression}) {
    const auto made = carry(chunks_job(mode));
    ASSERT_TRUE(made);
    EXPECT_THAT(left_behind(*made), IsEmpty());
    EXPECT_EQ(value("SELECT string_agg(pg_get_constraintdef(oid), ', ' ORDER BY contype) FROM "
                    "pg_constraint WHERE conrelid = 'chunks_new_p1'::regclass AND contype IN "
                    "('p', 'u')"),
              "PRIMARY KEY (id, collection_id), UNIQUE (collection_id, id, document_id) INCLUDE "
              "(tokens) DEFERRABLE INITIALLY DEFERRED");
    EXPECT_EQ(value("SELECT count(*) FROM pg_index WHERE indrelid = 'chunks_new'::regclass AND "
                    "indisunique"),
              "0");
    EXPECT_EQ(value("SELECT count(*) FROM pg_index WHERE indrelid = 'chunks_new'::regclass"), "6");
    EXPECT_THROW(execute("INSERT INTO chunks_new (id, collection_id, tokens) SELECT id, "
                         "collection_id, 1 FROM chunks_new LIMIT 1"),
                 harness::ServerError);
    swap(*made);
    roll_back(*made);
  }
}

TEST_F(CarryPlanTest, HostileNamesSurvive) {
  const std::string table = R"(A "quoted" 'table' with a very long name, 59 bytes of it ....)";
  ASSERT_LE(table.size(), 63U);
  const std::string q = quoted_name(table);
  execute(
      "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1); CREATE FUNCTION f() "
      "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TABLE " +
      q +
      " (\"Id \"\"x\"\"\" int, \"a,b\" int DEFAULT 1, s serial, g int GENERATED ALWAYS AS "
      "IDENTITY, text text, CONSTRAINT \"it's \"\"the\"\" key\" PRIMARY KEY (\"Id \"\"x\"\"\"));"
      "INSERT INTO " +
      q +
      " SELECT n, 1 FROM generate_series(1, 50) n;"
      "CREATE INDEX ON " +
      q +
      " (\"a,b\", (text || '<table>')) WHERE text <> '<table>';"
      "CREATE INDEX \"63 bytes are what a name can have, and this index has all of 'em\" ON " +
      q +
      " (\"a,b\");"
      "ALTER TABLE " +
      q +
      " ADD CONSTRAINT \"c'k\" CHECK (text <> '$pgfanout$');"
      "ALTER TABLE " +
      q +
      " ADD CONSTRAINT \"f\"\"k\" FOREIGN KEY (\"a,b\") REFERENCES p;"
      "CREATE TRIGGER \"t'r\" AFTER INSERT ON " +
      q +
      " EXECUTE FUNCTION f();"
      "CREATE POLICY \"p'o\" ON " +
      q +
      " USING (\"Id \"\"x\"\"\" > 0);"
      "COMMENT ON COLUMN " +
      q +
      ".\"a,b\" IS '$$ \"'' \\';"
      "CREATE VIEW \"v'w\" AS SELECT * FROM " +
      q +
      ";"
      "CREATE MATERIALIZED VIEW \"M v\" AS SELECT count(*) AS \"n\"\"n\" FROM " +
      q +
      ";"
      "CREATE STATISTICS \"s't\" ON \"a,b\", text FROM " +
      q + "; ALTER TABLE " + q + " REPLICA IDENTITY FULL");
  const std::string qualified = "public." + q;
  const Lines before = catalog_of(qualified);
  const JobDescription job = job_for(qualified, R"(mod("Id ""x""", 4))");
  const auto made = carry(job);
  ASSERT_TRUE(made);
  EXPECT_THAT(left_behind(*made), IsEmpty());
  swap(*made);
  expect_same(as_before(catalog_of(qualified)), before);
  EXPECT_EQ(value("SELECT count(*) FROM \"v'w\""), "50");
  roll_back(*made);
  expect_same(catalog_of(qualified), before);
}

}  // namespace
}  // namespace pgfanout
