// The role's rights on the tables themselves, their schemas, and the journal.
#include <fmt/format.h>

#include <map>

#include "copier/base/amount.h"
#include "copier/catalog/relation_name.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

constexpr int kFirstWithSetOption = 160000;

/// Tables of the tree that this role does not own, with the owner: fence, renames and DDL need it.
constexpr const char* kNotOwnedSql =
    "SELECT format('%I.%I', n.nspname, c.relname), quote_ident(r.rolname),"
    " quote_ident(CURRENT_USER) FROM {} JOIN pg_class c ON c.oid = tree.oid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner"
    " WHERE NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 2, 1";

Result<void> check_owner(PreflightContext& context, Connection& connection, const std::string& oid,
                         const std::string& needed_for) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(fmt::format(kNotOwnedSql, kSchemaTree), {oid}));
  std::map<std::string, std::vector<std::string>> tables_of;
  for (int row = 0; row < rows.size(); ++row) {
    tables_of[rows.str(row, 1)].push_back(rows.str(row, 0));
  }
  for (const auto& [owner, tables] : tables_of) {
    context.add(context.if_changed(), "not-owner",
                fmt::format("role {} does not own {}: {} need the owner, {}", rows.text(0, 2),
                            some_of(tables), needed_for, owner),
                tables.front(),
                fmt::format("GRANT {} TO {}, or run as {}", owner, rows.text(0, 2), owner));
  }
  return {};
}

/// A rename asks for CREATE on the table's schema.
Result<void> check_schemas(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      context.source.query(
          fmt::format("SELECT DISTINCT quote_ident(n.nspname), quote_ident(CURRENT_USER)"
                      " FROM {} JOIN pg_class c ON c.oid = tree.oid"
                      " JOIN pg_namespace n ON n.oid = c.relnamespace"
                      " WHERE NOT has_schema_privilege(n.oid, 'CREATE') ORDER BY 1",
                      kSchemaTree),
          {std::to_string(context.plan.source.oid)}));
  for (int row = 0; row < rows.size(); ++row) {
    context.add(
        context.job.window.swap ? Severity::error : Severity::warning, "no-privilege",
        fmt::format("no right to create in schema {}: the swap cannot rename the tables "
                    "there",
                    rows.text(row, 0)),
        rows.str(row, 0),
        fmt::format("GRANT CREATE ON SCHEMA {} TO {}", rows.text(row, 0), rows.text(row, 1)));
  }
  return {};
}

/// The target is given to the source's owner.
Result<void> check_new_owner(PreflightContext& context) {
  Connection& target = context.target;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      target.query(
          fmt::format(
              "SELECT quote_ident(r.rolname), quote_ident(CURRENT_USER), pg_has_role(r.oid, '{}'),"
              " has_schema_privilege(r.oid, n.oid, 'CREATE') OR me.rolsuper, quote_ident(n.nspname)"
              " FROM pg_roles r, pg_roles me, pg_namespace n"
              " WHERE r.rolname = $1 AND me.rolname = CURRENT_USER AND n.nspname = $2",
              target.server_version() >= kFirstWithSetOption ? "SET" : "MEMBER"),
          {context.plan.source.owner, context.plan.target.schema}));
  const std::string& where = context.plan.target.qualified;
  if (rows.size() == 0) {
    context.add(Severity::error, "owner-missing",
                fmt::format("the source's owner {} is no role of the target's server",
                            display_name(context.plan.source.owner)),
                where, "create that role there, or give the source another owner");
    return {};
  }
  if (!rows.boolean(0, 2)) {
    context.add(Severity::error, "no-privilege",
                fmt::format("role {} cannot give the target to its owner {}: it may not SET ROLE "
                            "to it",
                            rows.text(0, 1), rows.text(0, 0)),
                where,
                fmt::format("GRANT {} TO {}, or run as {}", rows.text(0, 0), rows.text(0, 1),
                            rows.text(0, 0)));
  }
  if (!rows.boolean(0, 3)) {
    context.add(Severity::error, "no-privilege",
                fmt::format("the target cannot be given to {}: that role may not create in "
                            "schema {}",
                            rows.text(0, 0), rows.text(0, 4)),
                where,
                fmt::format("GRANT CREATE ON SCHEMA {} TO {}", rows.text(0, 4), rows.text(0, 0)));
  }
  return {};
}

constexpr const char* kJournalSql =
    "SELECT n.oid IS NOT NULL, has_schema_privilege(n.oid, 'USAGE')"
    "  AND has_schema_privilege(n.oid, 'CREATE'),"
    " has_database_privilege(current_database(), 'CREATE'), quote_ident(CURRENT_USER),"
    " quote_ident(current_database()),"
    " (SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', '"
    "   ORDER BY c.relname) FROM pg_class c"
    "  WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND NOT ("
    "   has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
    "   AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))"
    " FROM (VALUES (1)) AS one LEFT JOIN pg_namespace n ON n.nspname = 'pgfanout'";

/// Schema pgfanout holds the journal on the target's side and the fence's function on the source's.
Result<void> check_journal(PreflightContext& context, Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(kJournalSql));
  const std::string where = connection.description();
  if (!row.boolean(0, 0)) {
    if (row.boolean(0, 2)) return {};
    context.add(Severity::error, "no-privilege",
                "schema pgfanout, for the journal and the fence, is not there, and this role may "
                "not create it",
                where,
                fmt::format("CREATE SCHEMA pgfanout AUTHORIZATION {0}, or GRANT CREATE ON "
                            "DATABASE {1} TO {0}",
                            row.text(0, 3), row.text(0, 4)));
    return {};
  }
  if (!row.boolean(0, 1)) {
    context.add(Severity::error, "no-privilege",
                "schema pgfanout exists, and this role may not use it or not create in it", where,
                fmt::format("GRANT USAGE, CREATE ON SCHEMA pgfanout TO {}", row.text(0, 3)));
  } else if (!row.is_null(0, 5)) {
    context.add(
        Severity::error, "no-privilege",
        fmt::format("the journal cannot be kept: no right to read and write {}", row.text(0, 5)),
        where,
        fmt::format("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
                    "pgfanout TO {}",
                    row.text(0, 3)));
  }
  return {};
}

}  // namespace

Result<void> check_rights(PreflightContext& context) {
  PGFANOUT_TRY(check_owner(context, context.source, std::to_string(context.plan.source.oid),
                           "the fence (ENABLE ALWAYS) and the swap's renames"));
  if (context.plan.same_database) PGFANOUT_TRY(check_schemas(context));
  if (!context.plan.target.is_new) {
    PGFANOUT_TRY_ASSIGN(const Rows oid, context.target.query("SELECT to_regclass($1)::oid::text",
                                                             {context.plan.target.qualified}));
    PGFANOUT_TRY(check_owner(context, context.target, oid.str(0, 0),
                             "keys, indexes and all that is carried over"));
  }
  PGFANOUT_TRY(check_new_owner(context));
  PGFANOUT_TRY(check_journal(context, context.target));
  if (context.plan.same_database || !context.fences()) return {};
  return check_journal(context, context.source);
}

}  // namespace pgfanout
