// Routines that take or return rows of the table. Their row type stays with the old table, so the
// swap sets each aside under another name, with everything that it is, and creates it again, by the
// same text, for the rows of the new table. A rollback gives the old one its name back.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

/// Those with parsed bodies last, since these may call the others. $2: the table gains a column; a
/// body that returns whole rows then returns it too. {}: row_type_tables().
constexpr const char* kRoutinesSql = R"sql(
WITH {}
SELECT p.oid, n.nspname, p.proname, i.type, i.identity, p.oid::regprocedure::text,
  pg_get_functiondef(p.oid), pg_get_userbyid(p.proowner), obj_description(p.oid, 'pg_proc'),
  CASE WHEN EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
      AND d.objid = p.oid AND d.deptype IN ('e', 'x'))
    THEN 'it belongs to an extension'
    WHEN EXISTS (SELECT FROM pg_depend d JOIN pg_type y ON y.oid = d.refobjid
      LEFT JOIN pg_type e ON e.oid = y.typelem WHERE d.classid = 'pg_proc'::regclass
      AND d.objid = p.oid AND d.refclassid = 'pg_type'::regclass
      AND COALESCE(NULLIF(y.typrelid, 0), e.typrelid) IN (
        SELECT t.relid FROM pg_partition_tree($1::oid::regclass) t WHERE t.relid <> $1::oid))
    THEN 'it names a partition of the table'
    WHEN EXISTS (SELECT FROM pg_seclabel l WHERE l.classoid = 'pg_proc'::regclass
      AND l.objoid = p.oid)
    THEN 'it has a security label'
    WHEN $2::boolean AND p.prosqlbody IS NOT NULL AND p.prorettype IN (SELECT oid FROM row_type)
      AND strpos(pg_get_function_sqlbody(p.oid), '.*::' || format_type(p.prorettype, NULL)) = 0
    THEN 'its parsed body returns the columns that the table has today, and goes on reading the old'
      ' table'
    WHEN (p.proleakproof OR p.prosupport <> 0 OR NOT l.lanpltrusted)
      AND NOT (SELECT u.rolsuper FROM pg_roles u WHERE u.rolname = CURRENT_USER)
    THEN 'only a superuser may create it' END
FROM row_routine r JOIN pg_proc p ON p.oid = r.oid JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) i
WHERE p.prokind <> 'a' ORDER BY p.prosqlbody IS NOT NULL, p.oid)sql";

struct Routine {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  std::string kind;       ///< "function" or "procedure".
  std::string identity;   ///< For people.
  std::string signature;  ///< For the server: of the new one once the table is renamed.
  std::string definition;
  std::string owner;
  std::optional<std::string> comment;
  std::string obstacle;
};

/// Objects that need the row type, and the routine that they call; NULL: they use whole rows of
/// their table, and a partitioned table cannot have them. {0}: row_type_tables(); {1}: kTableTree.
constexpr const char* kUsersSql = R"sql(
WITH {0}
SELECT 'c', k.oid, NULL FROM {1} JOIN pg_constraint k ON k.conrelid = tree.oid
WHERE k.conbin::text ~ ':varattno 0 '
UNION ALL SELECT 'i', i.indexrelid, NULL FROM {1} JOIN pg_index i ON i.indrelid = tree.oid
WHERE concat(i.indexprs, i.indpred) ~ ':varattno 0 '
UNION ALL SELECT CASE d.classid WHEN 'pg_trigger'::regclass THEN 't'
    WHEN 'pg_policy'::regclass THEN 'p' WHEN 'pg_rewrite'::regclass THEN 'r'
    WHEN 'pg_constraint'::regclass THEN 'c' ELSE 'i' END,
  d.objid, min(d.refobjid::regprocedure::text)
FROM pg_depend d JOIN row_routine r ON r.oid = d.refobjid
WHERE d.refclassid = 'pg_proc'::regclass AND d.deptype IN ('n', 'a') AND d.classid IN (
  'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass,
  'pg_constraint'::regclass, 'pg_class'::regclass)
GROUP BY 1, 2)sql";

/// A body by text names columns that nobody can find in it.
bool has_same_columns(const CarryDraft& draft) {
  const auto& matches = draft.columns.matches();
  return std::all_of(matches.begin(), matches.end(), [](const ColumnMatch& match) {
    return match.target == match.source->name && !match.is_changed;
  });
}

