// Shared by the tests of the copy command: a database with tables, the command, and SQL's own
// opinion of whether two tables are equal.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/command.h"
#include "tests/harness/test_server.h"

namespace pgfanout::testing {

using harness::CommandResult;
using harness::kLeaves;
using harness::TestServer;
using Json = nlohmann::json;

class CopyFixture : public ::testing::Test {
 protected:
  void SetUp() override { database = server().create_database("copy"); }

  static TestServer& server() { return TestServer::shared(); }
  [[nodiscard]] std::string dsn(const std::string& user = "postgres") const {
    return server().dsn(database, user);
  }
  void execute(const std::string& sql) const { server().execute(database, sql); }
  [[nodiscard]] std::string value(const std::string& sql) const {
    return server().value(database, sql);
  }

  /// Runs one statement; its SQLSTATE, or "00000".
  [[nodiscard]] std::string sqlstate_of(const std::string& sql) const {
    try {
      execute(sql);
    } catch (const harness::ServerError& error) {
      return error.sqlstate();
    }
    return "00000";
  }

  /// public.chunks: like the README's, but of 8 HASH partitions, chunks_h0 to chunks_h7.
  void make_chunks(int rows, const std::string& more_columns = "") const {
    execute(
        "CREATE TABLE chunks (id bigint NOT NULL, collection_id uuid NOT NULL, content text,"
        " metadata jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now()" +
        more_columns +
        ", PRIMARY KEY (id, collection_id)) PARTITION BY HASH (collection_id);"
        "DO $$ BEGIN FOR r IN 0..7 LOOP EXECUTE format('CREATE TABLE chunks_h%s PARTITION OF "
        "chunks"
        " FOR VALUES WITH (MODULUS 8, REMAINDER %s)', r, r); END LOOP; END $$;"
        "INSERT INTO chunks (id, collection_id, content, metadata) SELECT n,"
        " md5((n % 500)::text)::uuid, CASE WHEN n % 7 = 0 THEN NULL ELSE repeat('text ' || n, n % "
        "50) END,"
        " jsonb_build_object('n', n) FROM generate_series(1, " +
        std::to_string(rows) + ") n; ANALYZE chunks");
  }

  /// Runs `pgfanout copy --json`; the document is in `json`.
  CommandResult copy(std::vector<std::string> arguments, harness::CommandOptions options = {}) {
    if (std::find(arguments.begin(), arguments.end(), "--source") == arguments.end()) {
      arguments.insert(arguments.begin(), {"--source", dsn()});
    }
    arguments.insert(arguments.begin(), {"copy", "--json"});
    CommandResult result = harness::pgfanout(arguments, std::move(options));
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    if (!json.is_discarded()) {
      EXPECT_EQ(json["exit_code"], result.exit_code);
    }
    return result;
  }

  /// Waits until it holds, half a minute at most; false if it never did.
  static bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  /// The code of the first issue that is an error or worse.
  [[nodiscard]] std::string error_code() const {
    for (const Json& issue : json["issues"]) {
      if (issue["severity"] == "ERROR" || issue["severity"] == "CRITICAL") return issue["code"];
    }
    return "";
  }

  /// Rows of `columns` that one table has and the other has not, duplicates counted.
  [[nodiscard]] std::string difference(const std::string& one, const std::string& other,
                                       const std::string& columns) const {
    const std::string a = "SELECT " + columns + " FROM " + one;
    const std::string b = "SELECT " + columns + " FROM " + other;
    return value("SELECT count(*) FROM ((" + a + " EXCEPT ALL " + b + ") UNION ALL (" + b +
                 " EXCEPT ALL " + a + ")) d");
  }
  static constexpr const char* kChunkColumns =
      "id, collection_id, content, metadata::text, created_at";

  /// Expects that public.chunks_new holds chunks, each row under the right key, in the right leaf.
  void expect_copied(const std::string& columns = kChunkColumns, int leaves = kLeaves) const {
    EXPECT_EQ(difference("public.chunks", "public.chunks_new", columns), "0");
    EXPECT_EQ(value("SELECT count(*) FROM chunks_new WHERE partition_key <> "
                    "abs(hashtext(collection_id::text)) % " +
                    std::to_string(leaves)),
              "0");
    const std::size_t digits = std::to_string(leaves - 1).size();
    EXPECT_EQ(value("SELECT count(*) FROM chunks_new WHERE tableoid::regclass::text <> "
                    "'chunks_new_p' || lpad(partition_key::text, " +
                    std::to_string(digits) + ", '0')"),
              "0");
  }

  /// The server ends sessions a moment after their client.
  void expect_sessions_end() const {
    EXPECT_TRUE(eventually([this] {
      return value(
                 "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE"
                 " 'pgfanout/%'") == "0";
    })) << "sessions are left";
  }

  /// Nothing of the job is left but its journal.
  void expect_nothing_left() const {
    EXPECT_EQ(value("SELECT count(*) FROM pg_class WHERE relname LIKE 'chunks_new%'"), "0");
    expect_sessions_end();
  }

  std::string database;
  Json json;
};

}  // namespace pgfanout::testing
