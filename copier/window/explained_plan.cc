#include "copier/window/explained_plan.h"

#include <nlohmann/json.hpp>

namespace pgfanout {
namespace {

using Json = nlohmann::json;

void add_relations(const Json& node, std::set<std::string>& relations) {
  if (!node.is_object()) return;
  const auto loops = node.find("Actual Loops");
  const bool was_executed = loops == node.end() || !loops->is_number() || loops->get<double>() > 0;
  const auto name = node.find("Relation Name");
  if (was_executed && name != node.end() && name->is_string()) {
    const auto schema = node.find("Schema");
    const bool has_schema = schema != node.end() && schema->is_string();
    relations.insert((has_schema ? schema->get<std::string>() + "." : std::string()) +
                     name->get<std::string>());
  }
  const auto children = node.find("Plans");
  if (children == node.end()) return;
  for (const Json& child : *children) add_relations(child, relations);
}

Result<std::set<std::string>> explained(Connection& connection, const std::string& how,
                                        const std::string& sql) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query("EXPLAIN (" + how + ") " + sql));
  return relations_in_plan(rows.text(0, 0));
}

}  // namespace

Result<std::set<std::string>> relations_in_plan(std::string_view json) {
  const Json document = Json::parse(json, nullptr, false);
  const bool is_plan = document.is_array() && !document.empty() && document[0].is_object() &&
                       document[0].contains("Plan");
  if (!is_plan) {
    return interrupted("explain", "the server's EXPLAIN could not be read",
                       "please report this, with the server's version");
  }
  std::set<std::string> relations;
  add_relations(document[0]["Plan"], relations);
  return relations;
}

Result<std::set<std::string>> relations_read(Connection& connection, const std::string& sql) {
  return explained(connection, "ANALYZE, TIMING OFF, VERBOSE, FORMAT JSON", sql);
}

Result<std::set<std::string>> relations_planned(Connection& connection, const std::string& sql) {
  return explained(connection, "VERBOSE, FORMAT JSON", sql);
}

}  // namespace pgfanout
