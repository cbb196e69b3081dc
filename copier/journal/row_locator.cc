#include "copier/journal/row_locator.h"

#include "copier/catalog/relation_name.h"

#include <fmt/format.h>

namespace pgfanout {
namespace {

/// jsonb_build_object('id', id, ...), or NULL without a primary key.
std::string identity_sql(const Connection& connection, const Table& table) {
  if (table.primary_key.empty()) return "NULL::text";
  std::string arguments;
  for (const std::string& column : table.primary_key) {
    arguments += fmt::format("{}{}, {}::text", arguments.empty() ? "" : ", ",
                             connection.quote_literal(column), quoted_name(column));
  }
  return fmt::format("json_build_object({})::text", arguments);
}

}  // namespace

std::string RowLocation::text() const {
  std::string where = leaf;
  if (!ctid.empty()) where += " ctid " + ctid;
  if (!identity.empty()) where += " " + identity;
  return where;
}

Result<RowLocation> locate_row(Connection& connection, const Table& table,
                               const std::vector<SourceRange>& ranges, const Reject& reject) {
  const SourceRange& range = ranges[reject.range];
  RowLocation location{table.leaves[range.leaf].qualified, reject.ctid, {}};
  // Rows of a range come in physical order, so an ordinal names a row.
  const std::string place =
      reject.ctid.empty() ? fmt::format("{} OFFSET {} LIMIT 1", range_condition(range), reject.row)
                          : fmt::format(" WHERE ctid = '{}'::tid", reject.ctid);
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(fmt::format(
                                           "SELECT ctid, {} FROM ONLY {}{}",
                                           identity_sql(connection, table), location.leaf, place)));
  if (rows.size() == 1) {
    location.ctid = rows.str(0, 0);
    location.identity = rows.str(0, 1);
  }
  return location;
}

}  // namespace pgfanout
