#include "copier/window/application_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "copier/base/counted.h"
#include "copier/carry/carry_parts.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/layout/layout.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

using Json = nlohmann::json;

void add_relations(const Json& node, std::set<std::string>& relations) {
  if (!node.is_object()) return;
  const auto loops = node.find("Actual Loops");
  const bool was_executed = loops == node.end() || !loops->is_number() || loops->get<double>() > 0;
  const auto name = node.find("Relation Name");
  if (was_executed && name != node.end() && name->is_string()) {
    const auto schema = node.find("Schema");
    const bool has_schema = schema != node.end() && schema->is_string();
    relations.insert((has_schema ? schema->get<std::string>() + "." : std::string()) +
                     name->get<std::string>());
  }
  const auto children = node.find("Plans");
  if (children == node.end()) return;
  for (const Json& child : *children) add_relations(child, relations);
}

/// ANALYZE executes the query; without it, what is pruned while planning is left out.
Result<std::set<std::string>> relations_of(Connection& connection, const std::string& how,
                                           const std::string& sql) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(fmt::format(
                                           "EXPLAIN ({}VERBOSE, FORMAT JSON) {}", how, sql)));
  return relations_in_plan(rows.text(0, 0));
}

using Clock = std::chrono::steady_clock;

constexpr const char* kPlace = "{table}";

std::string on_table(std::string sql, const std::string& table) {
  for (std::size_t at = sql.find(kPlace); at != std::string::npos;
       at = sql.find(kPlace, at + table.size())) {
    sql.replace(at, std::string_view(kPlace).size(), table);
  }
  while (!sql.empty() &&
         (sql.back() == ';' || std::isspace(static_cast<unsigned char>(sql.back())))) {
    sql.pop_back();
  }
  return sql;
}

struct Timing {
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;

  [[nodiscard]] std::string text() const {
    return fmt::format("p50 {:.1f}, p95 {:.1f}, p99 {:.1f} ms", p50, p95, p99);
  }
};

Timing timing_of(std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  return {percentile(milliseconds, 0.50), percentile(milliseconds, 0.95),
          percentile(milliseconds, 0.99)};
}

/// One query on both sides.
class QueryRun {
 public:
  QueryRun(const QueryCheck& check, const Table& source, const Table& target, Connection& on_source,
           Connection& on_target)
      : check_(check),
        target_(target),
        on_source_(on_source),
        on_target_(on_target),
        source_sql_(on_table(check.sql, source.qualified)),
        target_sql_(
            on_table(check.target_sql.empty() ? check.sql : check.target_sql, target.qualified)) {}

  /// Returns a description of the difference, or nothing; figures go into `figures`.
  Result<std::string> run(std::string& figures, const Cancellation& cancellation) {
    PGFANOUT_TRY_ASSIGN(const std::string before, digest(on_source_, source_sql_));
    PGFANOUT_TRY_ASSIGN(const std::string after, digest(on_target_, target_sql_));
    if (before != after) {
      return fmt::format(
          "its result differs on the target: {} against {} (rows, sum of "
          "hashes)",
          after, before);
    }
    PGFANOUT_TRY_ASSIGN(const std::size_t leaves, leaves_read());
    std::vector<double> source_times;
    std::vector<double> target_times;
    for (std::uint32_t at = 0; at < std::max(1U, check_.runs); ++at) {
      if (cancellation.is_set()) return cancelled();
      PGFANOUT_TRY_ASSIGN(const double source_time, timed(on_source_, source_sql_));
      PGFANOUT_TRY_ASSIGN(const double target_time, timed(on_target_, target_sql_));
      source_times.push_back(source_time);
      target_times.push_back(target_time);
    }
    const Timing source = timing_of(std::move(source_times));
    const Timing target = timing_of(std::move(target_times));
    const double ratio = target.p95 / std::max(source.p95, 1e-3);
    figures = fmt::format("{} of {} leaves read; source {}; target {}; p95 ratio {:.2f}", leaves,
                          target_.leaves.size(), source.text(), target.text(), ratio);
    if (check_.max_partitions && leaves > *check_.max_partitions) {
      return fmt::format("it reads {} leaves, {} are allowed", leaves, *check_.max_partitions);
    }
    if (check_.max_ratio && ratio > *check_.max_ratio) {
      return fmt::format("its p95 is {:.2f} times that on the source, {:.2f} is allowed", ratio,
                         *check_.max_ratio);
    }
    return std::string();
  }

