// The role's rights on the objects around the source: those that the swap and the carry-over
// redefine, move, refer to or call.
#include <fmt/format.h>

#include <map>

#include "copier/base/amount.h"
#include "copier/catalog/type_catalog.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// Objects that lack a right. The query takes the source's OID as $1 and returns the object's name
/// and the statement that would help.
struct Need {
  const char* code;
  const char* lacks;  ///< "no ownership of": what is said before the objects' names.
  const char* since;  ///< Why it is needed.
  std::string sql;
};

/// A SELECT's columns and condition for an object `name` owned by `owner`.
std::string owner_of(const std::string& name, const std::string& owner, const std::string& from) {
  return fmt::format(
      "SELECT DISTINCT {0}, format('GRANT %I TO %I', pg_get_userbyid({1}),"
      " CURRENT_USER) {2} AND NOT pg_has_role({1}, 'USAGE') ORDER BY 2, 1",
      name, owner, from);
}

constexpr const char* kClassName = "format('%I.%I', n.nspname, c.relname)";

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
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE true";

std::vector<Need> owned_objects() {
  return {{"not-owner", "no ownership of", "views that read the table are redefined at the swap",
           owner_of(kClassName, "c.relowner", fmt::format(kReaders, kSchemaTree))},
          {"not-owner", "no ownership of", "their foreign keys refer to the table",
           owner_of(kClassName, "c.relowner",
                    "FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid"
                    " JOIN pg_namespace n ON n.oid = c.relnamespace"
                    " WHERE k.confrelid = $1::oid AND k.contype = 'f' AND k.conparentid = 0")},
          {"not-owner", "no ownership of publication", "it publishes the table by name",
           owner_of("quote_ident(p.pubname)", "p.pubowner",
                    fmt::format("FROM {} JOIN pg_publication_rel l ON l.prrelid = tree.oid"
                                " JOIN pg_publication p ON p.oid = l.prpubid WHERE true",
                                kSchemaTree))},
          {"not-owner", "no ownership of statistics", "their names are taken over at the swap",
           owner_of("format('%I.%I', n.nspname, s.stxname)", "s.stxowner",
                    fmt::format("FROM {} JOIN pg_statistic_ext s ON s.stxrelid = tree.oid"
                                " JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE true",
                                kSchemaTree))}};
}

std::vector<Need> used_objects() {
  return {
      {"no-privilege", "no right to execute", "triggers of the table call it",
       "SELECT DISTINCT t.tgfoid::regprocedure::text, format('GRANT EXECUTE ON FUNCTION %s TO %I',"
       "  t.tgfoid::regprocedure, CURRENT_USER)"
       " FROM pg_trigger t WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal"
       " AND NOT has_function_privilege(t.tgfoid, 'EXECUTE') ORDER BY 1"},
      {"no-privilege", "no right to use type", "a column of the table has it",
       "SELECT DISTINCT format_type(a.atttypid, NULL),"
       " format('GRANT USAGE ON TYPE %s TO %I', format_type(a.atttypid, NULL), CURRENT_USER)"
       " FROM pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0"
       " AND NOT a.attisdropped AND NOT has_type_privilege(a.atttypid, 'USAGE') ORDER BY 1"},
      {"no-privilege", "no right to create in tablespace",
       "leaves or indexes of the table are stored there",
       fmt::format("SELECT DISTINCT quote_ident(s.spcname),"
                   " format('GRANT CREATE ON TABLESPACE %I TO %I', s.spcname, CURRENT_USER)"
                   " FROM {} LEFT JOIN pg_index i ON i.indrelid = tree.oid"
                   " JOIN pg_class c ON c.oid IN (tree.oid, i.indexrelid)"
                   " JOIN pg_tablespace s ON s.oid = c.reltablespace"
                   " WHERE NOT has_tablespace_privilege(s.oid, 'CREATE') ORDER BY 1",
                   kSchemaTree)}};
}

Result<void> check_need(PreflightContext& context, const Need& need) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      context.source.query(need.sql, {std::to_string(context.plan.source.oid)}));
  std::map<std::string, std::vector<std::string>> objects_of;
  for (int row = 0; row < rows.size(); ++row) {
    objects_of[rows.str(row, 1)].push_back(rows.str(row, 0));
  }
  for (const auto& [grant, objects] : objects_of) {
    context.add(Severity::error, need.code,
                fmt::format("{} {}: {}", need.lacks, some_of(objects), need.since), objects.front(),
                grant);
  }
  return {};
}

constexpr const char* kForeignKeysSql =
    "SELECT quote_ident(k.conname), format('%I.%I', n.nspname, c.relname),"
    " (SELECT array_agg(a.attname::text) FROM pg_attribute a"
    "  WHERE a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))"
    " FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE k.conrelid = $1::oid AND k.contype = 'f' AND k.confrelid <> k.conrelid ORDER BY 1";

constexpr const char* kMayReferSql =
    "SELECT has_schema_privilege(c.relnamespace, 'USAGE')"
    " AND (has_table_privilege(c.oid, 'REFERENCES')"
    "  OR (SELECT bool_and(has_column_privilege(a.attrelid, a.attnum,"
    "   'REFERENCES')) FROM pg_attribute a"
    "   WHERE a.attrelid = c.oid AND a.attname = ANY ($2::text[]))), quote_ident(CURRENT_USER)"
    " FROM pg_class c WHERE c.oid = to_regclass($1)";

/// On the target, where the new table's foreign keys will be made. A table that is missing there is
/// the carry-over's to tell.
Result<void> check_references(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(
      const Rows keys,
      context.source.query(kForeignKeysSql, {std::to_string(context.plan.source.oid)}));
  for (int row = 0; row < keys.size(); ++row) {
    PGFANOUT_TRY_ASSIGN(const Rows may,
                        context.target.query(kMayReferSql, {keys.str(row, 1), keys.str(row, 2)}));
    if (may.size() == 0 || may.boolean(0, 0)) continue;
    context.add(Severity::error, "no-privilege",
                fmt::format("foreign key {} cannot be made: no REFERENCES on {}", keys.text(row, 0),
                            keys.text(row, 1)),
                keys.str(row, 1),
                fmt::format("GRANT REFERENCES ON {} TO {}, and USAGE on its schema",
                            keys.text(row, 1), may.text(0, 1)));
  }
  return {};
}

/// They run for the job's DDL as well, and may refuse or change it.
Result<void> check_event_triggers(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      context.target.query("SELECT quote_ident(e.evtname),"
                           " e.evtfoid::regprocedure FROM pg_event_trigger e"
                           " WHERE e.evtenabled IN ('O', 'A') AND e.evtevent <> 'login'"
                           " ORDER BY 1"));
  for (int row = 0; row < rows.size(); ++row) {
    context.add(Severity::warning, "event-trigger",
                fmt::format("event trigger {} runs {} for the job's DDL, the swap's included",
                            rows.text(row, 0), rows.text(row, 1)),
                context.target.description(),
                "make sure that it neither refuses nor changes it, or disable it for the window");
  }
  return {};
}

}  // namespace

Result<void> check_related_rights(PreflightContext& context) {
  if (context.plan.same_database) {
    for (const Need& need : owned_objects()) PGFANOUT_TRY(check_need(context, need));
    for (const Need& need : used_objects()) PGFANOUT_TRY(check_need(context, need));
  }
  PGFANOUT_TRY(check_references(context));
  return check_event_triggers(context);
}

}  // namespace pgfanout
