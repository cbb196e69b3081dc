// Whether values can travel as binary COPY carries them. Arrays and composites name the types of
// their parts by OID, and OIDs of types that users made differ from one database to another.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "copier/catalog/type_catalog.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/row_layout.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The name of a type whose OID values of `type` carry inside, and which differs from one database
/// to another; absent if they carry none. The element type of an array that is `type` itself
/// counts.
[[nodiscard]] std::optional<std::string> embedded_local_type(const TypeMap& types,
                                                             std::uint32_t type);

/// Refuses types without a binary form; between databases also those that are missing there,
/// composites with local OIDs in them, and reg* types. Arrays of local types are let through: what
/// comes back are the OIDs to be rewritten in the stream.
Result<std::vector<OidPatch>> plan_transport(Connection& source, Connection& target,
                                             const ColumnPlan& columns, bool is_same_database);

}  // namespace pgfanout