 private:
  /// Order does not count, copies of rows do.
  static Result<std::string> digest(Connection& connection, const std::string& sql) {
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        connection.query(fmt::format("SELECT count(*) || ', ' || COALESCE("
                                                     "sum(hashtextextended("
                                                     "q::text, 0)), 0) FROM (\n{}\n) AS q",
                                                     sql)));
    return rows.str(0, 0);
  }

  static Result<double> timed(Connection& connection, const std::string& sql) {
    const auto began = Clock::now();
    PGFANOUT_TRY(connection.query(sql));
    return std::chrono::duration<double, std::milli>(Clock::now() - began).count();
  }

  Result<std::size_t> leaves_read() {
    PGFANOUT_TRY_ASSIGN(const std::set<std::string> relations,
                        relations_of(on_target_, "ANALYZE, TIMING OFF, ", target_sql_));
    std::size_t count = 0;
    for (const Leaf& leaf : target_.leaves) {
      if (relations.contains(leaf.schema + "." + leaf.name)) ++count;
    }
    return count;
  }

  const QueryCheck& check_;
  const Table& target_;
  Connection& on_source_;
  Connection& on_target_;
  const std::string source_sql_;
  const std::string target_sql_;
};

constexpr const char* kForeignKeyViolation = "23503";
constexpr const char* kInsufficientPrivilege = "42501";
constexpr const char* kRestrictViolation = "23001";  ///< Of ON DELETE RESTRICT, from version 18 on.

/// Roles that may insert into the old table $1, with the columns of the new one $2 that each could
/// fill, but for the key column $3, the same of a row r, and whether it has the right to these and
/// the key column of the new one.
constexpr const char* kInsertersSql = R"sql(
SELECT r.rolname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
  string_agg('r.' || quote_ident(a.attname), ', ' ORDER BY a.attnum),
  bool_and(has_column_privilege(r.oid, n.attrelid, n.attnum, 'INSERT')) AND NOT EXISTS (
    SELECT FROM pg_attribute k WHERE k.attrelid = $2::oid AND k.attname = $3
    AND NOT has_column_privilege(r.oid, k.attrelid, k.attnum, 'INSERT'))
FROM (SELECT DISTINCT g.grantee FROM pg_class c CROSS JOIN LATERAL (
    SELECT x.grantee, x.privilege_type FROM aclexplode(c.relacl) x
    UNION ALL SELECT x.grantee, x.privilege_type FROM pg_attribute a
      CROSS JOIN LATERAL aclexplode(a.attacl) x WHERE a.attrelid = c.oid AND NOT a.attisdropped) g
  WHERE c.oid = $1::oid AND g.privilege_type = 'INSERT' AND g.grantee NOT IN (0, c.relowner)) who
JOIN pg_roles r ON r.oid = who.grantee AND NOT r.rolsuper
JOIN pg_attribute a ON a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
  AND a.attname <> $3 AND has_column_privilege(r.oid, a.attrelid, a.attnum, 'INSERT')
JOIN pg_attribute n ON n.attrelid = $2::oid AND n.attname = a.attname AND n.attgenerated = ''
  AND n.attidentity <> 'a'
GROUP BY r.oid, r.rolname ORDER BY 1)sql";

/// A call of the key function of table $1 over a row r. Its parameters are named as columns. $2:
/// the key column.
constexpr const char* kKeyFunctionSql = R"sql(
SELECT format('%I.%I(%s)', n.nspname, p.proname, (
  SELECT string_agg('r.' || quote_ident(u.name), ', ' ORDER BY u.place)
  FROM unnest(p.proargnames) WITH ORDINALITY u(name, place))), p.oid
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_class c ON c.oid = $1::oid AND c.relnamespace = n.oid
WHERE obj_description(p.oid, 'pg_proc') = format('Computes %s of %I.%I for statements that insert',
  $2::text, n.nspname, c.relname))sql";

/// Functions in SQL over the row type of table $1, and the statements that check their bodies.
std::string sql_routines() {
  return fmt::format(
      "WITH {} SELECT i.identity, 'SELECT pg_catalog.fmgr_sql_validator(' || p.oid || ')'"
      " FROM row_routine r JOIN pg_proc p ON p.oid = r.oid AND p.prokind <> 'a'"
      " JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'sql' CROSS JOIN LATERAL"
      " pg_identify_object('pg_proc'::regclass, p.oid, 0) i ORDER BY p.oid",
      row_type_tables());
}

