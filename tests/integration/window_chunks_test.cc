// The migration of the main use case, from the plan to the end of the backup.
#include "tests/integration/chunks_schema.h"
#include "tests/integration/window_objects.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Lines;

constexpr const char* kRowOfC7 = "md5('c7')::uuid, md5('d6')::uuid, 1, 999, 'new'";
constexpr const char* kColumnsOfRow =
    "collection_id, document_id, chunking_config_id, chunk_index, content";

class WindowChunksTest : public testing::WindowObjectsFixture {
 protected:
  void SetUp() override {
    WindowObjectsFixture::SetUp();
    execute(testing::kChunksSchema);
  }

  [[nodiscard]] std::string sqlstate_as(const std::string& user, const std::string& sql) const {
    try {
      harness::Session session = server().connect(database, user);
      session.execute(sql);
    } catch (const harness::ServerError& error) {
      return error.sqlstate();
    }
    return "00000";
  }

  /// The application's INSERTs after the swap, with and without ids of its own.
  void expect_keyed_inserts(const std::string& columns, const std::string& values) const {
    const std::string insert =
        "INSERT INTO chunks (" + columns + ", partition_key) SELECT " + values + ", ";
    EXPECT_EQ(sqlstate_as("chunks_app", insert + "chunks_partition_key(md5('c7')::uuid)"), "00000");
    EXPECT_EQ(sqlstate_as("chunks_app", insert + "1 + chunks_partition_key(md5('c7')::uuid)"),
              "23514");
    EXPECT_EQ(sqlstate_as("chunks_app", "INSERT INTO chunks (" + columns + ") SELECT " + values),
              "23514")
        << "no partition takes a row without a key";
    EXPECT_EQ(sqlstate_as("chunks_reader", "SELECT id, collection_id, content FROM chunks"),
              "00000");
    EXPECT_EQ(sqlstate_as("chunks_reader", "SELECT token_count FROM chunks"), "42501");
  }

  void expect_references_enforced(const std::string& backup) const {
    EXPECT_EQ(sqlstate_of("UPDATE chunks SET document_id = md5('nowhere')::uuid WHERE chunk_index "
                          "= 1"),
              "23503");
    EXPECT_EQ(sqlstate_of("UPDATE chunks SET chunking_config_id = 77 WHERE chunk_index = 1"),
              "23503");
    const std::string rows = value("SELECT count(*) FROM " + backup);
    EXPECT_NE(value("SELECT count(*) FROM chunks WHERE collection_id = md5('c9')::uuid"), "0");
    EXPECT_EQ(sqlstate_of("DELETE FROM collections WHERE id = md5('c9')::uuid"), "00000");
    EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE collection_id = md5('c9')::uuid"), "0");
    EXPECT_EQ(sqlstate_of("DELETE FROM documents WHERE id = md5('d5')::uuid"), "00000");
    EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE document_id = md5('d5')::uuid"), "0");
    EXPECT_EQ(sqlstate_of("DELETE FROM chunking_configs WHERE id = 3"), "00000");
    EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE chunking_config_id = 3"), "0");
    EXPECT_EQ(value("SELECT count(*) FROM " + backup), rows);
  }

  /// Gives back what expect_references_enforced() took from the tables around chunks.
  void restore_neighbours() const {
    execute(
        "INSERT INTO collections VALUES (md5('c9')::uuid, 'collection 9');"
        "INSERT INTO documents SELECT md5('d' || n)::uuid, md5('c' || 1 + n % 60)::uuid,"
        "  'document ' || n FROM generate_series(1, 300) n ON CONFLICT DO NOTHING;"
        "INSERT INTO chunking_configs (id, name, size) OVERRIDING SYSTEM VALUE VALUES"
        "  (3, 'config 3', 300)");
  }

  void begin_swapped_without_mapping() {
    begin_at("swapped", [this] {
      const CommandResult result = window("run", {"--table", "chunks", "--swap"});
      ASSERT_EQ(result.exit_code, 0) << result;
    });
  }

  [[nodiscard]] std::string backup() const {
    return value("SELECT backup_name FROM pgfanout.job ORDER BY started_at DESC LIMIT 1");
  }
};

