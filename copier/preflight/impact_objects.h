// Objects of a database that will meet a table's new layout: found by pg_depend where the catalog
// knows, by the text of functions where it does not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Objects that depend on the table, its leaves, its columns or its row type, by their fate.
struct BoundObjects {
  std::vector<std::string> views;      ///< And materialized ones.
  std::vector<std::string> functions;  ///< BEGIN ATOMIC bodies, arguments and results.
  std::vector<std::string> others;     ///< Columns and types of the row type, policies, rules, ...
  std::vector<std::string> by_leaf;    ///< Those among them that name a leaf.
};
Result<BoundObjects> find_bound_objects(Connection& connection, const Table& table);

/// Which statements a function is looked through for. `pattern` is a regular expression of the
/// server, without regard to case, and TABLE in it the table as it may be written.
struct TextSearch {
  std::string pattern;
  std::string also;  ///< A second one that must be there as well; may be empty.
};
/// "function public.f(integer) (by text)", and the triggers that call it.
Result<std::vector<std::string>> find_by_text(Connection& connection, const Table& table,
                                              const TextSearch& search);
/// The same for the names of the table's leaves.
Result<std::vector<std::string>> find_leaf_names(Connection& connection, const Table& table);

/// Views that take inserts for the table, and rules that make some.
Result<std::vector<std::string>> find_insert_paths(Connection& connection, const Table& table);

/// A key of the table, or a unique index without a constraint.
struct UniqueKey {
  std::string text;  ///< "chunks_pkey PRIMARY KEY (id, collection_id)".
  std::vector<std::string> columns;
};
Result<std::vector<UniqueKey>> find_unique_keys(Connection& connection, const Table& table);

/// "child_t_id_fkey on public.child".
Result<std::vector<std::string>> find_inbound_keys(Connection& connection, const Table& table);

/// Views and functions whose GROUP BY rests on the primary key.
Result<std::vector<std::string>> find_grouped_by_key(Connection& connection, const Table& table);

/// A regular expression of the server's for that text and no other.
[[nodiscard]] std::string literal_pattern(std::string_view text);
/// The table as an SQL statement may name it, as a regular expression: with or without schema and
/// quotes.
[[nodiscard]] std::string name_pattern(std::string_view schema, std::string_view name);

}  // namespace pgfanout
