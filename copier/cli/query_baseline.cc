#include "copier/cli/query_baseline.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

namespace pgfanout {
namespace {

using Json = nlohmann::json;

Error no_baseline() {
  return refused("usage", "must name a file with times of queries",
                 "make it with: pgfanout queries job.toml --json > FILE");
}

/// The side that stands for the time before; an empty object: there is none.
Json side_before(const Json& object) {
  return object.value("source", object.value("target", Json::object()));
}

std::optional<double> percent(const Json& side, const char* name) {
  return side.contains(name) ? std::optional(side.at(name).get<double>()) : std::nullopt;
}

}  // namespace

Result<QueryBaseline> parse_query_baseline(std::string_view json) {
  QueryBaseline baseline;
  try {
    const Json document = Json::parse(json);
    for (const Json& query : document.at("queries")) {
      const Json side = side_before(query);
      if (!side.contains("p95_ms")) continue;
      baseline.times[query.at("name")] = {side.at("p50_ms"), side.at("p95_ms"), side.at("p99_ms")};
    }
    const Json load = side_before(document.value("query_load", Json::object()));
    if (load.contains("seconds")) {
      baseline.load = {load.at("seconds"), percent(load, "cpu_percent"),
                       percent(load, "memory_percent")};
    }
  } catch (const Json::exception&) {
    return no_baseline();
  }
  if (baseline.times.empty()) return no_baseline();
  return baseline;
}

Result<QueryBaseline> read_query_baseline(std::string_view path) {
  std::ifstream file{std::string(path)};
  return parse_query_baseline(std::string(std::istreambuf_iterator<char>(file), {}));
}

}  // namespace pgfanout
