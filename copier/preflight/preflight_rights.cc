// The role's rights: on the tables, their schemas and the journal; and on the objects around the
// source that the swap and the carry-over redefine, move, refer to or call.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "copier/base/amount.h"
#include "copier/carry/carry_parts.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/role_rights.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/type_catalog.h"
#include "copier/plan/needed_objects.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

/// Tables of the tree that this role does not own, with the owner: fence, renames and DDL need it.
constexpr const char* kNotOwnedSql =
    "SELECT c.oid::regclass::text, c.relowner::regrole::text, {1}"
    " FROM {0} JOIN pg_class c ON c.oid = tree.oid"
    " WHERE NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 2, 1";

Result<void> check_owner(PreflightRun& run, Connection& connection, const std::string& role,
                         const std::string& oid, const std::string& needed_for) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(
          fmt::format(kNotOwnedSql, kTableTree, grant_role_sql(connection, "c.relowner")), {oid}));
  std::map<std::string, std::vector<std::string>> tables_of;
  std::map<std::string, std::string> grants;
  for (int row = 0; row < rows.size(); ++row) {
    tables_of[rows.str(row, 1)].push_back(rows.str(row, 0));
    grants[rows.str(row, 1)] = rows.str(row, 2);
  }
  for (const auto& [owner, tables] : tables_of) {
    run.add(run.if_changed(), "not-owner",
            fmt::format("role {} does not own {}: {} need the owner, {}", role, some_of(tables),
                        needed_for, owner),
            tables.front(), fmt::format("{}, or run as {}", grants[owner], owner));
  }
  return {};
}

/// A rename needs CREATE on the table's schema.
Result<void> check_schemas(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      run.read(fmt::format("WITH {}, used(schema) AS (SELECT c.relnamespace FROM {} JOIN pg_class c"
                           "  ON c.oid = tree.oid UNION SELECT p.pronamespace FROM pg_proc p"
                           "  JOIN row_routine r ON r.oid = p.oid)"
                           " SELECT schema::regnamespace::text FROM used"
                           " WHERE NOT has_schema_privilege(schema, 'CREATE') ORDER BY 1",
                           row_type_tables(), kTableTree)));
  for (int row = 0; row < rows.size(); ++row) {
    run.add(run.job.window.swap ? Severity::error : Severity::warning, "no-privilege",
            fmt::format("role {} cannot create in schema {}: the swap renames the tables there",
                        run.source_role, rows.text(row, 0)),
            rows.str(row, 0),
            fmt::format("GRANT CREATE ON SCHEMA {} TO {}", rows.text(row, 0), run.source_role));
  }
  return {};
}

/// The source's owner will own the target.
Result<void> check_new_owner(PreflightRun& run) {
  Connection& target = run.target;
  const bool has_set_option = target.server_version() >= kFirstWithSetOption;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      target.query(
          fmt::format(
              "SELECT quote_ident(r.rolname), quote_ident(n.nspname), pg_has_role(r.oid, '{}'),"
              " has_schema_privilege(r.oid, n.oid, 'CREATE') OR me.rolsuper"
              " FROM pg_roles r, pg_roles me, pg_namespace n"
              " WHERE r.rolname = $1 AND me.rolname = CURRENT_USER AND n.nspname = $2",
              has_set_option ? "SET" : "MEMBER"),
          {run.plan.source.owner, run.plan.target.schema}));
  const std::string& where = run.plan.target.qualified;
  if (rows.size() == 0) {
    run.add(Severity::error, "owner-missing",
            fmt::format("role {}, which owns the source, does not exist on the target's server",
                        display_name(run.plan.source.owner)),
            where, "create the role there, or change the source's owner");
    return {};
  }
  if (!rows.boolean(0, 2)) {
    run.add(Severity::error, "no-privilege",
            fmt::format("role {0} cannot make {1} the owner of the target: {0} cannot SET ROLE {1}",
                        run.target_role, rows.text(0, 0)),
            where,
            fmt::format("GRANT {0} TO {1}{2}, or run as {0}", rows.text(0, 0), run.target_role,
                        has_set_option ? " WITH SET TRUE" : ""));
  }
  if (!rows.boolean(0, 3)) {
    run.add(Severity::error, "no-privilege",
            fmt::format("role {} cannot own the target: it cannot create in schema {}",
                        rows.text(0, 0), rows.text(0, 1)),
            where,
            fmt::format("GRANT CREATE ON SCHEMA {} TO {}", rows.text(0, 1), rows.text(0, 0)));
  }
  return {};
}

