// A walk over the syntax, not over the typed tree: the server resolves types and casts itself, by
// the rules that the checker has applied.
#include "hashing/key_printer.h"

#include <algorithm>

#include "hashing/key_functions.h"
#include "hashing/key_types.h"

namespace pgfanout::keyexpr {
namespace {

std::string doubled(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  return result + quote;
}

/// A backslash means the same under either setting of standard_conforming_strings only in E''.
std::string string_literal(std::string_view text) {
  std::string quoted = doubled(text, '\'');
  if (text.find('\\') == std::string_view::npos) return quoted;
  std::string result = "E";
  for (const char c : quoted) {
    if (c == '\\') result += c;
    result += c;
  }
  return result;
}

class Printer {
 public:
  Printer(const SyntaxTree& syntax, const std::function<std::string(std::string_view)>& rename)
      : syntax_(syntax), rename_(rename) {}

  std::string print(std::uint32_t index) {
    const SyntaxNode& node = syntax_.nodes[index];
    switch (node.kind) {
      case SyntaxKind::integer: {
        const std::string digits = std::to_string(node.magnitude);
        return node.negative ? "(-" + digits + ")" : digits;
      }
      case SyntaxKind::string:
        return string_literal(node.text);
      case SyntaxKind::null:
        return "NULL";
      case SyntaxKind::column:
        return doubled(rename_(node.text), '"');
      case SyntaxKind::call:
        return "pg_catalog." + node.text + arguments(node);
      case SyntaxKind::unary:
        return "(" + node.text + " " + print(node.children[0]) + ")";
      case SyntaxKind::binary:
        return "(" + print(node.children[0]) + " " + node.text + " " + print(node.children[1]) +
               ")";
      case SyntaxKind::cast:
        return print(node.children[0]) + "::pg_catalog." + std::string(catalog_name(node.type));
      case SyntaxKind::coalesce:
        return "COALESCE" + arguments(node);
      case SyntaxKind::nullif:
        return "NULLIF" + arguments(node);
    }
    return {};
  }

 private:
  std::string arguments(const SyntaxNode& node) {
    std::string result = "(";
    for (const std::uint32_t child : node.children) {
      if (result.size() > 1) result += ", ";
      result += print(child);
    }
    return result + ")";
  }

  const SyntaxTree& syntax_;
  const std::function<std::string(std::string_view)>& rename_;
};

}  // namespace

std::string print_qualified(const SyntaxTree& syntax,
                            const std::function<std::string(std::string_view)>& rename) {
  return Printer(syntax, rename).print(syntax.root);
}

std::vector<std::string> called_hash_functions(const SyntaxTree& syntax) {
  std::vector<std::string> names;
  for (const SyntaxNode& node : syntax.nodes) {
    if (node.kind != SyntaxKind::call || find_hash_function(node.text) == nullptr) continue;
    if (std::find(names.begin(), names.end(), node.text) == names.end()) names.push_back(node.text);
  }
  return names;
}

}  // namespace pgfanout::keyexpr
