// Indexes with the keys and exclusion constraints on them, check constraints, replica identity and
// the CLUSTER mark. Indexes and keys are built leaf by leaf and adopted by the parent, which does
// not read the rows again.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/index_definition.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/sql_text.h"
#include "copier/catalog/type_catalog.h"
#include "copier/key/key_plan.h"
#include "copier/layout/known_key.h"

namespace pgfanout {
namespace {

struct SourceIndex {
  std::uint32_t oid = 0;
  std::string name;
  std::string table;       ///< Of the index: the source or one of its leaves. Unquoted.
  std::string tail;        ///< " USING btree (a, b) INCLUDE (c) WITH (...)", without the condition.
  std::string where;       ///< " WHERE ...", or empty.
  std::string tablespace;  ///< Quoted; empty: the default.
  std::string options;     ///< "fillfactor='70'", or empty.
  bool is_unique = false;
  bool is_valid = true;
  bool is_exclusion = false;
  bool has_expressions = false;
  bool nulls_not_distinct = false;
  bool on_leaves_only = false;    ///< All leaves have it alike; the table itself has not.
  bool was_on_leaves = false;     ///< The same of the source; the target's table will have it.
  std::string key_columns;        ///< Numbers of the source's columns, "0" for an expression.
  std::string include_columns;    ///< The same.
  std::string used_columns;       ///< All that it depends on.
  std::string equality_columns;   ///< Of an exclusion constraint: those compared by =.
  std::uint32_t constraint = 0;   ///< OID of the constraint that the index implements; 0: none.
  char constraint_type = 0;       ///< 'p', 'u' or 'x'.
  std::string constraint_suffix;  ///< " DEFERRABLE INITIALLY DEFERRED", or empty.
  std::string constraint_sql;     ///< pg_get_constraintdef() without that and the condition.
  std::string statistics;         ///< "ALTER COLUMN 1 SET STATISTICS 500, ...", or empty.
  /// Of an index that the job asks for, written for the target; unquoted columns of it.
  std::optional<std::vector<std::string>> target_columns;
};

/// Own indexes of leaves, alike but for their names: how many leaves have them, and one of them.
/// {1}: kIndexBody.
constexpr const char* kLeafGroupsSql = R"sql(
SELECT min(i.indexrelid), count(DISTINCT i.indrelid), (SELECT count(*) FROM {0}),
  min(c.relname::text)
FROM {0} JOIN pg_index i ON i.indrelid = leaf.oid
JOIN pg_class c ON c.oid = i.indexrelid AND NOT c.relispartition
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
  AND k.contype IN ('p', 'u', 'x')
WHERE leaf.oid <> $1::oid
GROUP BY i.indisunique, k.contype, k.condeferrable, k.condeferred, i.indisvalid, {1}
ORDER BY 1)sql";

/// $2: OIDs of indexes. A leaf's columns are numbered as the table numbers them. {0}: kIndexBody,
/// {1}: kRelationOptions.
constexpr const char* kIndexPartsSql = R"sql(
SELECT i.indexrelid, c.relname, t.relname, left(def.body, length(def.body) - length(def.condition)),
  def.condition, quote_ident(ts.spcname), {1},
  i.indisunique, i.indisvalid, i.indisexclusion, i.indexprs IS NOT NULL,
  COALESCE((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false),
  i.indrelid <> $1::oid, cols.keys, cols.included, cols.used, cols.equal,
  k.oid, k.contype, con.suffix, con.sql,
  (SELECT string_agg(format('ALTER COLUMN %s SET STATISTICS %s', a.attnum, a.attstattarget), ', '
     ORDER BY a.attnum)
   FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)
FROM unnest($2::oid[]) WITH ORDINALITY wanted(oid, place)
JOIN pg_index i ON i.indexrelid = wanted.oid JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
  AND k.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (SELECT {0} AS body,
  COALESCE(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), '') AS condition) def
CROSS JOIN LATERAL (
  SELECT k.suffix, left(k.sql, length(k.sql) - length(k.suffix) - length(k.condition)) AS sql
  FROM (SELECT pg_get_constraintdef(k.oid) AS sql,
    CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END
      || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END AS suffix,
    COALESCE(' WHERE (' || pg_get_expr(i.indpred, i.indrelid) || ')', '') AS condition) k) con
CROSS JOIN LATERAL (SELECT
    string_agg(num.number, ' ' ORDER BY num.place) FILTER (WHERE place <= i.indnkeyatts) AS keys,
    string_agg(num.number, ' ' ORDER BY num.place) FILTER (WHERE place > i.indnkeyatts) AS included,
    string_agg(DISTINCT num.number, ' ') FILTER (WHERE num.number <> '0') AS used,
    string_agg(num.number, ' ') FILTER (WHERE num.operator = '=') AS equal
  FROM (
    SELECT COALESCE(p.attnum, 0)::text AS number, x.place,
      (SELECT o.oprname FROM pg_operator o WHERE o.oid = k.conexclop[x.place]) AS operator
    FROM unnest(i.indkey::int2[]) WITH ORDINALITY x(number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.number
    LEFT JOIN pg_attribute p ON p.attrelid = $1::oid
      AND p.attname = a.attname AND NOT p.attisdropped
    UNION ALL
    SELECT p.attnum::text, NULL, NULL FROM pg_depend d
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
    JOIN pg_attribute p ON p.attrelid = $1::oid AND p.attname = a.attname AND NOT p.attisdropped
    WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
      AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = i.indrelid AND d.refobjsubid > 0) num) cols
ORDER BY wanted.place)sql";

/// OIDs of the table's indexes, and of those that each of its leaves has by itself; warns of those
/// that only some leaves have.
Result<std::vector<std::uint32_t>> find_indexes(CarryDraft& draft) {
  std::vector<std::uint32_t> wanted;
  PGFANOUT_TRY_ASSIGN(
      const Rows own,
      draft.read("SELECT indexrelid FROM pg_index WHERE indrelid = $1::oid ORDER BY 1"));
  for (int row = 0; row < own.size(); ++row) wanted.push_back(own.oid(row, 0));
  if (draft.request.source.kind != 'p') return wanted;
  PGFANOUT_TRY_ASSIGN(const Rows groups,
                      draft.read(fmt::format(kLeafGroupsSql, kTableLeaves, kIndexBody)));
  for (int row = 0; row < groups.size(); ++row) {
    if (groups.integer(row, 1) == groups.integer(row, 2)) {
      wanted.push_back(groups.oid(row, 0));
      continue;
    }
    draft.note(Severity::warning, "leaf-object",
               fmt::format("index {} on {} of {} leaves of the source is not carried over",
                           groups.text(row, 3), groups.text(row, 1), groups.text(row, 2)),
               "create it on the table if the application needs it");
  }
  return wanted;
}

SourceIndex index_of(const Rows& rows, int row) {
  SourceIndex index;
  read_row(rows, row, index.oid, index.name, index.table, index.tail, index.where, index.tablespace,
           index.options, index.is_unique, index.is_valid, index.is_exclusion,
           index.has_expressions, index.nulls_not_distinct, index.on_leaves_only, index.key_columns,
           index.include_columns, index.used_columns, index.equality_columns, index.constraint,
           index.constraint_type, index.constraint_suffix, index.constraint_sql, index.statistics);
  return index;
}

/// `numbers` without one of them.
std::string without_number(std::string_view numbers, std::int16_t number) {
  std::vector<std::int16_t> left = numbers_in<std::int16_t>(numbers);
  std::erase(left, number);
  return fmt::format("{}", fmt::join(left, " "));
}

/// Makes an index that the leaves have one of the table.
void take_from_leaves(const Table& source, SourceIndex& index) {
  if (!index.on_leaves_only) return;
  index.on_leaves_only = false;
  index.was_on_leaves = true;
  const bool is_named_after_leaf = index.name.starts_with(index.table + "_");
  index.name = index.constraint_type == 'p' ? suffixed_name(source.name, "_pkey")
               : is_named_after_leaf
                   ? suffixed_name(source.name, index.name.substr(index.table.size()))
                   : index.name;
  index.table = source.name;
}

/// A unique index of a table that is laid out by a key already, as it is without that layout: the
/// key column that follows from its other columns is left out where the new layout does not need
/// it, and what leaves alone could have is on the table again where the new layout allows it.
void take_layout_away(const CarryDraft& draft, SourceIndex& index) {
  if (!draft.laid_out_by || !index.is_unique || index.is_exclusion) return;
  const Table& source = draft.request.source;
  const KnownKey& known = *draft.laid_out_by;
  const Column* stored = known.column ? source.find(*known.column) : nullptr;
  const bool is_needed =
      stored != nullptr && draft.rules.by_columns &&
      (draft.is_by_key() ? draft.request.key_column == stored->name : !draft.lacks(stored->name));
  if (stored != nullptr && !is_needed) {
    const auto numbers = numbers_in<std::int16_t>(index.key_columns);
    const auto has = [&](std::int16_t number) {
      return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
    };
    const auto& inputs = known.expression.used_columns();
    const bool follows = std::all_of(inputs.begin(), inputs.end(), [&](std::size_t input) {
      return has(source.columns[input].number);
    });
    const std::string tail = without_item(index.tail, stored->quoted);
    if (has(stored->number) && follows && tail != index.tail) {
      index.tail = tail;
      index.key_columns = without_number(index.key_columns, stored->number);
      index.used_columns = without_number(index.used_columns, stored->number);
    }
  }
  const bool is_by_expression =
      known.layout->mode == KeyMode::generated || known.layout->mode == KeyMode::expression;
  if (is_by_expression && draft.rules.by_columns) take_from_leaves(source, index);
}

/// Whether leaves have an index whose rows are unique, or exclude each other, within each of them
/// alone.
bool is_true_of_leaves_only(const CarryDraft& draft, const SourceIndex& index) {
  if (!index.on_leaves_only || !(index.is_unique || index.is_exclusion)) return false;
  const auto numbers =
      numbers_in<std::int16_t>(index.is_exclusion ? index.equality_columns : index.key_columns);
  const Table& source = draft.request.source;
  return !std::all_of(source.partition_columns.begin(), source.partition_columns.end(),
                      [&](const std::string& name) {
                        const Column* column = source.find(name);
                        return column != nullptr && std::find(numbers.begin(), numbers.end(),
                                                              column->number) != numbers.end();
                      });
}

constexpr const char* kWeakChoices =
    "accept by this name that it holds within each leaf only; or partition by a key that is "
    "computed from its columns; or enforce it elsewhere";

class IndexCarrier {
 public:
  IndexCarrier(CarryDraft& draft, const SourceIndex& index)
      : draft_(draft),
        index_(index),
        kind_(index.constraint == 0 ? "index" : "constraint"),
        name_(display_name(index.name)),
        type_(index.constraint_type) {}

