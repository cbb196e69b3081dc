// The columns of a target that is to be created, and what both kinds of target share: the stored
// key and the columns that the key is made from.
#include "copier/columns/column_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/nextval_call.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/columns/cast.h"
#include "copier/columns/stored_key.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMaxTableColumns = 1600;

/// Whether the columns that a generated column is computed from reach the target unchanged.
enum class Inputs : std::uint8_t { unchanged, changed, missing };

class NewColumns {
 public:
  NewColumns(const JobDescription& job, const Table& source, const Mappings& mappings)
      : job_(job),
        source_(source),
        mappings_(mappings),
        key_column_(key_column_name(job, source)) {}

  Result<ColumnPlan> plan() {
    PGFANOUT_TRY_ASSIGN(plan_.stored_key, find_stored_key(source_, mappings_, key_column_));
    for (std::size_t at = 0; at < source_.columns.size(); ++at) add_source_column(at);
    for (const Mapping& mapping : mappings_.entries) {
      if (!has(mapping.column)) add_mapped(mapping);
    }
    if (job_.key_mode != KeyMode::expression) PGFANOUT_TRY(add_key_column());
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
    return std::any_of(plan_.columns.begin(), plan_.columns.end(),
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
               "is computed anew from columns that --map changes, and is not compared");
          break;
        case Inputs::missing:
          freeze(planned.column);
          break;
      }
    }
    plan_.columns.push_back(std::move(planned));
  }

  void add_mapped(const Mapping& mapping) {
    if (mapping.column == key_column_ && job_.key_mode != KeyMode::expression) return;
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
      // Rows inserted later go on where the copied ones end.
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
      const auto input = std::find_if(source_.columns.begin(), source_.columns.end(),
                                      [&](const Column& at) { return at.number == number; });
      if (input == source_.columns.end()) continue;
      const auto at = static_cast<std::size_t>(input - source_.columns.begin());
      const Mapping* mapping = mappings_.find(input->name);
      if (input->name == key_column_) {
        const bool is_plain = job_.key_mode == KeyMode::check || job_.key_mode == KeyMode::none;
        if (!is_plain) return Inputs::missing;
      } else if (mapping == nullptr) {
        if (mappings_.skipped.contains(input->name)) return Inputs::missing;
      } else if (mapping->renames != at) {
        inputs = Inputs::changed;
      }
    }
    return inputs;
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
    column.is_not_null = true;
    plan_.key_column = std::move(column);
    return {};
  }

  void note(Severity severity, std::string code, const Column& column, std::string_view what) {
    plan_.issues.push_back({severity,
                            std::move(code),
                            fmt::format("column {} {}", column.quoted, what),
                            source_.qualified,
                            {}});
  }

  const JobDescription& job_;
  const Table& source_;
  const Mappings& mappings_;
  const std::string key_column_;
  ColumnPlan plan_;
};

}  // namespace

Result<ColumnPlan> plan_new_columns(const JobDescription& job, const Table& source,
                                    const Mappings& mappings) {
  return NewColumns(job, source, mappings).plan();
}

}  // namespace pgfanout
