#include "copier/columns/column_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/base/shell_word.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_expression.h"
#include "copier/catalog/sql_text.h"
#include "copier/columns/own_sequence.h"
#include "copier/key/key_plan.h"
#include "copier/layout/layout.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMaxTableColumns = 1600;

const Column* column_of_number(const Table& table, std::int16_t number) {
  return find_by(table.columns, &Column::number, number);
}

std::size_t index_in(const Table& table, const Column& column) {
  return static_cast<std::size_t>(&column - table.columns.data());
}

/// Whether the columns that a generated column is computed from reach the target unchanged.
enum class Inputs : std::uint8_t { unchanged, changed, missing };

/// The columns of a target that is to be created.
class NewColumns {
 public:
  NewColumns(const JobDescription& job, const Table& source, const Mappings& mappings)
      : job_(job),
        source_(source),
        mappings_(mappings),
        key_column_(key_column_name(job, source)),
        rules_(layout_kind_of(job).rules(job)) {}

  Result<ColumnPlan> plan() {
    PGFANOUT_TRY_ASSIGN(plan_.stored_key, find_stored_key(source_, mappings_, key_column_));
    for (std::size_t at = 0; at < source_.columns.size(); ++at) add_source_column(at);
    for (const Mapping& mapping : mappings_.entries) {
      if (!has(mapping.column)) add_mapped(mapping);
    }
    PGFANOUT_TRY(give_sequences());
    for (const TargetColumn& wish : job_.target.columns) PGFANOUT_TRY(give_properties(wish));
    if (rules_.stores_key) PGFANOUT_TRY(add_key_column());
    const std::size_t count = plan_.columns.size() + (plan_.key_column ? 1 : 0);
    if (count > kMaxTableColumns) {
      return refused("too-many-columns",
                     fmt::format("the target would have {} columns; a table has {} at most", count,
                                 kMaxTableColumns),
                     "leave one out with --skip, or use --key-mode expression, which stores no key",
                     source_.qualified);
    }
    return std::move(plan_);
  }

 private:
  [[nodiscard]] bool has(std::string_view name) const {
    return std::ranges::any_of(plan_.columns,
                               [&](const PlannedColumn& at) { return at.column.name == name; });
  }

  void add_source_column(std::size_t at) {
    const Column& column = source_.columns[at];
    if (column.name == key_column_) return;
    if (const Mapping* mapping = mappings_.find(column.name); mapping != nullptr) {
      return add_mapped(*mapping);
    }
    if (!mappings_.skipped.contains(column.name)) return add_same(at);
    // A column that only changes its name stays in its place.
    for (const Mapping& mapping : mappings_.entries) {
      if (mapping.renames == at && source_.find(mapping.column) == nullptr) add_mapped(mapping);
    }
  }

  void add_same(std::size_t at) {
    const Column& column = source_.columns[at];
    PlannedColumn planned{column, ColumnRole::copied, column.quoted, column.type_oid, at, false};
    if (column.generated != 0) {
      switch (inputs_of(column)) {
        case Inputs::unchanged:
          planned.role = ColumnRole::compared;
          break;
        case Inputs::changed:
          planned.role = ColumnRole::left_out;
          note(Severity::info, "generated-column-recomputed", column,
               "is computed from columns that --map changes, and is not compared");
          break;
        case Inputs::missing:
          freeze(planned.column);
          break;
      }
    }
    plan_.columns.push_back(std::move(planned));
  }

  void add_mapped(const Mapping& mapping) {
    if (mapping.column == key_column_ && rules_.stores_key) return;
    if (mapping.renames) {
      const Column& origin = source_.columns[*mapping.renames];
      PlannedColumn planned{origin,          ColumnRole::copied, origin.quoted,
                            origin.type_oid, mapping.renames,    false};
      if (origin.generated != 0) freeze(planned.column);
      if (!mappings_.skipped.contains(origin.name) && mapping.column != origin.name) {
        make_plain(planned.column);
      }
      planned.column.name = mapping.column;
      planned.column.quoted = mapping.value.quoted;
      plan_.columns.push_back(std::move(planned));
      return;
    }
    PlannedColumn planned{mapping.value,          ColumnRole::copied, parenthesized(mapping.sql),
                          mapping.value.type_oid, std::nullopt,       mapping.is_volatile};
    inherit_properties(planned.column);
    if (nextval_literal(mapping.sql)) {
      // Rows inserted later continue the sequence.
      planned.column.identity = 0;
      planned.column.default_sql = parenthesized(mapping.sql);
    }
    plan_.columns.push_back(std::move(planned));
  }

