#include "copier/columns/mapping.h"

#include <fmt/format.h>

#include "copier/base/amount.h"
#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_expression.h"
#include "copier/catalog/sql_text.h"
#include "copier/catalog/type_catalog.h"
#include "copier/columns/own_sequence.h"
#include "copier/pg/connection.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

Error bad_mapping(std::string message, std::string_view column, std::string hint) {
  return refused("bad-mapping", std::move(message), std::move(hint), std::string(column));
}

/// An error of the server about an expression, with the path that it was understood under.
Error bad_expression(Error error, const Mapping& mapping, const std::string& path) {
  if (error.consequence != Consequence::refuse || error.sqlstate.empty()) return error;
  error.code = "bad-mapping";
  error.message = fmt::format("the expression for column {} is not accepted by the source: {}",
                              display_name(mapping.column), error.message);
  error.where = mapping.column;
  if (error.sqlstate == "42883" || error.sqlstate == "42P01" || error.sqlstate == "42704") {
    error.hint = fmt::format(
        "the search_path of the application is {}: write schema.function(...), 'schema.sequence', "
        "::schema.type, or name another path with --search-path",
        path.empty() ? "empty" : path);
  } else {
    error.hint = "it may use the source's columns, and neither aggregates nor sets";
  }
  return error;
}

/// Names the sequence of a nextval() in full: the target's column gets the call as its default.
Result<void> qualify_sequence(Connection& source, const std::string& path, Mapping& mapping) {
  const auto literal = nextval_literal(mapping.sql);
  if (!literal) return {};
  PGFANOUT_TRY_ASSIGN(
      const Rows named, with_search_path(source, path, [&] {
        return source.query("SELECT pg_catalog.to_regclass(" + *literal + ")::pg_catalog.oid");
      }));
  if (named.is_null(0, 0)) return {};
  PGFANOUT_TRY_ASSIGN(const Rows full, source.query("SELECT quote_literal($1::oid::regclass::text)",
                                                    {named.str(0, 0)}));
  mapping.sql.replace(mapping.sql.find(*literal), literal->size(), full.str(0, 0));
  return {};
}

/// Names a sequence that the job is to make in full. Returns SQL of the same type that does not
/// need it.
std::string with_own_sequence(const std::vector<OwnSequence>& own, Mapping& mapping) {
  const auto literal = nextval_literal(mapping.sql);
  const OwnSequence* sequence = literal ? drawn_from(own, *literal) : nullptr;
  if (sequence == nullptr) return mapping.sql;
  mapping.sequence = sequence->qualified;
  std::string without = mapping.sql;
  const std::size_t at = without.find(*literal);
  without.replace(at, literal->size(), "0::pg_catalog.oid::pg_catalog.regclass");
  mapping.sql.replace(at, literal->size(),
                      "'" + with_placeholder(sequence->qualified, "'", "''") + "'");
  return without;
}

Result<void> understand(Connection& source, const Table& table, const std::vector<OwnSequence>& own,
                        Mapping& mapping) {
  const std::string& relation =
      table.kind != 'p' || table.leaves.empty() ? table.qualified : table.leaves.front().qualified;
  // The condition is there because it takes no aggregates, window functions and sets, which would
  // change the number of rows.
  const std::string value = parenthesized(with_own_sequence(own, mapping));
  auto described = with_search_path(source, table.application.sql, [&] {
    return source.describe(
        fmt::format("SELECT {0} FROM ONLY {1} WHERE {0} IS NULL", value, relation));
  });
  if (!described) {
    return bad_expression(std::move(described).error(), mapping, table.application.shown);
  }
  if (described->size() != 1) {
    return bad_mapping(fmt::format("the expression for column {} gives {} values",
                                   display_name(mapping.column), described->size()),
                       mapping.column, "write one expression");
  }
  if (mapping.sequence.empty()) {
    PGFANOUT_TRY(qualify_sequence(source, table.application.sql, mapping));
  }
  PGFANOUT_TRY_ASSIGN(mapping.value, describe_type(source, described->front().type_oid,
                                                   described->front().type_modifier));
  if (mapping.value.type_type == 'p') {
    return bad_mapping(
        fmt::format("the expression for column {} gives {}, which no column can hold",
                    display_name(mapping.column), mapping.value.type_sql),
        mapping.column, "cast it to the type that the column shall have");
  }
  mapping.value.name = mapping.column;
  const Column* named = table.find(mapping.column);
  mapping.value.quoted = named != nullptr ? named->quoted : quoted_name(mapping.column);
  PGFANOUT_TRY_ASSIGN(mapping.is_volatile, is_volatile(source, mapping.sql, table.application.sql));
  return {};
}

std::optional<std::size_t> renamed_column(std::string_view sql, const Table& table) {
  const auto name = parse_identifier(sql);
  const Column* column = name ? table.find(*name) : nullptr;
  if (column == nullptr) return std::nullopt;
  return static_cast<std::size_t>(column - table.columns.data());
}

}  // namespace

std::string missing_column_hint(std::string_view name, const Table& table) {
  constexpr std::size_t kShown = 10;
  const std::string hint = near_names_hint(name, parts_of(table.columns, &Column::name));
  if (!hint.empty()) return hint;
  return "its columns are " + some_of(parts_of(table.columns, &Column::quoted), kShown);
}

const Mapping* Mappings::find(std::string_view column) const {
  return find_by(entries, &Mapping::column, column);
}

std::string column_name_of(std::string_view written, const std::vector<Column>& columns) {
  if (contains(columns, written, &Column::name)) return std::string(written);
  return parse_identifier(written).value_or(std::string(written));
}

Result<Mappings> read_mappings(const TableRequest& job, Connection& source, const Table& table) {
  Mappings mappings;
  for (const std::string& written : job.skip) {
    const std::string name = column_name_of(written, table.columns);
    if (table.find(name) == nullptr) {
      return refused("no-such-column",
                     fmt::format("{} has no column {} that --skip could leave out", table.qualified,
                                 display_name(name)),
                     missing_column_hint(name, table), table.qualified);
    }
    mappings.skipped.insert(name);
  }
  PGFANOUT_TRY_ASSIGN(const std::vector<OwnSequence> own, own_sequences(job, table));
  for (const ColumnMapping& written : job.map) {
    Mapping mapping;
    mapping.column = column_name_of(written.column, table.columns);
    mapping.sql = written.sql;
    if (mappings.find(mapping.column) != nullptr) {
      return bad_mapping(fmt::format("column {} is mapped twice", display_name(mapping.column)),
                         mapping.column, "give one --map for each column");
    }
    if (mapping.column.empty() || mapping.column.size() > kMaxNameBytes) {
      return bad_mapping("a column's name has 1 to 63 bytes", mapping.column, "name it otherwise");
    }
    mapping.renames = renamed_column(mapping.sql, table);
    PGFANOUT_TRY(understand(source, table, own, mapping));
    mappings.entries.push_back(std::move(mapping));
  }
  return mappings;
}

}  // namespace pgfanout