  Result<void> carry() {
    if (!index_.is_valid) {
      draft_.note(Severity::warning, "index-invalid",
                  fmt::format("index {} is not valid and is not carried over", name_),
                  "REINDEX or drop it before the window");
      return {};
    }
    if (const std::string missing = draft_.missing_columns(index_.used_columns); !missing.empty()) {
      draft_.leave_behind(kind_, name_, missing, "map the column, or accept the loss by this name");
      return {};
    }
    if (std::string obstacle = draft_.row_type_obstacle(CarriedClass::index, index_.oid);
        !obstacle.empty()) {
      draft_.leave_behind(kind_, name_, std::move(obstacle),
                          "give it columns in place of the row, or accept the loss by this name");
      return {};
    }
    if (index_.target_columns) return may_be_asked_for() ? build() : Result<void>();
    if (draft_.rules.is_plain && index_.on_leaves_only) {
      draft_.leave_behind(kind_, name_,
                          "each leaf of the source has it for its own rows, and it may not hold "
                          "over all of them",
                          "accept the loss by this name, and add it after the swap if it does");
      return {};
    }
    const bool is_over_period = index_.is_exclusion && index_.constraint_type != 'x';
    if (is_over_period && !draft_.rules.is_plain) {
      draft_.leave_behind(kind_, name_, "a key WITHOUT OVERLAPS cannot be built leaf by leaf",
                          "accept the loss by this name, and add it after the swap");
      return {};
    }
    if (index_.is_exclusion) return carry_exclusion();
    if (index_.is_unique && !may_be_unique()) return {};
    return build();
  }