Result<void> carry_routine(CarryDraft& draft, const Routine& routine) {
  std::string obstacle = routine.obstacle;
  if (!has_same_columns(draft)) obstacle = "columns of the table change, and it may name them";
  if (!draft.request.same_database) obstacle = "the target is in another database";
  if (!obstacle.empty()) {
    draft.leave_behind(
        routine.kind, routine.identity,
        fmt::format("it takes or returns rows of the old table, and {}: after the swap every call "
                    "with a row of the new table fails, for example with \"function ... does not "
                    "exist\" or \"return type mismatch\"",
                    obstacle),
        "drop it before the swap and create it again after it, or accept by this name that it "
        "stays with the old table (which cleanup then cannot drop)");
    return {};
  }
  const std::string number = std::to_string(routine.oid);
  const std::string set_aside = suffixed_name(routine.name, "_backup_" + number);
  const std::string made_once = suffixed_name(routine.name, "_new_" + number);
  // The name of a type in its signature changes with the table: the OID does not.
  const auto rename_old = [&](const std::string& name) {
    return do_block(
        fmt::format("BEGIN EXECUTE pg_catalog.concat('ALTER ROUTINE ', "
                    "{}::pg_catalog.regprocedure, {}); END",
                    number, draft.quoted(" RENAME TO " + quoted_name(name))));
  };
  CarriedMove move;
  move.what = fmt::format("{} {}", routine.kind, routine.identity);
  // A body may rely on the application's search_path, which this session has not.
  move.forward = {rename_old(set_aside), "SET LOCAL check_function_bodies = off",
                  routine.definition};
  PGFANOUT_TRY_ASSIGN(std::string revoke,
                      revoke_defaults(draft, "ROUTINE", routine.schema, routine.signature));
  move.forward.push_back(std::move(revoke));
  move.forward.push_back(
      fmt::format("ALTER ROUTINE {} OWNER TO {}", routine.signature, quoted_name(routine.owner)));
  PGFANOUT_TRY_ASSIGN(std::string grants,
                      grants_of(draft, {routine.oid, "ROUTINE", routine.signature, false}));
  if (!grants.empty()) move.forward.push_back(std::move(grants));
  if (routine.comment) {
    move.forward.push_back(fmt::format("COMMENT ON ROUTINE {} IS {}", routine.signature,
                                       draft.quoted(*routine.comment)));
  }
  move.backward = {
      fmt::format("ALTER ROUTINE {} RENAME TO {}", routine.signature, quoted_name(made_once)),
      rename_old(routine.name)};
  // Views use it until they are restored.
  move.restored = {fmt::format("DROP ROUTINE {}", quoted_name(routine.schema, made_once))};
  draft.plan.moves.push_back(std::move(move));
  draft.plan.routines.push_back({routine.oid, routine.schema, set_aside});
  return {};
}

}  // namespace

std::string row_type_tables() {
  return fmt::format(R"sql(row_type(oid) AS (
  SELECT y.oid FROM {0} JOIN pg_type t ON t.typrelid = tree.oid
  JOIN pg_type y ON y.oid IN (t.oid, t.typarray)),
row_routine(oid) AS (SELECT DISTINCT d.objid FROM row_type y JOIN pg_depend d
  ON d.refclassid = 'pg_type'::regclass AND d.refobjid = y.oid
  AND d.classid = 'pg_proc'::regclass AND d.deptype IN ('n', 'a')))sql",
                     kTableTree);
}

std::string CarryDraft::row_type_obstacle(CarriedClass of, std::uint32_t source_oid) const {
  const auto found = row_type_users.find({of, source_oid});
  return found == row_type_users.end() ? std::string() : found->second;
}

Result<void> find_row_type_users(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      draft.read(fmt::format(kUsersSql, row_type_tables(), kTableTree)));
  for (int row = 0; row < rows.size(); ++row) {
    const std::pair key{static_cast<CarriedClass>(rows.text(row, 0).front()), rows.oid(row, 1)};
    draft.row_type_users.emplace(
        key, rows.is_null(row, 2)
                 ? std::string("it uses whole rows of the table, which a partitioned table cannot "
                               "have in checks and indexes")
                 : fmt::format("it calls {}, which takes or returns rows of the table: there is "
                               "none for the new table before the swap",
                               rows.text(row, 2)));
  }
  return {};
}

Result<void> carry_routines(CarryDraft& draft) {
  const auto& key = draft.request.key_column;
  const bool gains_column = key && draft.request.source.find(*key) == nullptr;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      draft.source.query(fmt::format(kRoutinesSql, row_type_tables()),
                         {draft.oid, std::string(gains_column ? "true" : "false")}));
  for (int row = 0; row < rows.size(); ++row) {
    Routine routine;
    read_row(rows, row, routine.oid, routine.schema, routine.name, routine.kind, routine.identity,
             routine.signature, routine.definition, routine.owner, routine.comment,
             routine.obstacle);
    PGFANOUT_TRY(carry_routine(draft, routine));
  }
  return {};
}

}  // namespace pgfanout