/// The server refuses these where a publication cannot publish such a change.
std::string explain_delete(const Table& table) {
  return "EXPLAIN DELETE FROM " + table.qualified;
}
/// Empty: there is no column to set.
std::string explain_update(const Table& table) {
  const auto column = std::find_if(table.columns.begin(), table.columns.end(), [](const auto& at) {
    return at.generated == 0 && at.identity != 'a';
  });
  if (column == table.columns.end()) return {};
  return fmt::format("EXPLAIN UPDATE {} SET {} = DEFAULT", table.qualified, column->quoted);
}

class AfterSwapCheck {
 public:
  AfterSwapCheck(WindowState& state, Connection& connection, const Table& table,
                 const RefusedBefore& before)
      : state_(state),
        before_(before),
        job_(state.job()),
        layout_(layout_kind_of(state.job())),
        entry_(*state.entry()),
        connection_(connection),
        table_(table) {}

  Result<bool> run() {
    PGFANOUT_TRY_ASSIGN(has_row_, pick_row());
    if (!has_row_) return run_without_row();
    // Each trial finds the row in its old place.
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_rows"));
    PGFANOUT_TRY(write_and_read());
    PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_rows"));
    PGFANOUT_TRY(try_roles());
    PGFANOUT_TRY(try_routines());
    PGFANOUT_TRY(check_pruning());
    PGFANOUT_TRY(try_wrong_key());
    PGFANOUT_TRY(try_dangling_reference());
    return is_right_;
  }

 private:
  /// What the server refuses whether there is a row or not.
  Result<bool> run_without_row() {
    const std::pair<std::string, const std::string*> changes[] = {
        {explain_update(table_), &before_.updates}, {explain_delete(table_), &before_.deletes}};
    for (const auto& [sql, before] : changes) {
      if (sql.empty()) continue;
      PGFANOUT_TRY_ASSIGN(const Refusal found, refusal_of(sql));
      if (!found.sqlstate.empty() && found.sqlstate != *before) wrong(sql, found.message);
    }
    PGFANOUT_TRY(try_roles());
    PGFANOUT_TRY(try_routines());
    return is_right_;
  }

  void wrong(const std::string& what, const std::string& why) {
    is_right_ = false;
    state_.report({Severity::critical, "after-swap", fmt::format("{}: {}", what, why),
                   table_.qualified, "the swap is in effect; 'pgfanout rollback' undoes it"});
  }

  /// Runs one statement that must touch one row. `may_be_referred_to`: rows of other tables may
  /// keep it. `before`: the SQLSTATE with which the old table refused it.
  Result<void> expect_one(const std::string& what, const std::string& sql,
                          bool may_be_referred_to = false, std::string_view before = {}) {
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_try"));
    auto done = connection_.query(sql);
    const std::int64_t rows = !done ? 0 : done->affected() < 0 ? done->size() : done->affected();
    switch (judge_one_row(done ? "" : done.error().sqlstate, rows, may_be_turned_,
                          may_be_referred_to, before)) {
      case Trial::right:
        break;
      case Trial::unknown:
        unknown(what, done ? "a trigger or a rule of the table turns it into something else"
                           : "it was refused before the swap as well: " + done.error().message);
        break;
      case Trial::referred:
        unknown(what, "rows of other tables refer to it");
        break;
      case Trial::wrong:
        wrong(what, done ? counted(static_cast<std::uint64_t>(rows), "row was", "rows were") +
                               " touched, not 1"
                         : done.error().message);
        break;
    }
    is_done_ = static_cast<bool>(done);
    if (is_done_) return {};
    return connection_.run("ROLLBACK TO SAVEPOINT pgfanout_try");
  }

  /// Runs one statement that must be refused with this SQLSTATE.
  Result<void> expect_refusal(const std::string& what, const std::string& sqlstate,
                              const std::string& sql) {
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_try"));
    auto done = connection_.run(sql);
    const Trial trial = judge_refusal(done ? "" : done.error().sqlstate, sqlstate);
    if (trial == Trial::wrong) wrong(what, "it was accepted");
    if (trial == Trial::unknown) {
      unknown(what, "it was refused for another reason: " + done.error().message);
    }
    return connection_.run("ROLLBACK TO SAVEPOINT pgfanout_try");
  }

