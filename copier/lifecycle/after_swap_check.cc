#include "copier/lifecycle/after_swap_check.h"

#include <fmt/format.h>

#include "copier/plan/explained_plan.h"

namespace pgfanout {
namespace {

class AfterSwapCheck {
 public:
  AfterSwapCheck(const JobDescription& job, Connection& connection, const Table& table,
                 const JournalEntry& entry, const std::function<void(Issue)>& tell)
      : job_(job), connection_(connection), table_(table), entry_(entry), tell_(tell) {}

  Result<bool> run() {
    PGFANOUT_TRY_ASSIGN(const bool has_row, pick_row());
    if (!has_row) return true;
    PGFANOUT_TRY(write_and_read());
    PGFANOUT_TRY(look_at_pruning());
    PGFANOUT_TRY(try_wrong_key());
    PGFANOUT_TRY(try_dangling_reference());
    return is_right_;
  }

 private:
  void wrong(const std::string& what, const std::string& why) {
    is_right_ = false;
    tell_({Severity::critical, "after-swap", fmt::format("{}: {}", what, why), table_.qualified,
           "the swap stands; 'pgfanout rollback' takes it back"});
  }

  /// Runs one statement that must touch one row.
  Result<void> expect_one(const std::string& what, const std::string& sql) {
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_try"));
    auto done = connection_.query(sql);
    if (!done) {
      wrong(what, done.error().message);
      return connection_.run("ROLLBACK TO SAVEPOINT pgfanout_try");
    }
    const std::int64_t rows = done->affected() < 0 ? done->size() : done->affected();
    if (rows != 1) wrong(what, fmt::format("{} rows were touched, not 1", rows));
    return {};
  }

  /// Runs one statement that must be refused with this SQLSTATE.
  Result<void> expect_refusal(const std::string& what, const std::string& sqlstate,
                              const std::string& sql) {
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_try"));
    auto done = connection_.run(sql);
    if (done) {
      wrong(what, "it was accepted");
    } else if (done.error().sqlstate != sqlstate) {
      wrong(what, "it was refused for another reason: " + done.error().message);
    }
    return connection_.run("ROLLBACK TO SAVEPOINT pgfanout_try");
  }

  Result<bool> pick_row() {
    PGFANOUT_TRY(connection_.run(fmt::format(
        "CREATE TEMPORARY TABLE pgfanout_row ON COMMIT DROP AS SELECT * FROM {} LIMIT 1",
        table_.qualified)));
    PGFANOUT_TRY_ASSIGN(const Rows rows, connection_.query("SELECT 1 FROM pg_temp.pgfanout_row"));
    for (const Column& column : table_.columns) {
      if (column.generated != 0) continue;
      columns_ += (columns_.empty() ? "" : ", ") + column.quoted;
      values_ += (values_.empty() ? "r." : ", r.") + column.quoted;
    }
    std::vector<std::string> keys = table_.primary_key;
    if (keys.empty()) {
      for (const Column& column : table_.columns) keys.push_back(column.name);
    }
    for (const std::string& key : keys) {
      const Column* column = table_.find(key);
      if (column == nullptr) continue;
      match_ += fmt::format("{0}t.{1} IS NOT DISTINCT FROM r.{1}", match_.empty() ? "" : " AND ",
                            column->quoted);
      equal_ += fmt::format("{0}t.{1} = (SELECT r.{1} FROM pg_temp.pgfanout_row r)",
                            equal_.empty() ? "" : " AND ", column->quoted);
    }
    return rows.size() == 1;
  }

  [[nodiscard]] bool has_primary_key() const { return !table_.primary_key.empty(); }

  [[nodiscard]] std::string insert(const std::string& values) const {
    return fmt::format(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM"
        " pg_temp.pgfanout_row r",
        table_.qualified, columns_, values);
  }

  Result<void> write_and_read() {
    // Types without equality (json) cannot find a row that has no key.
    if (!has_primary_key()) return expect_one("insert of a copy of a row", insert(values_));
    const std::string first = table_.find(table_.primary_key.front())->quoted;
    PGFANOUT_TRY(expect_one("read by the full key",
                            fmt::format("SELECT 1 FROM {} t, pg_temp.pgfanout_row r WHERE {}",
                                        table_.qualified, match_)));
    PGFANOUT_TRY(expect_one(
        "update by the full key",
        fmt::format("UPDATE {} t SET {} = t.{} WHERE {}", table_.qualified, first, first, equal_)));
    PGFANOUT_TRY(expect_one("delete by the full key",
                            fmt::format("DELETE FROM {} t WHERE {}", table_.qualified, equal_)));
    return expect_one("insert of that row", insert(values_));
  }

  Result<std::size_t> leaves_read(const std::string& condition) {
    PGFANOUT_TRY_ASSIGN(const auto relations,
                        relations_planned(connection_, fmt::format("SELECT 1 FROM {} t WHERE {}",
                                                                   table_.qualified, condition)));
    return relations.size();
  }