  /// A new value for a column that the source has: what is true of any value stays; what depends on
  /// the type stays where the type does.
  void inherit_properties(Column& column) const {
    const Column* origin = source_.find(column.name);
    if (origin == nullptr) return;
    column.is_not_null = origin->is_not_null;
    column.not_null_name = origin->not_null_name;
    if (origin->type_sql != column.type_sql || origin->generated != 0) return;
    const bool is_not_null = column.is_not_null;
    column = *origin;
    column.is_not_null = is_not_null;
  }

  /// A second copy of a column that is still there: what fills new rows belongs to the first.
  static void make_plain(Column& column) {
    column.default_sql.clear();
    column.identity = 0;
    column.is_not_null = false;
    column.not_null_name.clear();
  }

  /// An ordinary column with the values that were generated.
  void freeze(Column& column) {
    note(Severity::warning, "generated-column-frozen", column,
         "becomes an ordinary column with today's values: columns that it is computed from are "
         "renamed or left out");
    column.generated = 0;
    column.default_sql.clear();
    column.generated_from.clear();
  }

  [[nodiscard]] Inputs inputs_of(const Column& column) const {
    Inputs inputs = Inputs::unchanged;
    for (const std::int16_t number : column.generated_from) {
      const Column* input = column_of_number(source_, number);
      if (input == nullptr) continue;
      const Mapping* mapping = mappings_.find(input->name);
      if (input->name == key_column_) {
        if (!rules_.supplies_key) return Inputs::missing;
      } else if (mapping == nullptr) {
        if (mappings_.skipped.contains(input->name)) return Inputs::missing;
      } else if (mapping->renames != index_in(source_, *input)) {
        inputs = Inputs::changed;
      }
    }
    return inputs;
  }

  /// The column that a setting of the job names. Refuses the key column, which the job fills.
  Result<PlannedColumn*> wished(const std::string& written, std::string_view setting) {
    std::vector<Column> known = parts_of(plan_.columns, &PlannedColumn::column);
    const std::string name = column_name_of(written, known);
    const std::string where = fmt::format("{}.{}", setting, written);
    if (name == key_column_ && rules_.stores_key) {
      return refused(
          "bad-column",
          fmt::format("column {} holds the key: it is NOT NULL, and each row has its own",
                      display_name(name)),
          "leave it out", where);
    }
    for (PlannedColumn& planned : plan_.columns) {
      if (planned.column.name == name) return &planned;
    }
    Table target;
    target.columns = std::move(known);
    return refused("no-such-column",
                   fmt::format("the target will have no column {}", display_name(name)),
                   missing_column_hint(name, target), where);
  }

  /// A generated column has no default, and an identity column a sequence already.
  static Result<void> check_default(const Column& column, std::string_view setting) {
    if (column.generated == 0 && column.identity == 0) return {};
    return refused("bad-column",
                   fmt::format("column {} is {} and can have no default", column.quoted,
                               column.generated != 0 ? "generated" : "an identity column"),
                   "leave its default out, or give it another value with --map",
                   fmt::format("{}.{}", setting, column.name));
  }

  Result<void> give_sequences() {
    PGFANOUT_TRY_ASSIGN(const std::vector<OwnSequence> own, own_sequences(job_, source_));
    for (const OwnSequence& sequence : own) {
      PGFANOUT_TRY_ASSIGN(PlannedColumn * planned, wished(sequence.column, "target.sequences"));
      PGFANOUT_TRY(check_default(planned->column, "target.sequences"));
      const Mapping* mapping = mappings_.find(planned->column.name);
      const bool is_filled_by_it = mapping != nullptr && mapping->sequence == sequence.qualified;
      if (!is_filled_by_it && sequence.wish.type != planned->column.type_sql) {
        return refused(
            "bad-sequence",
            fmt::format("column {} is of type {}, and sequence {} counts as {}: it could not go on "
                        "behind the column's largest value",
                        planned->column.quoted, planned->column.type_sql, sequence.qualified,
                        sequence.wish.type),
            fmt::format("write as = \"{}\", or choose a column of an integer type",
                        planned->column.type_sql),
            "target.sequences." + sequence.wish.name);
      }
      planned->column.default_sql = sequence.default_sql();
    }
    return {};
  }

