// Words that cannot be an unquoted column name on the server.
#pragma once

#include <string_view>

namespace pgfanout::keyexpr {

/// A reserved word, or one that the server takes for a function or type name: unquoted, the server
/// reads it as something else than a column (`user` is current_user).
[[nodiscard]] bool is_reserved_word(std::string_view word);

/// A reserved word that works like an operator: AND, IS, COLLATE, ...
[[nodiscard]] bool is_operator_word(std::string_view word);

}  // namespace pgfanout::keyexpr
