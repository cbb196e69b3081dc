// One way to insert rows: what the suite varies, how that is called, and what PostgreSQL cannot do.
#pragma once

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
};

/// Who computes partition_key.
enum class KeyBy : std::uint8_t {
  client,      ///< It is sent with the row.
  trigger,     ///< A BEFORE INSERT FOR EACH ROW trigger in PL/pgSQL.
  generated,   ///< GENERATED ALWAYS AS (...) STORED.
  expression,  ///< The server alone, when it routes the row; there is no such column.
  nobody,      ///< A plain table without the column: what the row costs by itself.
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
  std::uint32_t batch_rows = 0;  ///< 0: default_batch_rows().
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
[[nodiscard]] std::string_view to_string(Width width);
[[nodiscard]] std::string_view to_string(Indexes indexes);
[[nodiscard]] std::optional<Method> method_of(std::string_view name);

[[nodiscard]] std::uint32_t default_batch_rows(Method method);
[[nodiscard]] std::uint32_t batch_rows_of(const InsertCase& each);

/// "insert/copy_binary/layout:list/key:client/writers:1/batch:10000", and "/width:wide" or
/// "/indexes:present" where these are not demo and none.
[[nodiscard]] std::string name_of(const InsertCase& each);

/// Why PostgreSQL cannot do it, or why there is nothing to do; absent: it can be measured.
[[nodiscard]] std::optional<std::string> why_impossible(const InsertCase& each);

}  // namespace pgfanout::bench