  Result<void> give_properties(const TargetColumn& wish) {
    PGFANOUT_TRY_ASSIGN(PlannedColumn * planned, wished(wish.name, "target.columns"));
    Column& column = planned->column;
    if (!wish.default_sql.empty()) {
      PGFANOUT_TRY(check_default(column, "target.columns"));
      planned->new_default = parenthesized(wish.default_sql);
      column.default_sql = planned->new_default;
    }
    if (!wish.is_not_null || column.is_not_null) return {};
    column.is_not_null = true;
    column.not_null_name = suffixed_name(source_.name, fmt::format("_{}_not_null", column.name));
    return {};
  }

  Result<void> add_key_column() {
    if (mappings_.find(key_column_) != nullptr) {
      return refused("bad-mapping",
                     fmt::format("column {} holds the key, which is computed and cannot be mapped",
                                 display_name(key_column_)),
                     "name another column with --key-column, or leave the --map out", key_column_);
    }
    Column column;
    column.name = key_column_;
    const Column* origin = source_.find(key_column_);
    column.quoted = origin != nullptr ? origin->quoted : quoted_name(key_column_);
    if (origin != nullptr && origin->generated == 0 && !nextval_literal(origin->default_sql)) {
      column.default_sql = origin->default_sql;
    }
    column.is_not_null = true;
    // As the server would name it in the table that it will be.
    column.not_null_name = suffixed_name(source_.name, fmt::format("_{}_not_null", key_column_));
    plan_.key_column = std::move(column);
    return {};
  }

  void note(Severity severity, std::string code, const Column& column, std::string_view what) {
    plan_.issues.push_back({severity, std::move(code),
                            fmt::format("column {} {}", column.quoted, what), source_.qualified});
  }

  const JobDescription& job_;
  const Table& source_;
  const Mappings& mappings_;
  const std::string key_column_;
  const LayoutRules rules_;
  ColumnPlan plan_;
};

/// The columns of a target that exists: every one gets a value or can do without, and every column
/// of the source goes somewhere or is left out on purpose.
class ExistingColumns {
 public:
  ExistingColumns(const Table& source, const Mappings& mappings, const Table& target,
                  const Column* key_column)
      : source_(source), mappings_(mappings), target_(target), key_column_(key_column) {}

  Result<ColumnPlan> plan(const std::string& key_column_name) {
    PGFANOUT_TRY(check_mappings());
    const auto stored = find_stored_key(source_, mappings_, key_column_name);
    if (!stored && key_column_ != nullptr) return stored.error();
    // Of a target without a key column it is an ordinary one.
    plan_.stored_key = stored ? *stored : std::nullopt;
    for (const Column& column : target_.columns) {
      if (&column != key_column_) PGFANOUT_TRY(add(column));
    }
    if (key_column_ != nullptr) plan_.key_column = *key_column_;
    PGFANOUT_TRY(check_nothing_is_lost());
    return std::move(plan_);
  }

 private:
  Result<void> check_mappings() const {
    for (const Mapping& mapping : mappings_.entries) {
      const Column* column = target_.find(mapping.column);
      if (column == nullptr) {
        return refused("no-such-column",
                       fmt::format("the target has no column {} for --map", mapping.column),
                       missing_column_hint(mapping.column, target_), target_.qualified);
      }
      if (column == key_column_) {
        return refused(
            "bad-mapping",
            fmt::format("column {} holds the key, which is computed and cannot be mapped",
                        column->quoted),
            "leave the --map out", target_.qualified);
      }
    }
    return {};
  }

  Result<void> add(const Column& column) {
    if (const Mapping* mapping = mappings_.find(column.name); mapping != nullptr) {
      if (mapping->renames) {
        add_value(column, source_.columns[*mapping->renames], {}, *mapping->renames, false);
      } else {
        add_value(column, mapping->value, parenthesized(mapping->sql), std::nullopt,
                  mapping->is_volatile);
      }
      return {};
    }
    const Column* same = source_.find(column.name);
    if (same != nullptr && !mappings_.skipped.contains(same->name)) {
      add_value(column, *same, {}, index_in(source_, *same), false);
      return {};
    }
    return leave_out(column);
  }

  void add_value(const Column& column, const Column& value, std::string sql,
                 std::optional<std::size_t> source_column, bool is_volatile) {
    if (sql.empty()) sql = value.quoted;
    PlannedColumn planned;
    planned.column = column;
    planned.source_sql = cast_sql(sql, value, column);
    planned.stream_type_oid = value.type_sql == column.type_sql ? value.type_oid : 0;
    planned.source_column = source_column;
    planned.is_volatile = is_volatile;
    if (column.generated != 0) {
      planned.role =
          is_comparable(column, source_column) ? ColumnRole::compared : ColumnRole::left_out;
    } else if (value.type_sql != column.type_sql) {
      note(Severity::info, "type-converted",
           fmt::format("column {} is converted from {} to {} by a cast", column.quoted,
                       value.type_sql, column.type_sql));
    }
    plan_.columns.push_back(std::move(planned));
  }

