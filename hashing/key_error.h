// Refusals of key expressions: code "key-expression", the expression and under it a caret, and a
// hint.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "pgfanout/result.h"

namespace pgfanout::keyexpr {

/// A refusal at byte `offset` of `sql`. Its `where` is one line of the expression (the part around
/// the place, if it is long; line breaks shown as blanks) and a line with a caret under the place,
/// counted in characters of UTF-8.
[[nodiscard]] Error key_error(std::string_view sql, std::size_t offset, std::string message,
                              std::string hint = {});

inline constexpr std::string_view what_is_supported =
    "supported are columns, integers, 'text', NULL, casts, || + - * / % & | #, coalesce, nullif, "
    "abs, mod and the server's hash functions";

}  // namespace pgfanout::keyexpr
