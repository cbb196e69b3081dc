// A window into which faults are injected: the live name always stands for a complete table (I2),
// and every command can be resumed to its end, or rolled back. Checked by the server's own SQL.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "copier/base/crash_point.h"
#include "tests/faults/fault_rig.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {

class WindowRig : public WindowFixture {
 protected:
  void SetUp() override {}
  static std::vector<std::string> places_of_the_window() {
    return {std::find(kCrashPoints.begin(), kCrashPoints.end(), "stage-recorded"),
            kCrashPoints.end()};
  }

  /// Makes a database with a table.
  void begin(int rows) {
    database = server().create_database("copy");
    make_chunks(rows);
    before_ = catalog();
    rows_ = live_rows();
  }
  void end() const {
    if (!HasFailure()) server().execute("postgres", "DROP DATABASE " + database + " WITH (FORCE)");
  }

  static std::vector<std::string> arguments_of(const std::string& command) {
    if (command == "run") return {"--table", "chunks", "--swap"};
    if (command == "copy") return {"--table", "chunks", "--restart"};
    if (command == "verify") return {"--table", "chunks", "--data"};
    if (command == "key") return {"--table", "chunks", "--check", "200"};
    if (command == "cleanup") return {"--table", "chunks", "--force"};
    if (command == "keep") return {"--table", "chunks", "--keep-new-rows"};
    return {"--table", "chunks"};
  }
  /// A command of the program, or "keep": a rollback that keeps new rows.
  CommandResult call(const std::string& command, const harness::Environment& environment = {}) {
    harness::CommandOptions options;
    options.environment = environment;
    std::vector<std::string> arguments = {command == "keep" ? "rollback" : command,
                                          "--source",
                                          dsn(),
                                          "--json",
                                          "--progress",
                                          "none"};
    const std::vector<std::string> more = arguments_of(command);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return harness::pgfanout(arguments, options);
  }

  /// As the application does after a swap: one row is inserted, one changed, one deleted.
  void write_rows() {
    execute(
        "INSERT INTO chunks SELECT (jsonb_populate_record(c, '{\"id\": -1}')).* FROM chunks c"
        " WHERE id = 1;"
        "UPDATE chunks SET content = 'changed' WHERE id = 2; DELETE FROM chunks WHERE id = 3");
    rows_ = live_rows();
  }

  /// The rows behind the live name, without the key that the new layout adds.
  [[nodiscard]] std::string live_rows() const {
    return value("SELECT count(*) || ' ' || sum(hashtextextended(ROW(" +
                 std::string(kChunkColumns) + ")::text, 0)) FROM public.chunks");
  }
  [[nodiscard]] bool is_swapped() const {
    return value(
               "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.chunks'::regclass AND"
               " attname = 'partition_key'") == "1";
  }

  void check_always(const std::string& what) {
    harness::Session session = server().connect(database);
    expect_no_sessions(session, what);
    EXPECT_EQ(value("SELECT to_regclass('public.chunks') IS NOT NULL"), "t") << "I2, " << what;
    EXPECT_EQ(live_rows(), rows_) << "I1 and I2, " << what;
  }
  void check_swapped(const std::string& what) {
    check_always(what);
    EXPECT_TRUE(is_swapped()) << what;
    EXPECT_EQ(value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks'::regclass"), "8")
        << what;
    EXPECT_EQ(value("SELECT count(*) FROM chunks WHERE partition_key <>"
                    " abs(hashtext(collection_id::text)) % 8"),
              "0")
        << what;
    EXPECT_EQ(sqlstate_of("BEGIN; DELETE FROM chunks; ROLLBACK"), "00000") << what;
  }
  void check_as_before(const std::string& what) {
    check_always(what);
    EXPECT_EQ(catalog(), before_) << what;
    EXPECT_EQ(sqlstate_of("BEGIN; DELETE FROM chunks; ROLLBACK"), "00000") << what;
  }

 private:
  std::string before_;
  std::string rows_;
};

}  // namespace pgfanout::testing
