// The promises to the application of each way of giving later rows their key, after a swap on a
// real server, and the rollback.
#include "tests/integration/window_objects.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kKey = "abs(hashtext(collection_id::text)) % 8";
constexpr const char* kOwnColumns = "id, collection_id, content, metadata::text, created_at";

class WindowModesTest : public testing::WindowObjectsFixture {
 protected:
  /// Rows are identified to subscribers by a unique index of each leaf.
  void SetUp() override {
    WindowObjectsFixture::SetUp();
    make_chunks(500);
    execute(
        "CREATE UNIQUE INDEX chunks_identity ON chunks (collection_id, id);"
        "CREATE INDEX chunks_metadata ON chunks USING gin (metadata);"
        "DO $$ DECLARE r record; BEGIN FOR r IN SELECT i.indrelid::regclass AS leaf,"
        "  i.indexrelid::regclass AS index FROM pg_inherits h JOIN pg_index i ON i.indexrelid ="
        "  h.inhrelid WHERE h.inhparent = 'chunks_identity'::regclass LOOP"
        "  EXECUTE format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %s', r.leaf, r.index);"
        "END LOOP; END $$;"
        "CREATE PUBLICATION out FOR TABLE chunks WITH (publish_via_partition_root = true);"
        "CREATE VIEW newest AS SELECT collection_id, max(created_at) FROM chunks GROUP BY 1");
    catalog_before_ = catalog();
    rows_before_ = rows();
  }

  [[nodiscard]] std::string rows() const {
    return rows_of(std::string("(SELECT ") + kOwnColumns + " FROM chunks)");
  }

  void swap_in(const std::string& mode) {
    const CommandResult result = window("run", {"--table", "chunks", "--partitions", "8", "--key",
                                                kKey, "--key-mode", mode, "--swap"});
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_THAT(not_carried("WARNING"), IsEmpty());
    EXPECT_THAT(error_codes(), IsEmpty());
    EXPECT_FALSE(has_issue("not-checked")) << result;
    EXPECT_EQ(rows(), rows_before_);
    EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "8");
    // Every row is in its leaf, and every leaf has all indexes, valid.
    EXPECT_EQ(value(std::string("SELECT count(*) FROM chunks WHERE tableoid::regclass::text <> "
                                "'chunks_p' || (") +
                    kKey + ")::text"),
              "0");
    EXPECT_EQ(value("SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid "
                    "WHERE h.inhparent = 'chunks'::regclass AND i.indisvalid"),
              "24");
    EXPECT_EQ(
        value("SELECT count(*) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indrelid "
              "WHERE h.inhparent = 'chunks'::regclass AND i.indisreplident AND i.indisunique"),
        "8");
    EXPECT_EQ(value("SELECT string_agg(pubname, ' ') FROM pg_publication_tables WHERE tablename = "
                    "'chunks'"),
              "out");
    EXPECT_EQ(value("SELECT count(*) FROM newest"),
              value("SELECT count(DISTINCT collection_id) FROM chunks"));
  }

  /// Statements that need no key in any mode: subscribers could tell the rows apart.
  void expect_changes_go_on() const {
    EXPECT_EQ(sqlstate_of("UPDATE chunks SET content = 'changed' WHERE id = 17"), "00000");
    EXPECT_EQ(value("SELECT content FROM chunks WHERE id = 17"), "changed");
    EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 18"), "00000");
    EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE id = 18"), "0");
  }

  /// Statements of today, in the modes in which the server finds the leaf by itself.
  void expect_unchanged_inserts() const {
    EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id, content) SELECT n, "
                          "md5((n % 500)::text)::uuid, 'later' FROM generate_series(3001, 3100) n"),
              "00000");
    EXPECT_EQ(value(std::string("SELECT count(*) FROM chunks WHERE content = 'later' AND "
                                "tableoid::regclass::text = 'chunks_p' || (") +
                    kKey + ")::text"),
              "100");
    EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id) VALUES (3001, "
                          "md5('1')::uuid)"),
              "23505")
        << "uniqueness holds, since the key is computed from what is unique";
    EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id) VALUES (3001, md5('1')::uuid) "
                          "ON CONFLICT DO NOTHING"),
              "00000");
    EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id) VALUES (3001, md5('1')::uuid) "
                          "ON CONFLICT (id, collection_id) DO NOTHING"),
              "42P10");
    EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id) VALUES (NULL, md5('1')::uuid)"),
              "23502");
    EXPECT_EQ(sqlstate_of("UPDATE chunks SET collection_id = md5('x1')::uuid WHERE id = 3050"),
              "00000")
        << "the row moves to its new leaf by itself";
    EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE id = 3050 AND collection_id = "
                    "md5('x1')::uuid"),
              "1");
    EXPECT_EQ(leaves_planned(std::string("SELECT * FROM chunks WHERE ") + kKey + " = 5"), "1");
    EXPECT_EQ(leaves_planned("SELECT * FROM chunks WHERE collection_id = md5('1')::uuid"), "8");
  }

  /// Rows written since the swap are kept, also in the old layout.
  void expect_way_back() {
    const std::string live = rows();
    const CommandResult result = window("rollback", {"--table", "chunks", "--keep-new-rows"});
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(catalog(), catalog_before_);
    EXPECT_EQ(rows(), live);
    EXPECT_NE(rows(), rows_before_);
    EXPECT_EQ(sqlstate_of("UPDATE chunks SET content = 'free' WHERE id = 17"), "00000");
  }

  std::string catalog_before_;
  std::string rows_before_;
};

