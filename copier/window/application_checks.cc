#include "copier/window/application_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/base/counted.h"
#include "copier/carry/carry_parts.h"
#include "copier/catalog/application_path.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/layout/layout.h"
#include "copier/pg/transaction.h"
#include "copier/queries/query_rules.h"
#include "copier/queries/query_run.h"
#include "copier/queries/statements.h"

namespace pgfanout {
namespace {

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

/// One row of a table, and the statements that touch it alone, for with_search_path().
class TriedRow {
 public:
  TriedRow(Connection& connection, const Table& table, std::string copy)
      : connection_(connection), table_(table), copy_("pg_temp." + std::move(copy)) {}

  /// Copies a row into a temporary table: any that meets `conditions`, or the one that has its key
  /// from `like`, the copy of another one. False: there is none.
  Result<bool> pick(const std::string& path, const std::vector<std::string>& conditions,
                    const std::string& like = {}) {
    PGFANOUT_TRY_ASSIGN(const auto keys, key_columns());
    std::string from = table_.qualified + " t";
    if (!conditions.empty()) {
      // Few rows may meet them.
      from = fmt::format("(SELECT tableoid, ctid, * FROM {} LIMIT 1000) t WHERE {}",
                         table_.qualified, fmt::join(conditions, " AND "));
    } else if (!like.empty()) {
      from += " WHERE " + equal_to(keys, like);
    }
    return with_search_path(connection_, path, [&]() -> Result<bool> {
      PGFANOUT_TRY_ASSIGN(
          const Rows place,
          connection_.query(fmt::format("SELECT t.tableoid, t.ctid FROM {} LIMIT 1", from)));
      if (place.size() == 0) return false;
      describe(place, keys);
      PGFANOUT_TRY(connection_.run(
          fmt::format("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT * FROM {} t WHERE {}",
                      copy_, table_.qualified, place_)));
      return true;
    });
  }

  [[nodiscard]] bool has_key() const { return has_key_; }
  [[nodiscard]] bool may_be_updated() const { return !update_.empty(); }
  [[nodiscard]] const std::string& copy() const { return copy_; }
  [[nodiscard]] std::string read() const {
    return fmt::format("SELECT 1 FROM {} t WHERE {}", table_.qualified, equal_);
  }
  [[nodiscard]] std::string update() const {
    return fmt::format("UPDATE {0} t SET {1} = t.{1} WHERE {2}", table_.qualified, update_, equal_);
  }
  [[nodiscard]] std::string remove() const {
    return fmt::format("DELETE FROM {} t WHERE {}", table_.qualified, equal_);
  }
  [[nodiscard]] std::string insert() const {
    return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} r",
                       table_.qualified, columns_, values_, copy_);
  }

 private:
  struct Key {
    std::string column;  ///< Quoted.
    std::string equals;  ///< The operator of its index, qualified.
  };

  /// Of the primary key; where the parent has none, its leaves may have one.
  Result<std::vector<Key>> key_columns() {
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        connection_.query(
            "SELECT quote_ident(a.attname), format('OPERATOR(%I.%s)', n.nspname, o.oprname)"
            " FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[])"
            "  WITH ORDINALITY k(number, class, place)"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number"
            " JOIN pg_opclass c ON c.oid = k.class"
            " JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3"
            "  AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype"
            " JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace"
            " WHERE i.indrelid = $1 AND i.indisprimary AND k.place <= i.indnkeyatts"
            " ORDER BY k.place",
            {std::to_string(table_.primary_key.empty() && !table_.leaves.empty()
                                ? table_.leaves.front().oid
                                : table_.oid)}));
    std::vector<Key> keys;
    for (int row = 0; row < rows.size(); ++row)
      keys.push_back({rows.str(row, 0), rows.str(row, 1)});
    return keys;
  }

  static std::string equal_to(const std::vector<Key>& keys, const std::string& copy) {
    std::string equal;
    for (const Key& key : keys) {
      equal += fmt::format("{0}t.{1} {2} (SELECT r.{1} FROM {3} r)", equal.empty() ? "" : " AND ",
                           key.column, key.equals, copy);
    }
    return equal;
  }

  void describe(const Rows& place, const std::vector<Key>& keys) {
    place_ =
        fmt::format("t.tableoid OPERATOR(pg_catalog.=) {} AND t.ctid OPERATOR(pg_catalog.=) '{}'",
                    place.text(0, 0), place.text(0, 1));
    for (const Column& column : table_.columns) {
      if (column.generated != 0) continue;
      columns_ += (columns_.empty() ? "" : ", ") + column.quoted;
      values_ += (values_.empty() ? "r." : ", r.") + column.quoted;
      if (update_.empty() && column.identity != 'a') update_ = column.quoted;
    }
    equal_ = equal_to(keys, copy_);
    has_key_ = !equal_.empty();
    if (!has_key_) equal_ = place_;
  }

  Connection& connection_;
  const Table& table_;
  const std::string copy_;
  std::string place_;
  std::string columns_;
  std::string values_;
  std::string update_;    ///< A column that may be set.
  std::string equal_;     ///< A condition on t that the row alone meets.
  bool has_key_ = false;  ///< That is its key, else its place.
};

