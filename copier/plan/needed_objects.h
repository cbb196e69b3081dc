// The objects that the source's definition names (functions, types, collations, operator classes,
// ...) and that the target's session must find, and may use, when it makes the same there.
#pragma once

#include <cstdint>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

enum class NeededBy : std::uint8_t {
  columns,    ///< Types, collations, defaults and generated columns: needed by every copy.
  dependents  ///< Checks, indexes, triggers, policies, rules, statistics, views: what is carried.
};

/// Errors "object-missing" and "no-privilege", one for each object. `columns`: numbers of the
/// source's columns that the target will have; what uses another column is not asked for.
Result<std::vector<Issue>> find_unusable_objects(Connection& source, Connection& target,
                                                 bool same_database, const Table& table,
                                                 const std::vector<std::int64_t>& columns,
                                                 NeededBy needed_by);

}  // namespace pgfanout