 private:
  [[nodiscard]] std::vector<std::string> key_names() const {
    return index_.target_columns ? *index_.target_columns : draft_.column_names(index_.key_columns);
  }

  /// Partition columns that `names` lack, of which every unique key of a parent has to have all.
  [[nodiscard]] std::vector<std::string> lacking(const std::vector<std::string>& names) const {
    std::vector<std::string> columns;
    if (!index_.is_unique || !draft_.rules.by_columns) return columns;
    std::copy_if(draft_.request.partition_columns.begin(), draft_.request.partition_columns.end(),
                 std::back_inserter(columns), [&](const std::string& column) {
                   return std::find(names.begin(), names.end(), column) == names.end();
                 });
    return columns;
  }

  /// Those that the index gains.
  [[nodiscard]] std::vector<std::string> added() const {
    return index_.target_columns ? std::vector<std::string>() : lacking(key_names());
  }

  bool may_be_unique() {
    const std::vector<std::string> more = added();
    if (index_.constraint_type == 'p') {
      for (const std::string& name : more) {
        const Column* column = draft_.columns.target(name);
        if (column == nullptr || column->is_not_null) continue;
        type_ = 'u';
        return draft_.leave_behind(
            kind_, name_,
            fmt::format("the primary key would have to contain partition column {}, which may be "
                        "NULL",
                        display_name(name)),
            fmt::format("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL before the window, if no row "
                        "has NULL there; or accept by this name that a unique constraint over ({}, "
                        "{}) takes its place",
                        draft_.request.source.qualified, column->quoted, shown_list(key_names()),
                        shown_list(more)));
      }
    }
    if (draft_.covers_key(key_names())) return true;
    if (draft_.is_by_key()) {
      return draft_.leave_behind(
          kind_, name_,
          "uniqueness over the whole table cannot be kept: equal values may be in different "
          "leaves, because the partition key is not computed from its columns",
          kWeakChoices);
    }
    return draft_.leave_behind(
        kind_, name_,
        fmt::format("uniqueness of ({}) over the whole table cannot be kept: equal values may be "
                    "in different leaves, because the layout is by {}",
                    shown_list(key_names()), shown_list(more)),
        fmt::format("accept by this name that it becomes ({}, {}); or partition by columns that it "
                    "has; or enforce it elsewhere",
                    shown_list(key_names()), shown_list(more)));
  }

  [[nodiscard]] static std::string shown_list(std::vector<std::string> names) {
    for (std::string& name : names) name = display_name(name);
    return fmt::format("{}", fmt::join(names, ", "));
  }