class AfterSwapCheck {
 public:
  AfterSwapCheck(WindowState& state, Connection& connection, const Table& table,
                 const Table& old_table, const RefusedBefore& before)
      : state_(state),
        before_(before),
        job_(state.job()),
        layout_(layout_kind_of(state.job())),
        entry_(*state.entry()),
        connection_(connection),
        table_(table),
        old_table_(old_table),
        path_(old_table.application.sql),
        row_(connection, table, "pgfanout_row"),
        old_row_(connection, old_table, "pgfanout_old_row") {}

  Result<bool> run() {
    PGFANOUT_TRY_ASSIGN(has_row_, pick_row());
    if (!has_row_) return run_without_row();
    PGFANOUT_TRY_ASSIGN(has_old_row_, pick_old_row());
    PGFANOUT_TRY(read_behaviour());
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
  using Statement = std::string (TriedRow::*)() const;

  /// The effect of a statement of the application: rows, or an error.
  struct Outcome {
    std::int64_t rows = 0;
    std::string sqlstate;  ///< Empty: it ran.
    std::string message;
  };

  /// Statements that the server refuses whether there is a row or not.
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

  void unknown(const std::string& what, const std::string& why) {
    state_.report(
        {Severity::info, "not-checked", fmt::format("{}: {}", what, why), table_.qualified});
  }

  Result<Outcome> try_as_application(const std::string& sql) {
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_try"));
    auto done = with_search_path(connection_, path_, [&] { return connection_.query(sql); });
    if (done) return Outcome{done->affected() < 0 ? done->size() : done->affected(), "", ""};
    PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_try"));
    return Outcome{0, done.error().sqlstate, done.error().message};
  }

  /// Runs one statement that must touch one row. `may_be_referred_to`: rows of other tables may
  /// keep it. `before`: the SQLSTATE with which the old table refused it.
  Result<void> expect_one(const std::string& what, Statement statement,
                          bool may_be_referred_to = false, std::string_view before = {}) {
    PGFANOUT_TRY_ASSIGN(const Outcome done, try_as_application((row_.*statement)()));
    is_done_ = done.sqlstate.empty();
    switch (judge_one_row(done.sqlstate, done.rows, may_be_turned_, may_be_referred_to, before)) {
      case Trial::right:
        return {};
      case Trial::unknown:
        unknown(what, is_done_ ? "a trigger or a rule of the table turns it into something else"
                               : "it was refused before the swap as well: " + done.message);
        return {};
      case Trial::referred:
        unknown(what, "rows of other tables refer to it");
        return {};
      case Trial::wrong:
        break;
    }
    const std::string why = done.sqlstate.empty() ? counted(static_cast<std::uint64_t>(done.rows),
                                                            "row was", "rows were") +
                                                        " touched, not 1"
                                                  : done.message;
    PGFANOUT_TRY_ASSIGN(const bool is_of_application, does_the_same_before(statement, done));
    if (!is_of_application) {
      wrong(what, why);
      return {};
    }
    state_.report({Severity::warning, "not-checked",
                   fmt::format("{}: {}; the same statement on the old table ends in the same way, "
                               "so this is not the swap's doing",
                               what, why),
                   table_.qualified,
                   fmt::format("check that the application can do it: the statement ran as this "
                               "role, with search_path {}",
                               old_table_.application.shown)});
    return {};
  }

  /// Whether the same statement on the same row of the old table ends as it did on the new one:
  /// triggers of the application and rights of this role decide it then.
  Result<bool> does_the_same_before(Statement statement, const Outcome& now) {
    if (!has_old_row_) return false;
    const bool must_make_room = statement == &TriedRow::insert;
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_before"));
    Outcome before;
    if (must_make_room) {
      PGFANOUT_TRY_ASSIGN(before, try_as_application(old_row_.remove()));
    }
    if (before.sqlstate.empty()) {
      PGFANOUT_TRY_ASSIGN(before, try_as_application((old_row_.*statement)()));
    }
    PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_before"));
    return before.sqlstate == now.sqlstate && before.rows == now.rows;
  }

  /// A row that could be written: one of the first that meets the constraints which were never
  /// validated, if there is one.
  Result<bool> pick_row() {
    PGFANOUT_TRY_ASSIGN(
        const Rows conditions,
        print_under(connection_, path_,
                    fmt::format("SELECT DISTINCT {} FROM pg_constraint c WHERE NOT c.convalidated"
                                " AND c.contype IN ('c', 'f', 'n')"
                                " AND COALESCE((to_jsonb(c) ->> 'conenforced')::bool, true)"
                                " AND c.conrelid IN (SELECT tree.oid FROM {})",
                                kRowCondition, kTableTree),
                    {std::to_string(table_.oid)}));
    if (conditions.size() == 0) return row_.pick(path_, {});
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_pick"));
    auto found = row_.pick(path_, conditions.column(0));
    if (found && *found) return true;
    if (!connection_.is_open()) return std::move(found).error();
    PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_pick"));
    unknown("a row to try", "those that were read violate constraints that are NOT VALID");
    return false;
  }

  Result<bool> pick_old_row() {
    const std::vector<std::string>& key = old_table_.primary_key;
    const bool has_same_key =
        !key.empty() && std::all_of(key.begin(), key.end(), [&](const std::string& name) {
          const Column* now = table_.find(name);
          const Column* then = old_table_.find(name);
          return now != nullptr && then != nullptr && now->type_oid == then->type_oid;
        });
    return old_row_.pick(path_, {}, has_same_key ? row_.copy() : "");
  }

  /// Runs one statement that must be refused with this SQLSTATE.
  Result<void> expect_refusal(const std::string& what, const std::string& sqlstate,
                              const std::string& sql) {
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_try"));
    auto done = with_search_path(connection_, path_, [&] { return connection_.run(sql); });
    const Trial trial = judge_refusal(done ? "" : done.error().sqlstate, sqlstate);
    if (trial == Trial::wrong) wrong(what, "it was accepted");
    if (trial == Trial::unknown) {
      unknown(what, "it was refused for another reason: " + done.error().message);
    }
    return connection_.run("ROLLBACK TO SAVEPOINT pgfanout_try");
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

  Result<void> write_and_read() {
    if (row_.has_key()) PGFANOUT_TRY(expect_one("read by the full key", &TriedRow::read));
    // It may move the row, which has no other name than its place where there is no key.
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_update"));
    if (row_.may_be_updated()) {
      PGFANOUT_TRY(expect_one(row_.has_key() ? "update by the full key" : "update of that row",
                              &TriedRow::update, false, before_.updates));
    }
    PGFANOUT_TRY(connection_.run("ROLLBACK TO SAVEPOINT pgfanout_update"));
    PGFANOUT_TRY(
        expect_one("delete of that row", &TriedRow::remove, is_referred_to_, before_.deletes));
    can_delete_ = is_done_;
    if (!can_delete_) return {};
    return expect_one("insert of that row", &TriedRow::insert);
  }

  Result<void> remove_row() {
    return with_search_path(connection_, path_, [&] { return connection_.run(row_.remove()); });
  }

  /// Those other than the owner that may insert into the old table, which keeps its grants. Each
  /// insert has the columns that it had before, and the key.
  Result<void> try_roles() {
    const bool has_key = entry_.key_column && layout_.rules(job_).supplies_key;
    PGFANOUT_TRY_ASSIGN(
        const Rows roles,
        connection_.query(kInsertersSql,
                          {std::to_string(old_table_.oid), std::to_string(table_.oid),
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
      PGFANOUT_TRY(connection_.run(fmt::format("GRANT SELECT ON {} TO PUBLIC", row_.copy())));
    }
    for (int row = 0; row < roles.size(); ++row) {
      const auto insert = [&](const std::string& table, const std::string& more_columns,
                              const std::string& more_values) {
        return fmt::format("INSERT INTO {} ({}{}) SELECT {}{} FROM {} r", table, roles.text(row, 1),
                           more_columns, roles.text(row, 2), more_values, row_.copy());
      };
      PGFANOUT_TRY_ASSIGN(const bool may_become, may_become_role(roles.str(row, 0)));
      if (!has_row_ || !may_become) {
        PGFANOUT_TRY(check_rights_of(roles.str(row, 0), roles.boolean(row, 3), function));
        continue;
      }
      PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_role"));
      PGFANOUT_TRY(try_role(roles.str(row, 0), insert(table_.qualified, column, value),
                            insert(old_table_.qualified, "", "")));
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
    if (can_delete_) PGFANOUT_TRY(remove_row());
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
    auto done = with_search_path(connection_, path_, [&] { return connection_.run(sql); });
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
        const QueryPlan plan, with_search_path(connection_, path_, [&] {
          return explain(connection_, "",
                         fmt::format("SELECT 1 FROM {} t WHERE {}", table_.qualified, condition));
        }));
    return plan.relations.size();
  }

  /// With the key, or the partition columns, one leaf; without it all.
  Result<void> check_pruning() {
    if (table_.kind != 'p') return {};
    // The path may hide operators of pg_catalog; types of extensions have theirs elsewhere.
    constexpr std::uint32_t kFirstOfUsers = 16384;
    using Operand = std::pair<std::string, const char*>;
    std::vector<Operand> keys;
    for (const std::string& name : table_.partition_columns) {
      const Column* column = table_.find(name);
      const bool is_builtin = column == nullptr || column->base_type_oid < kFirstOfUsers;
      keys.emplace_back(quoted_name(name), is_builtin ? "OPERATOR(pg_catalog.=)" : "=");
    }
    if (!layout_.rules(job_).by_columns) {
      keys = {Operand("(" + entry_.key_sql_on_target + ")", "OPERATOR(pg_catalog.=)")};
    }
    const char* named = job_.layout.by.empty() ? "the key" : "the partition columns";
    std::string condition;
    for (const auto& [key, equals] : keys) {
      PGFANOUT_TRY_ASSIGN(
          const Rows value,
          connection_.query(fmt::format("SELECT quote_nullable({}) FROM {}", key, row_.copy())));
      // A NULL has its leaf as well.
      const bool is_null = value.text(0, 0) == "NULL";
      condition += fmt::format("{}{} {} {}", condition.empty() ? "" : " AND ", key,
                               is_null ? "IS" : equals, value.text(0, 0));
    }
    PGFANOUT_TRY_ASSIGN(const std::size_t with, leaves_read(condition));
    if (with != 1) {
      wrong("partition pruning", fmt::format("a query that names {} reads {} leaves", named, with));
    }
    PGFANOUT_TRY_ASSIGN(const std::size_t without, leaves_read("true"));
    state_.report({Severity::info, "pruning",
                   fmt::format("a query that names {} reads {} leaf, one that does not reads {}",
                               named, with, without),
                   table_.qualified});
    return {};
  }

  /// Tries something with another row than the table's, then takes its copy back.
  template <class Work>
  Result<void> with_changed_copy(const std::string& set, Work work) {
    PGFANOUT_TRY(connection_.run("SAVEPOINT pgfanout_changed"));
    PGFANOUT_TRY(connection_.run(fmt::format("UPDATE {} r SET {}", row_.copy(), set)));
    PGFANOUT_TRY(work());
    return connection_.run("ROLLBACK TO SAVEPOINT pgfanout_changed");
  }

  Result<void> try_wrong_key() {
    if (!entry_.key_column) return {};
    const std::string key = quoted_name(*entry_.key_column);
    const auto wrong_key = layout_.wrong_key_sql(job_, "r." + key);
    if (!wrong_key) return {};
    return with_changed_copy(fmt::format("{} = {}", key, *wrong_key), [&]() -> Result<void> {
      // A key that is computed from its own column may be right with the other value, too.
      PGFANOUT_TRY_ASSIGN(const Rows right, connection_.query(fmt::format(
                                                "SELECT {} IS NOT DISTINCT FROM ({}) FROM {} r",
                                                key, entry_.key_sql_on_target, row_.copy())));
      if (right.boolean(0, 0)) return {};
      return expect_refusal("insert with a wrong key", "23514", row_.insert());
    });
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
      PGFANOUT_TRY(with_changed_copy(
          fmt::format("{} = {}", quoted_name(keys.text(row, 0)), keys.text(row, 1)),
          [&] { return insert_dangling(keys.str(row, 0)); }));
    }
    return {};
  }

  Result<void> insert_dangling(const std::string& column) {
    // Where the key is made from that column, it follows.
    if (entry_.key_column && layout_.rules(job_).supplies_key) {
      PGFANOUT_TRY(
          connection_.run(fmt::format("UPDATE {} SET {} = {}", row_.copy(),
                                      quoted_name(*entry_.key_column), entry_.key_sql_on_target)));
    }
    PGFANOUT_TRY(remove_row());
    return expect_refusal("insert with a dangling " + column, kForeignKeyViolation,
                          row_.insert() + "; SET CONSTRAINTS ALL IMMEDIATE");
  }

  WindowState& state_;
  const RefusedBefore& before_;
  const JobDescription& job_;
  const LayoutKind& layout_;
  const JournalEntry& entry_;
  Connection& connection_;
  const Table& table_;
  const Table& old_table_;
  const std::string path_;  ///< Of the application, for SET.
  TriedRow row_;
  TriedRow old_row_;      ///< The same of the old table.
  bool has_row_ = false;  ///< The table has one, which the trials change.
  bool has_old_row_ = false;
  bool may_be_turned_ = false;   ///< By triggers or rules of the application.
  bool is_referred_to_ = false;  ///< Other tables have foreign keys to this one.
  bool is_done_ = true;          ///< The server ran the last statement of expect_one().
  bool can_delete_ = true;
  bool is_right_ = true;
};

}  // namespace

Result<std::string> check_queries(WindowState& state, const Table& source, const Table& target,
                                  std::optional<QueryReport>& report) {
  const WindowRequest& request = state.job().window;
  if (request.queries.empty() && request.statements == 0) return std::string();
  PGFANOUT_TRY_ASSIGN(Connection on_target, state.connect_target("queries"));
  PGFANOUT_TRY_ASSIGN(const std::string path, state.application_path());
  const QueryTable before{state.source(), source, source.application.sql};
  const QueryTable after{on_target, target, path};
  PGFANOUT_TRY_ASSIGN(const auto queries, queries_of(request, before, [&](Issue issue) {
                        state.report(std::move(issue));
                      }));
  PGFANOUT_TRY_ASSIGN(report, run_queries(queries, &before, &after, {}, state.cancellation()));
  for (Issue& issue : issues_of(*report, target.qualified)) state.report(std::move(issue));
  const QueryVerdict verdict = verdict_of(*report);
  if (verdict.failed + verdict.unknown > 0) {
    return refused("queries-failed",
                   fmt::format("{} of the application's queries did not pass",
                               verdict.failed + verdict.unknown),
                   "see above", target.qualified);
  }
  const auto passed =
      std::count_if(report->queries.begin(), report->queries.end(),
                    [](const QueryResult& query) { return status_of(query) == "passed"; });
  return fmt::format("{} of {} passed", passed, counted(queries.size(), "query", "queries"));
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
  PGFANOUT_TRY_ASSIGN(const Table old_table, state.source_table());
  PGFANOUT_TRY_ASSIGN(Connection connection, state.connect_target("check"));
  // As the application has it: rules and foreign keys act for the table's owner, and would be
  // refused where policies hold for that one too.
  bool has_passed = false;
  PGFANOUT_TRY(in_transaction(
      connection,
      {"BEGIN; SET LOCAL lock_timeout = '5s'; SET LOCAL row_security = on",
       TransactionEnd::roll_back},
      [&]() -> Result<void> {
        PGFANOUT_TRY_ASSIGN(has_passed,
                            AfterSwapCheck(state, connection, table, old_table, before).run());
        return {};
      }));
  return has_passed;
}

}  // namespace pgfanout
