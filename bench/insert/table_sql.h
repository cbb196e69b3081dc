// The SQL of a case's table. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/insert/insert_case.h"

namespace pgfanout::bench {

/// All that the suite makes lies in this schema.
inline constexpr const char* kSchema = "pgfanout_bench";
inline constexpr const char* kTable = "pgfanout_bench.rows";

/// The key as the server computes it, with every name qualified.
inline constexpr const char* kServerKey =
    "pg_catalog.abs(pg_catalog.hashtext(collection_id::pg_catalog.text)) % 100";

/// "pgfanout_bench.rows_p07".
[[nodiscard]] std::string leaf_name(std::uint32_t key);

/// Table, leaves and trigger, without what each.indexes asks for.
[[nodiscard]] std::vector<std::string> create_statements(const InsertCase& each);
/// Primary key and two indexes.
[[nodiscard]] std::vector<std::string> index_statements(const InsertCase& each);
/// Drops the table and what belongs to it, if it is there.
[[nodiscard]] std::vector<std::string> drop_statements();

/// "(id, collection_id, ...)": what the client sends.
[[nodiscard]] std::string column_list(const InsertCase& each);
/// INSERT of so many rows, with parameters $1, $2, ...
[[nodiscard]] std::string insert_statement(const InsertCase& each, std::uint32_t rows);
/// COPY ... FROM STDIN into `table`.
[[nodiscard]] std::string copy_statement(const InsertCase& each, const std::string& table);

/// Counts the rows whose key or whose leaf is not what the server's own expression says; both are
/// 0 where the case has no such thing.
[[nodiscard]] std::string wrong_keys_query(const InsertCase& each);

}  // namespace pgfanout::bench