  /// Of the job file, where the way out is to write another definition.
  [[nodiscard]] bool may_be_asked_for() {
    const std::vector<std::string> names = key_names();
    const std::vector<std::string> more = lacking(names);
    if (!index_.is_unique || (more.empty() && draft_.covers_key(names))) return true;
    const char* kind = draft_.is_by_key() ? "key" : "partition";
    draft_.note(
        Severity::error, "bad-index",
        fmt::format("unique index {} of the job file lacks {}: the new table is unique over "
                    "all leaves only with {}",
                    name_,
                    more.empty() ? fmt::format("the columns that the key is computed from, {},",
                                               fmt::join(draft_.columns.key_inputs(), ", "))
                                 : fmt::format("the {} column{} {}", kind,
                                               more.size() == 1 ? "" : "s", shown_list(more)),
                    draft_.is_by_key() ? "the key" : "them"),
        more.empty() ? "add them to its columns, or leave UNIQUE out"
                     : fmt::format("add {} to its columns, or leave UNIQUE out", shown_list(more)));
    return false;
  }

  [[nodiscard]] std::string tablespace(std::string_view words) const {
    if (index_.tablespace.empty() || !draft_.request.same_database) return {};
    return fmt::format(" {} {}", words, index_.tablespace);
  }

  /// " USING btree (...) ..." with the partition columns where a unique index needs them.
  [[nodiscard]] std::string definition() const {
    if (index_.target_columns) return index_.tail + index_.where;
    std::string tail = draft_.on_target(index_.tail);
    for (const std::string& column : added()) tail = with_item(tail, quoted_name(column));
    return tail + tablespace("TABLESPACE") + draft_.on_target(index_.where);
  }

  /// Of the table's own index, which takes the source's name at the swap.
  Result<std::string> name_of_table(const std::string& schema) {
    if (index_.was_on_leaves) return draft_.names.for_good(schema, index_.name);
    PGFANOUT_TRY_ASSIGN(std::string name, draft_.names.until_swap(schema, index_.name));
    draft_.plan.names.push_back({"INDEX", schema, name, index_.name});
    return name;
  }

  Result<void> name_on_leaf(std::size_t leaf) {
    if (!draft_.rules.is_plain) {
      carried_.on_leaves.push_back(draft_.names.leaf_index(leaf, index_.table, index_.name));
      return {};
    }
    const std::string& schema = draft_.request.target_schema;
    PGFANOUT_TRY_ASSIGN(carried_.on_leaves.emplace_back(), name_of_table(schema));
    return {};
  }

  /// Whether the table itself has it, and not its leaves alone.
  [[nodiscard]] bool has_parent() const {
    if (draft_.rules.is_plain) return true;
    return !index_.on_leaves_only && (!index_.is_unique || draft_.rules.by_columns);
  }

  [[nodiscard]] std::string_view create() const {
    return index_.is_unique ? "CREATE UNIQUE INDEX" : "CREATE INDEX";
  }

  Result<void> build() {
    carried_.source_oid = index_.oid;
    carried_.columns = key_names();
    for (const std::string& column : added()) carried_.columns.push_back(column);
    carried_.may_identify = may_identify();
    const std::string sql = definition();
    const CarryRequest& request = draft_.request;
    for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
      const std::string& table = request.target_leaves[leaf];
      PGFANOUT_TRY(name_on_leaf(leaf));
      const std::string name = quoted_name(carried_.on_leaves.back());
      draft_.plan.leaf_indexes.push_back({fmt::format("index {} {}", table, name_),
                                          fmt::format("{} {} ON {}{}", create(), name, table, sql),
                                          table, 0, "", true});
      if (index_.constraint == 0) continue;
      draft_.add_leaf_clause(leaf, fmt::format("ADD CONSTRAINT {0} {1} USING INDEX {0}{2}", name,
                                               key_words(), index_.constraint_suffix));
    }
    if (index_.constraint_type == 'p') {
      draft_.primary_key_changed = !added().empty() || !has_parent();
      if (type_ == 'p') draft_.primary_key = carried_.columns;
      for (const std::string& name : carried_.columns) {
        const Column* column = draft_.columns.target(name);
        if (column != nullptr && !column->is_not_null) draft_.leaf_clauses_read_rows = true;
      }
    }
    note_change();
    if (has_parent()) {
      if (!draft_.rules.is_plain) PGFANOUT_TRY(build_parent(sql));
      if (index_.is_unique && index_.where.empty() && !index_.has_expressions) {
        draft_.parent_keys.push_back(carried_.columns);
      }
    }
    carry_statistics_targets();
    record();
    draft_.indexes.push_back(std::move(carried_));
    return {};
  }

  /// Of expressions, whose places the key column does not change: it is the last one.
  void carry_statistics_targets() {
    if (index_.statistics.empty()) return;
    const auto alter = [&](const std::string& index) {
      return fmt::format("ALTER INDEX {} {}", draft_.in_target_schema(index), index_.statistics);
    };
    for (std::size_t leaf = 0; leaf < carried_.on_leaves.size(); ++leaf) {
      draft_.add_of_leaf(draft_.leaf_attributes, leaf, alter(carried_.on_leaves[leaf]));
    }
    if (carried_.on_parent.empty()) return;
    draft_.add_attribute(fmt::format("statistics of index {}", name_), alter(carried_.on_parent));
  }

