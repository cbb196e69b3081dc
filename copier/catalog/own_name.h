// A table's own name in SQL text that belongs to it: taken out, so that two tables' parts can be
// compared, and one table's parts be made for another.
#pragma once

#include <string>
#include <string_view>

namespace pgfanout {

/// Stands in names and definitions where the catalog names the table itself.
inline constexpr std::string_view kOwnTable = "<table>";

/// `sql` as the server prints it under an empty search_path, with kOwnTable for each mention of the
/// table. Literals stay as they are, and so do functions and types that share the table's name.
[[nodiscard]] std::string without_own_name(std::string_view sql, std::string_view schema,
                                           std::string_view name);

}  // namespace pgfanout
