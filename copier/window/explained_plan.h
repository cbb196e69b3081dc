// Which relations a query reads, by the server's own EXPLAIN.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Of EXPLAIN (FORMAT JSON): the relations of all nodes, as "schema.name" (schema only if VERBOSE);
/// under ANALYZE without nodes that were never executed. Refuses what is no such document.
Result<std::set<std::string>> relations_in_plan(std::string_view json);

/// Executes the query.
Result<std::set<std::string>> relations_read(Connection& connection, const std::string& sql);
/// Only plans it: what is pruned while planning is left out.
Result<std::set<std::string>> relations_planned(Connection& connection, const std::string& sql);

}  // namespace pgfanout