  void note_change() {
    if (!index_.is_unique || index_.on_leaves_only) return;
    if (const std::vector<std::string> more = added(); !more.empty()) {
      draft_.note(Severity::info, "key-extended",
                  fmt::format("{} {} gains the column{} {}: ON CONFLICT must name {}", kind_, name_,
                              more.size() == 1 ? "" : "s", shown_list(more),
                              more.size() == 1 ? "it" : "them"));
    } else if (!has_parent()) {
      draft_.note(Severity::info, "key-per-leaf",
                  fmt::format("{} {} exists on each leaf, not on the partitioned table: ON "
                              "CONFLICT cannot name its columns",
                              kind_, name_));
    }
  }

  [[nodiscard]] bool may_identify() const {
    const bool is_plain = index_.is_unique && index_.where.empty() && !index_.has_expressions &&
                          index_.constraint_suffix.empty();
    return is_plain && std::all_of(carried_.columns.begin(), carried_.columns.end(),
                                   [&](const std::string& name) {
                                     const Column* column = draft_.columns.target(name);
                                     return column != nullptr && column->is_not_null;
                                   });
  }

  [[nodiscard]] std::string_view key_words() const {
    return type_ == 'p' ? "PRIMARY KEY" : "UNIQUE";
  }

  Result<void> build_parent(const std::string& sql) {
    const CarryRequest& request = draft_.request;
    PGFANOUT_TRY_ASSIGN(carried_.on_parent, name_of_table(request.target_schema));
    auto& steps =
        index_.constraint == 0 ? draft_.plan.parent_indexes : draft_.plan.parent_constraints;
    if (index_.constraint != 0) {
      add_parent_key(steps);
    } else {
      steps.push_back({fmt::format("index {} {}", draft_.table, name_),
                       fmt::format("{} {} ON ONLY {}{}", create(), quoted_name(carried_.on_parent),
                                   draft_.table, sql),
                       "", 0, "", true});
    }
    for (std::size_t leaf = 0; leaf < carried_.on_leaves.size(); ++leaf) {
      steps.push_back({fmt::format("attach {} {}", request.target_leaves[leaf], name_),
                       fmt::format("ALTER INDEX {} ATTACH PARTITION {}",
                                   draft_.in_target_schema(carried_.on_parent),
                                   draft_.in_target_schema(carried_.on_leaves[leaf])),
                       request.target_leaves[leaf]});
    }
    return {};
  }

  void add_parent_key(std::vector<CarryStep>& steps) {
    std::vector<std::string> columns;
    std::string sql;
    for (const std::string& name : carried_.columns) {
      columns.push_back(quoted_name(name));
      const Column* column = draft_.columns.target(name);
      if (type_ != 'p' || column == nullptr || column->is_not_null) continue;
      sql += fmt::format("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL;\n", draft_.table,
                         column->quoted);
    }
    const std::string included = draft_.column_list(index_.include_columns);
    sql += fmt::format("ALTER TABLE ONLY {} ADD CONSTRAINT {} {}{} ({}){}{}{}{}", draft_.table,
                       quoted_name(carried_.on_parent), key_words(),
                       index_.nulls_not_distinct ? " NULLS NOT DISTINCT" : "",
                       fmt::join(columns, ", "),
                       included.empty() ? "" : fmt::format(" INCLUDE ({})", included),
                       index_.options.empty() ? "" : fmt::format(" WITH ({})", index_.options),
                       tablespace("USING INDEX TABLESPACE"), index_.constraint_suffix);
    steps.push_back({fmt::format("constraint {} {}", draft_.table, name_), std::move(sql)});
  }

  void record() {
    if (index_.oid == 0) return;  // The source has none.
    const auto add = [&](const std::string& index, const std::string& table) {
      draft_.record(CarriedClass::index, index_.oid, "INDEX " + draft_.in_target_schema(index));
      if (index_.constraint == 0) return;
      draft_.record(CarriedClass::constraint, index_.constraint,
                    fmt::format("CONSTRAINT {} ON {}", quoted_name(index), table));
    };
    if (!carried_.on_parent.empty()) return add(carried_.on_parent, draft_.table);
    for (std::size_t leaf = 0; leaf < carried_.on_leaves.size(); ++leaf) {
      add(carried_.on_leaves[leaf], draft_.request.target_leaves[leaf]);
    }
  }

  /// The server has no way to attach leaves' own ones: it makes them itself, one after the other.
  [[nodiscard]] bool parent_may_exclude() const {
    constexpr int kFirstWithExclusionOnParents = 170000;
    const auto& needed = draft_.request.partition_columns;
    const std::vector<std::string> equal = draft_.column_names(index_.equality_columns);
    return !draft_.rules.is_plain && draft_.rules.by_columns &&
           draft_.target.server_version() >= kFirstWithExclusionOnParents &&
           std::all_of(needed.begin(), needed.end(), [&](const std::string& name) {
             return std::find(equal.begin(), equal.end(), name) != equal.end();
           });
  }

