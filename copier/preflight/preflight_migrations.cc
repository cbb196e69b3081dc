// The tables of migration tools, in the schema of the table and where the application looks.
#include <fmt/format.h>

#include <algorithm>

#include "copier/base/shell_word.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/timed_query.h"
#include "copier/catalog/type_catalog.h"
#include "copier/pg/transaction.h"
#include "copier/preflight/migration_tools.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

constexpr std::chrono::milliseconds kMigrationTime{2000};

/// Relations of these names in schemas $2 that are no system's, with their columns.
constexpr const char* kMigrationTablesSql =
    "SELECT n.nspname, c.relname, array_to_string(array_agg(a.attname::text), E'\\n'),"
    " has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE c.relname = ANY ($1::text[]) AND n.nspname = ANY ($2::text[])"
    " AND c.relkind IN ('r', 'p', 'v') GROUP BY n.nspname, c.relname, n.oid, c.oid"
    " ORDER BY 1, 2";

std::vector<std::string> lines_in(const std::string& text) {
  std::vector<std::string> lines(1);
  for (const char byte : text) {
    if (byte == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += byte;
    }
  }
  return lines;
}

Result<std::vector<std::string>> schemas_of(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(
      const Rows path, with_search_path(run.source, run.plan.source.application.sql, [&] {
        return run.source.query("SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))");
      }));
  std::vector<std::string> schemas = path.column(0);
  schemas.push_back(run.plan.source.schema);
  return schemas;
}

Result<void> tell_tool(PreflightRun& run, MigrationTool tool, const std::string& schema,
                       const std::string& name) {
  const std::string shown = fmt::format("{}.{}", display_name(schema), display_name(name));
  const std::string sql =
      fmt::format(fmt::runtime(migration_state_sql(tool)), quoted_name(schema, name));
  PGFANOUT_TRY_ASSIGN(const auto state, query_in_time(run.source, sql, kMigrationTime));
  if (!state) {
    run.add(Severity::info, "migrations", shown + " could not be read within 2 s", shown,
            "see for yourself whether a migration is unfinished");
    return {};
  }
  const bool is_half_done = !state->is_null(0, 0) && state->boolean(0, 0);
  const MigrationAdvice advice = advice_of(tool, run.plan.source.qualified, state->text(0, 1));
  if (is_half_done) {
    const std::string accepted = "migrations in " + shown;
    const auto& accept = run.job.window.accept;
    const bool is_accepted = std::find(accept.begin(), accept.end(), accepted) != accept.end();
    run.add(is_accepted ? Severity::warning : Severity::error, "migration-unfinished",
            fmt::format("{} keeps its state in {}, and {}", advice.name, shown, advice.trouble),
            shown,
            is_accepted ? "accepted by the job"
                        : fmt::format("{}; or go on all the same: --accept {}", advice.cure,
                                      shell_word(accepted)));
  }
  if (advice.recording.empty()) return {};
  run.add(Severity::info, "migrations",
          fmt::format("{} keeps its state in {} ({}), and knows nothing of the swap", advice.name,
                      shown, state->is_null(0, 1) ? "empty" : state->text(0, 1)),
          shown, fmt::format("after the swap: {}; see docs/APPLICATION.md", advice.recording));
  return {};
}

}  // namespace

Result<void> check_migration_tools(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const std::vector<std::string> schemas, schemas_of(run));
  PGFANOUT_TRY_ASSIGN(
      const Rows tables,
      run.source.query(kMigrationTablesSql, {text_array(migration_tables()), text_array(schemas)}));
  for (int row = 0; row < tables.size(); ++row) {
    const std::string schema = tables.str(row, 0);
    const std::string name = tables.str(row, 1);
    const auto tool = tool_of(name, lines_in(tables.str(row, 2)));
    if (!tool) continue;
    if (tables.boolean(row, 3)) {
      PGFANOUT_TRY(tell_tool(run, *tool, schema, name));
      continue;
    }
    const std::string shown = fmt::format("{}.{}", display_name(schema), display_name(name));
    run.add(Severity::info, "migrations",
            fmt::format("{} keeps its state in {}, which may not be read",
                        advice_of(*tool, "", "").name, shown),
            shown,
            fmt::format("GRANT SELECT ON {} TO {}, or see for yourself whether a migration is "
                        "unfinished",
                        shown, run.source_role));
  }
  return {};
}

}  // namespace pgfanout
