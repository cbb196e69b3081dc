#include "bench/insert/insert_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "copier/cli/bench_request.h"

namespace pgfanout::bench {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, 4> kLayouts = {"plain", "list", "expression", "hash"};
constexpr std::array<std::string_view, 5> kKeys = {"client", "trigger", "generated", "expression",
                                                   "nobody"};
constexpr std::array<std::string_view, 3> kWidths = {"narrow", "demo", "wide"};
constexpr std::array<std::string_view, 3> kIndexes = {"none", "present", "deferred"};
constexpr std::array<std::uint32_t, 6> kBatchRows = {1000, 100, 1000, 10'000, 10'000, 500};

template <class Names, class Enum>
auto at(const Names& names, Enum value) {
  return names.at(static_cast<std::size_t>(value));
}

/// On LIST (partition_key) only the client can compute the key.
std::optional<std::string> why_not_by_list(KeyBy key) {
  switch (key) {
    case KeyBy::client:
      return std::nullopt;
    case KeyBy::trigger:
      return "a row is routed before its BEFORE trigger runs, and such a trigger may not move it "
             "to another partition";
    case KeyBy::generated:
      return "a generated column cannot be the partition key";
    case KeyBy::expression:
      return "the table is partitioned by a column, not by an expression";
    case KeyBy::nobody:
      return "a row without a key has no partition";
  }
  return std::nullopt;
}

std::string key_column(const InsertCase& each) {
  if (!each.has_key_column()) return "";
  if (each.key == KeyBy::generated) {
    return fmt::format(", partition_key int GENERATED ALWAYS AS ({}) STORED", kKeySql);
  }
  return ", partition_key int NOT NULL";
}

/// "(id, collection_id, ...)": the columns that the client sends.
std::string column_list(const InsertCase& each) {
  return fmt::format("({}{})", fmt::join(kColumns, ", "),
                     each.sends_key() ? ", partition_key" : "");
}

std::string partition_by(const InsertCase& each) {
  if (each.layout == Layout::list) return " PARTITION BY LIST (partition_key)";
  if (each.layout == Layout::expression) {
    return fmt::format(" PARTITION BY LIST (({}))", kKeySql);
  }
  if (each.layout == Layout::hash) return " PARTITION BY HASH (collection_id)";
  return "";
}

std::string bound(const InsertCase& each, std::uint32_t key) {
  return each.layout == Layout::hash
             ? fmt::format("FOR VALUES WITH (MODULUS {}, REMAINDER {})", kLeaves, key)
             : fmt::format("FOR VALUES IN ({})", key);
}

}  // namespace

std::string_view to_string(Method method) {
  return at(kBenchMethods, method);
}
std::string_view to_string(Layout layout) {
  return at(kLayouts, layout);
}
std::string_view to_string(KeyBy key) {
  return at(kKeys, key);
}

std::optional<Method> method_of(std::string_view name) {
  const auto found = std::ranges::find(kBenchMethods, name);
  if (found == kBenchMethods.end()) return std::nullopt;
  return static_cast<Method>(found - kBenchMethods.begin());
}

std::uint32_t batch_rows_of(const InsertCase& each) {
  return each.batch_rows == 0 ? at(kBatchRows, each.method) : each.batch_rows;
}

std::string name_of(const InsertCase& each) {
  std::string name =
      fmt::format("insert/{}/layout:{}/key:{}/writers:{}/batch:{}", to_string(each.method),
                  to_string(each.layout), to_string(each.key), each.writers, batch_rows_of(each));
  if (each.width != Width::demo) name += fmt::format("/width:{}", at(kWidths, each.width));
  if (each.indexes != Indexes::none) name += fmt::format("/indexes:{}", at(kIndexes, each.indexes));
  return name;
}

std::optional<std::string> why_impossible(const InsertCase& each) {
  if (each.method == Method::fan_out && !each.has_leaves()) return "a plain table has no leaves";
  if (each.layout == Layout::list) return why_not_by_list(each.key);
  if (each.layout == Layout::hash && each.key != KeyBy::nobody) {
    return "HASH needs no key: the server hashes the column itself";
  }
  if (each.layout == Layout::plain && each.key == KeyBy::expression) {
    return "a plain table is not partitioned, so the server has no key to compute";
  }
  if (each.layout == Layout::expression && each.key == KeyBy::nobody) {
    return "the server computes the key of each row to route it";
  }
  if (each.layout == Layout::expression && each.indexes != Indexes::none) {
    return "a table partitioned by an expression can have no primary key";
  }
  return std::nullopt;
}

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
    sql.push_back(fmt::format("CREATE TABLE {} PARTITION OF {} {}", leaf_name(key), kTable,
                              bound(each, key)));
  }
  if (each.key == KeyBy::trigger) {
    std::string value = kKeySql;
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
  const std::string wrong_key =
      each.has_key_column() ? fmt::format("partition_key IS DISTINCT FROM {}", kKeySql) : "false";
  std::string wrong_leaf = "false";
  if (each.layout == Layout::hash) {
    wrong_leaf = fmt::format(
        "NOT satisfies_hash_partition('{}'::regclass, {}, right(c.relname::text, 2)::int, "
        "collection_id)",
        kTable, kLeaves);
  } else if (each.has_leaves()) {
    wrong_leaf = fmt::format("right(c.relname::text, 2)::int <> {}", kKeySql);
  }
  return fmt::format(
      "SELECT count(*) FILTER (WHERE {}), count(*) FILTER (WHERE {}) FROM {} r "
      "JOIN pg_class c ON c.oid = r.tableoid",
      wrong_key, wrong_leaf, kTable);
}

}  // namespace pgfanout::bench