  /// A generated column can be proven if the source says what must come out: by an ordinary column,
  /// by a mapping, or by the same expression over columns that are copied as they are.
  [[nodiscard]] bool is_comparable(const Column& column,
                                   std::optional<std::size_t> source_column) const {
    if (!source_column) return true;
    const Column& origin = source_.columns[*source_column];
    if (origin.generated == 0) return true;
    if (origin.default_sql != column.default_sql) return false;
    return std::ranges::all_of(column.generated_from, [&](std::int16_t number) {
      const Column* input = column_of_number(target_, number);
      return input != nullptr && mappings_.find(input->name) == nullptr &&
             source_.find(input->name) != nullptr &&
             source_.find(input->name)->type_sql == input->type_sql;
    });
  }

  Result<void> leave_out(const Column& column) {
    const bool has_value =
        column.generated != 0 || column.identity != 0 || !column.default_sql.empty();
    if (!has_value && column.is_not_null) {
      return refused(
          "column-unmapped",
          fmt::format("the target's column {} is NOT NULL, has no default, and gets "
                      "no value of the source",
                      column.quoted),
          fmt::format("give it a value: --map {}", shell_word(column.name + "=EXPRESSION")),
          target_.qualified);
    }
    if (column.generated == 0) {
      note(Severity::warning, "column-left-out",
           fmt::format("the target's column {} gets no value of the source: it stays at {}",
                       column.quoted, has_value ? "its default" : "NULL"));
    }
    plan_.columns.push_back({column, ColumnRole::left_out, {}, 0, std::nullopt, false});
    return {};
  }

  /// Tells all that are lost.
  [[nodiscard]] Result<void> check_nothing_is_lost() const {
    std::vector<std::string> lost;
    std::vector<std::string> skips;
    for (std::size_t at = 0; at < source_.columns.size(); ++at) {
      const Column& column = source_.columns[at];
      if (plan_.stored_key == at || mappings_.skipped.contains(column.name)) continue;
      const bool goes_somewhere =
          std::ranges::any_of(plan_.columns, [&](const PlannedColumn& planned) {
            return planned.column.name == column.name || planned.source_column == at;
          });
      if (goes_somewhere) continue;
      lost.push_back(column.quoted);
      skips.push_back("--skip " + shell_word(column.quoted));
    }
    if (lost.empty()) return {};
    return refused("column-lost",
                   fmt::format("the source's {} {} no counterpart in the target: {}",
                               counted(lost.size(), "column", "columns"),
                               lost.size() == 1 ? "has" : "have", fmt::join(lost, ", ")),
                   fmt::format("leave out on purpose with {}, or rename with --map {}",
                               fmt::join(skips, " "), shell_word("NAME=" + lost.front())),
                   source_.qualified);
  }

  void note(Severity severity, std::string code, std::string message) {
    plan_.issues.push_back({severity, std::move(code), std::move(message), target_.qualified});
  }

  const Table& source_;
  const Mappings& mappings_;
  const Table& target_;
  const Column* key_column_;
  ColumnPlan plan_;
};

/// The planned column that carries source column `index` with its bytes, preferring its own name.
const PlannedColumn* carrier_of(const ColumnPlan& plan, const Table& source, std::size_t index) {
  const PlannedColumn* carrier = nullptr;
  for (const PlannedColumn& planned : plan.columns) {
    if (planned.source_column != index || planned.role == ColumnRole::left_out) continue;
    const bool is_better = carrier == nullptr || planned.column.name == source.columns[index].name;
    if (is_better && keeps_bytes(source.columns[index], planned.column)) carrier = &planned;
  }
  return carrier;
}

constexpr std::uint32_t kText = 25;
constexpr std::uint32_t kBpchar = 1042;
constexpr std::uint32_t kVarchar = 1043;
constexpr std::uint32_t kBit = 1560;
constexpr std::uint32_t kVarbit = 1562;

struct LengthCast {
  std::uint32_t type;
  std::string_view name;  ///< Of the type, and of its function (value, modifier, is explicit).
};

// An explicit cast to these cuts silently; their functions with `is explicit` false do not.
constexpr std::array kLengthCasts = {LengthCast{kBpchar, "bpchar"}, LengthCast{kVarchar, "varchar"},
                                     LengthCast{kBit, "bit"}, LengthCast{kVarbit, "varbit"}};

}  // namespace

