// The key expression of a job over the columns of its source.
#pragma once

#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The table's columns as an expression may name them, in the table's order.
[[nodiscard]] std::vector<KeyColumn> key_columns_of(const Table& table);

/// The job's expression, or the default one over the source's first column of HASH or RANGE.
Result<std::string> key_sql_of(const TableRequest& job, const Table& source);

/// Compiles the job's expression over the source, and refuses columns whose collation decides what
/// is equal.
Result<KeyExpression> compile_key(const TableRequest& job, const Table& source);

/// Refuses hash functions that the server at `connection` does not have.
Result<void> check_key_functions(Connection& connection, const KeyExpression& key);

/// int2, int4 or int8: a column of such a type can store a key.
[[nodiscard]] bool is_key_integer(KeyType type);

/// "integer" and the like, for DDL.
[[nodiscard]] std::string_view key_type_sql(KeyType type);

}  // namespace pgfanout
