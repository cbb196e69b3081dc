// Impact on the application's statements after the swap, by the way in which later rows get their
// key. Objects are found by pg_depend where the catalog knows them, by the text of functions where
// it does not.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/preflight/preflight.h"

namespace pgfanout {
namespace {

using Names = std::vector<std::string>;

/// Objects that depend on the table, its leaves, its columns or its row type, by kind:
/// (v)iew, (f)unction, rule or policy elsewhere, or (o)ther; the leaf that they name; and a
/// function's name in the plan that carries objects over. Without the table's own objects
/// (indexes, triggers, policies, ...), which are carried over. {0}: kTableTree.
constexpr const char* kBoundSql = R"sql(
WITH tree AS (SELECT tree.oid FROM {0}), bound(class, oid, leaf) AS (
  SELECT 'pg_class'::regclass::oid, tree.oid, NULLIF(tree.oid, $1::oid) FROM tree
  UNION ALL
  SELECT 'pg_type'::regclass, y.oid, NULLIF(tree.oid, $1::oid)
    FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_type r ON r.oid = c.reltype
    JOIN pg_type y ON y.oid IN (r.oid, r.typarray)),
dependent AS (SELECT d.classid, d.objid, d.objsubid, min(bound.leaf::int8) AS leaf,
    bool_or(bound.class = 'pg_type'::regclass) AS by_type
  FROM bound JOIN pg_depend d ON d.refclassid = bound.class AND d.refobjid = bound.oid
  WHERE d.deptype IN ('n', 'a') GROUP BY 1, 2, 3)
SELECT found.name, found.kind, d.leaf::oid::regclass::text, CASE found.kind WHEN 'f' THEN (
    SELECT format('%s %s', i.type, i.identity)
    FROM pg_identify_object(d.classid, d.objid, d.objsubid) i) END
FROM dependent d CROSS JOIN LATERAL (
  SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' WHEN 'v' THEN 'view '
      ELSE format('rule %I on ', r.rulename) END || r.ev_class::regclass::text AS name,
    CASE WHEN c.relkind IN ('v', 'm') THEN 'v' ELSE 'f' END AS kind
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    AND r.ev_class NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT 'function ' || p.oid::regprocedure::text || CASE WHEN d.by_type
      THEN ' (row type)' ELSE ' (BEGIN ATOMIC)' END, 'f'
    FROM pg_proc p WHERE d.classid = 'pg_proc'::regclass AND p.oid = d.objid
  UNION ALL
  SELECT format('column %s.%I (row type)', c.oid::regclass, a.attname), 'o'
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE d.classid = 'pg_class'::regclass AND c.oid = d.objid
    AND a.attnum = d.objsubid AND d.objsubid > 0 AND d.by_type
    AND c.oid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT 'type ' || format_type(y.oid, NULL) || ' (row type)', 'o' FROM pg_type y
    WHERE d.classid = 'pg_type'::regclass AND y.oid = d.objid AND d.by_type AND y.typtype = 'd'
  UNION ALL
  SELECT format('policy %I on %s', p.polname, p.polrelid::regclass), 'f' FROM pg_policy p
    WHERE d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    AND p.polrelid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT format('default of %s.%I', f.adrelid::regclass, a.attname), 'o'
    FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
    AND f.adrelid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT format('constraint %I on %s', k.conname, k.conrelid::regclass), 'o' FROM pg_constraint k
    WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
    AND k.contype <> 'f' AND k.conrelid <> 0 AND k.conrelid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT format('trigger %I on %s', t.tgname, t.tgrelid::regclass), 'o' FROM pg_trigger t
    WHERE d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    AND NOT t.tgisinternal AND t.tgrelid NOT IN (SELECT oid FROM tree)
  UNION ALL
  SELECT format('cast from %s to %s', format_type(s.castsource, NULL),
      format_type(s.casttarget, NULL)), 'o'
    FROM pg_cast s WHERE d.classid = 'pg_cast'::regclass AND s.oid = d.objid
  UNION ALL
  SELECT format('operator %s', o.oid::regoperator), 'o' FROM pg_operator o
    WHERE d.classid = 'pg_operator'::regclass AND o.oid = d.objid
) found ORDER BY 2, 1)sql";

/// Functions by their text; a BEGIN ATOMIC body as the server prints it.
constexpr const char* kByTextSql = R"sql(
SELECT 'function ' || p.oid::regprocedure::text
  || CASE WHEN p.prosqlbody IS NULL THEN ' (by text)' ELSE ' (BEGIN ATOMIC)' END,
  (SELECT string_agg(format('trigger %I on %s', t.tgname,
     t.tgrelid::regclass), ', ' ORDER BY t.tgname, t.tgrelid)
   FROM pg_trigger t WHERE t.tgfoid = p.oid AND NOT t.tgisinternal AND t.tgparentid = 0)
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
CROSS JOIN LATERAL (SELECT COALESCE(pg_get_function_sqlbody(p.oid), p.prosrc) AS text) body
WHERE l.lanname NOT IN ('c', 'internal') AND p.pronamespace NOT IN (
    SELECT n.oid FROM pg_namespace n
    WHERE n.nspname IN ('pg_catalog', 'information_schema', 'pgfanout'))
  AND body.text ~* $1 AND ($2 = '' OR body.text ~* $2)
ORDER BY 1)sql";

