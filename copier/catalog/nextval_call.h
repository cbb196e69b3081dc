// Recognizes a mapping that draws its values from a sequence: later rows should draw theirs from it
// too.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgfanout {

/// For SQL that is one call of nextval(), perhaps cast or in parentheses: the literal that names
/// the sequence, in its quotes. Absent for anything else.
[[nodiscard]] std::optional<std::string> nextval_literal(std::string_view sql);

}  // namespace pgfanout
