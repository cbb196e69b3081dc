// Writes a key expression back as SQL that means the same under any search_path without objects
// that hide pg_catalog's (all sessions of this program set it to the empty one).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "hashing/key_syntax.h"

namespace pgfanout::keyexpr {

/// Every operation in parentheses, every function and type behind pg_catalog, every column quoted.
/// `rename` maps the name in the expression to the one to print.
[[nodiscard]] std::string print_qualified(
    const SyntaxTree& syntax, const std::function<std::string(std::string_view)>& rename);

/// Names of the hash functions that are called, each once, in order of first use.
[[nodiscard]] std::vector<std::string> called_hash_functions(const SyntaxTree& syntax);

}  // namespace pgfanout::keyexpr
