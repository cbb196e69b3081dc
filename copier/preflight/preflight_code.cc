// Code of the application that the job runs: functions in indexes, statistics, checks, domains,
// generated columns and materialized views. Each expression is tried on some rows, read only, under
// the search_path that the server will use for it, because a name that is not found there would end
// the job behind the fence. And settings of the application's roles that change what it meets.
#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/application_path.h"
#include "copier/pg/transaction.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

/// Functions that an object calls and that do not set their own search_path: "app.norm(text), ...".
/// {0}: a catalog, {1}: the object's OID.
constexpr const char* kCalled =
    "(SELECT string_agg(DISTINCT format('%I.%I(%s)', space.nspname, called.proname,"
    "  pg_get_function_identity_arguments(called.oid)), ', ') FROM pg_depend dep"
    " JOIN pg_proc called ON called.oid = dep.refobjid"
    " JOIN pg_namespace space ON space.oid = called.pronamespace"
    " WHERE dep.classid = '{0}'::regclass AND dep.objid = {1}"
    " AND dep.refclassid = 'pg_proc'::regclass AND NOT EXISTS (SELECT 1"
    "  FROM unnest(called.proconfig) setting WHERE starts_with(setting, 'search_path=')))";

/// Expressions over rows of a table of the source's: kind, name, table, expressions, condition,
/// functions, whether the server's maintenance path counts, whether the job must run them. {0}:
/// kTableTree; {1} to {4}: kCalled of indexes, constraints, defaults, statistics.
constexpr const char* kExpressionsSql = R"sql(
WITH part AS (SELECT tree.oid, format('%I.%I', n.nspname, c.relname) AS name
  FROM {0} JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace)
SELECT 'index', format('%I.%I', n.nspname, c.relname), part.name,
  pg_get_expr(i.indexprs, i.indrelid), pg_get_expr(i.indpred, i.indrelid), {1}, true, true
FROM part JOIN pg_index i ON i.indrelid = part.oid JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT c.relispartition AND i.indisvalid AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
UNION ALL
SELECT 'statistics', format('%I.%I', n.nspname, s.stxname), part.name,
  array_to_string(pg_get_statisticsobjdef_expressions(s.oid), ', '), NULL, {4}, true, true
FROM part JOIN pg_statistic_ext s ON s.stxrelid = part.oid
JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE part.oid = $1::oid AND pg_get_statisticsobjdef_expressions(s.oid) IS NOT NULL
UNION ALL
SELECT 'constraint', quote_ident(k.conname), part.name, pg_get_expr(k.conbin, k.conrelid), NULL,
  {2}, false, k.convalidated
FROM part JOIN pg_constraint k ON k.conrelid = part.oid
WHERE part.oid = $1::oid AND k.contype = 'c'
UNION ALL
SELECT 'column', quote_ident(a.attname), part.name, pg_get_expr(d.adbin, d.adrelid), NULL, {3},
  false, true
FROM part JOIN pg_attribute a ON a.attrelid = part.oid
JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE part.oid = $1::oid AND a.attgenerated <> '' AND NOT a.attisdropped
UNION ALL
SELECT 'domain', format_type(t.oid, NULL), part.name,
  format('(%I::pg_catalog.text)::%s', a.attname, format_type(t.oid, NULL)), NULL,
  (SELECT string_agg({2}, ', ') FROM pg_constraint k WHERE k.contypid IN (t.oid, t.typelem)),
  false, true
FROM part JOIN pg_attribute a ON a.attrelid = part.oid JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_type e ON e.oid = t.typelem
WHERE part.oid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND 'd' IN (t.typtype, e.typtype)
ORDER BY 1, 2, 3)sql";

/// Materialized views that read the table. {0}: kTableTree; {1}: kCalled of rules.
constexpr const char* kMatviewsSql = R"sql(
SELECT 'materialized view', format('%I.%I', n.nspname, c.relname), rtrim(pg_get_viewdef(c.oid), ';'),
  {1}
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_rewrite r ON r.ev_class = c.oid
WHERE c.relkind = 'm' AND c.relispopulated AND EXISTS (SELECT 1 FROM pg_depend d JOIN {0}
  ON tree.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
  WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid)
ORDER BY 1, 2)sql";

