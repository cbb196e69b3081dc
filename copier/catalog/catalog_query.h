// Reading the rows of catalog queries, and pieces of SQL that many of them share.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "copier/pg/connection.h"

namespace pgfanout {

// Names: under the empty search_path of every session of ours, x::regclass::text is the qualified,
// quoted name of a relation that is not the server's own.

/// FROM item: OIDs of the leaves of table $1; of the table itself where it is not partitioned.
inline constexpr const char* kTableLeaves =
    "(SELECT $1::oid AS oid WHERE NOT EXISTS"
    " (SELECT FROM pg_partitioned_table WHERE partrelid = $1::oid)"
    " UNION ALL SELECT t.relid::oid FROM pg_partition_tree($1::oid::regclass) t WHERE t.isleaf"
    " AND EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = $1::oid) AND t.level > 0) "
    "leaf";

/// FROM item: OIDs of table $1 and of all that inherit from it, partitions or not, each once.
/// Temporary ones belong to one session, and no other reads them.
inline constexpr const char* kTableTree =
    "(WITH RECURSIVE descent(oid) AS (SELECT $1::oid UNION"
    " SELECT h.inhrelid FROM descent d JOIN pg_inherits h ON h.inhparent = d.oid"
    " JOIN pg_class heir ON heir.oid = h.inhrelid"
    " WHERE NOT h.inhdetachpending AND heir.relpersistence <> 't')"
    " SELECT descent.oid FROM descent) tree";

/// FROM item `base`: OID of the type under pg_type `t`, which is itself if that is no domain.
inline constexpr const char* kBaseType =
    "(WITH RECURSIVE under(oid, below, is_domain, depth) AS ("
    " SELECT t.oid, t.typbasetype, t.typtype = 'd', 0"
    " UNION ALL SELECT b.oid, b.typbasetype, b.typtype = 'd', u.depth + 1"
    " FROM under u JOIN pg_type b ON b.oid = u.below WHERE u.is_domain)"
    " SELECT u.oid FROM under u ORDER BY u.depth DESC LIMIT 1) base";

/// The definition of index `c`, which is pg_index `i`, behind its table's name:
/// " USING btree (a) WHERE ...". The server prints that name qualified under any search_path.
inline constexpr const char* kIndexBody =
    "(SELECT substr(pg_get_indexdef(i.indexrelid), 1 + length(format("
    "  'CREATE %sINDEX %I ON %s%I.%I', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END,"
    "  c.relname, CASE WHEN c.relkind = 'I' THEN 'ONLY ' ELSE '' END, s.nspname, r.relname)))"
    " FROM pg_class r JOIN pg_namespace s ON s.oid = r.relnamespace WHERE r.oid = i.indrelid)";

/// Options of pg_class `c` as WITH (...) takes them: "fillfactor='70', ...".
inline constexpr const char* kRelationOptions =
    "(SELECT string_agg(format('%s=%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', "
    "')"
    " FROM unnest(c.reloptions) o)";

/// The condition on a row `t` that pg_constraint `c` states: a check, foreign key or not null.
inline constexpr const char* kRowCondition =
    "(CASE c.contype WHEN 'c' THEN format('(%s) IS NOT FALSE', pg_get_expr(c.conbin, c.conrelid))"
    " ELSE (SELECT CASE c.contype WHEN 'n' THEN string_agg(format('t.%I IS NOT NULL', a.attname),"
    " ' AND ') ELSE format('(%s OR EXISTS (SELECT FROM %s AS r WHERE %s))',"
    " string_agg(format('t.%I IS NULL', a.attname), ' OR '), c.confrelid::regclass,"
    " string_agg(format('r.%s = t.%s', quote_ident(f.attname), quote_ident(a.attname)), ' AND ')) "
    "END"
    " FROM ROWS FROM (unnest(c.conkey), unnest(c.confkey)) AS k(own, other)"
    " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own"
    " LEFT JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = k.other) END)";

/// "1 2 3" as the catalog prints vectors of numbers; ends at what is no number.
template <class Number>
[[nodiscard]] std::vector<Number> numbers_in(std::string_view text) {
  std::vector<Number> numbers;
  Number number = 0;
  while (!text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) break;
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  return numbers;
}

/// NULL is an empty string, 0, '\0', false or nullopt; an unsigned field takes a negative number as
/// 0.
template <class Field>
void read_field(const Rows& rows, int row, int column, Field& field) {
  if constexpr (std::is_same_v<Field, std::string>) {
    field = rows.str(row, column);
  } else if constexpr (std::is_same_v<Field, std::optional<std::string>>) {
    if (!rows.is_null(row, column)) field = rows.str(row, column);
  } else if constexpr (std::is_same_v<Field, bool>) {
    field = rows.boolean(row, column);
  } else if constexpr (std::is_same_v<Field, char>) {
    field = rows.text(row, column).empty() ? '\0' : rows.text(row, column).front();
  } else if constexpr (std::is_unsigned_v<Field>) {
    field = static_cast<Field>(std::max<std::int64_t>(0, rows.integer(row, column)));
  } else if constexpr (std::is_integral_v<Field>) {
    field = static_cast<Field>(rows.integer(row, column));
  } else {
    field = numbers_in<typename Field::value_type>(rows.text(row, column));
  }
}

/// Puts the first columns of a row into `fields`, in order.
template <class... Fields>
void read_row(const Rows& rows, int row, Fields&... fields) {
  int column = 0;
  (read_field(rows, row, column++, fields), ...);
}

/// Each row as a struct; the first columns go into its `members`, in order.
template <class Row>
[[nodiscard]] std::vector<Row> read_rows(const Rows& rows, auto... members) {
  std::vector<Row> all(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    read_row(rows, row, all[static_cast<std::size_t>(row)].*members...);
  }
  return all;
}

}  // namespace pgfanout
