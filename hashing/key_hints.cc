// Texts, and what picks them.
#include "hashing/key_hints.h"

#include <algorithm>

#include "hashing/key_types.h"

namespace pgfanout::keyexpr {
namespace {

constexpr std::size_t longest_column_list = 300;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

bool depends_on_locale(std::string_view function) {
  return function == "lower" || function == "upper" || function == "initcap" ||
         function == "casefold" || function == "normalize";
}

}  // namespace

std::string hint_for_column(std::span<const KeyColumn> columns, std::string_view name) {
  std::string hint = "columns:";
  for (const KeyColumn& column : columns) {
    if (lower_case(column.name) == lower_case(name)) {
      return "write \"" + column.name + "\" in double quotes";
    }
    if (hint.size() < longest_column_list) {
      hint += (hint.back() == ':' ? " " : ", ") + column.name;
    }
  }
  return hint.size() < longest_column_list ? hint : hint + ", ...";
}

std::string hint_for_function(std::string_view name) {
  if (depends_on_locale(name)) {
    return "its result depends on the server's locale, which cannot be recomputed safely; store "
           "the result in a column and use that";
  }
  if (name == "hashvarlena") return "on the server it cannot be called from SQL; write hashtext";
  return std::string(what_is_supported);
}

std::string hint_for_cast(KeyType from) {
  if (from == KeyType::bytea) {
    return "its result depends on the setting bytea_output; hashbytea takes a bytea";
  }
  if (is_textual(from)) return "text that is no number would fail; hash it with hashtext";
  return "casts go between integers, and from integers, uuid and boolean to text";
}

std::string hint_for_arity(const HashFunction& function) {
  return std::string(function.name) + "(" + std::string(display_name(function.argument)) +
         (function.extended ? ", bigint) takes a value and a seed" : ") takes one value");
}

std::string hint_for_argument(const HashFunction& function, KeyType from,
                              const std::string& argument) {
  const std::string name(function.name);
  if (is_textual(function.argument) && from != KeyType::bytea) {
    return "write " + name + "(" + argument + "::text" + (function.extended ? ", ...)" : ")");
  }
  return name + " takes " + std::string(display_name(function.argument));
}

}  // namespace pgfanout::keyexpr