/// Views that take inserts for the table, and rules that make some.
constexpr const char* kInsertPathsSql = R"sql(
SELECT DISTINCT CASE WHEN c.relkind = 'v' THEN 'view ' || c.oid::regclass::text
    ELSE format('rule %I on %s', r.rulename, c.oid::regclass) END
FROM {0} JOIN pg_depend d ON d.refobjid = tree.oid
  AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
WHERE (c.relkind = 'v' AND r.ev_type = '1'
    AND pg_relation_is_updatable(c.oid::regclass, true) & 8 <> 0)
  OR (r.ev_type <> '1' AND pg_get_ruledef(r.oid) ~* $2)
ORDER BY 1)sql";

/// A row for each column of each key or unique index.
constexpr const char* kUniqueSql = R"sql(
SELECT i.indexrelid, COALESCE(quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid),
    format('%I UNIQUE INDEX (%s)', c.relname, (
      SELECT string_agg(pg_get_indexdef(i.indexrelid, place, false), ', ' ORDER BY place)
      FROM generate_series(1, i.indnkeyatts::int4) place))) AS text, a.attname
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
  AND k.contype IN ('p', 'u')
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS part(number, place)
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = part.number
WHERE i.indrelid = $1::oid AND i.indisunique AND part.place <= i.indnkeyatts
ORDER BY NOT i.indisprimary, text, i.indexrelid, part.place)sql";

/// Views and functions whose GROUP BY rests on the primary key.
constexpr const char* kGroupedSql = R"sql(
SELECT DISTINCT CASE WHEN c.relkind = 'm' THEN 'materialized view ' ELSE 'view ' END
    || c.oid::regclass::text
FROM pg_constraint k JOIN pg_depend d ON d.refobjid = k.oid
  AND d.refclassid = 'pg_constraint'::regclass AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
WHERE k.conrelid = $1::oid AND k.contype = 'p'
UNION SELECT 'function ' || d.objid::regprocedure::text || ' (BEGIN ATOMIC)'
FROM pg_constraint k JOIN pg_depend d ON d.refobjid = k.oid
  AND d.refclassid = 'pg_constraint'::regclass AND d.classid = 'pg_proc'::regclass
WHERE k.conrelid = $1::oid AND k.contype = 'p' ORDER BY 1)sql";

