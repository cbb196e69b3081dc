// Shared by the tests of interrupted copies: copies in epochs, and places at which they are killed.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {

inline constexpr int kRows = 4000;

class ResumeFixture : public CopyFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    make_chunks(kRows);
  }

  [[nodiscard]] static std::vector<std::string> in_epochs(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"--table", "chunks",         "--writers",
                                      "8",       "--commit-every", "500"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  /// Ends by SIGKILL at that place.
  void crash_at(const std::string& place, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"copy", "--source", dsn()});
    harness::CommandOptions options;
    options.environment["PGFANOUT_CRASH_AT"] = place;
    const CommandResult result = harness::pgfanout(arguments, options);
    EXPECT_EQ(result.signal, SIGKILL) << place << result;
  }
  [[nodiscard]] bool has_issue(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code) return true;
    }
    return false;
  }
  void expect_fenced() const {
    for (const char* sql :
         {"UPDATE chunks SET content = 'x' WHERE id = 1", "TRUNCATE chunks_h3",
          "INSERT INTO chunks (id, collection_id) VALUES (0, gen_random_uuid())"}) {
      EXPECT_EQ(sqlstate_of(sql), "55000") << sql;
    }
  }
  void expect_free() const {
    execute("BEGIN; UPDATE chunks SET content = 'x' WHERE id = 1; TRUNCATE chunks_h3; ROLLBACK");
    EXPECT_EQ(value("SELECT count(*) FROM pg_proc WHERE proname LIKE 'fence_%'"), "0");
    EXPECT_EQ(value("SELECT count(*) FROM pgfanout.job WHERE is_fenced"), "0");
  }
  /// An empty target of the user's own, with further columns' or table's constraints.
  void make_target(const std::string& constraints = "") const {
    execute("CREATE TABLE chunks_new (LIKE chunks, partition_key int NOT NULL" + constraints +
            ") PARTITION BY LIST (partition_key); DO $$ BEGIN FOR k IN 0..7 LOOP EXECUTE format("
            "'CREATE TABLE chunks_new_p%s PARTITION OF chunks_new FOR VALUES IN (%s)', k, k);"
            " END LOOP; END $$");
  }
  [[nodiscard]] std::string digest() const { return json["target"]["digest"]; }
  /// Of an uninterrupted copy.
  std::string reference() {
    EXPECT_EQ(copy({"--table", "chunks", "--into", "reference"}).exit_code, 0);
    return digest();
  }
};

}  // namespace pgfanout::testing
