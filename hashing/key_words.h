// Words that cannot be an unquoted column name on the server, and texts for hints.
#pragma once

#include <string_view>

namespace pgfanout::keyexpr {

inline constexpr std::string_view what_is_supported =
    "supported are columns, integers, 'text', NULL, casts, || + - * / % & | #, coalesce, nullif, "
    "abs, mod and the server's hash functions";

/// A reserved word, or one that the server takes for a function or type name: unquoted, the server
/// reads it as something else than a column (`user` is current_user).
[[nodiscard]] bool is_reserved_word(std::string_view word);

/// A reserved word that works like an operator: AND, IS, COLLATE, ...
[[nodiscard]] bool is_operator_word(std::string_view word);

/// What to write in place of a function that is not supported.
[[nodiscard]] std::string_view hint_for_function(std::string_view name);

}  // namespace pgfanout::keyexpr