constexpr const char* kJournalSql =
    "SELECT n.oid IS NOT NULL, has_schema_privilege(n.oid, 'USAGE')"
    "  AND has_schema_privilege(n.oid, 'CREATE'),"
    " has_database_privilege(current_database(), 'CREATE'), quote_ident(current_database()),"
    " (SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.relname) FROM pg_class c"
    "  WHERE c.relnamespace = n.oid AND c.relkind = 'r' AND NOT ("
    "   has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')"
    "   AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))"
    " FROM (VALUES (1)) AS one LEFT JOIN pg_namespace n ON n.nspname = 'pgfanout'";

/// Schema pgfanout holds the journal on the target's side and the fence's function on the source's.
Result<void> check_journal(PreflightRun& run, Connection& connection, const std::string& role) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(kJournalSql));
  const std::string where = connection.description();
  if (!row.boolean(0, 0)) {
    if (row.boolean(0, 2)) return {};
    run.add(Severity::error, "no-privilege",
            fmt::format("schema pgfanout, for the journal and the fence, does not exist, and role "
                        "{} cannot create it",
                        role),
            where,
            fmt::format("CREATE SCHEMA pgfanout AUTHORIZATION {0}, or GRANT CREATE ON "
                        "DATABASE {1} TO {0}",
                        role, row.text(0, 3)));
    return {};
  }
  if (!row.boolean(0, 1)) {
    run.add(Severity::error, "no-privilege",
            fmt::format("role {} cannot use schema pgfanout or create in it", role), where,
            fmt::format("GRANT USAGE, CREATE ON SCHEMA pgfanout TO {}", role));
  } else if (!row.is_null(0, 4)) {
    run.add(Severity::error, "no-privilege",
            fmt::format("role {} cannot keep the journal: it cannot read and write {}", role,
                        row.text(0, 4)),
            where,
            fmt::format("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
                        "pgfanout TO {}",
                        role));
  }
  return {};
}

/// A right that the role needs. The query takes the source's OID as $1 and returns the name of each
/// object on which the role lacks it, and the statement that grants it.
struct Need {
  const char* code;
  const char* lacks;  ///< "does not own": between the role and the objects' names.
  const char* since;  ///< Why it is needed.
  std::string sql;
};

/// A SELECT's columns and condition for an object `name` owned by `owner`.
std::string owner_of(const Connection& connection, const std::string& name,
                     const std::string& owner, const std::string& from) {
  return fmt::format("SELECT DISTINCT {0}, {3} {2} AND NOT pg_has_role({1}, 'USAGE') ORDER BY 2, 1",
                     name, owner, from, grant_role_sql(connection, owner));
}

constexpr const char* kClassName = "c.oid::regclass::text";

/// Views that read the table; materialized ones are created again, and so are the views that read
/// those.
constexpr const char* kReaders =
    "FROM (WITH RECURSIVE reader(oid, kind) AS ("
    "  SELECT v.oid, v.relkind FROM {} JOIN pg_depend d ON d.refobjid = tree.oid"
    "    AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass"
    "   JOIN pg_rewrite r ON r.oid = d.objid"
    "   JOIN pg_class v ON v.oid = r.ev_class WHERE v.relkind IN ('v', 'm')"
    "  UNION SELECT v.oid, v.relkind FROM reader w"
    "   JOIN pg_depend d ON d.refobjid = w.oid AND w.kind = 'm'"
    "    AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass"
    "   JOIN pg_rewrite r ON r.oid = d.objid"
    "   JOIN pg_class v ON v.oid = r.ev_class WHERE v.relkind IN ('v', 'm'))"
    "  SELECT oid FROM reader) AS reader JOIN pg_class c ON c.oid = reader.oid"
    " WHERE true";