/// Functions of the table's triggers that use all columns of a row, whatever they are.
constexpr const char* kRowStoringSql = R"sql(
SELECT format('function %s, called by trigger %s', p.oid::regprocedure,
  string_agg(quote_ident(t.tgname), ', ' ORDER BY t.tgname))
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND p.prosrc ~* '\y(new|old)\y[\s)]*\.\s*\*'
GROUP BY p.oid ORDER BY 1)sql";

/// A row for each column that they refer to.
constexpr const char* kInboundKeysSql =
    "SELECT k.oid, format('%I on %s', k.conname, k.conrelid::regclass) AS name, a.attname"
    " FROM pg_constraint k CROSS JOIN LATERAL unnest(k.confkey) number"
    " JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = number"
    " WHERE k.confrelid = $1::oid AND k.contype = 'f' AND k.conparentid = 0 ORDER BY name, k.oid";

/// Objects that depend on the table, by kind.
struct BoundObjects {
  Names views;           ///< And materialized ones.
  Names functions;       ///< And rules and policies elsewhere: the swap creates them again.
  Names lost_functions;  ///< The same, but they stay with the old table.
  Names others;          ///< Columns and types of the row type, policies, rules, ...
  Names by_leaf;         ///< Those among them that name a leaf.
};

/// A key of the table, a unique index without a constraint, or a foreign key to the table.
struct UniqueKey {
  std::string text;  ///< "chunks_pkey PRIMARY KEY (id, collection_id)".
  Names columns;     ///< Without expressions.
};

/// A regular expression of the server's for that text and no other.
std::string literal_pattern(std::string_view text) {
  std::string pattern;
  for (const char byte : text) {
    if (!starts_sql_name(byte) && !is_sql_digit(byte)) pattern += '\\';
    pattern += byte;
  }
  return pattern;
}

/// A regular expression for the table as SQL may name it: with or without schema and quotes.
std::string name_pattern(const Table& table) {
  return fmt::format(R"re((?:"?{}"?\s*\.\s*)?"?{}(?![\w$])"?)re", literal_pattern(table.schema),
                     literal_pattern(table.name));
}

void append(Names& to, Names from) {
  for (std::string& name : from) {
    if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(std::move(name));
  }
}

