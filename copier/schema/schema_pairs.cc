#include "copier/schema/schema_pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

using IsSame = std::function<bool(const SchemaObject&, const SchemaObject&)>;

bool has_same_name(const SchemaObject& source, const SchemaObject& target) {
  return is_same_sql(source.name, target.name);
}

bool is_same_object(const SchemaObject& source, const SchemaObject& target) {
  return has_same_name(source, target) && is_same_sql(source.definition, target.definition);
}

/// The same own name, where that is not what identifies it.
bool has_same_detail(const SchemaObject& source, const SchemaObject& target) {
  return is_named_by_definition(source) && is_named_by_definition(target) &&
         !source.detail.empty() && source.detail == target.detail && !is_on_leaves_only(source);
}

class Pairing {
 public:
  Pairing(const std::vector<SchemaObject>& source, const std::vector<SchemaObject>& target)
      : target_(target), is_taken_(target.size(), false) {
    for (const SchemaObject& object : source) pairs_.push_back({&object, nullptr});
  }

  void match(const IsSame& is_same) {
    for (SchemaPair& pair : pairs_) {
      if (pair.target == nullptr) pair.target = take(*pair.source, is_same);
    }
  }

  std::vector<SchemaPair> finish() {
    for (std::size_t i = 0; i < target_.size(); ++i) {
      if (!is_taken_[i]) pairs_.push_back({nullptr, &target_[i]});
    }
    return std::move(pairs_);
  }

 private:
  const SchemaObject* take(const SchemaObject& source, const IsSame& is_same) {
    for (std::size_t i = 0; i < target_.size(); ++i) {
      if (is_taken_[i] || target_[i].kind != source.kind || !is_same(source, target_[i])) continue;
      is_taken_[i] = true;
      return &target_[i];
    }
    return nullptr;
  }

  const std::vector<SchemaObject>& target_;
  std::vector<bool> is_taken_;
  std::vector<SchemaPair> pairs_;
};

/// The alias of the only relation that a query reads: "t" of "FROM <table> t". Else empty.
std::string_view only_alias(std::string_view sql) {
  constexpr std::string_view kFrom = "FROM ";
  const std::size_t from = sql.find(kFrom);
  const bool is_only = from != std::string_view::npos &&
                       sql.find("JOIN ") == std::string_view::npos &&
                       sql.find(kFrom, from + 1) == std::string_view::npos;
  if (!is_only || !sql.substr(from + kFrom.size()).starts_with(kOwnTable)) return {};
  const std::string_view rest = sql.substr(from + kFrom.size() + kOwnTable.size());
  const std::size_t end = std::min(rest.find_first_of(",\n"), rest.size());
  const bool has_alias = end > 1 && rest.front() == ' ' && (end == rest.size() || rest[end] != ',');
  return has_alias ? rest.substr(1, end - 1) : std::string_view{};
}

bool is_in_name(char byte) {
  return byte == '_' || byte == '"' || byte == '.' || byte == '$' ||
         std::isalnum(static_cast<unsigned char>(byte)) != 0 ||
         static_cast<unsigned char>(byte) >= 0x80;
}

/// Outside of literals.
std::string without_qualifiers(std::string_view sql) {
  const std::string table = fmt::format("{}.", kOwnTable);
  const std::string alias = fmt::format("{}.", only_alias(sql));
  std::string plain;
  bool is_literal = false;
  for (std::size_t at = 0; at < sql.size();) {
    const std::string_view rest = sql.substr(at);
    const bool begins = !is_literal && (at == 0 || !is_in_name(sql[at - 1]));
    if (begins && rest.starts_with(table)) {
      at += table.size();
    } else if (begins && alias.size() > 1 && rest.starts_with(alias)) {
      at += alias.size();
    } else {
      if (sql[at] == '\'') is_literal = !is_literal;
      plain += sql[at++];
    }
  }
  return plain;
}

}  // namespace

bool is_same_sql(std::string_view left, std::string_view right) {
  return left == right || without_qualifiers(left) == without_qualifiers(right);
}

std::string_view column_list(std::string_view definition) {
  const std::size_t open = definition.find('(');
  if (open == std::string_view::npos) return {};
  std::size_t depth = 0;
  bool is_quoted = false;
  for (std::size_t i = open; i < definition.size(); ++i) {
    if (definition[i] == '"') is_quoted = !is_quoted;
    if (is_quoted) continue;
    if (definition[i] == '(') ++depth;
    if (definition[i] == ')' && --depth == 0) return definition.substr(open, i + 1 - open);
  }
  return {};
}

std::string without_key_column(const std::string& definition, const std::string& column) {
  const bool is_key = definition.starts_with("PRIMARY KEY") || definition.starts_with("UNIQUE") ||
                      definition.starts_with("CREATE UNIQUE INDEX");
  if (!is_key || column.empty()) return definition;
  const std::string list(column_list(definition));
  for (const std::string& written : {column, quoted_name(column)}) {
    for (const auto& [with, without] :
         {std::pair<std::string, std::string>{", " + written + ")", ")"},
          {"(" + written + ", ", "("},
          {", " + written + ", ", ", "}}) {
      const std::size_t found = list.find(with);
      if (found == std::string::npos) continue;
      std::string plain = definition;
      return plain.replace(plain.find(list) + found, with.size(), without);
    }
  }
  return definition;
}

std::vector<SchemaPair> pair_schemas(const std::vector<SchemaObject>& source,
                                     const std::vector<SchemaObject>& target,
                                     const std::string& key_column) {
  Pairing pairing(source, target);
  pairing.match(is_same_object);
  pairing.match(has_same_name);
  pairing.match([&](const SchemaObject& left, const SchemaObject& right) {
    return is_named_by_definition(left) &&
           is_same_sql(left.definition, without_key_column(right.definition, key_column));
  });
  pairing.match(has_same_detail);
  return pairing.finish();
}

}  // namespace pgfanout