TEST_F(WindowModesTest, CheckTakesTheRightKeyAndNoOther) {
  swap_in("check");
  expect_changes_go_on();
  const std::string insert = "INSERT INTO chunks (id, collection_id, partition_key) VALUES ";
  EXPECT_EQ(sqlstate_of(insert + "(3001, md5('1')::uuid, chunks_partition_key(md5('1')::uuid))"),
            "00000");
  EXPECT_EQ(sqlstate_of(insert + "(3001, md5('1')::uuid, chunks_partition_key(md5('1')::uuid))"),
            "23505");
  EXPECT_EQ(sqlstate_of(insert + "(3002, md5('1')::uuid, (chunks_partition_key(md5('1')::uuid) + "
                                 "1) % 8)"),
            "23514");
  EXPECT_EQ(sqlstate_of(insert + "(3002, md5('1')::uuid, 8)"), "23514") << "no such leaf";
  EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id) VALUES (3002, md5('1')::uuid)"),
            "23514");
  EXPECT_EQ(sqlstate_of(insert + "(3001, md5('1')::uuid, chunks_partition_key(md5('1')::uuid)) ON "
                                 "CONFLICT (id, collection_id, partition_key) DO NOTHING"),
            "00000");
  EXPECT_EQ(sqlstate_of("UPDATE chunks SET collection_id = md5('x1')::uuid WHERE id = 3001"),
            "23514");
  EXPECT_EQ(sqlstate_of("UPDATE chunks SET collection_id = md5('x1')::uuid, partition_key = "
                        "chunks_partition_key(md5('x1')::uuid) WHERE id = 3001"),
            "00000");
  EXPECT_EQ(leaves_planned("SELECT * FROM chunks WHERE partition_key = "
                           "chunks_partition_key(md5('1')::uuid) AND collection_id = "
                           "md5('1')::uuid"),
            "1");
  EXPECT_EQ(leaves_planned("SELECT * FROM chunks WHERE collection_id = md5('1')::uuid"), "8");
  expect_way_back();
}

TEST_F(WindowModesTest, NoneTakesAnyKey) {
  swap_in("none");
  expect_changes_go_on();
  EXPECT_EQ(value("SELECT count(*) FROM pg_constraint WHERE conrelid = 'chunks'::regclass AND "
                  "contype = 'c'"),
            "0");
  const std::string insert = "INSERT INTO chunks (id, collection_id, partition_key) VALUES ";
  EXPECT_EQ(sqlstate_of(insert + "(3001, md5('1')::uuid, 3), (3001, md5('1')::uuid, 4)"), "00000")
      << "the application alone sees to the key, and so to uniqueness";
  EXPECT_EQ(sqlstate_of("DELETE FROM chunks WHERE id = 3001 AND partition_key = 4"), "00000");
  EXPECT_EQ(sqlstate_of(insert + "(3001, md5('1')::uuid, 3)"), "23505");
  EXPECT_EQ(sqlstate_of(insert + "(3002, md5('1')::uuid, 8)"), "23514") << "no such leaf";
  EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id) VALUES (3002, md5('1')::uuid)"),
            "23514");
  EXPECT_EQ(leaves_planned("SELECT * FROM chunks WHERE partition_key = 7"), "1");
  expect_way_back();
}

TEST_F(WindowModesTest, GeneratedNeedsNoOtherInserts) {
  swap_in("generated");
  expect_changes_go_on();
  expect_unchanged_inserts();
  EXPECT_EQ(value(std::string("SELECT count(*) FROM chunks WHERE partition_key IS DISTINCT FROM ") +
                  kKey),
            "0");
  EXPECT_EQ(sqlstate_of("INSERT INTO chunks (id, collection_id, partition_key) VALUES (4000, "
                        "md5('1')::uuid, 3)"),
            "428C9");
  EXPECT_EQ(leaves_planned("SELECT * FROM chunks WHERE partition_key = 7"), "8")
      << "only the expression prunes";
  expect_way_back();
}

TEST_F(WindowModesTest, ExpressionAddsNoColumn) {
  swap_in("expression");
  EXPECT_EQ(
      value("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid "
            "= 'chunks'::regclass AND attnum > 0"),
      "id collection_id content metadata created_at");
  expect_changes_go_on();
  expect_unchanged_inserts();
  EXPECT_EQ(sqlstate_of("INSERT INTO chunks SELECT 5000, md5('1')::uuid, 'all columns', '{}', "
                        "now()"),
            "00000");
  expect_way_back();
}

}  // namespace
}  // namespace pgfanout