std::vector<Need> owned_objects(const Connection& source) {
  return {
      {"not-owner", "does not own", "the swap redefines views that read the table",
       owner_of(source, kClassName, "c.relowner", fmt::format(kReaders, kTableTree))},
      {"not-owner", "does not own", "their foreign keys refer to the table",
       owner_of(source, kClassName, "c.relowner",
                "FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
                " WHERE k.confrelid = $1::oid AND k.contype = 'f' AND k.conparentid = 0")},
      {"not-owner", "does not own", "the swap creates it again for rows of the new table",
       owner_of(source, "p.oid::regprocedure::text", "p.proowner",
                fmt::format("FROM (WITH {} SELECT oid FROM row_routine) r"
                            " JOIN pg_proc p ON p.oid = r.oid WHERE p.prokind <> 'a'",
                            row_type_tables()))},
      {"no-privilege", "cannot give to its owner", "the owner cannot create in its schema",
       fmt::format("WITH {} SELECT DISTINCT p.oid::regprocedure::text,"
                   " format('GRANT CREATE ON SCHEMA %I TO %I', n.nspname,"
                   "  pg_get_userbyid(p.proowner)) FROM row_routine r"
                   " JOIN pg_proc p ON p.oid = r.oid AND p.prokind <> 'a'"
                   " JOIN pg_namespace n ON n.oid = p.pronamespace"
                   " WHERE NOT has_schema_privilege(p.proowner, n.oid, 'CREATE') AND NOT (SELECT"
                   "  u.rolsuper FROM pg_roles u WHERE u.rolname = CURRENT_USER) ORDER BY 2, 1",
                   row_type_tables())},
      {"not-owner", "does not own publication", "it publishes the table by name",
       owner_of(source, "quote_ident(p.pubname)", "p.pubowner",
                fmt::format("FROM {} JOIN pg_publication_rel l ON l.prrelid = tree.oid"
                            " JOIN pg_publication p ON p.oid = l.prpubid WHERE true",
                            kTableTree))},
      {"not-owner", "does not own statistics", "the swap takes over their names",
       owner_of(source, "format('%I.%I', n.nspname, s.stxname)", "s.stxowner",
                fmt::format("FROM {} JOIN pg_statistic_ext s ON s.stxrelid = tree.oid"
                            " JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE true",
                            kTableTree))}};
}

std::vector<Need> used_objects() {
  return {
      {"no-privilege", "cannot use language", "the fence and the key function are written in it",
       "SELECT quote_ident(l.lanname), format('GRANT USAGE ON LANGUAGE %I TO %I', l.lanname,"
       "  CURRENT_USER) FROM pg_language l WHERE l.lanname IN ('plpgsql', 'sql')"
       " AND NOT has_language_privilege(l.oid, 'USAGE') AND $1::oid IS NOT NULL ORDER BY 1"},
      {"no-privilege", "cannot create in schema",
       "statistics or materialized views of the table are made again there",
       fmt::format("SELECT DISTINCT n.oid::regnamespace::text, format('GRANT CREATE ON SCHEMA %I TO"
                   " %I', n.nspname, CURRENT_USER) FROM pg_namespace n WHERE n.oid IN ("
                   "SELECT s.stxnamespace FROM pg_statistic_ext s WHERE s.stxrelid = $1::oid"
                   " UNION ALL SELECT c.relnamespace {} AND c.relkind = 'm')"
                   " AND NOT has_schema_privilege(n.oid, 'CREATE') ORDER BY 1",
                   fmt::format(kReaders, kTableTree))},
      {"no-privilege", "cannot read", "a materialized view that reads the table reads it, too",
       fmt::format(
           "SELECT DISTINCT o.oid::regclass::text, format('GRANT SELECT ON %s TO %I',"
           "  o.oid::regclass, CURRENT_USER) FROM (SELECT c.oid {} AND c.relkind = 'm') m"
           " JOIN pg_rewrite r ON r.ev_class = m.oid JOIN pg_depend d ON d.objid = r.oid"
           "  AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass"
           " JOIN pg_class o ON o.oid = d.refobjid AND o.relkind IN ('r', 'p', 'v', 'm', 'f')"
           " WHERE o.oid <> m.oid AND NOT has_any_column_privilege(o.oid, 'SELECT') ORDER BY 1",
           fmt::format(kReaders, kTableTree))},
      {"no-privilege", "cannot create in tablespace",
       "leaves or indexes of the table are stored there",
       fmt::format("SELECT DISTINCT quote_ident(s.spcname),"
                   " format('GRANT CREATE ON TABLESPACE %I TO %I', s.spcname, CURRENT_USER)"
                   " FROM {} LEFT JOIN pg_index i ON i.indrelid = tree.oid"
                   " JOIN pg_class c ON c.oid IN (tree.oid, i.indexrelid)"
                   " JOIN pg_tablespace s ON s.oid = c.reltablespace"
                   " WHERE NOT has_tablespace_privilege(s.oid, 'CREATE') ORDER BY 1",
                   kTableTree)}};
}

Result<void> check_need(PreflightRun& run, const Need& need) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, run.read(need.sql));
  std::map<std::string, std::vector<std::string>> objects_of;
  for (int row = 0; row < rows.size(); ++row) {
    objects_of[rows.str(row, 1)].push_back(rows.str(row, 0));
  }
  for (const auto& [grant, objects] : objects_of) {
    run.add(
        Severity::error, need.code,
        fmt::format("role {} {} {}: {}", run.source_role, need.lacks, some_of(objects), need.since),
        objects.front(), grant);
  }
  return {};
}