std::string called_by(const char* catalog, const char* object) {
  return fmt::format(kCalled, catalog, object);
}

struct UserCode {
  std::string kind;
  std::string name;
  std::string sql;              ///< A SELECT that evaluates it, for with_search_path().
  std::string functions;        ///< Those without a search_path of their own; may be empty.
  bool is_maintenance = false;  ///< See kMaintenancePath.
  bool is_needed = true;        ///< The job must run it.
};

/// Only some pages: a condition may hold for few rows.
std::string on_some_rows(const std::string& table, const std::string& expressions,
                         const std::string& condition) {
  return fmt::format(
      "SELECT pg_catalog.count(s.x) FROM (SELECT ROW({}) AS x FROM {} WHERE"
      " ctid OPERATOR(pg_catalog.<) '(100,0)'{} LIMIT 1000) s",
      expressions, table, condition.empty() ? "" : fmt::format(" AND ({})", condition));
}

/// As printed under `path`.
Result<std::vector<UserCode>> read_user_code(PreflightRun& run, const std::string& path) {
  const std::vector<Parameter> oid = {std::to_string(run.plan.source.oid)};
  PGFANOUT_TRY_ASSIGN(
      const Rows expressions,
      print_under(run.source, path,
                  fmt::format(kExpressionsSql, kTableTree, called_by("pg_class", "c.oid"),
                              called_by("pg_constraint", "k.oid"), called_by("pg_attrdef", "d.oid"),
                              called_by("pg_statistic_ext", "s.oid")),
                  oid));
  std::vector<UserCode> all;
  for (int row = 0; row < expressions.size(); ++row) {
    UserCode& code = all.emplace_back();
    std::string table;
    std::string values;
    std::string condition;
    read_row(expressions, row, code.kind, code.name, table, values, condition, code.functions,
             code.is_maintenance, code.is_needed);
    if (code.kind == "constraint" || code.kind == "column") code.name += " of " + table;
    code.sql = values.empty() ? on_some_rows(table, condition, "")
                              : on_some_rows(table, values, condition);
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows views,
      print_under(run.source, path,
                  fmt::format(kMatviewsSql, kTableTree, called_by("pg_rewrite", "r.oid")), oid));
  for (int row = 0; row < views.size(); ++row) {
    all.push_back({views.str(row, 0), views.str(row, 1),
                   fmt::format("SELECT pg_catalog.count(s) FROM (SELECT * FROM ({}) q LIMIT 100) s",
                               views.text(row, 2)),
                   views.str(row, 3), true, true});
  }
  return all;
}

/// Absent: it works, or takes too long to be tried.
Result<std::optional<Error>> error_of(Connection& connection, const std::string& path,
                                      const std::string& sql) {
  const bool has_transaction = connection.is_in_transaction();
  PGFANOUT_TRY(connection.run(has_transaction ? "SAVEPOINT pgfanout_code" : "BEGIN"));
  auto done = connection.run(
      fmt::format("SET LOCAL transaction_read_only = on; SET LOCAL statement_timeout = '5s';"
                  "SET LOCAL search_path = {}; {}",
                  path, sql));
  if (!connection.is_open()) return std::move(done).error();
  PGFANOUT_TRY(
      connection.run(has_transaction ? "ROLLBACK TO SAVEPOINT pgfanout_code" : "ROLLBACK"));
  constexpr std::string_view kCancelled = "57014";
  constexpr std::string_view kWrites = "25006";
  if (done || done.error().sqlstate == kCancelled || done.error().sqlstate == kWrites) {
    return std::optional<Error>();
  }
  return std::optional(std::move(done).error());
}

bool is_unknown_name(const std::string& sqlstate) {
  // undefined_function, undefined_table, undefined_object, undefined_column, invalid_schema_name
  constexpr std::string_view kUnknown[] = {"42883", "42P01", "42704", "42703", "3F000"};
  return std::find(std::begin(kUnknown), std::end(kUnknown), sqlstate) != std::end(kUnknown);
}

