#include "copier/plan/column_ddl.h"

#include <fmt/format.h>

namespace pgfanout {
namespace {

constexpr int kFirstWithVirtualColumns = 180000;

std::string_view storage_name(char storage) {
  switch (storage) {
    case 'p':
      return "PLAIN";
    case 'e':
      return "EXTERNAL";
    case 'm':
      return "MAIN";
    default:
      return "EXTENDED";
  }
}

}  // namespace

std::string column_definition(const Column& column, TableRole role,
                              const std::string& identity_options, int server_version) {
  std::string sql = fmt::format("{} {}", column.quoted, column.type_sql);
  if (!column.collation.empty()) sql += " COLLATE " + column.collation;
  if (column.generated != 0) {
    const bool is_virtual = column.generated == 'v' && server_version >= kFirstWithVirtualColumns;
    sql += fmt::format(" GENERATED ALWAYS AS ({}) {}", column.default_sql,
                       is_virtual ? "VIRTUAL" : "STORED");
  } else if (column.identity != 0 && role == TableRole::parent) {
    sql += fmt::format(" GENERATED {} AS IDENTITY ({})",
                       column.identity == 'a' ? "ALWAYS" : "BY DEFAULT", identity_options);
  } else if (column.identity == 0 && !column.default_sql.empty()) {
    sql += fmt::format(" DEFAULT {}", column.default_sql);
  }
  if (column.is_not_null) sql += " NOT NULL";
  return sql;
}

std::string column_settings(const Column& column) {
  std::string sql;
  const auto add = [&](const std::string& setting) {
    sql += fmt::format("{}ALTER COLUMN {} SET {}", sql.empty() ? "" : ", ", column.quoted, setting);
  };
  if (column.storage != column.type_storage) {
    add(fmt::format("STORAGE {}", storage_name(column.storage)));
  }
  if (column.compression != 0) {
    add(fmt::format("COMPRESSION {}", column.compression == 'l' ? "lz4" : "pglz"));
  }
  if (column.statistics >= 0) add(fmt::format("STATISTICS {}", column.statistics));
  return sql;
}

}  // namespace pgfanout
