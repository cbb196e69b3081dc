#include "copier/carry/carry_columns.h"

#include <algorithm>
#include <charconv>

#include "copier/catalog/relation_name.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/mapping.h"
#include "copier/key/key_plan.h"

namespace pgfanout {
namespace {

const PlannedColumn* planned(const ColumnPlan& plan, std::string_view name) {
  const auto found = std::find_if(plan.columns.begin(), plan.columns.end(),
                                  [&](const PlannedColumn& at) { return at.column.name == name; });
  return found == plan.columns.end() ? nullptr : &*found;
}

bool differs(const Column& source, const Column& target) {
  return source.type_sql != target.type_sql || source.collation != target.collation;
}

/// The same name comes first: `id=nextval(...)` with `legacy_id=id` leaves an index on id with id.
ColumnFate fate_of(std::size_t at, const CarryRequest& request, const Mappings& mappings,
                   const ColumnPlan& plan) {
  const Column& column = request.source.columns[at];
  ColumnFate fate;
  fate.source = &column;
  if (const PlannedColumn* same = planned(plan, column.name); same != nullptr) {
    fate.target = column.name;
    fate.is_changed = same->source_column != at || differs(column, same->column);
    return fate;
  }
  if (request.key_column == column.name) {
    fate.target = column.name;
    fate.is_changed = column.type_sql != key_type_sql(request.key.result_type());
    return fate;
  }
  for (const Mapping& mapping : mappings.entries) {
    if (mapping.renames != at || planned(plan, mapping.column) == nullptr) continue;
    fate.target = mapping.column;
    return fate;
  }
  return fate;
}

}  // namespace

Result<CarryColumns> CarryColumns::read(const CarryRequest& request, Connection& source) {
  PGFANOUT_TRY_ASSIGN(const Mappings mappings, read_mappings(request.job, source, request.source));
  PGFANOUT_TRY_ASSIGN(const ColumnPlan plan,
                      plan_new_columns(request.job, request.source, mappings));
  CarryColumns columns;
  for (std::size_t at = 0; at < request.source.columns.size(); ++at) {
    ColumnFate fate = fate_of(at, request, mappings, plan);
    if (fate.target && *fate.target != fate.source->name) {
      columns.renames_.emplace(fate.source->name, *fate.target);
    }
    columns.fates_.push_back(std::move(fate));
  }
  for (const PlannedColumn& at : plan.columns) columns.targets_.push_back(at.column);
  if (request.key_column) {
    Column key;
    key.name = *request.key_column;
    key.quoted = quoted_name(key.name);
    key.type_sql = key_type_sql(request.key.result_type());
    key.is_not_null = true;
    columns.targets_.push_back(std::move(key));
  }
  for (const std::size_t index : request.key.used_columns()) {
    const ColumnFate& fate = columns.fates_[index];
    columns.key_inputs_.push_back(fate.target.value_or(fate.source->name));
  }
  return columns;
}

const ColumnFate* CarryColumns::find(int number) const {
  const auto found = std::find_if(fates_.begin(), fates_.end(), [&](const ColumnFate& fate) {
    return fate.source->number == number;
  });
  return found == fates_.end() ? nullptr : &*found;
}

const Column* CarryColumns::target(std::string_view name) const {
  const auto found = std::find_if(targets_.begin(), targets_.end(),
                                  [&](const Column& column) { return column.name == name; });
  return found == targets_.end() ? nullptr : &*found;
}

std::vector<int> numbers_in(std::string_view text) {
  std::vector<int> numbers;
  while (!text.empty()) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  return numbers;
}

}  // namespace pgfanout