std::string cure_of(const UserCode& code, const std::string& path, const Error& error) {
  if (!is_unknown_name(error.sqlstate)) {
    return "correct it, or drop it before the window and create it again afterwards";
  }
  if (code.functions.empty()) {
    return "write the schema of each name in what it calls, or set a search_path for it";
  }
  std::string cure;
  std::string_view rest = code.functions;
  for (auto end = rest.find("), "); !rest.empty(); end = rest.find("), ")) {
    const std::string_view one = end == std::string_view::npos ? rest : rest.substr(0, end + 1);
    cure += fmt::format("ALTER FUNCTION {} SET search_path = {}; ", one, path);
    rest.remove_prefix(std::min(rest.size(), one.size() + 2));
  }
  return cure + "or write the schema of each name in the function's body";
}

void report_failure(PreflightRun& run, const UserCode& code, const std::string& path,
                    const Error& error) {
  const ApplicationPath& application = run.plan.source.application;
  constexpr std::string_view kPrefix = "could not run a statement: ";
  std::string_view message = error.message;
  if (message.starts_with(kPrefix)) message.remove_prefix(kPrefix.size());
  const bool is_server_path = path == kMaintenancePath;
  run.add(
      code.is_needed ? Severity::error : Severity::warning, "user-code-fails",
      fmt::format("{} {} cannot be made on the target: {} fails under {}: {} ({})", code.kind,
                  code.name, code.functions.empty() ? "its expression" : code.functions,
                  is_server_path ? fmt::format("search_path {}, which the server sets to build it",
                                               kMaintenancePath)
                                 : "search_path " + application.shown,
                  message, error.sqlstate),
      run.plan.source.qualified, cure_of(code, application.sql, error));
}

void report_path(PreflightRun& run) {
  const ApplicationPath& path = run.plan.source.application;
  const std::string text = fmt::format(
      "code of the application (triggers, functions in indexes and checks, mappings) "
      "runs with search_path {}, {}",
      path.shown.empty() ? "(empty)" : path.shown, path.origin);
  if (path.others.empty()) {
    run.add(Severity::info, "search-path", text, run.plan.source.qualified);
    return;
  }
  run.add(Severity::warning, "search-path",
          fmt::format("{}; others that write to the table have another one: {}", text,
                      fmt::join(path.others, "; ")),
          run.plan.source.qualified,
          "if that is not the application's, name it: --search-path, or search_path under [source] "
          "in the job file");
}

/// Roles and databases for which partition pruning is switched off. $1: the table.
constexpr const char* kPruningSql = R"sql(
SELECT CASE WHEN s.setrole = 0 THEN 'the database' ELSE format('role %I', r.rolname) END
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE lower(c) IN ('enable_partition_pruning=off', 'enable_partition_pruning=false',
  'enable_partition_pruning=no', 'enable_partition_pruning=0')
AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
AND (s.setrole = 0 OR has_table_privilege(s.setrole, $1::oid, 'SELECT, INSERT, UPDATE, DELETE'))
ORDER BY 1)sql";

Result<void> check_pruning_settings(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, run.read(kPruningSql));
  for (int row = 0; row < rows.size(); ++row) {
    run.add(Severity::warning, "pruning-off",
            fmt::format("enable_partition_pruning is off for {}: each of its statements will read "
                        "all {} leaves",
                        rows.text(row, 0), run.plan.target.leaves.size()),
            run.plan.source.qualified,
            "ALTER ROLE or ALTER DATABASE ... RESET enable_partition_pruning before the swap");
  }
  return {};
}

}  // namespace

Result<void> check_user_code(PreflightRun& run) {
  report_path(run);
  const std::string& own = run.plan.source.application.sql;
  const bool has_maintenance_path = run.target.server_version() >= kFirstWithMaintenancePath;
  PGFANOUT_TRY_ASSIGN(const auto of_application, read_user_code(run, own));
  PGFANOUT_TRY_ASSIGN(const auto of_server, read_user_code(run, kMaintenancePath));
  for (std::size_t at = 0; at < of_application.size() && at < of_server.size(); ++at) {
    if (run.cancellation.is_set()) return cancelled();
    const bool by_server = has_maintenance_path && of_application[at].is_maintenance;
    const UserCode& code = by_server ? of_server[at] : of_application[at];
    const std::string path = by_server ? kMaintenancePath : own;
    PGFANOUT_TRY_ASSIGN(const auto error, error_of(run.source, path, code.sql));
    if (error) report_failure(run, code, path, *error);
  }
  return check_pruning_settings(run);
}

}  // namespace pgfanout
