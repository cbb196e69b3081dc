// Splits a key expression into tokens by the server's rules, as far as they are supported.
//
// Operators are the longest run of operator characters, as on the server: `5 %-1` has the unknown
// operator `%-`, while `5 *-1` has `*` and `-`. Comments, E'' strings, U&'' forms, dollar quoting,
// parameters and numbers that are no plain integers are refused here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/result.h"

namespace pgfanout::keyexpr {

enum class TokenKind : std::uint8_t {
  word,         ///< Unquoted name or keyword, folded to lower case (ASCII letters only).
  quoted_word,  ///< "Name", with its quotes taken off.
  string,       ///< 'text', with its quotes taken off.
  integer,      ///< Decimal digits.
  op,           ///< A run of operator characters.
  cast,         ///< ::
  left_paren,
  right_paren,
  comma,
  dot,
  end,  ///< Always the last one.
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::size_t offset = 0;  ///< In bytes, from the start of the expression.
  std::string text;        ///< Content as described at the kind; for `op` its characters.
};

/// Tokens of `sql`, ended by one of kind `end`.
Result<std::vector<Token>> tokenize(std::string_view sql);

}  // namespace pgfanout::keyexpr
