// SchemaJudge for objects that both sides have, and for those that only the target has.
#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_impact.h"

namespace pgfanout {
namespace {

/// Definition of a column up to its collation.
std::string_view type_of(std::string_view definition) {
  return definition.substr(0, definition.find(" COLLATE "));
}

bool mentions(const std::string& sql, const std::string& name) {
  const std::vector<SqlPiece> words = sql_words(sql);
  return std::any_of(words.begin(), words.end(), [&](const SqlPiece& word) {
    return word.is_name() && word.name == name;
  });
}

bool is_key(const SchemaObject& object) {
  return object.definition.starts_with("PRIMARY KEY") || object.definition.starts_with("UNIQUE") ||
         object.definition.starts_with("CREATE UNIQUE");
}

struct KindImpact {
  std::string_view kind;
  Severity severity;
  std::string_view text;
};

constexpr KindImpact kDifferent[] = {
    {"type", Severity::error, "values that the source's type takes may be refused or sort apart"},
    {"default", Severity::warning, "inserts that leave the column out store another value"},
    {"constraint", Severity::error, "other rows are accepted or refused than before"},
    {"index", Severity::warning, "queries that use it may get slow"},
    {"trigger", Severity::error, "something else happens, or at another time"},
    {"rule", Severity::error, "statements are rewritten in another way"},
    {"function", Severity::warning, "what calls it may compute something else"},
    {"partition", Severity::info, "the layout is what the migration changes"},
    {"policy", Severity::error, "roles see or write other rows than before"},
    {"view", Severity::warning, "its queries may give another result"},
    {"sequence", Severity::warning,
     "numbers are given out in another way, or go when the table goes that owns the counter"},
    {"publication", Severity::warning, "subscribers get other changes than before"},
    {"statistics", Severity::warning, "the planner may misjudge queries on these columns"},
    {"storage option", Severity::warning, "rows are stored or maintained in another way"},
    {"replica identity", Severity::warning,
     "subscribers may refuse updates and deletes, or more is written to the log"},
    {"comment", Severity::warning, "it explains something else"},
};

}  // namespace

SchemaImpact SchemaJudge::different(const SchemaObject& source, const SchemaObject& target) const {
  if (source.kind == "column") return different_column(source, target);
  if (source.kind == "privilege") return missing_privileges(source, target.definition);
  if (source.kind == "owner") {
    return {Severity::warning,
            fmt::format("only {} and its members may alter the table", target.definition)};
  }
  const bool is_keys = source.kind == "constraint" || source.kind == "index";
  if (is_keys && is_key(source)) return different_key(source, target);
  for (const KindImpact& entry : kDifferent) {
    if (entry.kind != source.kind) continue;
    return capped(source, {entry.severity, std::string(entry.text)});
  }
  return {Severity::warning, "the two are not the same"};
}

SchemaImpact SchemaJudge::different_column(const SchemaObject& source,
                                           const SchemaObject& target) const {
  if (context_.mapped_columns.contains(source.name)) {
    return {Severity::info, "the job makes the column's values while copying"};
  }
  if (type_of(source.definition) == type_of(target.definition)) {
    return {Severity::warning, "order, comparison and uniqueness of values may change"};
  }
  return {Severity::error, "values may be refused, rounded or compared in another way"};
}

/// The key of the partitions has to be in every key; it changes nothing where it follows from the
/// key's other columns.
SchemaImpact SchemaJudge::different_key(const SchemaObject& source,
                                        const SchemaObject& target) const {
  const std::string plain = without_key_column(target.definition, context_.key_column);
  if (!is_same_sql(plain, source.definition)) {
    return {Severity::error, "duplicates would be accepted, or rows refused that were not before"};
  }
  const std::string list(column_list(source.definition));
  const bool follows = std::all_of(context_.key_inputs.begin(), context_.key_inputs.end(),
                                   [&](const std::string& input) { return mentions(list, input); });
  if (follows) {
    return {Severity::info,
            fmt::format("expected: {} follows from the key; ON CONFLICT and foreign "
                        "keys have to name it too",
                        context_.key_column)};
  }
  return {Severity::warning, fmt::format("rows that differ in {} alone are no longer duplicates",
                                         context_.key_column)};
}

SchemaImpact SchemaJudge::not_valid(const SchemaObject& target) const {
  if (target.kind == "index") {
    return {target.definition.starts_with("CREATE UNIQUE") ? Severity::error : Severity::warning,
            "it is not ready on every leaf, and queries do not rely on it"};
  }
  if (target.kind == "trigger" || target.kind == "rule") {
    return {Severity::error, "it is disabled: what it does or refuses no longer happens"};
  }
  if (target.kind == "view") return {Severity::warning, "it holds no rows before a refresh"};
  if (is_key(target)) return {Severity::error, "it is not enforced on every leaf"};
  return {Severity::warning, "rows that were there before were not checked"};
}

SchemaImpact SchemaJudge::extra(const SchemaObject& target) const {
  const std::string& key = context_.key_column;
  const bool is_keys =
      !key.empty() && (column_of(target) == key || target.name == key ||
                       (target.kind == "constraint" && mentions(target.definition, key)));
  if (is_keys) {
    if (target.kind == "column" && find(target_, "default", key) == nullptr) {
      return {Severity::info, "part of the new layout: inserts must supply it"};
    }
    return {Severity::info, "part of the new layout"};
  }
  if (target.kind == "not null" && find(target_, "default", target.name) == nullptr) {
    return {Severity::info, "inserts that leave the column out fail"};
  }
  if (target.kind == "constraint") return {Severity::info, "rows may be refused"};
  return {Severity::info, "the source has none"};
}

SchemaImpact SchemaJudge::equal(const SchemaObject& source, const SchemaObject& target) const {
  if (source.kind == "sequence" && source.detail != target.detail) {
    return {Severity::info, "a counter of its own: it must stand where the source's does"};
  }
  return {};
}

}  // namespace pgfanout
