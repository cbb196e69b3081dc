#include "copier/plan/needed_objects.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/catalog/catalog_query.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

/// Parts of the definition: catalog, OID, column (0: all of it), what a person calls it, and
/// whether a missing object is an error here (else the carry-over tells it) and a function is
/// executed. $1: the table, $2: columns.
constexpr const char* kColumnParts =
    "SELECT 'pg_class'::regclass::oid, a.attrelid, a.attnum::int4, format('column %I', a.attname),"
    "  true, false FROM pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum = ANY ($2::int2[])"
    " UNION ALL SELECT 'pg_attrdef'::regclass, d.oid, 0, format('the %s of column %I',"
    "   CASE WHEN a.attgenerated <> '' THEN 'expression' ELSE 'default' END, a.attname),"
    "  true, a.attgenerated <> '' FROM pg_attrdef d"
    " JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
    " WHERE d.adrelid = $1::oid AND d.adnum = ANY ($2::int2[])";

constexpr const char* kDependentParts =
    "SELECT 'pg_constraint'::regclass::oid, k.oid, 0, format('constraint %I', k.conname), true,"
    "  true FROM pg_constraint k WHERE k.conrelid = $1::oid AND k.contype IN ('c', 'x')"
    " UNION ALL SELECT 'pg_class'::regclass, i.indexrelid, 0,"
    "  format('index %s', i.indexrelid::regclass), true, true"
    " FROM pg_index i WHERE i.indrelid = $1::oid"
    " UNION ALL SELECT 'pg_trigger'::regclass, t.oid, 0, format('trigger %I', t.tgname), false,"
    "  true FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid"
    " JOIN pg_namespace s ON s.oid = f.pronamespace AND s.nspname <> 'pgfanout'"
    " WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal"
    " UNION ALL SELECT 'pg_policy'::regclass, p.oid, 0, format('policy %I', p.polname), true,"
    "  false FROM pg_policy p WHERE p.polrelid = $1::oid"
    " UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, 0, format('rule %I', r.rulename), true,"
    "  false FROM pg_rewrite r WHERE r.ev_class = $1::oid"
    " UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, 0,"
    "  format('statistics %I', s.stxname), true, true"
    " FROM pg_statistic_ext s WHERE s.stxrelid = $1::oid";

/// {0}: the tree. Views stay in their database, where they are redefined.
constexpr const char* kViewParts =
    " UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, 0, format('view %s', v.oid::regclass), true,"
    "  v.relkind = 'm' FROM {0} JOIN pg_depend d ON d.refobjid = tree.oid"
    "  AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass"
    " JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class"
    "  AND v.relkind IN ('v', 'm')";

/// {0}: the parts, {1}: the tree. What they refer to outside of the table; the server's own objects
/// have no dependencies. Sequences of defaults are made where they are missing.
constexpr const char* kObjectsSql = R"sql(
WITH part(class, object, number, name, must_exist, executes) AS ({0}),
used AS (
  SELECT DISTINCT ON (d.refclassid, d.refobjid) d.refclassid AS class, d.refobjid AS object,
    p.name, p.must_exist, bool_or(p.executes) OVER (PARTITION BY d.refclassid, d.refobjid)
      AS executes
  FROM part p JOIN pg_depend d ON d.classid = p.class AND d.objid = p.object
    AND (d.objsubid = p.number OR p.class <> 'pg_class'::regclass) AND d.refclassid IN
      ('pg_proc'::regclass, 'pg_type'::regclass, 'pg_collation'::regclass, 'pg_class'::regclass,
       'pg_opclass'::regclass, 'pg_operator'::regclass, 'pg_ts_config'::regclass,
       'pg_ts_dict'::regclass)
  WHERE NOT EXISTS (SELECT FROM pg_depend o WHERE o.classid = p.class AND o.objid = p.object
    AND p.object <> $1::oid AND o.refclassid = 'pg_class'::regclass AND o.refobjid = $1::oid AND o.refobjsubid > 0
    AND o.refobjsubid <> ALL ($2::int2[]))
  AND NOT (d.refclassid = 'pg_class'::regclass AND (d.refobjid IN (SELECT tree.oid FROM {1})
    OR EXISTS (SELECT FROM pg_class c WHERE c.oid = d.refobjid AND c.relkind NOT IN
      ('r', 'p', 'v', 'm', 'f'))))
  AND NOT (d.refclassid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type t
    JOIN {1} ON tree.oid = t.typrelid WHERE d.refobjid IN (t.oid, t.typarray)))
  ORDER BY d.refclassid, d.refobjid, NOT p.must_exist, p.name)
SELECT u.class, u.object, u.name, u.must_exist, u.executes, i.type || ' ' || i.identity, a.type,
  a.object_names, a.object_args, (SELECT quote_ident(e.extname) FROM pg_depend x
    JOIN pg_extension e ON e.oid = x.refobjid WHERE x.classid = u.class AND x.objid = u.object
    AND x.refclassid = 'pg_extension'::regclass AND x.deptype = 'e' LIMIT 1), i.schema
FROM used u CROSS JOIN LATERAL pg_identify_object_as_address(u.class, u.object, 0) a
CROSS JOIN LATERAL pg_identify_object(u.class, u.object, 0) i ORDER BY i.type, i.identity)sql";

