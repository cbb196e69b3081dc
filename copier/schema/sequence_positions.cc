#include "copier/schema/sequence_positions.h"

#include <fmt/format.h>

#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_expression.h"
#include "copier/catalog/timed_query.h"

namespace pgfanout {
namespace {

/// {}: kBaseType.
constexpr const char* kDrawnSql = R"sql(
SELECT a.attname, s.seqrelid::regclass::text, s.seqincrement, s.seqmin, s.seqmax,
  CASE WHEN a.attidentity = '' THEN pg_get_expr(f.adbin, f.adrelid) END
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid CROSS JOIN LATERAL {}
LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum CROSS JOIN LATERAL (
  SELECT d.objid AS oid FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid
    AND d.refobjsubid = a.attnum AND d.deptype = 'i' AND a.attidentity <> ''
  UNION SELECT d.refobjid FROM pg_depend d WHERE d.classid = 'pg_attrdef'::regclass
    AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
    AND a.attidentity = '' AND a.attgenerated = '') drawn
JOIN pg_sequence s ON s.seqrelid = drawn.oid AND NOT s.seqcycle
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
  AND base.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
ORDER BY a.attnum)sql";

/// A number outside of the sequence's bounds is none that it could give. Numbers are added as
/// numeric, since the last one may be the largest bigint.
std::string position_sql(const Table& table, const std::string& column, const std::string& sequence,
                         std::int64_t increment, std::string_view least, std::string_view most) {
  const bool is_rising = increment > 0;
  return fmt::format(
      "SELECT COALESCE(CASE WHEN s.is_called THEN s.last_value::numeric + {} ELSE s.last_value END"
      " {} t.edge, false), t.edge FROM {} AS s,"
      " (SELECT {}({column}) AS edge FROM {} WHERE {column} BETWEEN {} AND {}) AS t",
      increment, is_rising ? "<=" : ">=", sequence, is_rising ? "max" : "min", table.qualified,
      least, most, fmt::arg("column", quoted_name(column)));
}

}  // namespace

Result<std::vector<SequencePosition>> read_sequence_positions(Connection& connection,
                                                              const Table& table,
                                                              std::chrono::milliseconds patience) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(fmt::format(kDrawnSql, kBaseType),
                                                        {std::to_string(table.oid)}));
  std::vector<SequencePosition> positions;
  for (int row = 0; row < rows.size(); ++row) {
    if (!rows.is_null(row, 5) && !nextval_literal(rows.text(row, 5))) continue;
    SequencePosition position;
    position.column = rows.str(row, 0);
    position.sequence = rows.str(row, 1);
    PGFANOUT_TRY_ASSIGN(
        const auto found,
        query_in_time(connection,
                      position_sql(table, position.column, position.sequence, rows.integer(row, 2),
                                   rows.text(row, 3), rows.text(row, 4)),
                      patience));
    if (found) {
      position.is_known = true;
      position.is_behind = found->boolean(0, 0);
      position.edge = found->str(0, 1);
    }
    positions.push_back(std::move(position));
  }
  return positions;
}

}  // namespace pgfanout