TEST_F(WindowChunksTest, TheWholeMigration) {
  execute(testing::kChunksSequence);
  const Lines before = objects("public.chunks");
  const std::string catalog_before = catalog();
  const std::string rows_before = rows_of("chunks");
  const std::string neighbours = rows_of("documents") + rows_of("chunking_configs");
  const std::string stats = rows_of("collection_chunking_stats");
  const std::string overview = rows_of("collection_overview");
  harness::TemporaryFile job(testing::kChunksJob);

  CommandResult result = window("plan", {job.path()});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(not_carried("ERROR"), IsEmpty());
  EXPECT_THAT(not_carried("WARNING"), IsEmpty());
  EXPECT_FALSE(has_issue("sequence-usage"));
  EXPECT_EQ(catalog(), catalog_before) << "a plan changes nothing";

  result = window("run", {job.path(), "--swap"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(stage_status("swap"), "ok");
  const Lines after = objects("public.chunks");
  EXPECT_THAT(
      only_in(before, after),
      ElementsAre(
          "column id uuid null f default gen_random_uuid() identity  generated  acl "
          "{chunks_reader=r/chunks_owner}",
          "column meta json null t default  identity  generated  acl ",
          "constraint chunks_pkey PRIMARY KEY (id, collection_id) valid t",
          "index CREATE UNIQUE INDEX chunks_pkey ON public.chunks USING btree (id, collection_id) "
          "valid t",
          "sequence chunks_id_seq owner chunks_owner acl "
          "{chunks_owner=rwU/chunks_owner,chunks_app=U/chunks_owner} of ."));
  EXPECT_THAT(
      only_in(after, before),
      ElementsAre(
          "column id bigint null f default nextval('chunks_id_seq'::regclass) identity  generated "
          " acl {chunks_reader=r/chunks_owner}",
          "column legacy_id uuid null t default  identity  generated  acl ",
          "column partition_key integer null f default  identity  generated  acl "
          "{chunks_reader=r/chunks_owner}",
          HasSubstr("comment on function chunks_partition_key(uuid): Computes partition_key"),
          "constraint chunks_pkey PRIMARY KEY (id, collection_id, partition_key) valid t",
          "constraint partition_key_check CHECK ((partition_key = "
          "(abs(hashtext((collection_id)::text)) % 8))) valid t",
          "index CREATE UNIQUE INDEX chunks_pkey ON public.chunks USING btree (id, collection_id, "
          "partition_key) valid t",
          "sequence chunks_id_seq owner chunks_owner acl "
          "{chunks_owner=rwU/chunks_owner,chunks_app=U/chunks_owner} of chunks.1"));
  EXPECT_EQ(rows_of("collection_chunking_stats"), stats);
  EXPECT_EQ(rows_of("collection_overview"), overview);
  const std::string old = backup();
  EXPECT_EQ(difference("(SELECT legacy_id, collection_id, document_id, chunking_config_id, "
                       "chunk_index, content, metadata, embedding, token_count, created_at, "
                       "updated_at FROM chunks) n",
                       "(SELECT id, collection_id, document_id, chunking_config_id, chunk_index, "
                       "content, coalesce(metadata, meta::jsonb, '{}'), embedding, token_count, "
                       "created_at, coalesce(updated_at, created_at) FROM " +
                           old + ") o",
                       "*"),
            "0");
  EXPECT_EQ(value("SELECT concat_ws(' ', count(DISTINCT id), min(id), max(id)) FROM chunks"),
            "600 1 600");

  expect_keyed_inserts(kColumnsOfRow, kRowOfC7);
  EXPECT_EQ(value("SELECT id > 600 AND legacy_id IS NULL FROM chunks WHERE content = 'new'"), "t");
  EXPECT_EQ(sqlstate_of("REFRESH MATERIALIZED VIEW collection_chunking_stats"), "00000");
  EXPECT_EQ(value("SELECT chunks FROM collection_overview WHERE id = md5('c7')::uuid"), "11");
  expect_references_enforced(old);

  // A rollback needs no job file.
  result = window("rollback", {"--table", "chunks"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_TRUE(has_issue("new-rows")) << result;
  result = window("rollback", {"--table", "chunks", "--force"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("old-rows-refer")) << result;
  EXPECT_EQ(rows_of("chunks"), rows_before) << "also rows whose documents are gone";
  restore_neighbours();
  for (const testing::Json& issue : json["issues"]) {
    if (issue["code"] != "old-rows-refer") continue;
    const std::string hint = issue["hint"];
    execute(hint.substr(hint.find("ALTER TABLE")));
  }
  EXPECT_EQ(rows_of("documents") + rows_of("chunking_configs"), neighbours);
  EXPECT_EQ(catalog(), catalog_before);
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE chunk_index = 0"), "00000");
}

TEST_F(WindowChunksTest, WithoutMappingWhatIsWrittenIsKept) {
  const Lines before = objects("public.chunks");
  const std::string rows_before = rows_of("chunks");
  const std::string catalog_before = catalog();
  const std::string stats = rows_of("collection_chunking_stats");
  ASSERT_EQ(window("plan", {"--table", "chunks"}).exit_code, 0);
  EXPECT_THAT(not_carried("ERROR"), IsEmpty());
  begin_swapped_without_mapping();
  const Lines after = objects("public.chunks");
  EXPECT_THAT(only_in(before, after),
              ElementsAre("constraint chunks_pkey PRIMARY KEY (id, collection_id) valid t",
                          "index CREATE UNIQUE INDEX chunks_pkey ON public.chunks USING btree (id, "
                          "collection_id) valid t"));
  EXPECT_EQ(only_in(after, before).size(), 5U) << ::testing::PrintToString(only_in(after, before));
  EXPECT_EQ(rows_of("(SELECT id, collection_id, document_id, chunking_config_id, chunk_index, "
                    "content, meta, metadata, embedding, token_count, created_at, updated_at "
                    "FROM chunks)"),
            rows_before);
  EXPECT_EQ(rows_of("collection_chunking_stats"), stats);
  // The trigger that keeps updated_at must not do so again on the way back.
  EXPECT_EQ(sqlstate_of("UPDATE chunks SET updated_at = now(), token_count = 7 WHERE chunk_index = "
                        "1"),
            "00000");
  const std::string columns =
      "(SELECT id, collection_id, document_id, chunking_config_id, chunk_index, content, meta, "
      "metadata, embedding, token_count, created_at, updated_at FROM chunks)";
  const std::string written = rows_of(columns);
  const CommandResult result = window("rollback", {"--table", "chunks", "--keep-new-rows"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(catalog(), catalog_before);
  EXPECT_EQ(rows_of(columns), written);
  EXPECT_NE(written, rows_before);
}

TEST_F(WindowChunksTest, AfterTheCleanupASecondJob) {
  begin_swapped_without_mapping();
  const std::string filled = rows_of("collection_chunking_stats");
  expect_keyed_inserts(kColumnsOfRow, kRowOfC7);
  const std::string old = backup();
  expect_references_enforced(old);
  EXPECT_EQ(window("cleanup", {"--table", "chunks"}).exit_code, 2) << "the backup is kept 7 days";
  CommandResult result = window("cleanup", {"--table", "chunks", "--force"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_backup\\_%'"), "0");
  EXPECT_EQ(rows_of("collection_chunking_stats"), filled) << "not refreshed yet";

  const Lines between = objects("public.chunks");
  const std::string live = rows_of("chunks");
  const std::string catalog_between = catalog();
  result = window(
      "run", {"--table", "chunks", "--partitions", "12", "--key",
              "abs(hashtext(collection_id::text)) % 12", "--on-key-mismatch", "fix", "--swap"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "12");
  EXPECT_EQ(value("SELECT bool_and(partition_key = chunks_partition_key(collection_id)) FROM "
                  "chunks"),
            "t");
  const Lines after = objects("public.chunks");
  EXPECT_THAT(only_in(between, after), ElementsAre(HasSubstr("constraint partition_key_check")));
  result = window("rollback", {"--table", "chunks"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(rows_of("chunks"), live);
  EXPECT_EQ(catalog(), catalog_between);
}

TEST_F(WindowChunksTest, ASequenceThatTheApplicationMayNotUseIsNamed) {
  execute("CREATE SEQUENCE chunks_id_seq");
  harness::TemporaryFile job(testing::kChunksJob);
  const CommandResult result = window("plan", {job.path()});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(has_issue("sequence-usage"));
  EXPECT_TRUE(has_issue("sequence-alone"));
  EXPECT_THAT(result.err, HasSubstr("GRANT USAGE ON SEQUENCE public.chunks_id_seq TO "
                                    "chunks_app"));
}

}  // namespace
}  // namespace pgfanout