constexpr const char* kRightsSql =
    "SELECT has_schema_privilege(i.schema::regnamespace, 'USAGE'), CASE $1::oid"
    "  WHEN 'pg_proc'::regclass THEN has_function_privilege($2::oid, 'EXECUTE')"
    "  WHEN 'pg_type'::regclass THEN has_type_privilege($2::oid, 'USAGE') ELSE true END,"
    " quote_ident(CURRENT_USER) FROM pg_identify_object($1::oid, $2::oid, 0) i"
    " WHERE i.schema IS NOT NULL";

struct NeededObject {
  std::uint32_t catalog = 0;
  std::uint32_t oid = 0;
  std::string part;         ///< That needs it.
  bool must_exist = false;  ///< Here; else its absence is told elsewhere.
  bool is_executed = false;
  std::string identity;  ///< "function public.f(bigint)".
  std::string type;      ///< As pg_get_object_address takes it, with the next two.
  std::string names;
  std::string arguments;
  std::string extension;  ///< That it is a member of, quoted.
  std::string schema;     ///< Quoted.
};

class ObjectSearch {
 public:
  ObjectSearch(Connection& target, bool same_database)
      : target_(target), same_database_(same_database) {}

  Result<void> check(NeededObject object) {
    if (!same_database_) {
      const auto found = in_savepoint(target_, [&] {
        return target_.query("SELECT classid, objid FROM pg_get_object_address($1, $2, $3)",
                             {object.type, object.names, object.arguments});
      });
      if (!found && found.error().sqlstate == "42501") {
        tell_schema(object, "this role");
        return {};
      }
      if (!found && found.error().sqlstate.empty()) return found.error();
      if (!found) {
        if (object.must_exist) tell_missing(object);
        return {};
      }
      object.catalog = found->oid(0, 0);
      object.oid = found->oid(0, 1);
    }
    return check_rights(object);
  }

  [[nodiscard]] std::vector<Issue> take_issues() { return std::move(issues_); }

 private:
  Result<void> check_rights(const NeededObject& object) {
    PGFANOUT_TRY_ASSIGN(
        const Rows rights,
        target_.query(kRightsSql, {std::to_string(object.catalog), std::to_string(object.oid)}));
    if (rights.size() == 0) return {};
    if (!rights.boolean(0, 0)) {
      tell_schema(object, rights.str(0, 2));
    } else if (!rights.boolean(0, 1) && (object.is_executed || object.type == "type")) {
      const bool is_type = object.type == "type";
      issues_.push_back({Severity::error, "no-privilege",
                         fmt::format("role {} cannot {} {}, which {} needs", rights.text(0, 2),
                                     is_type ? "use" : "execute", object.identity, object.part),
                         object.identity,
                         fmt::format("GRANT {} ON {} TO {}", is_type ? "USAGE" : "EXECUTE",
                                     statement_name(object), rights.text(0, 2))});
    }
    return {};
  }

  /// "FUNCTION public.f(bigint)".
  static std::string statement_name(const NeededObject& object) {
    const std::size_t blank = object.type.size() + 1;
    const std::string kind = object.type == "type" ? "TYPE" : "FUNCTION";
    return fmt::format("{} {}", kind,
                       object.identity.substr(std::min(blank, object.identity.size())));
  }

  void tell_missing(const NeededObject& object) {
    issues_.push_back(
        {Severity::error, "object-missing",
         fmt::format("{} needs {}, which the target's database does not have", object.part,
                     object.identity),
         object.identity,
         object.extension.empty()
             ? "create it there as it is in the source's database"
             : fmt::format("CREATE EXTENSION {} in the target's database", object.extension)});
  }

  /// Once for each schema.
  void tell_schema(const NeededObject& object, const std::string& role) {
    for (const Issue& issue : issues_) {
      if (issue.where == object.schema) return;
    }
    issues_.push_back({Severity::error, "no-privilege",
                       fmt::format("role {} cannot use schema {}, where {} is, which {} needs",
                                   role, object.schema, object.identity, object.part),
                       object.schema,
                       fmt::format("GRANT USAGE ON SCHEMA {} TO {}", object.schema, role)});
  }

  Connection& target_;
  const bool same_database_;
  std::vector<Issue> issues_;
};

}  // namespace

Result<std::vector<Issue>> find_unusable_objects(Connection& source, Connection& target,
                                                 bool same_database, const Table& table,
                                                 const std::vector<std::int64_t>& columns,
                                                 NeededBy needed_by) {
  std::string parts = needed_by == NeededBy::columns ? kColumnParts : kDependentParts;
  if (needed_by == NeededBy::dependents && same_database) {
    parts += fmt::format(kViewParts, kTableTree);
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      source.query(fmt::format(kObjectsSql, parts, kTableTree),
                   {std::to_string(table.oid), fmt::format("{{{}}}", fmt::join(columns, ","))}));
  ObjectSearch search(target, same_database);
  for (int row = 0; row < rows.size(); ++row) {
    NeededObject object;
    read_row(rows, row, object.catalog, object.oid, object.part, object.must_exist,
             object.is_executed, object.identity, object.type, object.names, object.arguments,
             object.extension, object.schema);
    // The plan of the columns tells types that are missing.
    object.must_exist =
        object.must_exist && (needed_by == NeededBy::dependents || object.type != "type");
    PGFANOUT_TRY(search.check(std::move(object)));
  }
  return search.take_issues();
}

}  // namespace pgfanout
