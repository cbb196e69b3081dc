// Cuts SQL text into words, far enough to see which names and calls are in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

enum class SqlWordKind : unsigned char { name, quoted_name, literal, symbol };

struct SqlWord {
  SqlWordKind kind = SqlWordKind::symbol;
  std::string text;  ///< Names as in the catalog; one character for a symbol; empty for a literal.
};

/// Comments and blanks are left out. An unterminated literal or comment ends with the text.
[[nodiscard]] std::vector<SqlWord> sql_words(std::string_view sql);

}  // namespace pgfanout