bool holds(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Lists the impact for one table; each step appends one kind of statement.
class ImpactFinder {
 public:
  ImpactFinder(const JobDescription& job, const CopyPlan& plan, const CarryPlan& carry,
               Connection& source)
      : plan_(plan), carry_(carry), source_(source), table_(name_pattern(plan.source)) {
    const LayoutKind& kind = layout_kind_of(job);
    const LayoutRules rules = kind.rules(job);
    is_checked_ = rules.checks_key;
    may_have_keys_ = rules.by_columns;
    note_ = kind.note(job, plan.key.column);
    stores_key_ = plan.key.column.has_value();
    supplies_key_ = stores_key_ && !plan.key.is_generated;
    is_own_column_ =
        supplies_key_ && parse_identifier(plan.key.expression.sql()) == plan.key.column;
    key_name_ = stores_key_ ? display_name(*plan.key.column) : "";
    key_call_ = carry.key_function.empty() ? plan.key.sql_on_target : carry.key_function;
    for (const std::size_t used : plan.key.expression.used_columns()) {
      key_inputs_.push_back(plan.source.columns[used].name);
    }
  }

  Result<std::vector<Impact>> find() {
    PGFANOUT_TRY_ASSIGN(keys_, read_keys(kUniqueSql));
    PGFANOUT_TRY(find_bound_objects());
    judge_models();
    PGFANOUT_TRY(judge_inserts());
    PGFANOUT_TRY(judge_updates());
    judge_moves();
    PGFANOUT_TRY(judge_conflicts());
    judge_uniqueness();
    PGFANOUT_TRY(judge_inbound_keys());
    PGFANOUT_TRY(judge_groups());
    judge_pruning();
    PGFANOUT_TRY(judge_prepared());
    PGFANOUT_TRY(judge_stored_rows());
    judge_columns();
    judge_grants();
    judge_bound();
    PGFANOUT_TRY(judge_leaf_names());
    return std::move(found_);
  }

 private:
  Result<void> find_bound_objects();
  /// Functions whose text matches `pattern`, and `also` if that is not empty, with the triggers
  /// that call them. Both are regular expressions of the server, without regard to case.
  Result<Names> find_by_text(const std::string& pattern, const std::string& also = {});
  /// The first column of a query with the table's OID as $1.
  Result<Names> names(std::string_view sql, std::vector<Parameter> more = {});
  void judge_models();
  Result<void> judge_inserts();
  Result<void> judge_updates();
  void judge_moves();
  Result<void> judge_conflicts();
  void judge_uniqueness();
  Result<void> judge_inbound_keys();
  Result<void> judge_groups();
  void judge_pruning();
  Result<void> judge_prepared();
  Result<void> judge_stored_rows();
  void judge_columns();
  void judge_grants();
  void judge_bound();
  Result<void> judge_leaf_names();

  void add(std::string what, Names objects, std::string advice) {
    found_.push_back({std::move(what), std::move(objects), std::move(advice)});
  }
  [[nodiscard]] std::string inputs_text() const {
    return fmt::format("{}", fmt::join(key_inputs_, ", "));
  }
  /// Whether SELECT * gives the same columns after the swap.
  [[nodiscard]] bool has_same_columns() const;
  /// Whether the new layout removes a key of these columns from the parent, or adds one to it.
  [[nodiscard]] bool changes(const Names& key) const {
    const Names& needed = plan_.target.partition_columns;
    return !may_have_keys_ || !std::all_of(needed.begin(), needed.end(),
                                           [&](const auto& name) { return holds(key, name); });
  }
  /// A row for each of their columns: OID, text, column.
  Result<std::vector<UniqueKey>> read_keys(const char* sql);
  [[nodiscard]] std::string partition_columns_text() const {
    return joined(plan_.target.partition_columns, ", ", display_name);
  }

  const CopyPlan& plan_;
  const CarryPlan& carry_;
  Connection& source_;
  const std::string table_;     ///< name_pattern() of the source.
  bool is_checked_ = false;     ///< A wrong key is refused.
  bool may_have_keys_ = false;  ///< The parent: those that contain the partition columns.
  std::string note_;            ///< The layout's own, in a sentence.
  bool stores_key_ = false;
  bool supplies_key_ = false;   ///< Inserts must.
  bool is_own_column_ = false;  ///< They do already: the key is a column of the source.
  std::string key_name_;
  std::string key_call_;  ///< SQL for the application: a call, or the expression.
  Names key_inputs_;
  std::vector<UniqueKey> keys_;
  BoundObjects bound_;
  std::vector<Impact> found_;
};

Result<Names> ImpactFinder::names(std::string_view sql, std::vector<Parameter> more) {
  more.insert(more.begin(), std::to_string(plan_.source.oid));
  PGFANOUT_TRY_ASSIGN(const Rows rows, source_.query(sql, more));
  return rows.column(0);
}

Result<Names> ImpactFinder::find_by_text(const std::string& pattern, const std::string& also) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, source_.query(kByTextSql, {pattern, also}));
  Names found = rows.column(0);
  for (int row = 0; row < rows.size(); ++row) {
    if (rows.is_null(row, 1)) continue;
    found[static_cast<std::size_t>(row)] += fmt::format(", called by {}", rows.text(row, 1));
  }
  return found;
}

Result<std::vector<UniqueKey>> ImpactFinder::read_keys(const char* sql) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, source_.query(sql, {std::to_string(plan_.source.oid)}));
  std::vector<UniqueKey> keys;
  for (int row = 0; row < rows.size(); ++row) {
    if (row == 0 || rows.oid(row, 0) != rows.oid(row - 1, 0))
      keys.push_back({rows.str(row, 1), {}});
    if (!rows.is_null(row, 2)) keys.back().columns.push_back(rows.str(row, 2));
  }
  return keys;
}

