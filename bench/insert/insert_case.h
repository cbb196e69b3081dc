// One way to insert rows: the factors that the suite varies, their names, the SQL of the table, and
// the combinations that PostgreSQL cannot do. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout::bench {

/// How rows reach the server.
enum class Method : std::uint8_t {
  row,          ///< One INSERT a row, parsed each time; `batch` rows a transaction.
  multirow,     ///< One INSERT of `batch` rows, which is a transaction.
  pipeline,     ///< A prepared INSERT a row, `batch` rows a pipeline sync, which is a transaction.
  copy_text,    ///< COPY in text format into the (parent) table, `batch` rows a COPY.
  copy_binary,  ///< The same in binary format.
  fan_out,      ///< Binary COPY into each leaf, rows routed by the client, `batch` rows a lane.
};

/// The table. All have 100 keys.
enum class Layout : std::uint8_t {
  plain,       ///< No partitions.
  list,        ///< LIST (partition_key), 100 leaves.
  expression,  ///< LIST (abs(hashtext(collection_id::text)) % 100), 100 leaves.
  hash,        ///< HASH (collection_id), 100 leaves; no key is stored.
};

/// Who computes partition_key.
enum class KeyBy : std::uint8_t {
  client,      ///< It is sent with the row.
  trigger,     ///< A BEFORE INSERT FOR EACH ROW trigger in PL/pgSQL.
  generated,   ///< GENERATED ALWAYS AS (...) STORED.
  expression,  ///< The server alone, when it routes the row; there is no such column.
  nobody,      ///< There is no such column: what the row costs by itself, or into HASH.
};

enum class Width : std::uint8_t { narrow, demo, wide };
enum class Indexes : std::uint8_t {
  none,
  present,
  deferred,  ///< Built after the rows are in; the time counts.
};

struct InsertCase {
  Method method = Method::copy_binary;
  Layout layout = Layout::list;
  KeyBy key = KeyBy::client;
  std::uint32_t writers = 1;
  std::uint32_t batch_rows = 0;  ///< 0: the method's default.
  Width width = Width::demo;
  Indexes indexes = Indexes::none;

  [[nodiscard]] bool has_leaves() const { return layout != Layout::plain; }
  [[nodiscard]] bool has_key_column() const {
    return key != KeyBy::expression && key != KeyBy::nobody;
  }
  [[nodiscard]] bool sends_key() const { return key == KeyBy::client; }
};

[[nodiscard]] std::string_view to_string(Method method);
[[nodiscard]] std::string_view to_string(Layout layout);
[[nodiscard]] std::string_view to_string(KeyBy key);
[[nodiscard]] std::optional<Method> method_of(std::string_view name);

[[nodiscard]] std::uint32_t batch_rows_of(const InsertCase& each);

/// "insert/copy_binary/layout:list/key:client/writers:1/batch:10000", and "/width:wide" or
/// "/indexes:present" where these are not demo and none.
[[nodiscard]] std::string name_of(const InsertCase& each);

/// Why there is no such case, such as that PostgreSQL cannot do it. Absent: it can be measured.
[[nodiscard]] std::optional<std::string> why_impossible(const InsertCase& each);

/// Holds all that the suite makes.
inline constexpr const char* kSchema = "pgfanout_bench";
inline constexpr const char* kTable = "pgfanout_bench.rows";

/// The key, as the client and the server compute it, and HASH's as the client does.
inline constexpr const char* kKeySql = "abs(hashtext(collection_id::text)) % 100";
inline constexpr const char* kHashKey = "hash_partition(100, \"collection_id\")";
inline constexpr std::uint32_t kLeaves = 100;
/// Columns of a row without the key, in the order of the table.
inline constexpr std::array<const char*, 6> kColumns = {
    "id", "collection_id", "document_id", "chunk_index", "content", "created_at"};

/// "pgfanout_bench.rows_p07".
[[nodiscard]] std::string leaf_name(std::uint32_t key);

/// Table, leaves and trigger, without what each.indexes asks for.
[[nodiscard]] std::vector<std::string> create_statements(const InsertCase& each);
/// Primary key and two indexes.
[[nodiscard]] std::vector<std::string> index_statements(const InsertCase& each);
/// Drops the table and the trigger's function, if they exist.
[[nodiscard]] std::vector<std::string> drop_statements();

/// INSERT of so many rows, with parameters $1, $2, ...
[[nodiscard]] std::string insert_statement(const InsertCase& each, std::uint32_t rows);
/// COPY ... FROM STDIN into `table`.
[[nodiscard]] std::string copy_statement(const InsertCase& each, const std::string& table);

/// Counts the rows whose partition_key is not the value of the key expression, and those in another
/// leaf than that value's. 0 if the case has no such column, or no leaves.
[[nodiscard]] std::string wrong_keys_query(const InsertCase& each);

}  // namespace pgfanout::bench