Result<ColumnPlan> plan_new_columns(const JobDescription& job, const Table& source,
                                    const Mappings& mappings) {
  return NewColumns(job, source, mappings).plan();
}

std::string key_column_name(const TableRequest& job, const Table& source) {
  if (!job.layout.by.empty()) return {};
  return column_name_of(job.key_column.empty() ? kDefaultKeyColumn : job.key_column,
                        source.columns);
}

Result<ColumnPlan> plan_existing_columns(const TableRequest& job, const Table& source,
                                         const Mappings& mappings, const Table& target,
                                         const Column* key_column) {
  return ExistingColumns(source, mappings, target, key_column)
      .plan(key_column != nullptr ? key_column->name : key_column_name(job, source));
}

std::vector<const PlannedColumn*> ColumnPlan::streamed() const {
  std::vector<const PlannedColumn*> all;
  for (const ColumnRole role : {ColumnRole::copied, ColumnRole::compared}) {
    for (const PlannedColumn& planned : columns) {
      if (planned.role == role) all.push_back(&planned);
    }
  }
  return all;
}

Result<std::optional<std::size_t>> find_stored_key(const Table& source, const Mappings& mappings,
                                                   std::string_view key_column) {
  const Column* column = source.find(key_column);
  if (column == nullptr || mappings.skipped.contains(column->name)) return std::nullopt;
  if (!is_key_integer(key_type_of_oid(column->type_oid))) {
    return refused("key-column-taken",
                   fmt::format("the source has a column {} of type {}, which cannot hold the key",
                               column->quoted, column->type_sql),
                   "name another column for the key: --key-column NAME", source.qualified);
  }
  return index_in(source, *column);
}

Result<KeyCarriers> find_key_carriers(const ColumnPlan& plan, const Table& source,
                                      const KeyExpression& key) {
  KeyCarriers carriers;
  carriers.target_names = parts_of(source.columns, &Column::name);
  const std::vector<const PlannedColumn*> streamed = plan.streamed();
  for (const std::size_t index : key.used_columns()) {
    const Column& column = source.columns[index];
    if (plan.stored_key == index && plan.key_column) {
      carriers.uses_stored_key = true;
      carriers.target_names[index] = plan.key_column->name;
      carriers.stream_fields.push_back(static_cast<std::uint16_t>(streamed.size()));
      continue;
    }
    const PlannedColumn* carrier = carrier_of(plan, source, index);
    if (carrier == nullptr) {
      return refused(
          "key-column-changed",
          fmt::format("column {} is part of the key and does not reach the target unchanged: "
                      "the key could not be checked afterwards",
                      column.quoted),
          fmt::format("copy it as it is, also under another name: --map NAME={}", column.quoted),
          source.qualified);
    }
    if (!carrier->column.is_deterministic) {
      return refused("nondeterministic-collation",
                     fmt::format("the target's column {} has a nondeterministic collation: its "
                                 "server hashes a sort key of it, not its bytes",
                                 carrier->column.quoted),
                     "give the target's column a deterministic collation", source.qualified);
    }
    carriers.target_names[index] = carrier->column.name;
    const auto field = std::ranges::find(streamed, carrier);
    carriers.stream_fields.push_back(static_cast<std::uint16_t>(field - streamed.begin()));
    carriers.uses_generated = carriers.uses_generated || carrier->role == ColumnRole::compared;
  }
  return carriers;
}

std::string cast_sql(std::string_view sql, const Column& from, const Column& to) {
  if (from.type_sql == to.type_sql) return std::string(sql);
  if (to.type_modifier >= 0) {
    for (const LengthCast& cast : kLengthCasts) {
      if (cast.type == to.type_oid) {
        return fmt::format("pg_catalog.\"{0}\"({1}::pg_catalog.\"{0}\", {2}, false)", cast.name,
                           sql, to.type_modifier);
      }
    }
  }
  // "character" without a length would mean one character.
  if (to.type_oid == kBpchar) return fmt::format("{}::pg_catalog.bpchar", sql);
  return fmt::format("{}::{}", sql, to.type_sql);
}

bool keeps_bytes(const Column& from, const Column& to) {
  if (from.type_sql == to.type_sql) return true;
  const auto is_text = [](const Column& column) {
    return column.type_oid == kText || column.type_oid == kVarchar;
  };
  if (!is_text(from) || !is_text(to)) return false;
  if (to.type_modifier < 0) return true;
  return from.type_oid == kVarchar && from.type_modifier >= 0 &&
         from.type_modifier <= to.type_modifier;
}

}  // namespace pgfanout
