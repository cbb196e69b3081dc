#include "copier/cli/query_baseline.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace pgfanout {
namespace {

using Json = nlohmann::json;

std::optional<double> number_in(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

/// The side that stands for the time before.
const Json* side_before(const Json& object) {
  for (const char* side : {"source", "target"}) {
    const auto found = object.is_object() ? object.find(side) : object.end();
    if (found != object.end()) return &*found;
  }
  return nullptr;
}

}  // namespace

Result<QueryBaseline> parse_query_baseline(std::string_view json) {
  const Json document = Json::parse(json, nullptr, false);
  const auto queries = document.is_object() ? document.find("queries") : document.end();
  QueryBaseline baseline;
  if (queries != document.end() && queries->is_array()) {
    for (const Json& query : *queries) {
      const auto name = query.is_object() ? query.find("name") : query.end();
      const Json* side = side_before(query);
      if (side == nullptr || name == query.end() || !name->is_string()) continue;
      const auto p50 = number_in(*side, "p50_ms");
      const auto p95 = number_in(*side, "p95_ms");
      const auto p99 = number_in(*side, "p99_ms");
      if (p50 && p95 && p99) baseline.times[name->get<std::string>()] = {*p50, *p95, *p99};
    }
  }
  if (baseline.times.empty()) {
    return refused("usage", "holds no times of queries",
                   "make it with: pgfanout queries job.toml --json > FILE");
  }
  const auto load = document.find("query_load");
  const Json* side = load == document.end() ? nullptr : side_before(*load);
  if (side != nullptr) {
    baseline.load = {number_in(*side, "seconds").value_or(0), number_in(*side, "cpu_percent"),
                     number_in(*side, "memory_percent")};
  }
  return baseline;
}

Result<QueryBaseline> read_query_baseline(std::string_view path) {
  std::ifstream file{std::string(path)};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    return refused("usage", "names a file that cannot be read",
                   "make it with: pgfanout queries job.toml --json > FILE");
  }
  return parse_query_baseline(text.str());
}

}  // namespace pgfanout
