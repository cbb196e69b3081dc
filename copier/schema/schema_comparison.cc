#include "copier/schema/schema_comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_impact.h"
#include "copier/schema/schema_pairs.h"

namespace pgfanout {
namespace {

/// The order in which objects can be made. Kinds of constraints have ranks of their own.
constexpr std::string_view kOrder[] = {
    "type",        "function",         "sequence",   "column",  "default",    "not null",
    "partition",   "storage option",   "check",      "index",   "key",        "foreign key",
    "inbound key", "replica identity", "statistics", "trigger", "rule",       "policy",
    "owner",       "privilege",        "comment",    "view",    "publication"};

std::string_view step_of(const SchemaObject& object) {
  if (object.kind != "constraint") return object.kind;
  if (object.definition.starts_with("CHECK")) return "check";
  if (object.definition.starts_with("FOREIGN KEY")) return "foreign key";
  if (object.definition.starts_with("FROM ")) return "inbound key";
  return "key";
}

std::ptrdiff_t rank_of(const SchemaObject& object) {
  return std::find(std::begin(kOrder), std::end(kOrder), step_of(object)) - std::begin(kOrder);
}

bool is_before(const SchemaPair& left, const SchemaPair& right) {
  return rank_of(left.any()) < rank_of(right.any());
}

std::string name_of(const SchemaObject& object) {
  const bool has_own_name = is_named_by_definition(object) && !object.detail.empty();
  return has_own_name && !is_on_leaves_only(object) ? object.detail : object.name;
}

std::string text_of(const SchemaObject* object) {
  if (object == nullptr) return {};
  std::string text = object->definition;
  if (!object->is_valid) text += " (not valid)";
  if (!object->detail.empty() && object->detail != name_of(*object)) {
    text += fmt::format(" [{}]", object->detail);
  }
  return text;
}

/// Fills gap, impact and severity. Returns whether something is to be made.
bool judge(const SchemaJudge& judge, const SchemaPair& pair, SchemaGap& row) {
  SchemaImpact impact;
  if (pair.target == nullptr) {
    row.gap = "missing";
    impact = judge.missing(*pair.source);
  } else if (pair.source == nullptr) {
    row.gap = "extra";
    impact = judge.extra(*pair.target);
  } else if (!is_same_sql(pair.source->definition, pair.target->definition)) {
    row.gap = "different";
    impact = judge.different(*pair.source, *pair.target);
  } else if (pair.source->is_valid && !pair.target->is_valid) {
    row.gap = "not valid";
    impact = judge.not_valid(*pair.target);
  } else {
    row.gap = "none";
    impact = judge.equal(*pair.source, *pair.target);
  }
  row.severity = impact.severity;
  row.impact = std::move(impact.text);
  return row.severity != Severity::info || impact.belongs_to_missing_column;
}

std::string with_target(std::string text, const std::string& target) {
  if (target.empty()) return text;
  for (std::size_t at = text.find(kOwnTable); at != std::string::npos;
       at = text.find(kOwnTable, at + target.size())) {
    text.replace(at, kOwnTable.size(), target);
  }
  return text;
}

std::string deployment_of(const SchemaGap& row, const SchemaObject& source,
                          const std::string& target) {
  return fmt::format("{} {}{}: {}", row.kind, row.name,
                     row.gap == "not valid" ? " (make it valid)" : "",
                     with_target(source.definition, target));
}

}  // namespace

SchemaComparison compare_schemas(const std::vector<SchemaObject>& source,
                                 const std::vector<SchemaObject>& target,
                                 const SchemaContext& context) {
  const SchemaJudge judges(source, target, context);
  std::vector<SchemaPair> pairs = pair_schemas(source, target, context.key_column);
  std::stable_sort(pairs.begin(), pairs.end(), is_before);
  SchemaComparison comparison;
  for (const SchemaPair& pair : pairs) {
    SchemaGap row;
    row.kind = pair.any().kind;
    row.name = name_of(pair.any());
    row.source = text_of(pair.source);
    row.target = text_of(pair.target);
    const bool is_to_be_made = judge(judges, pair, row);
    if (is_to_be_made && pair.source != nullptr) {
      comparison.deployment_order.push_back(deployment_of(row, *pair.source, context.target));
    }
    comparison.rows.push_back(std::move(row));
  }
  return comparison;
}

}  // namespace pgfanout
