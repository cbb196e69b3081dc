// Compares two tables' schemas: a row for each object of either side, the impact of each difference
// on the application, and an order in which the missing objects can be created.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "copier/schema/schema_inventory.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Differences that are expected, because the migration made them. Names as in the catalog.
struct ExpectedDifferences {
  std::string key_column;            ///< Of the target; empty: it stores none.
  std::set<std::string> key_inputs;  ///< Columns that the key is computed from; empty: unknown.
  std::set<std::string> skipped_columns;  ///< Source columns that the target does without.
  std::set<std::string> mapped_columns;   ///< Target columns that the job computes while copying.
  /// The swap then carries over views, publications and inbound foreign keys of the source, and its
  /// types and functions exist in any case.
  bool is_same_database = true;
  /// Indexes, and columns with a default, a NOT NULL or a sequence, that the job asks for.
  std::set<std::string> requested = {};
  // For the SQL of the deployment.
  std::string target;  ///< Quoted; empty: kOwnTable.
  std::string target_schema;
  std::string target_name;
  std::vector<std::string> leaves;             ///< Quoted; empty: the target has no partitions.
  std::vector<std::string> partition_columns;  ///< As in Table.
};

struct SchemaComparison {
  /// In the order of deployment, objects without a gap included. None is critical: a schema alone
  /// loses no rows.
  std::vector<SchemaFinding> rows;
  /// SQL for each gap that is not expected, in the order in which it can run.
  std::vector<std::string> deployment_order;
};

/// Objects meet by name and definition; where only names differ (indexes, constraints) they meet by
/// definition, then by name. A key that merely gained the key column meets the one without it.
[[nodiscard]] SchemaComparison compare_schemas(const std::vector<SchemaObject>& source,
                                               const std::vector<SchemaObject>& target,
                                               const ExpectedDifferences& expected);

/// Privileges that `source` lists and `target` does not grant, in the form of SchemaObject's
/// definition: "SELECT, UPDATE (a) WITH GRANT OPTION".
[[nodiscard]] std::vector<std::string> lost_privileges(std::string_view source,
                                                       std::string_view target);

}  // namespace pgfanout