  Result<void> carry_exclusion() {
    const bool holds = draft_.covers_key(draft_.column_names(index_.equality_columns));
    if (!holds && !draft_.leave_behind(
                      kind_, name_,
                      "rows that exclude each other may be in different leaves, because it does "
                      "not compare by = all columns that the partition key is computed from",
                      kWeakChoices)) {
      return {};
    }
    carried_.source_oid = index_.oid;
    const CarryRequest& request = draft_.request;
    const std::string where =
        index_.where.empty() ? ""
                             : fmt::format(" WHERE ({})", draft_.on_target(index_.where.substr(7)));
    const std::string sql = draft_.on_target(index_.constraint_sql) +
                            tablespace("USING INDEX TABLESPACE") + where + index_.constraint_suffix;
    if (parent_may_exclude()) {
      PGFANOUT_TRY_ASSIGN(carried_.on_parent, name_of_table(request.target_schema));
      draft_.plan.parent_constraints.push_back(
          {fmt::format("exclusion {} {}", draft_.table, name_),
           fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", draft_.table,
                       quoted_name(carried_.on_parent), sql),
           "", 0, "", true});
      record();
      draft_.indexes.push_back(std::move(carried_));
      return {};
    }
    for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
      const std::string& table = request.target_leaves[leaf];
      PGFANOUT_TRY(name_on_leaf(leaf));
      draft_.plan.leaf_constraints.push_back(
          {fmt::format("exclusion {} {}", table, name_),
           fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", table,
                       quoted_name(carried_.on_leaves.back()), sql),
           table, 0, "", true});
    }
    if (!draft_.rules.is_plain) {
      draft_.note(Severity::info, "exclusion-per-leaf",
                  fmt::format("exclusion constraint {} exists on each leaf, not on the partitioned "
                              "table: a leaf that is added later needs its own",
                              name_));
    }
    if (index_.constraint_type == 'p') draft_.primary_key = key_names();
    record();
    draft_.indexes.push_back(std::move(carried_));
    return {};
  }

  CarryDraft& draft_;
  const SourceIndex& index_;
  const std::string kind_;
  const std::string name_;
  char type_;  ///< The source's constraint_type, unless a primary key becomes a unique constraint.
  CarriedIndex carried_;
};

constexpr const char* kChecksSql = R"sql(
SELECT c.oid, c.conname, pg_get_constraintdef(c.oid), c.connoinherit, array_to_string(c.conkey, ' ')
FROM pg_constraint c
WHERE c.conrelid = $1::oid AND c.contype = 'c' ORDER BY c.conname)sql";

void carry_check(CarryDraft& draft, std::uint32_t oid, const std::string& name,
                 const std::string& definition) {
  const std::string clause =
      fmt::format("ADD CONSTRAINT {} {}", quoted_name(name), draft.on_target(definition));
  for (std::size_t leaf = 0; leaf < draft.request.target_leaves.size(); ++leaf) {
    draft.add_leaf_clause(leaf, clause);
  }
  draft.leaf_clauses_read_rows = true;
  if (!draft.rules.is_plain) {
    draft.plan.parent_constraints.push_back(
        {fmt::format("constraint {} {}", draft.table, display_name(name)),
         fmt::format("ALTER TABLE {} {}", draft.table, clause), "", 0, "", true});
  }
  draft.record(CarriedClass::constraint, oid,
               fmt::format("CONSTRAINT {} ON {}", quoted_name(name), draft.table));
}

/// Validated ones come with the target's columns.
constexpr const char* kNotNullsSql = R"sql(
SELECT c.oid, c.conname, array_to_string(c.conkey, ' '), c.convalidated FROM pg_constraint c
WHERE c.conrelid = $1::oid AND c.contype = 'n' ORDER BY c.conname)sql";

/// Of servers from 18 on. Those that are NOT VALID cost no scan: the parent passes them on to its
/// leaves. An older server has a check instead.
Result<void> carry_not_nulls(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(kNotNullsSql));
  const bool has_names = draft.target.server_version() >= kFirstWithNamedNotNulls;
  for (int row = 0; row < rows.size(); ++row) {
    const std::string name = rows.str(row, 1);
    const std::vector<std::string> columns = draft.column_names(rows.text(row, 2));
    const Column* column = columns.empty() ? nullptr : draft.columns.target(columns.front());
    if (column == nullptr) continue;
    const bool is_valid = rows.boolean(row, 3);
    if (is_valid && (!has_names || column->not_null_name != name)) continue;
    if (!is_valid) {
      draft.plan.parent_constraints.push_back(
          {fmt::format("constraint {} {}", draft.table, display_name(name)),
           fmt::format(
               "ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID", draft.table, quoted_name(name),
               has_names ? fmt::format("NOT NULL {}", quoted_name(column->name))
                         : fmt::format("CHECK ({} IS NOT NULL)", quoted_name(column->name)))});
    }
    draft.record(CarriedClass::constraint, rows.oid(row, 0),
                 fmt::format("CONSTRAINT {} ON {}", quoted_name(name), draft.table));
  }
  return {};
}

