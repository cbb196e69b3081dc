// The hash of a row as an SQL expression: a bigint, equal to row_hash() (hashing/row_hash.h) of the
// bytes that COPY sends for the same values. Every bit of them counts, so that 1.0 and 1.00, -0.0
// and 0.0, or 'a' and 'a ' in a char(n) differ.
//
// The session's client_encoding must be its server's, as it is in ours: the send functions of some
// types convert text to it, as COPY does. The SQL can be run under any search_path.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/columns/row_layout.h"
#include "copier/pg/connection.h"
#include "hashing/row_hash.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct HashedColumn {
  std::string sql;  ///< The value as ROW() takes it, or a function of it. Empty: there is none.
  HashForm form = HashForm::bytes;
};

/// A type whose values are hashed, as its server has it.
struct HashedType {
  std::uint32_t oid = 0;  ///< Under domains.
  char kind = 'b';        ///< pg_type.typtype.
  std::string send;       ///< The function that makes the binary form: qualified; empty: none.
};

/// `value`: SQL of that type; it is evaluated once.
[[nodiscard]] HashedColumn hashed_column(std::string_view value, const HashedType& type);

/// Of all columns, in the order in which COPY sends them.
[[nodiscard]] std::string row_hash_sql(const std::vector<HashedColumn>& columns);

/// For `values`: a select list on a leaf of `table`, under its application's path. `patches` are
/// those of the stream with these fields: the hash is that of the patched bytes. Absent if SQL
/// cannot make them, or if the role may not call a type's send function.
Result<std::optional<std::vector<HashedColumn>>> hashed_columns(
    Connection& connection, const Table& table, const std::vector<std::string>& values,
    const std::vector<OidPatch>& patches);

}  // namespace pgfanout
