#include "copier/report/live/json_look.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "copier/report/result/json_report.h"

namespace pgfanout {
namespace {

using Json = nlohmann::ordered_json;

Json progress_of(const JobView& view) {
  constexpr std::array kStates = {"waiting", "loading", "committed",
                                  "proven",  "indexed", "verified"};
  const ProgressSnapshot& now = view.now;
  Json json = {{"stage", now.stage},
               {"stage_seconds", std::round(now.stage_seconds)},
               {"rows", now.rows},
               {"rows_expected", view.rows_expected},
               {"rows_per_second", std::round(now.rows_per_second)},
               {"bytes", now.bytes},
               {"bytes_expected", now.bytes_expected},
               {"steps_done", now.steps_done},
               {"readers", view.readers},
               {"readers_busy", view.readers_busy},
               {"writers", view.writers},
               {"writers_busy", view.writers_busy}};
  std::array<std::uint64_t, kStates.size()> leaves{};
  for (const JobView::Leaf& leaf : view.leaves) ++leaves[static_cast<std::size_t>(leaf.state)];
  json["leaves"] = Json::object();
  for (std::size_t state = 0; state < kStates.size(); ++state) {
    json["leaves"][kStates[state]] = leaves[state];
  }
  json["waits"] = Json::array();
  for (const WaitCount& wait : view.waits) {
    json["waits"].push_back(
        {{"side", wait.side}, {"event", wait.event}, {"sessions", wait.sessions}});
  }
  return json;
}

}  // namespace

std::string json_look(const JobResult& status, const JobView& view, const Resources& used) {
  Json document = json_document(status, used);
  document["progress"] = progress_of(view);
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pgfanout