/// Whether it is an earlier job's check of the key, under that job's name or another one: it is of
/// the old layout, or cannot hold for another key.
bool is_key_check(const CarryDraft& draft, const std::string& name, std::string_view definition) {
  constexpr std::string_view kCheck = "CHECK ";
  const CarryRequest& request = draft.request;
  const bool is_of_layout = draft.laid_out_by && draft.laid_out_by->column;
  // A column that stays is an ordinary one, and so is its check.
  if (!draft.is_by_key() && !(is_of_layout && draft.lacks(*draft.laid_out_by->column))) {
    return false;
  }
  if (!definition.starts_with(kCheck) || (!request.key_column && !is_of_layout)) return false;
  const std::string& key_column = is_of_layout ? *draft.laid_out_by->column : *request.key_column;
  if (draft.rules.checks_key && name == suffixed_name(key_column, "_check")) return true;
  const Column* column = request.source.find(key_column);
  if (column == nullptr) return false;
  definition.remove_prefix(kCheck.size());
  const std::string_view bound =
      bound_expression(definition.substr(0, end_of_list(definition)), column->quoted);
  const auto key = KeyExpression::compile(bound, key_columns_of(request.source));
  return key && (is_of_layout || !key->computes_same_as(request.key));
}

/// Of index `i`, the index of the partitioned table that it belongs to, or itself.
constexpr const char* kRootIndex =
    "(SELECT CASE WHEN up.relispartition THEN pg_partition_root(i.indexrelid)::oid"
    " ELSE i.indexrelid END AS oid FROM pg_class up WHERE up.oid = i.indexrelid) root";

/// Each replica identity of the leaves, the most frequent one first. {1}: kRootIndex.
constexpr const char* kIdentitySql = R"sql(
SELECT c.relreplident, root.oid, count(*), min(x.relname::text)
FROM {0} JOIN pg_class c ON c.oid = leaf.oid
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident AND c.relreplident = 'i'
LEFT JOIN LATERAL {1} ON true LEFT JOIN pg_class x ON x.oid = root.oid
GROUP BY c.relreplident, root.oid ORDER BY 3 DESC)sql";

constexpr const char* kOwnIdentitySql =
    "SELECT c.relreplident, i.indexrelid FROM pg_class c"
    " LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident WHERE c.oid = $1::oid";

constexpr const char* kClusterSql = R"sql(
SELECT root.oid, count(*), (SELECT count(*) FROM {0})
FROM {0} JOIN pg_index i ON i.indrelid = leaf.oid AND i.indisclustered CROSS JOIN LATERAL {1}
GROUP BY root.oid)sql";

const CarriedIndex* find_index(const CarryDraft& draft, std::uint32_t oid) {
  const auto found = std::find_if(draft.indexes.begin(), draft.indexes.end(),
                                  [&](const CarriedIndex& at) { return at.source_oid == oid; });
  return found == draft.indexes.end() ? nullptr : &*found;
}

std::string_view plain_identity(char kind) {
  if (kind == 'n') return "NOTHING";
  return kind == 'f' ? "FULL" : "DEFAULT";
}

/// ALTER TABLE of each leaf with the index that is its part of `index`.
void alter_leaves_with(CarryDraft& draft, const CarriedIndex& index, std::string_view words) {
  for (std::size_t leaf = 0; leaf < index.on_leaves.size(); ++leaf) {
    draft.alter_leaf(leaf, fmt::format("{} {}", words, quoted_name(index.on_leaves[leaf])));
  }
}

void carry_index_identity(CarryDraft& draft, std::uint32_t oid, const std::string& name) {
  const CarriedIndex* index = find_index(draft, oid);
  if (index == nullptr || !index->may_identify) {
    draft.leave_behind(
        "replica identity", display_name(name),
        "its index is not carried over in a form that can identify rows to subscribers",
        "accept the loss by this name, and set another one: REPLICA IDENTITY FULL always works");
    return;
  }
  alter_leaves_with(draft, *index, "REPLICA IDENTITY USING INDEX");
  draft.identity = index->columns;
}

/// Of the source itself, where it is partitioned: no row is written under it and leaves that are
/// added later do not inherit it, but people read it.
Result<void> carry_own_identity(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows own, draft.read(kOwnIdentitySql));
  if (own.size() == 0 || own.text(0, 0) == "d") return {};
  const auto set = [&](const std::string& words) {
    draft.add_attribute("replica identity",
                        fmt::format("ALTER TABLE ONLY {} REPLICA IDENTITY {}", draft.table, words));
  };
  const CarriedIndex* index = find_index(draft, own.oid(0, 1));
  if (own.text(0, 0) != "i") {
    set(std::string(plain_identity(own.text(0, 0).front())));
  } else if (index != nullptr && index->may_identify && !index->on_parent.empty()) {
    set("USING INDEX " + quoted_name(index->on_parent));
  }
  return {};
}

Result<void> carry_cluster(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      draft.read(fmt::format(kClusterSql, kTableLeaves, kRootIndex)));
  if (rows.size() != 1 || rows.integer(0, 1) != rows.integer(0, 2)) return {};
  const CarriedIndex* index = find_index(draft, rows.oid(0, 0));
  if (index != nullptr) alter_leaves_with(draft, *index, "CLUSTER ON");
  return {};
}

}  // namespace

