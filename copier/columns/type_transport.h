// Whether values can travel as binary COPY carries them. Arrays and composites name the types of
// their parts by OID, and OIDs of types that users made differ from one database to another.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "copier/catalog/type_catalog.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/row_layout.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The OIDs that values of `type` carry; `there`: those of the target's database, for the types
/// that have another one there.
[[nodiscard]] TypeShape shape_of(const TypeMap& types,
                                 const std::map<std::uint32_t, std::uint32_t>& there,
                                 std::uint32_t type);

/// Refuses types without a binary form; between databases also those that are missing or otherwise
/// defined there, and reg* types. What comes back are the OIDs to be rewritten in the stream.
Result<std::vector<OidPatch>> plan_transport(Connection& source, Connection& target,
                                             const ColumnPlan& columns, bool is_same_database);

}  // namespace pgfanout
