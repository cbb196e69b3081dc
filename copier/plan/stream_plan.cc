#include "copier/plan/stream_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/key/key_plan.h"

namespace pgfanout {
namespace {

constexpr std::uint32_t kInt2 = 21;
constexpr std::uint32_t kInt4 = 23;
constexpr std::uint32_t kInt8 = 20;

KeyField key_field_of(KeyType type) {
  switch (type) {
    case KeyType::int2:
      return KeyField::int2;
    case KeyType::int8:
      return KeyField::int8;
    default:
      return KeyField::int4;
  }
}

/// Adds the planned columns of one role, and says how many there are.
std::uint16_t add_columns(const ColumnPlan& columns, ColumnRole role, CopyStream& stream) {
  std::uint16_t count = 0;
  for (const PlannedColumn& planned : columns.columns) {
    if (planned.role != role) continue;
    stream.columns.push_back(
        {planned.column.name, planned.source_sql, planned.column.quoted, planned.is_volatile});
    ++count;
  }
  return count;
}

std::string select_list(const CopyStream& stream, std::string StreamColumn::*side) {
  std::string list;
  for (const StreamColumn& column : stream.columns) {
    if ((column.*side).empty()) continue;
    list += (list.empty() ? "" : ", ") + column.*side;
  }
  return list;
}

}  // namespace

CopyStream make_stream(const ColumnPlan& columns, const KeyCarriers& carriers, const Table& source,
                       bool key_is_generated) {
  CopyStream stream;
  RowLayout layout;
  layout.copied = add_columns(columns, ColumnRole::copied, stream);
  layout.digested = static_cast<std::uint16_t>(layout.copied +
                                               add_columns(columns, ColumnRole::compared, stream));
  layout.key_fields = carriers.stream_fields;
  layout.written_key = KeyField::none;
  if (columns.key_column && !key_is_generated) {
    layout.written_key = key_field_of(key_type_of_oid(columns.key_column->type_oid));
  }
  stream.read_layout = stream.read_back_layout = layout;

  const Column* stored = columns.stored_key ? &source.columns[*columns.stored_key] : nullptr;
  const auto add_key = [&](RowLayout& side, const Column* column) {
    side.fields = side.digested;
    if (column == nullptr) return;
    side.stored_key = side.fields++;
    side.stored_key_type = key_type_of_oid(column->type_oid);
  };
  add_key(stream.read_layout, stored);
  add_key(stream.read_back_layout, columns.key_column ? &*columns.key_column : nullptr);
  if (stored != nullptr || columns.key_column) {
    stream.columns.push_back({columns.key_column ? columns.key_column->name : stored->name,
                              stored != nullptr ? stored->quoted : "",
                              columns.key_column ? columns.key_column->quoted : "", false});
  }

  std::vector<std::string> written;
  for (std::size_t at = 0; at < layout.copied; ++at)
    written.push_back(stream.columns[at].target_sql);
  if (layout.written_key != KeyField::none) written.push_back(columns.key_column->quoted);
  stream.written_columns = fmt::format("({})", fmt::join(written, ", "));
  return stream;
}

void complete_key_column(Column& column, KeyType type, const std::string& generated_as) {
  column.type_oid = type == KeyType::int2 ? kInt2 : type == KeyType::int8 ? kInt8 : kInt4;
  column.base_type_oid = column.type_oid;
  column.type_sql = key_type_sql(type);
  column.default_sql = generated_as;
  column.generated = generated_as.empty() ? '\0' : 's';
  column.is_not_null = true;
}

bool is_not_null(const ColumnPlan& columns, std::string_view name) {
  if (columns.key_column && columns.key_column->name == name) {
    return columns.key_column->is_not_null;
  }
  return std::any_of(columns.columns.begin(), columns.columns.end(), [&](const PlannedColumn& at) {
    return at.column.name == name && at.column.is_not_null;
  });
}

RangeSelect source_select(const CopyStream& stream, const Table& source, const SourceRange& range) {
  return {select_list(stream, &StreamColumn::source_sql), source.leaves[range.leaf].qualified,
          range_condition(range)};
}

RangeSelect target_select(const CopyStream& stream, const CopyTarget& target,
                          const SourceRange& range) {
  return {select_list(stream, &StreamColumn::target_sql), target.leaves[range.leaf].qualified,
          range_condition(range)};
}

}  // namespace pgfanout
