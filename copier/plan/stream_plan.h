// The stream between source and target: its columns in order, the layout of its rows on either
// side, and the statements that read it.
#pragma once

#include <string>
#include <string_view>

#include "copier/columns/column_plan.h"
#include "copier/plan/copy_plan.h"

namespace pgfanout {

/// Columns, both layouts (without patches of OIDs) and the column list of COPY.
[[nodiscard]] CopyStream make_stream(const ColumnPlan& columns, const KeyCarriers& carriers,
                                     const Table& source, bool key_is_generated);

/// Type, expression (empty: not generated) and NOT NULL of a key column that is to be created.
void complete_key_column(Column& column, KeyType type, const std::string& generated_as);

/// Whether the target's column of that name, the key column included, is NOT NULL.
[[nodiscard]] bool is_not_null(const ColumnPlan& columns, std::string_view name);

}  // namespace pgfanout
