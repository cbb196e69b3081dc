// Names of leaves for people, by their bounds: "2025-01", "remainder 7 of 64", "'eu', 'us'".
#pragma once

#include <string>
#include <string_view>

namespace pgfanout {

/// `bound`: "FOR VALUES ..." or "DEFAULT", as the server or DDL has it. A range of a year, a month
/// or a day by its date; other ranges by both bounds. Empty for a table without partitions.
[[nodiscard]] std::string bound_name(std::string_view bound);

}  // namespace pgfanout