constexpr const char* kForeignKeysSql =
    "SELECT quote_ident(k.conname), k.confrelid::regclass::text,"
    " (SELECT array_agg(a.attname::text) FROM pg_attribute a"
    "  WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))"
    " FROM pg_constraint k"
    " WHERE k.conrelid = $1::oid AND k.contype = 'f' AND k.confrelid <> k.conrelid ORDER BY 1";

constexpr const char* kMayReferSql =
    "SELECT has_schema_privilege(c.relnamespace, 'USAGE')"
    " AND (has_table_privilege(c.oid, 'REFERENCES')"
    "  OR (SELECT bool_and(has_column_privilege(a.attrelid, a.attnum,"
    "   'REFERENCES')) FROM pg_attribute a"
    "   WHERE a.attrelid = c.oid AND a.attname = ANY ($2::text[])))"
    " FROM pg_class c WHERE c.oid = to_regclass($1)";

/// Objects that the carried ones name must be there, and usable.
Result<void> check_named_objects(PreflightRun& run) {
  std::vector<std::int64_t> columns;
  for (const Column& column : run.plan.source.columns) {
    const auto& streamed = run.plan.stream.columns;
    const bool is_kept = std::any_of(streamed.begin(), streamed.end(), [&](const StreamColumn& at) {
      return at.target_column == column.name;
    });
    if (is_kept) columns.push_back(column.number);
  }
  PGFANOUT_TRY_ASSIGN(std::vector<Issue> unusable,
                      find_unusable_objects(run.source, run.target, run.plan.same_database,
                                            run.plan.source, columns, NeededBy::dependents));
  for (Issue& issue : unusable) run.found.issues.push_back(std::move(issue));
  return {};
}

/// On the target, where the new table's foreign keys will be made. The carry-over reports a table
/// that is missing there.
Result<void> check_references(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows keys, run.read(kForeignKeysSql));
  for (int row = 0; row < keys.size(); ++row) {
    PGFANOUT_TRY_ASSIGN(const Rows may,
                        run.target.query(kMayReferSql, {keys.str(row, 1), keys.str(row, 2)}));
    if (may.size() == 0 || may.boolean(0, 0)) continue;
    run.add(Severity::error, "no-privilege",
            fmt::format("role {} cannot create foreign key {}: it lacks REFERENCES on {}",
                        run.target_role, keys.text(row, 0), keys.text(row, 1)),
            keys.str(row, 1),
            fmt::format("GRANT REFERENCES ON {} TO {}, and USAGE on its schema", keys.text(row, 1),
                        run.target_role));
  }
  return {};
}

/// They also run for the job's DDL, and may refuse or change it.
Result<void> check_event_triggers(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      run.target.query("SELECT quote_ident(e.evtname),"
                                       " e.evtfoid::regprocedure FROM pg_event_trigger e"
                                       " WHERE e.evtenabled IN ('O', 'A') AND e.evtevent <> 'login'"
                                       " ORDER BY 1"));
  for (int row = 0; row < rows.size(); ++row) {
    run.add(Severity::warning, "event-trigger",
            fmt::format("event trigger {} runs {} for the job's DDL, also within the swap",
                        rows.text(row, 0), rows.text(row, 1)),
            run.target.description(),
            "check that it neither refuses nor changes that DDL, or disable it for the window");
  }
  return {};
}

}  // namespace

Result<void> check_rights(PreflightRun& run) {
  PGFANOUT_TRY(check_owner(run, run.source, run.source_role, std::to_string(run.plan.source.oid),
                           "the fence (ENABLE ALWAYS) and the swap's renames"));
  if (run.plan.same_database) PGFANOUT_TRY(check_schemas(run));
  if (!run.plan.target.is_new) {
    PGFANOUT_TRY_ASSIGN(const Rows oid, run.target.query("SELECT to_regclass($1)::oid::text",
                                                         {run.plan.target.qualified}));
    PGFANOUT_TRY(check_owner(run, run.target, run.target_role, oid.str(0, 0),
                             "keys, indexes and all that is carried over"));
  }
  PGFANOUT_TRY(check_new_owner(run));
  PGFANOUT_TRY(check_journal(run, run.target, run.target_role));
  if (run.plan.same_database || !run.fences()) return {};
  return check_journal(run, run.source, run.source_role);
}

Result<void> check_related_rights(PreflightRun& run) {
  if (run.plan.same_database) {
    for (const Need& need : owned_objects(run.source)) PGFANOUT_TRY(check_need(run, need));
    for (const Need& need : used_objects()) PGFANOUT_TRY(check_need(run, need));
  }
  if (run.plan.target.is_new) PGFANOUT_TRY(check_named_objects(run));
  PGFANOUT_TRY(check_references(run));
  return check_event_triggers(run);
}

}  // namespace pgfanout
