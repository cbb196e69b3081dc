// Settings that must not change on the source between the fence and the swap: every setting of
// every object that the plan of the carry-over, and the making of the target, read from the
// catalogs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Settings of the table, its leaves and all that depends on them, from the catalogs' own rows:
/// objects are known by their names, so that one that was dropped and made again alike is the same.
/// Sorted; for changed_facts() only.
Result<std::vector<std::string>> read_source_facts(Connection& source, std::uint32_t table);

/// The changes in words: "column v: statistics target was -1, is 55". Empty: there are none.
[[nodiscard]] std::string changed_facts(const std::vector<std::string>& then,
                                        const std::vector<std::string>& now);

}  // namespace pgfanout
