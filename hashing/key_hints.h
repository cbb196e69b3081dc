// The hints of refusals: what to write instead.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hashing/key_expression.h"
#include "hashing/key_functions.h"

namespace pgfanout::keyexpr {

inline constexpr std::string_view what_is_supported =
    "supported are columns, integers, 'text', NULL, casts, || + - * / % & | #, coalesce, nullif, "
    "abs, mod and the server's hash functions";

/// For a name that is no column: the one that differs in case only, else all of them.
[[nodiscard]] std::string hint_for_column(std::span<const KeyColumn> columns,
                                          std::string_view name);

/// For a function that is not supported.
[[nodiscard]] std::string hint_for_function(std::string_view name);

/// For a cast from `from` that is not supported.
[[nodiscard]] std::string hint_for_cast(KeyType from);

/// For a hash function with the wrong number of arguments.
[[nodiscard]] std::string hint_for_arity(const HashFunction& function);

/// For a hash function whose first argument, written as `argument`, has the wrong type.
[[nodiscard]] std::string hint_for_argument(const HashFunction& function, KeyType from,
                                            const std::string& argument);

}  // namespace pgfanout::keyexpr
