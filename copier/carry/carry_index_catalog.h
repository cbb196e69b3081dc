// The source's indexes as the catalog describes them, ready to be defined on another table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

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
  std::string key_columns;        ///< Numbers of the source's columns, "0" for an expression.
  std::string include_columns;    ///< The same.
  std::string used_columns;       ///< All that it depends on.
  std::string equality_columns;   ///< Of an exclusion constraint: those compared by =.
  std::uint32_t constraint = 0;   ///< OID of the constraint behind which it is; 0: none.
  char constraint_type = 0;       ///< 'p', 'u' or 'x'.
  std::string constraint_suffix;  ///< " DEFERRABLE INITIALLY DEFERRED", or empty.
  std::string constraint_sql;     ///< pg_get_constraintdef() without that and the condition.
};

struct SourceIndexes {
  std::vector<SourceIndex> carried;
  std::vector<std::string> on_some_leaves;  ///< "name on 2 of 16 leaves".
};

/// Of the table, and those that every one of its leaves has by itself.
Result<SourceIndexes> read_source_indexes(Connection& source, const Table& table);

}  // namespace pgfanout