  /// Where the parent has no key, its leaves may have one.
  Result<std::vector<std::string>> key_columns(const std::string& leaf) {
    if (!table_.primary_key.empty()) return table_.primary_key;
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        connection_.query("SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest("
                          "  i.indkey::int2[]) WITH ORDINALITY k(number, place) JOIN pg_attribute a"
                          "  ON a.attrelid = i.indrelid AND a.attnum = k.number"
                          " WHERE i.indrelid = $1 AND i.indisprimary AND k.place <= i.indnkeyatts"
                          " ORDER BY k.place",
                          {leaf}));
    std::vector<std::string> columns;
    for (int row = 0; row < rows.size(); ++row) columns.push_back(rows.str(row, 0));
    return columns;
  }

  /// Of a row that could be written: one of the first that meets the constraints which were never
  /// validated, if there is one.
  Result<std::optional<Rows>> place_of_row() {
    PGFANOUT_TRY_ASSIGN(
        const Rows conditions,
        connection_.query(fmt::format("SELECT DISTINCT {} FROM pg_constraint c WHERE NOT"
                                      " c.convalidated AND c.contype IN ('c', 'f', 'n')"
                                      " AND COALESCE((to_jsonb(c) ->> 'conenforced')::bool, true)"
                                      " AND c.conrelid IN (SELECT tree.oid FROM {})",
                                      kRowCondition, kTableTree),
                          {std::to_string(table_.oid)}));
    const std::string any = fmt::format("SELECT tableoid, ctid FROM {} LIMIT 1", table_.qualified);
    if (conditions.size() == 0) {
      PGFANOUT_TRY_ASSIGN(Rows first, connection_.query(any));
      return std::optional(std::move(first));
    }
    auto found = in_savepoint(connection_, [&] {
      return connection_.query(fmt::format(
          "SELECT t.row_table, t.row_place FROM (SELECT tableoid AS row_table, ctid AS row_place, *"
          " FROM {} LIMIT 1000) AS t WHERE {} LIMIT 1",
          table_.qualified, fmt::join(conditions.column(0), " AND ")));
    });
    if (found && found->size() > 0) return std::optional(std::move(*found));
    if (!connection_.is_open()) return std::move(found).error();
    unknown("a row to try", "those that were read violate constraints that are NOT VALID");
    return std::optional<Rows>();
  }

  Result<bool> pick_row() {
    PGFANOUT_TRY_ASSIGN(const auto found, place_of_row());
    if (!found || found->size() == 0) return false;
    const Rows& place = *found;
    const std::string here =
        fmt::format("t.tableoid = {} AND t.ctid = '{}'", place.text(0, 0), place.text(0, 1));
    PGFANOUT_TRY(connection_.run(fmt::format(
        "CREATE TEMPORARY TABLE pgfanout_row ON COMMIT DROP AS SELECT * FROM {} t WHERE {}",
        table_.qualified, here)));
    for (const Column& column : table_.columns) {
      if (column.generated != 0) continue;
      columns_ += (columns_.empty() ? "" : ", ") + column.quoted;
      values_ += (values_.empty() ? "r." : ", r.") + column.quoted;
      if (update_.empty() && column.identity != 'a') update_ = column.quoted;
    }
    PGFANOUT_TRY_ASSIGN(const auto keys, key_columns(place.str(0, 0)));
    for (const std::string& key : keys) {
      const Column* column = table_.find(key);
      if (column == nullptr) continue;
      equal_ += fmt::format("{0}t.{1} = (SELECT r.{1} FROM pg_temp.pgfanout_row r)",
                            equal_.empty() ? "" : " AND ", column->quoted);
    }
    has_key_ = !equal_.empty();
    if (!has_key_) equal_ = here;
    PGFANOUT_TRY(read_behaviour());
    return true;
  }

  /// Triggers and rules of the application may turn a statement into another, and keys of other
  /// tables may forbid one: that is no fault of the swap.
  Result<void> read_behaviour() {
    PGFANOUT_TRY_ASSIGN(
        const Rows found,
        connection_.query("SELECT EXISTS (SELECT 1 FROM pg_trigger t"
                          "  WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgenabled <> 'D'"
                          "  AND t.tgtype & 3 = 3) OR EXISTS (SELECT 1 FROM pg_rewrite r"
                          "  WHERE r.ev_class = $1 AND r.is_instead AND r.ev_enabled <> 'D'),"
                          " EXISTS (SELECT 1 FROM pg_constraint k"
                          "  WHERE k.contype = 'f' AND k.confrelid = $1)",
                          {std::to_string(table_.oid)}));
    may_be_turned_ = found.boolean(0, 0);
    is_referred_to_ = found.boolean(0, 1);
    return {};
  }

  void unknown(const std::string& what, const std::string& why) {
    state_.report(
        {Severity::info, "not-checked", fmt::format("{}: {}", what, why), table_.qualified});
  }

  [[nodiscard]] std::string insert(const std::string& values) const {
    return fmt::format(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM"
        " pg_temp.pgfanout_row r",
        table_.qualified, columns_, values);
  }

  Result<void> write_and_read() {
    if (has_key_) {
      PGFANOUT_TRY(expect_one("read by the full key", fmt::format("SELECT 1 FROM {} t WHERE {}",
                                                                  table_.qualified, equal_)));
    }
    // It may move the row, which has no other name than its place where there is no key.
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_update"));
    if (!update_.empty()) {
      PGFANOUT_TRY(expect_one(
          has_key_ ? "update by the full key" : "update of that row",
          fmt::format("UPDATE {0} t SET {1} = t.{1} WHERE {2}", table_.qualified, update_, equal_),
          false, before_.updates));
    }
    PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_update"));
    PGFANOUT_TRY(expect_one("delete of that row", delete_row(), is_referred_to_, before_.deletes));
    can_delete_ = is_done_;
    if (!can_delete_) return {};
    return expect_one("insert of that row", insert(values_));
  }

  [[nodiscard]] std::string delete_row() const {
    return fmt::format("DELETE FROM {} t WHERE {}", table_.qualified, equal_);
  }

  /// Those other than the owner that may insert into the old table, which keeps its grants. Each
  /// insert has the columns that it had before, and the key.
  Result<void> try_roles() {
    PGFANOUT_TRY_ASSIGN(const Table old_table, state_.source_table());
    const bool has_key = entry_.key_column && layout_.rules(job_).supplies_key;
    PGFANOUT_TRY_ASSIGN(
        const Rows roles,
        connection_.query(kInsertersSql, {std::to_string(old_table.oid), std::to_string(table_.oid),
                                          has_key ? *entry_.key_column : std::string()}));
    if (roles.size() == 0) return {};
    std::string column;
    std::string value;
    std::string function;  // OID of the one that the swap made for this; empty: as the row has it.
    if (has_key) {
      const std::string name = quoted_name(*entry_.key_column);
      PGFANOUT_TRY_ASSIGN(const Rows call,
                          connection_.query(kKeyFunctionSql, {std::to_string(table_.oid),
                                                              display_name(*entry_.key_column)}));
      column = ", " + name;
      value = call.size() == 1 ? ", " + call.str(0, 0) : ", r." + name;
      if (call.size() == 1) function = call.str(0, 1);
    }
    if (has_row_) {
      PGFANOUT_TRY(connection_.run("GRANT SELECT ON pg_temp.pgfanout_row TO PUBLIC"));
    }
    for (int row = 0; row < roles.size(); ++row) {
      const auto insert = [&](const std::string& table, const std::string& more_columns,
                              const std::string& more_values) {
        return fmt::format("INSERT INTO {} ({}{}) SELECT {}{} FROM pg_temp.pgfanout_row r", table,
                           roles.text(row, 1), more_columns, roles.text(row, 2), more_values);
      };
      PGFANOUT_TRY_ASSIGN(const bool may_become, may_become_role(roles.str(row, 0)));
      if (!has_row_ || !may_become) {
        PGFANOUT_TRY(check_rights_of(roles.str(row, 0), roles.boolean(row, 3), function));
        continue;
      }
      PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_role"));
      PGFANOUT_TRY(try_role(roles.str(row, 0), insert(table_.qualified, column, value),
                            insert(old_table.qualified, "", "")));
      PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_role"));
    }
    return {};
  }

  Result<bool> may_become_role(const std::string& role) {
    PGFANOUT_TRY_ASSIGN(const Refusal refused, refusal_of("SET LOCAL ROLE " + quoted_name(role)));
    return refused.sqlstate.empty();
  }

  /// Of a role that this session may not become, or without a row to insert.
  Result<void> check_rights_of(const std::string& role, bool has_columns,
                               const std::string& function) {
    const std::string what = "insert as role " + display_name(role);
    if (!has_columns) wrong(what, "it lacks INSERT on columns that it needs");
    if (function.empty()) return {};
    PGFANOUT_TRY_ASSIGN(const Rows may,
                        connection_.query("SELECT has_function_privilege($1, $2::oid, 'EXECUTE')",
                                          {role, function}));
    if (!may.boolean(0, 0)) wrong(what, "it may not execute the function that computes the key");
    return {};
  }

  /// `before` is the same insert into the old table, which is explained and not run.
  Result<void> try_role(const std::string& role, const std::string& sql,
                        const std::string& before) {
    const std::string what = "insert as role " + display_name(role);
    if (can_delete_) PGFANOUT_TRY(connection_.run(delete_row()));
    const std::string become = fmt::format("SET LOCAL ROLE {}; ", quoted_name(role));
    PGFANOUT_TRY_ASSIGN(const Refusal inserted, refusal_of(become + sql));
    if (inserted.sqlstate.empty()) return {};
    PGFANOUT_TRY_ASSIGN(const Refusal now, refusal_of(fmt::format("{}EXPLAIN {}", become, sql)));
    PGFANOUT_TRY_ASSIGN(const Refusal then,
                        refusal_of(fmt::format("{}EXPLAIN {}", become, before)));
    if (judge_as_role(inserted.sqlstate, now.sqlstate, then.sqlstate) == Trial::wrong) {
      wrong(what, inserted.message);
    } else {
      unknown(what, inserted.message);
    }
    return {};
  }

  /// A body that lists columns may not make a row of the new table.
  Result<void> try_routines() {
    PGFANOUT_TRY_ASSIGN(const Rows routines,
                        connection_.query(sql_routines(), {std::to_string(table_.oid)}));
    for (int row = 0; row < routines.size(); ++row) {
      PGFANOUT_TRY_ASSIGN(const Refusal found, refusal_of(routines.str(row, 1)));
      if (found.sqlstate.empty()) continue;
      const std::string what = "function " + routines.str(row, 0);
      if (before_.routines.contains(routines.str(row, 0))) {
        unknown(what, "its body was wrong before the swap as well");
      } else {
        wrong(what, found.message);
      }
    }
    return {};
  }

  struct Refusal {
    std::string sqlstate;  ///< Empty: the server did it.
    std::string message;
  };
  /// Runs it and takes it back.
  Result<Refusal> refusal_of(const std::string& sql) {
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_try"));
    auto done = connection_.run(sql);
    Refusal refusal;
    if (!done) {
      if (done.error().sqlstate.empty()) return std::move(done).error();
      refusal = {done.error().sqlstate, done.error().message};
    }
    PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_try"));
    return refusal;
  }

  Result<std::size_t> leaves_read(const std::string& condition) {
    PGFANOUT_TRY_ASSIGN(
        const auto relations,
        relations_of(connection_, "",
                     fmt::format("SELECT 1 FROM {} t WHERE {}", table_.qualified, condition)));
    return relations.size();
  }

  /// With the key one leaf, without it all.
  Result<void> check_pruning() {
    const bool has_column = entry_.key_column && layout_.rules(job_).supplies_key;
    const std::string key =
        has_column ? quoted_name(*entry_.key_column) : "(" + entry_.key_sql_on_target + ")";
    PGFANOUT_TRY_ASSIGN(const Rows value,
                        connection_.query(fmt::format("SELECT {} FROM pg_temp.pgfanout_row", key)));
    PGFANOUT_TRY_ASSIGN(const std::size_t with,
                        leaves_read(fmt::format("{} = {}", key, value.text(0, 0))));
    if (with != 1) {
      wrong("partition pruning", fmt::format("a query that names the key reads {} leaves", with));
    }
    PGFANOUT_TRY_ASSIGN(const std::size_t without, leaves_read("true"));
    state_.report(
        {Severity::info, "pruning",
         fmt::format("a query that names the key reads {} leaf, one that does not reads {}", with,
                     without),
         table_.qualified});
    return {};
  }

  Result<void> try_wrong_key() {
    if (!entry_.key_column) return {};
    const auto wrong_key = layout_.wrong_key_sql(job_, "r." + quoted_name(*entry_.key_column));
    if (!wrong_key) return {};
    std::string values;
    for (const Column& column : table_.columns) {
      if (column.generated != 0) continue;
      const std::string value =
          column.name == *entry_.key_column ? *wrong_key : "r." + column.quoted;
      values += (values.empty() ? "" : ", ") + value;
    }
    return expect_refusal("insert with a wrong key", "23514", insert(values));
  }

  /// For each foreign key over one column of a type whose unused values are easily made.
  Result<void> try_dangling_reference() {
    PGFANOUT_TRY_ASSIGN(
        const Rows keys,
        connection_.query("SELECT a.attname, CASE a.atttypid WHEN 'uuid'::regtype"
                          "  THEN 'gen_random_uuid()' WHEN 'int4'::regtype THEN '-2147483648'"
                          " WHEN 'int8'::regtype  THEN '-9223372036854775808' END"
                          " FROM pg_constraint k JOIN pg_attribute a"
                          " ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]"
                          " WHERE k.contype = 'f' AND k.conrelid = $1 AND k.conparentid = 0"
                          " AND COALESCE((to_jsonb(k) ->> 'conenforced')::bool, true)"
                          " AND cardinality(k.conkey) = 1 ORDER BY 1",
                          {std::to_string(table_.oid)}));
    if (!can_delete_) return {};
    for (int row = 0; row < keys.size(); ++row) {
      if (keys.is_null(row, 1)) continue;
      const std::string column = quoted_name(keys.text(row, 0));
      // Where the key is made from that column, it follows.
      std::string set = fmt::format("{} = {}", column, keys.text(row, 1));
      PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_reference"));
      PGFANOUT_TRY(connection_.run(fmt::format("UPDATE pg_temp.pgfanout_row SET {}", set)));
      if (entry_.key_column && layout_.rules(job_).supplies_key) {
        PGFANOUT_TRY(connection_.run(fmt::format("UPDATE pg_temp.pgfanout_row SET {} = {}",
                                                 quoted_name(*entry_.key_column),
                                                 entry_.key_sql_on_target)));
      }
      PGFANOUT_TRY(connection_.run(delete_row()));
      PGFANOUT_TRY(expect_refusal("insert with a dangling " + keys.str(row, 0),
                                  kForeignKeyViolation,
                                  insert(values_) + "; SET CONSTRAINTS ALL IMMEDIATE"));
      PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_reference"));
    }
    return {};
  }

  WindowState& state_;
  const RefusedBefore& before_;
  const JobDescription& job_;
  const LayoutKind& layout_;
  const JournalEntry& entry_;
  Connection& connection_;
  const Table& table_;
  std::string columns_;
  std::string values_;
  std::string update_;           ///< A column that may be set.
  std::string equal_;            ///< A condition on t that the row alone meets.
  bool has_row_ = false;         ///< The table has one, which the trials change.
  bool has_key_ = false;         ///< That is its key, else its place.
  bool may_be_turned_ = false;   ///< By triggers or rules of the application.
  bool is_referred_to_ = false;  ///< Other tables have foreign keys to this one.
  bool is_done_ = true;          ///< The server ran the last statement of expect_one().
  bool can_delete_ = true;
  bool is_right_ = true;
};

}  // namespace

