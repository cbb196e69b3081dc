// Shared by the tests of rollbacks: a table with its dependent objects, and its state before.
#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {

class RollbackFixture : public WindowFixture {
 protected:
  /// The table `chunks` with dependent objects.
  void make_table(int rows) {
    make_chunks(rows);
    execute(
        "CREATE TABLE collections (id uuid PRIMARY KEY);"
        "INSERT INTO collections SELECT DISTINCT collection_id FROM chunks;"
        "ALTER TABLE chunks ADD CONSTRAINT chunks_collection_fkey FOREIGN KEY (collection_id)"
        " REFERENCES collections ON DELETE CASCADE;"
        "CREATE INDEX chunks_content_idx ON chunks (md5(content)) WHERE content IS NOT NULL;"
        "CREATE INDEX chunks_metadata_idx ON chunks USING gin (metadata);"
        "CREATE MATERIALIZED VIEW chunk_stats AS SELECT collection_id, count(*) AS n FROM chunks"
        " GROUP BY 1; CREATE UNIQUE INDEX chunk_stats_idx ON chunk_stats (collection_id);"
        "CREATE VIEW big_collections AS SELECT * FROM chunk_stats WHERE n > 0;"
        "CREATE VIEW contents AS SELECT id, content FROM chunks;"
        "COMMENT ON TABLE chunks IS 'pieces'; COMMENT ON COLUMN chunks.content IS 'text';"
        "GRANT SELECT ON chunks TO PUBLIC");
    before_ = catalog();
    rows_ = rows_digest();
  }
  [[nodiscard]] std::string rows_digest() const {
    return value("SELECT count(*) || ' ' || sum(hashtextextended(c::text, 0)) FROM chunks c");
  }
  void expect_as_before() {
    EXPECT_EQ(catalog(), before_);
    EXPECT_EQ(rows_digest(), rows_);
    // A server's process ends a little after its connection.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    const char* sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgfanout/%'";
    while (value(sessions) != "0" && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_EQ(value(sessions), "0");
    EXPECT_EQ(sqlstate_of("BEGIN; DELETE FROM chunks; ROLLBACK"), "00000");
  }

  // Of the table as it was made; copies of its database have the same.
  static inline std::string before_;
  static inline std::string rows_;
};

}  // namespace pgfanout::testing