namespace {

/// Those that the job asks for. One of the source by the same name gives way, so that a job file
/// may be used again for a table that it was used for.
Result<void> add_indexes(CarryDraft& draft, std::map<std::string, std::uint32_t>& replaced) {
  for (const std::string& written : draft.request.job.target.indexes) {
    PGFANOUT_TRY_ASSIGN(const IndexDefinition wish, parse_index_definition(written));
    SourceIndex index;
    index.oid = replaced[wish.name];
    index.name = wish.name;
    index.table = draft.request.source.name;
    index.tail = wish.tail;
    index.where = wish.where;
    index.is_unique = wish.is_unique;
    index.has_expressions = wish.has_expressions;
    index.target_columns = wish.columns;
    if (index.oid != 0) {
      draft.note(
          Severity::info, "index-replaced",
          fmt::format("index {} is made as the job file defines it, in place of the source's",
                      display_name(wish.name)));
    }
    PGFANOUT_TRY(IndexCarrier(draft, index).carry());
  }
  return {};
}

}  // namespace

Result<void> carry_indexes(CarryDraft& draft) {
  std::map<std::string, std::uint32_t> replaced;
  for (const std::string& written : draft.request.job.target.indexes) {
    PGFANOUT_TRY_ASSIGN(const IndexDefinition wish, parse_index_definition(written));
    replaced.emplace(wish.name, 0);
  }
  PGFANOUT_TRY_ASSIGN(const std::vector<std::uint32_t> wanted, find_indexes(draft));
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      draft.read_for_user_code(fmt::format(kIndexPartsSql, kIndexBody, kRelationOptions),
                               {draft.oid, oid_array(wanted)}));
  for (int row = 0; row < rows.size(); ++row) {
    SourceIndex index = index_of(rows, row);
    // A constraint's does not give way: the names then collide, which the plan tells.
    const auto other = replaced.find(index.name);
    if (other != replaced.end() && index.constraint == 0) {
      other->second = index.oid;
      continue;
    }
    take_layout_away(draft, index);
    if (draft.rules.is_plain && !is_true_of_leaves_only(draft, index)) {
      take_from_leaves(draft.request.source, index);
    }
    PGFANOUT_TRY(IndexCarrier(draft, index).carry());
  }
  return add_indexes(draft, replaced);
}

Result<void> carry_checks(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read_for_user_code(kChecksSql, {draft.oid}));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string name = rows.str(row, 1);
    if (is_key_check(draft, name, rows.text(row, 2))) {
      draft.plan.replaced_checks.push_back(display_name(name));
      draft.note(Severity::info, "key-check-replaced",
                 fmt::format("check constraint {} is {}", display_name(name),
                             draft.rules.checks_key ? "replaced by the one on the new key"
                                                    : "of the old key, and is not carried over"));
      continue;
    }
    if (const std::string missing = draft.missing_columns(rows.text(row, 4)); !missing.empty()) {
      draft.leave_behind("constraint", display_name(name), missing,
                         "map the column, or accept the loss by this name");
      continue;
    }
    if (std::string obstacle = draft.row_type_obstacle(CarriedClass::constraint, rows.oid(row, 0));
        !obstacle.empty()) {
      draft.leave_behind("constraint", display_name(name), std::move(obstacle),
                         "give it columns in place of the row, or accept the loss by this name");
      continue;
    }
    std::string definition = rows.str(row, 2);
    constexpr std::string_view kNoInherit = " NO INHERIT";
    if (const auto at = definition.rfind(kNoInherit);
        rows.boolean(row, 3) && at != std::string::npos && !draft.rules.is_plain) {
      definition.erase(at, kNoInherit.size());
      draft.note(Severity::info, "check-inherited",
                 fmt::format("check constraint {} loses NO INHERIT: a partitioned table holds "
                             "its rows in leaves",
                             display_name(name)));
    }
    carry_check(draft, rows.oid(row, 0), name, definition);
  }
  PGFANOUT_TRY(carry_not_nulls(draft));
  std::vector<CarryStep> steps;
  for (std::size_t leaf = 0; leaf < draft.leaf_clauses.size(); ++leaf) {
    const std::string& table = draft.request.target_leaves[leaf];
    steps.push_back({fmt::format("constraints {}", table),
                     fmt::format("ALTER TABLE {}\n  {}", table, draft.leaf_clauses[leaf]), table, 0,
                     "", true, draft.leaf_clauses_read_rows});
  }
  // Keys and checks first: exclusion constraints build their indexes alone.
  auto& all = draft.plan.leaf_constraints;
  all.insert(all.begin(), std::make_move_iterator(steps.begin()),
             std::make_move_iterator(steps.end()));
  return {};
}

Result<void> carry_identity(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      draft.read(fmt::format(kIdentitySql, kTableLeaves, kRootIndex)));
  if (rows.size() > 1) {
    draft.note(Severity::warning, "replica-identity-differs",
               "the source's leaves differ in replica identity: the target's get the most "
               "frequent one",
               "set it leaf by leaf where subscribers need it");
  }
  if (rows.size() > 0) {
    const char kind = rows.text(0, 0).front();
    if (kind == 'i' && !rows.is_null(0, 1)) {
      carry_index_identity(draft, rows.oid(0, 1), rows.str(0, 3));
    } else if (kind == 'd') {
      draft.identity = draft.primary_key;
    } else if (kind != 'i') {
      draft.alter_leaves(fmt::format("REPLICA IDENTITY {}", plain_identity(kind)));
    }
  }
  PGFANOUT_TRY(carry_own_identity(draft));
  return carry_cluster(draft);
}

}  // namespace pgfanout
