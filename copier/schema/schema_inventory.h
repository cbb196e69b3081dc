// The inventory of a table's schema: the table's own parts and everything in the database that is
// attached to it. Plain data, in a form in which two tables can be compared, also across servers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Name of the objects of kind "policy" that says whether row security is on, and "constraint" that
/// is the primary key. Other objects with such names are quoted.
inline constexpr std::string_view kRowSecurityName = "ROW LEVEL SECURITY";
inline constexpr std::string_view kPrimaryKeyName = "PRIMARY KEY";

/// Begins the detail of an index that leaves have by themselves.
inline constexpr std::string_view kOnLeavesOnly = "not on the table, but on ";

struct SchemaObject {
  /// "type", "column", "not null", "default" (identity and generation too), "sequence",
  /// "storage option", "partition", "constraint", "index", "trigger", "rule", "function",
  /// "statistics", "policy", "owner", "privilege", "comment", "view", "publication" or
  /// "replica identity".
  std::string kind;
  /// Identifies it on either side: a column's name as in the catalog; a role, policy or function;
  /// the definition itself where names may well differ (constraints, indexes, triggers, rules,
  /// views, statistics). Inbound foreign keys begin with "FROM <other table>: ".
  std::string name;
  /// As in DDL, with kOwnTable for the table and without the object's own name.
  std::string definition;
  std::string detail;    ///< For people: its own name where `name` is not that, or a remark.
  bool is_valid = true;  ///< False: NOT VALID, an index that is not ready, a disabled trigger.

  [[nodiscard]] bool can_be_disabled() const { return kind == "trigger" || kind == "rule"; }
};

/// Null: there is none.
[[nodiscard]] const SchemaObject* find_object(const std::vector<SchemaObject>& side,
                                              std::string_view kind, std::string_view name);

/// One transaction's view is wanted by the caller if the schema may change meanwhile. Objects that
/// only leaves have are left out, but for their indexes (together, with the number of leaves that
/// have them), storage options, replica identity, and the views, publications and foreign keys that
/// name a leaf.
Result<std::vector<SchemaObject>> read_schema_inventory(Connection& connection, const Table& table);

}  // namespace pgfanout
