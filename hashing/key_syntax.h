// A parsed key expression: nodes in one vector, children before their parents, never nested deeper
// than `max_depth`, so that walking it by recursion is safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hashing/key_expression.h"
#include "pgfanout/result.h"

namespace pgfanout::keyexpr {

inline constexpr std::size_t max_expression_bytes = 8192;
inline constexpr std::uint32_t max_depth = 100;

enum class SyntaxKind : std::uint8_t {
  integer,   ///< `magnitude`, negated if `negative`; fits into int8.
  string,    ///< `text`; its type is still unknown.
  null,      ///< NULL; its type is still unknown.
  column,    ///< `text` is the column's name.
  call,      ///< `text` is the function's name, the arguments are children.
  unary,     ///< `text` is + or -.
  binary,    ///< `text` is the operator.
  cast,      ///< One child, to `type`.
  coalesce,  ///< One child or more.
  nullif,    ///< Two children.
};

struct SyntaxNode {
  SyntaxKind kind = SyntaxKind::null;
  std::size_t offset = 0;  ///< Where in the expression to put the caret.
  std::string text;
  std::uint64_t magnitude = 0;
  bool negative = false;
  KeyType type = KeyType::other;
  std::vector<std::uint32_t> children;
  std::uint32_t depth = 1;
};

struct SyntaxTree {
  std::vector<SyntaxNode> nodes;
  std::uint32_t root = 0;
};

/// Parses `sql`; grammar and precedence are in KEY_EXPRESSION.md.
Result<SyntaxTree> parse_key_expression(std::string_view sql);

}  // namespace pgfanout::keyexpr