Result<void> ImpactFinder::find_bound_objects() {
  PGFANOUT_TRY_ASSIGN(const Rows rows, source_.query(fmt::format(kBoundSql, kTableTree),
                                                     {std::to_string(plan_.source.oid)}));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string_view kind = rows.text(row, 1);
    const bool is_lost = std::any_of(
        carry_.not_carried.begin(), carry_.not_carried.end(),
        [&](const NotCarried& left) { return left.kind + " " + left.name == rows.text(row, 3); });
    (kind == "v"   ? bound_.views
     : kind != "f" ? bound_.others
     : is_lost     ? bound_.lost_functions
                   : bound_.functions)
        .push_back(rows.str(row, 0));
    if (!rows.is_null(row, 2)) {
      bound_.by_leaf.push_back(fmt::format("{}: {}", rows.text(row, 0), rows.text(row, 2)));
    }
  }
  return {};
}

/// The operations of an ORM at a glance; the other items are about statements and their reasons.
void ImpactFinder::judge_models() {
  if (is_own_column_) {
    add(fmt::format("models of an ORM need no change: {} is a column already", key_name_), {},
        "create, bulk insert, reading, update, delete and relationships work as they are; an "
        "upsert names the columns of a unique constraint");
    return;
  }
  if (may_have_keys_ && !stores_key_) {
    add("models of an ORM need no change; " + note_, {},
        "create, bulk insert, reading, update, delete and relationships work as they are");
    Names same;
    for (const UniqueKey& key : keys_) {
      if (!changes(key.columns)) same.push_back(key.text);
    }
    if (same.empty()) return;
    add("unique constraints need no change", std::move(same),
        "ON CONFLICT, GROUP BY and foreign keys that rest on them work as they are");
    return;
  }
  std::string more = "; docs/APPLICATION.md has each operation by key mode, with recipes";
  if (!carry_.key_function.empty()) {
    more = fmt::format("; {} {}{}", supplies_key_ ? "the function" : key_call_,
                       carry_.key_function_changes ? "changes with the swap, not before"
                                                   : "is made before the swap (stage constraints)",
                       more);
  }
  if (supplies_key_) {
    add(fmt::format("models of an ORM map {}, with the value {}", key_name_, key_call_), {},
        fmt::format("set it in create, bulk insert and upsert, and when {} changes; reading, other "
                    "updates, delete and relationships work as they are{}",
                    inputs_text(), more));
    return;
  }
  add(stores_key_ ? fmt::format("models of an ORM need no change; {} may be mapped, as a computed "
                                "column",
                                key_name_)
                  : "models of an ORM need no change",
      {},
      "create, bulk insert, reading, update, delete and relationships work as they are; an upsert "
      "by columns does not" +
          more);
}

Result<void> ImpactFinder::judge_inserts() {
  if (!supplies_key_) return {};
  PGFANOUT_TRY_ASSIGN(Names objects, find_by_text(fmt::format(
                                         R"((insert\s+into|merge\s+into|copy)\s+{})", table_)));
  PGFANOUT_TRY_ASSIGN(Names paths, names(fmt::format(kInsertPathsSql, kTableTree),
                                         {fmt::format(R"(insert\s+into\s+{})", table_)}));
  append(objects, std::move(paths));
  const char* wrong_value = !plan_.target.is_new ? "the target decides about a wrong value"
                            : is_checked_        ? "a wrong value is refused"
                                                 : "nothing refuses a wrong value";
  if (is_own_column_) {
    if (plan_.source.columns.back().name == *plan_.key.column) return {};
    add(fmt::format("inserts must name their columns; {} is the last column now", key_name_),
        std::move(objects), "add the column list to an INSERT or COPY that has none");
    return {};
  }
  add(fmt::format("inserts must supply {}; {}", key_name_, wrong_value), std::move(objects),
      fmt::format("add {} to the column list, with the value {}; an INSERT or COPY without it, or "
                  "without a column list, fails with \"no partition of relation found for row\"; a "
                  "view that takes inserts needs the column as well. with --key-mode generated, "
                  "inserts need no change",
                  key_name_, key_call_));
  return {};
}