  /// With the key one leaf, without it all.
  Result<void> look_at_pruning() {
    const bool has_column =
        entry_.key_column && (job_.key_mode == KeyMode::check || job_.key_mode == KeyMode::none);
    const std::string key = has_column ? connection_.quote_identifier(*entry_.key_column)
                                       : "(" + entry_.key_sql_on_target + ")";
    PGFANOUT_TRY_ASSIGN(const Rows value,
                        connection_.query(fmt::format("SELECT {} FROM pg_temp.pgfanout_row", key)));
    PGFANOUT_TRY_ASSIGN(const std::size_t with,
                        leaves_read(fmt::format("{} = {}", key, value.text(0, 0))));
    if (with != 1) {
      wrong("partition pruning", fmt::format("a query that names the key reads {} leaves", with));
    }
    PGFANOUT_TRY_ASSIGN(const std::size_t without, leaves_read("true"));
    tell_({Severity::info,
           "pruning",
           fmt::format("a query that names the key reads {} leaf, one that does not reads {}", with,
                       without),
           table_.qualified,
           {}});
    return {};
  }

  Result<void> try_wrong_key() {
    if (job_.key_mode != KeyMode::check || !entry_.key_column || job_.partitions < 2) return {};
    const std::string key = "r." + connection_.quote_identifier(*entry_.key_column);
    std::string values;
    for (const Column& column : table_.columns) {
      if (column.generated != 0) continue;
      const std::string value = column.name == *entry_.key_column
                                    ? fmt::format("({} + 1) % {}", key, job_.partitions)
                                    : "r." + column.quoted;
      values += (values.empty() ? "" : ", ") + value;
    }
    return expect_refusal("insert with a wrong key", "23514", insert(values));
  }

  /// For each foreign key over one column of a type whose unused values are easily made.
  Result<void> try_dangling_reference() {
    PGFANOUT_TRY_ASSIGN(
        const Rows keys,
        connection_.query("SELECT a.attname, CASE a.atttypid"
                          " WHEN 'pg_catalog.uuid'::pg_catalog.regtype"
                          "  THEN 'pg_catalog.gen_random_uuid()'"
                          " WHEN 'pg_catalog.int4'::pg_catalog.regtype THEN '-2147483648'"
                          " WHEN 'pg_catalog.int8'::pg_catalog.regtype"
                          "  THEN '-9223372036854775808' END"
                          " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_attribute a"
                          " ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]"
                          " WHERE k.contype = 'f' AND k.conrelid = $1 AND k.conparentid = 0"
                          " AND pg_catalog.cardinality(k.conkey) = 1 ORDER BY 1",
                          {std::to_string(table_.oid)}));
    if (!has_primary_key()) return {};
    for (int row = 0; row < keys.size(); ++row) {
      if (keys.is_null(row, 1)) continue;
      const std::string column = connection_.quote_identifier(keys.text(row, 0));
      // Where the key is made from that column, it follows.
      std::string set = fmt::format("{} = {}", column, keys.text(row, 1));
      PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_reference"));
      PGFANOUT_TRY(connection_.run(fmt::format("UPDATE pg_temp.pgfanout_row SET {}", set)));
      if (entry_.key_column &&
          (job_.key_mode == KeyMode::check || job_.key_mode == KeyMode::none)) {
        PGFANOUT_TRY(connection_.run(fmt::format("UPDATE pg_temp.pgfanout_row SET {} = {}",
                                                 connection_.quote_identifier(*entry_.key_column),
                                                 entry_.key_sql_on_target)));
      }
      PGFANOUT_TRY(
          connection_.run(fmt::format("DELETE FROM {} t WHERE {}", table_.qualified, equal_)));
      PGFANOUT_TRY(expect_refusal("insert with a dangling " + keys.str(row, 0), "23503",
                                  insert(values_) + "; SET CONSTRAINTS ALL IMMEDIATE"));
      PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_reference"));
    }
    return {};
  }

  const JobDescription& job_;
  Connection& connection_;
  const Table& table_;
  const JournalEntry& entry_;
  const std::function<void(Issue)>& tell_;
  std::string columns_;
  std::string values_;
  std::string match_;
  std::string equal_;
  bool is_right_ = true;
};

}  // namespace

Result<bool> check_after_swap(const JobDescription& job, WindowState& state,
                              const Cancellation& /*cancellation*/,
                              const std::function<void(Issue)>& tell) {
  PGFANOUT_TRY_ASSIGN(const Table table, state.target_table());
  PGFANOUT_TRY_ASSIGN(Connection connection, state.connect_target("check"));
  PGFANOUT_TRY(connection.run("BEGIN; SET LOCAL lock_timeout = '5s'"));
  auto checked = AfterSwapCheck(job, connection, table, *state.entry(), tell).run();
  if (connection.is_open()) PGFANOUT_TRY(connection.run("ROLLBACK"));
  return checked;
}

}  // namespace pgfanout