Result<std::set<std::string>> relations_in_plan(std::string_view json) {
  const Json document = Json::parse(json, nullptr, false);
  const bool is_plan = document.is_array() && !document.empty() && document[0].is_object() &&
                       document[0].contains("Plan");
  if (!is_plan) {
    return interrupted("explain", "the server's EXPLAIN could not be read",
                       "please report this, with the server's version");
  }
  std::set<std::string> relations;
  add_relations(document[0]["Plan"], relations);
  return relations;
}

double percentile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(1.0, rank)) - 1];
}

Result<std::string> check_queries(WindowState& state, const Table& source, const Table& target) {
  const std::vector<QueryCheck>& queries = state.job().window.queries;
  if (queries.empty()) return std::string();
  PGFANOUT_TRY_ASSIGN(Connection on_target, state.connect_target("queries"));
  PGFANOUT_TRY(on_target.run("BEGIN"));
  Connection& on_source = state.source();
  std::size_t failed = 0;
  const auto run_all = [&]() -> Result<void> {
    for (const QueryCheck& check : queries) {
      std::string figures;
      auto wrong =
          QueryRun(check, source, target, on_source, on_target).run(figures, state.cancellation());
      if (!wrong) {
        Error error = std::move(wrong).error();
        error.where =
            fmt::format("query {}{}{}", check.name, error.where.empty() ? "" : ", ", error.where);
        return error;
      }
      if (!figures.empty()) {
        state.report({Severity::info, "query", fmt::format("query {}: {}", check.name, figures),
                      target.qualified});
      }
      if (wrong->empty()) continue;
      ++failed;
      state.report({Severity::error, "query-failed",
                    fmt::format("query {}: {}", check.name, *wrong), target.qualified,
                    "compare its plans on both sides, or change its limits in the job file"});
    }
    return {};
  };
  PGFANOUT_TRY(in_transaction(on_source, {"BEGIN", TransactionEnd::roll_back}, run_all));
  if (failed > 0) {
    return refused("queries-failed",
                   fmt::format("{} of the application's queries did not pass", failed), "see above",
                   target.qualified);
  }
  return fmt::format("{} queries passed", queries.size());
}

