#include "bench/insert/table_sql.h"

#include <fmt/format.h>

#include "bench/insert/row_generator.h"
#include "bench/insert/row_set.h"

namespace pgfanout::bench {
namespace {

std::string key_column(const InsertCase& each) {
  if (!each.has_key_column()) return "";
  if (each.key == KeyBy::generated) {
    return fmt::format(", partition_key int GENERATED ALWAYS AS ({}) STORED", kServerKey);
  }
  return ", partition_key int NOT NULL";
}

std::string partition_by(const InsertCase& each) {
  if (each.layout == Layout::list) return " PARTITION BY LIST (partition_key)";
  if (each.layout == Layout::expression) {
    return fmt::format(" PARTITION BY LIST (({}))", kServerKey);
  }
  return "";
}

}  // namespace

std::string leaf_name(std::uint32_t key) {
  return fmt::format("{}_p{:02}", kTable, key);
}

std::vector<std::string> create_statements(const InsertCase& each) {
  std::vector<std::string> sql;
  sql.push_back(fmt::format(
      "CREATE TABLE {} (id uuid NOT NULL, collection_id uuid NOT NULL, document_id uuid "
      "NOT NULL, chunk_index int NOT NULL, content text NOT NULL, created_at timestamptz "
      "NOT NULL{}){}",
      kTable, key_column(each), partition_by(each)));
  for (std::uint32_t key = 0; each.has_leaves() && key < kLeaves; ++key) {
    sql.push_back(fmt::format("CREATE TABLE {} PARTITION OF {} FOR VALUES IN ({})", leaf_name(key),
                              kTable, key));
  }
  if (each.key == KeyBy::trigger) {
    std::string value = kServerKey;
    value.replace(value.find("collection_id"), 0, "NEW.");
    sql.push_back(
        fmt::format("CREATE FUNCTION {}.set_key() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$ BEGIN NEW.partition_key := {}; RETURN NEW; END $$",
                    kSchema, value));
    sql.push_back(
        fmt::format("CREATE TRIGGER set_key BEFORE INSERT ON {} FOR EACH ROW EXECUTE "
                    "FUNCTION {}.set_key()",
                    kTable, kSchema));
  }
  return sql;
}

std::vector<std::string> index_statements(const InsertCase& each) {
  const char* key = each.layout == Layout::list ? ", partition_key" : "";
  return {fmt::format("ALTER TABLE {} ADD PRIMARY KEY (id, collection_id{})", kTable, key),
          fmt::format("CREATE INDEX ON {} (collection_id, created_at)", kTable),
          fmt::format("CREATE INDEX ON {} (document_id, chunk_index)", kTable)};
}

std::vector<std::string> drop_statements() {
  return {fmt::format("DROP TABLE IF EXISTS {}", kTable),
          fmt::format("DROP FUNCTION IF EXISTS {}.set_key()", kSchema)};
}

std::string column_list(const InsertCase& each) {
  return fmt::format("({}{})", fmt::join(kColumns, ", "),
                     each.sends_key() ? ", partition_key" : "");
}

std::string insert_statement(const InsertCase& each, std::uint32_t rows) {
  const std::size_t columns = kColumns.size() + (each.sends_key() ? 1 : 0);
  std::string sql = fmt::format("INSERT INTO {} {} VALUES ", kTable, column_list(each));
  std::size_t parameter = 0;
  for (std::uint32_t row = 0; row < rows; ++row) {
    sql += row == 0 ? "(" : ", (";
    for (std::size_t column = 0; column < columns; ++column) {
      sql += fmt::format("{}${}", column == 0 ? "" : ", ", ++parameter);
    }
    sql += ')';
  }
  return sql;
}

std::string copy_statement(const InsertCase& each, const std::string& table) {
  return fmt::format("COPY {} {} FROM STDIN (FORMAT {})", table, column_list(each),
                     each.method == Method::copy_text ? "text" : "binary");
}

std::string wrong_keys_query(const InsertCase& each) {
  const std::string wrong_key = each.has_key_column()
                                    ? fmt::format("partition_key IS DISTINCT FROM {}", kServerKey)
                                    : "false";
  const std::string wrong_leaf =
      each.has_leaves() ? fmt::format("right(c.relname::text, 2)::int <> {}", kServerKey) : "false";
  return fmt::format(
      "SELECT count(*) FILTER (WHERE {}), count(*) FILTER (WHERE {}) FROM {} r "
      "JOIN pg_class c ON c.oid = r.tableoid",
      wrong_key, wrong_leaf, kTable);
}

}  // namespace pgfanout::bench