Result<void> ImpactFinder::judge_updates() {
  if (!supplies_key_ || is_own_column_) return {};
  Names columns;
  for (const std::string& name : key_inputs_) columns.push_back(literal_pattern(name));
  PGFANOUT_TRY_ASSIGN(
      Names objects,
      find_by_text(
          fmt::format(R"(update\s+(only\s+)?{0}|insert\s+into\s+{0}.*do\s+update)", table_),
          fmt::format(R"(\y({})\y"?\s*=)", fmt::join(columns, "|"))));
  add(fmt::format("updates of {} must set {} too", inputs_text(), key_name_), std::move(objects),
      is_checked_ ? fmt::format("set {} = {} in the same statement; without it the CHECK refuses "
                                "the row",
                                key_name_, key_call_)
                  : fmt::format("set {} = {} in the same statement; without it the row stays in "
                                "the wrong leaf and is not found by its key",
                                key_name_, key_call_));
  return {};
}

/// By columns that updates could change before without moving a row.
void ImpactFinder::judge_moves() {
  const Names& columns = plan_.target.partition_columns;
  if (stores_key_ || columns.empty() || plan_.source.partition_columns == columns) return;
  add(fmt::format("an update of {} may move the row to another leaf", partition_columns_text()), {},
      "the server deletes and inserts it: row triggers for DELETE and INSERT run too, and a "
      "transaction that updates the same row at that moment fails with \"tuple to be locked was "
      "already moved to another partition\" and must be retried");
}

Result<void> ImpactFinder::judge_conflicts() {
  Names objects;
  for (const UniqueKey& key : keys_) {
    if (changes(key.columns)) objects.push_back(key.text);
  }
  if (objects.empty()) return {};
  PGFANOUT_TRY_ASSIGN(Names functions, find_by_text(fmt::format(R"(insert\s+into\s+{})", table_),
                                                    R"(on\s+conflict)"));
  append(objects, std::move(functions));
  add("ON CONFLICT targets no longer match a unique constraint", std::move(objects),
      may_have_keys_
          ? fmt::format("add {} to the columns after ON CONFLICT; ON CONFLICT ON CONSTRAINT and ON "
                        "CONFLICT DO NOTHING without columns still work",
                        partition_columns_text())
          : "a table listed by an expression has no unique constraint of its own: write ON "
            "CONFLICT DO NOTHING without columns, or insert into the leaf, or use --key-mode "
            "check");
  return {};
}

void ImpactFinder::judge_uniqueness() {
  Names weaker;
  for (const UniqueKey& key : keys_) {
    const bool covers =
        std::all_of(key_inputs_.begin(), key_inputs_.end(),
                    [&](const std::string& name) { return holds(key.columns, name); });
    if (!covers && changes(key.columns)) weaker.push_back(key.text);
  }
  if (weaker.empty()) return;
  add("uniqueness holds within one leaf only", std::move(weaker),
      fmt::format("two rows may have equal values in these columns if they differ in {}: make the "
                  "key from columns of every unique constraint, or enforce it in the application",
                  inputs_text()));
}

Result<void> ImpactFinder::judge_inbound_keys() {
  PGFANOUT_TRY_ASSIGN(const std::vector<UniqueKey> references, read_keys(kInboundKeysSql));
  Names objects;
  Names staying;
  for (const UniqueKey& reference : references) {
    (changes(reference.columns) ? objects : staying).push_back(reference.text);
  }
  if (!staying.empty()) {
    add("foreign keys that refer to the table stay", std::move(staying),
        "they refer to the new table after the swap");
  }
  if (objects.empty()) return {};
  add("foreign keys that refer to the table find no unique constraint", std::move(objects),
      may_have_keys_ ? fmt::format("give the referring tables a column for {} and refer to the new "
                                   "key, or let the application or a trigger keep the reference",
                                   partition_columns_text())
                     : "let the application or a trigger keep the reference, or use --key-mode "
                       "check and refer to the new key");
  return {};
}

Result<void> ImpactFinder::judge_groups() {
  const auto& key = plan_.source.primary_key;
  if (key.empty() || !changes(key)) return {};
  PGFANOUT_TRY_ASSIGN(Names objects, names(kGroupedSql));
  add(fmt::format("GROUP BY {} no longer covers the other columns", fmt::join(key, ", ")),
      std::move(objects),
      may_have_keys_ ? fmt::format("add {} to GROUP BY, or name every column that is selected",
                                   partition_columns_text())
                     : "name every column that is selected in GROUP BY, or aggregate it");
  return {};
}

void ImpactFinder::judge_pruning() {
  Names now;
  if (!plan_.source.partition_key.empty()) {
    now.push_back("partitioned today by " + plan_.source.partition_key);
  }
  const std::string named = partition_columns_text();
  if (may_have_keys_ && !stores_key_) {
    add(named.empty() ? "every query reads the one table, by its indexes"
                      : fmt::format("only conditions on {} pick leaves", named),
        std::move(now),
        named.empty()
            ? "conditions that only picked a leaf are no longer needed, and do no harm; jobs that "
              "create or drop partitions have nothing to do any more"
            : fmt::format("a query that does not name {} reads all {} leaves", named,
                          plan_.target.leaves.size()));
    return;
  }
  add(named.empty() ? "only conditions on the whole key expression pick one leaf"
                    : fmt::format("only conditions on {} pick one leaf", named),
      std::move(now),
      is_own_column_
          ? "a query that does not name it reads all leaves"
          : fmt::format(
                "a query that names {0} alone reads all {1} leaves: add the condition {2} = {3}, "
                "with the query's own value for {0} on the right",
                inputs_text(), plan_.target.leaves.size(), named.empty() ? key_call_ : named,
                key_call_));
}

bool ImpactFinder::has_same_columns() const {
  return !stores_key_ && plan_.stream.columns.size() == plan_.source.columns.size() &&
         std::all_of(plan_.stream.columns.begin(), plan_.stream.columns.end(),
                     [&](const StreamColumn& column) {
                       const Column* same = plan_.source.find(column.target_column);
                       return same != nullptr && same->quoted == column.source_sql;
                     });
}

Result<void> ImpactFinder::judge_stored_rows() {
  if (has_same_columns()) return {};
  PGFANOUT_TRY_ASSIGN(Names objects, names(kRowStoringSql));
  if (objects.empty()) return {};
  add("trigger functions that store whole rows find other columns", std::move(objects),
      "\"INSERT has more expressions than target columns\" at every write to the table: name the "
      "columns in place of NEW.* and OLD.*, or give the table that they fill the same columns "
      "before the swap");
  return {};
}

Result<void> ImpactFinder::judge_prepared() {
  if (has_same_columns()) return {};
  PGFANOUT_TRY_ASSIGN(
      Names objects,
      find_by_text(fmt::format(
          R"({0}\s*%\s*rowtype|select\s+(\w+\.)?\*\s+(into\s+\S+\s+)?from\s+(only\s+)?{0})",
          table_)));
  add("a prepared SELECT * fails once in each session that was open at the swap",
      std::move(objects),
      "\"cached plan must not change result type\": let the application prepare it again or "
      "reconnect; code that reads columns by position gets the new ones. a function that returns "
      "SELECT * as a fixed list of columns (RETURNS TABLE) fails on every call: name the columns "
      "in its query");
  return {};
}

void ImpactFinder::judge_columns() {
  Names changed;
  for (const StreamColumn& column : plan_.stream.columns) {
    const bool is_key = stores_key_ && column.target_column == *plan_.key.column;
    const Column* same = plan_.source.find(column.target_column);
    if (is_key && same == nullptr) {
      changed.push_back(fmt::format("{} is new{}", key_name_,
                                    plan_.key.is_generated ? " and cannot be written" : ""));
    } else if (!is_key && (same == nullptr || same->quoted != column.source_sql)) {
      changed.push_back(fmt::format("{} is {}{}", display_name(column.target_column),
                                    same == nullptr ? "new, from " : "made from ",
                                    column.source_sql));
    }
  }
  for (const Column& column : plan_.source.columns) {
    const bool stays = std::any_of(
        plan_.stream.columns.begin(), plan_.stream.columns.end(),
        [&](const StreamColumn& target) { return target.target_column == column.name; });
    if (!stays) changed.push_back(column.quoted + " does not reach the target");
  }
  if (changed.empty()) return;
  add("columns of the table change", std::move(changed),
      "statements that name them, or that rely on their order or type, must change with them");
}

void ImpactFinder::judge_grants() {
  if (carry_.key_grants.empty()) return;
  add(fmt::format("the new table grants the rights on {} that go with those on other columns",
                  key_name_),
      carry_.key_grants,
      fmt::format(
          "a role that still has no right on {0} gets \"permission denied\" for SELECT *, and "
          "where a statement names {0}: grant it after the swap",
          key_name_));
}

void ImpactFinder::judge_bound() {
  if (!bound_.views.empty()) {
    add("views show the columns that they have today", bound_.views,
        carry_.views.empty()
            ? "they read the old table until they are created again"
            : "the swap points them at the new table; CREATE OR REPLACE VIEW adds new columns");
  }
  if (!bound_.functions.empty()) {
    add("functions over the table or its rows are created again by the swap, with rules and "
        "policies of other tables",
        bound_.functions,
        "functions take and return rows of the new table, with its columns: callers that list the "
        "columns of a result, or build a row of the table, must change with them; a session that "
        "was open at the swap keeps variables of the old row type in PL/pgSQL until it reconnects");
  }
  if (!bound_.lost_functions.empty()) {
    add("functions are bound to the old table or its row type, and stay with it: calls with rows "
        "of the new table fail",
        bound_.lost_functions,
        "\"function ... does not exist\", or \"return type mismatch\": drop them before the swap "
        "and create them again after it");
  }
  if (!bound_.others.empty()) {
    add("other objects are bound to the old table or its row type, and stay with it", bound_.others,
        "a row of the new table does not fit them (\"column ... is of type ...\", \"cannot cast "
        "type "
        "...\"): create them again on the new table after the swap; cleanup cannot drop the backup "
        "before that");
  }
}

Result<void> ImpactFinder::judge_leaf_names() {
  if (plan_.source.strategy == 0) return {};
  Names leaves;
  for (const Leaf& leaf : plan_.source.leaves) {
    if (leaf.oid != plan_.source.oid) leaves.push_back(literal_pattern(leaf.name));
  }
  Names objects;
  if (!leaves.empty()) {
    PGFANOUT_TRY_ASSIGN(
        objects, find_by_text(fmt::format(R"((?<![\w$])(?:{})(?![\w$]))", fmt::join(leaves, "|"))));
  }
  append(objects, bound_.by_leaf);
  if (objects.empty()) return {};
  add("statements that name a leaf of the old table find no table, or another one",
      std::move(objects), "name the table itself, or the new leaves");
  return {};
}

}  // namespace

Result<std::vector<Impact>> find_impact(const JobDescription& job, const CopyPlan& plan,
                                        const CarryPlan& carry, Connection& source) {
  return ImpactFinder(job, plan, carry, source).find();
}

}  // namespace pgfanout