Trial judge_one_row(std::string_view sqlstate, std::int64_t rows, bool may_be_turned,
                    bool may_be_referred_to, std::string_view before) {
  if (!sqlstate.empty() && sqlstate == before) return Trial::unknown;
  const bool is_reference = sqlstate == kForeignKeyViolation || sqlstate == kRestrictViolation;
  if (is_reference && may_be_referred_to) return Trial::referred;
  if (!sqlstate.empty()) return Trial::wrong;
  if (rows == 1) return Trial::right;
  return rows == 0 && may_be_turned ? Trial::unknown : Trial::wrong;
}

Trial judge_as_role(std::string_view inserted, std::string_view explained,
                    std::string_view before) {
  if (inserted.empty()) return Trial::right;
  const bool lacks_right = inserted == kInsufficientPrivilege &&
                           explained == kInsufficientPrivilege && before != kInsufficientPrivilege;
  return lacks_right ? Trial::wrong : Trial::unknown;
}

Trial judge_refusal(std::string_view sqlstate, std::string_view wanted) {
  if (sqlstate.empty()) return Trial::wrong;
  return sqlstate == wanted ? Trial::right : Trial::unknown;
}

Result<RefusedBefore> find_refused_before(WindowState& state) {
  PGFANOUT_TRY_ASSIGN(const Table table, state.source_table());
  RefusedBefore found;
  const auto try_it = [&](std::string& sqlstate, const std::string& sql) -> Result<void> {
    auto done = in_savepoint(state.source(), [&] { return state.source().run(sql); });
    if (done) return {};
    if (done.error().sqlstate.empty()) return std::move(done).error();
    sqlstate = done.error().sqlstate;
    return {};
  };
  PGFANOUT_TRY(in_transaction(
      state.source(), {"BEGIN; SET LOCAL lock_timeout = '5s'", TransactionEnd::roll_back},
      [&]() -> Result<void> {
        PGFANOUT_TRY_ASSIGN(const Rows routines,
                            state.source().query(sql_routines(), {std::to_string(table.oid)}));
        for (int row = 0; row < routines.size(); ++row) {
          std::string sqlstate;
          PGFANOUT_TRY(try_it(sqlstate, routines.str(row, 1)));
          if (!sqlstate.empty()) found.routines.insert(routines.str(row, 0));
        }
        PGFANOUT_TRY(try_it(found.deletes, explain_delete(table)));
        const std::string update = explain_update(table);
        return update.empty() ? Result<void>() : try_it(found.updates, update);
      }));
  return found;
}

Result<bool> check_after_swap(WindowState& state, const RefusedBefore& before) {
  PGFANOUT_TRY_ASSIGN(const Table table, state.target_table());
  PGFANOUT_TRY_ASSIGN(Connection connection, state.connect_target("check"));
  // As the application has it: rules and foreign keys act for the table's owner, and would be
  // refused where policies hold for that one too.
  bool has_passed = false;
  PGFANOUT_TRY(in_transaction(
      connection,
      {"BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL row_security = on",
       TransactionEnd::roll_back},
      [&]() -> Result<void> {
        PGFANOUT_TRY_ASSIGN(has_passed, AfterSwapCheck(state, connection, table, before).run());
        return {};
      }));
  return has_passed;
}

}  // namespace pgfanout
