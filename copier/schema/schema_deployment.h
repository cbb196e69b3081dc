// SQL that gives the target what it lacks. Pure functions over the two inventories.
#pragma once

#include <string>
#include <vector>

#include "copier/schema/schema_comparison.h"
#include "copier/schema/schema_inventory.h"

namespace pgfanout {

/// Statements for one gap, to be run in the order of deployment; where a person has to decide, or
/// the swap does it, a comment says so. `object`: the source's; `found`: the target's, or null.
[[nodiscard]] std::vector<std::string> deployment_sql(const SchemaFinding& gap,
                                                      const SchemaObject& object,
                                                      const SchemaObject* found,
                                                      const std::vector<SchemaObject>& source,
                                                      const std::vector<SchemaObject>& target,
                                                      const ExpectedDifferences& expected);

}  // namespace pgfanout
