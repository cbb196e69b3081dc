#include "copier/report/live/stage_list.h"

#include <algorithm>

namespace pgfanout {

using StageState = JobView::StageState;

StageList::StageList(const std::vector<std::string>& expected) {
  for (const std::string& name : expected) stages_.push_back({name});
}

JobView::Stage& StageList::stage(const std::string& name) {
  const auto found = std::find_if(stages_.begin(), stages_.end(),
                                  [&](const JobView::Stage& each) { return each.name == name; });
  if (found != stages_.end()) return *found;
  stages_.push_back({name});
  return stages_.back();
}

void StageList::started(const std::string& name) {
  stage(name).state = StageState::running;
  for (JobView::Stage& earlier : stages_) {
    if (earlier.name == name) break;
    if (earlier.state == StageState::waiting) earlier.state = StageState::done;
  }
}

void StageList::finished(const StageSummary& summary) {
  JobView::Stage& done = stage(summary.name);
  done.state = summary.status == "ok" ? StageState::done : StageState::failed;
  done.seconds = summary.seconds;
}

void StageList::set_gate(const std::string& name, bool is_waiting) {
  stage(name).state = is_waiting ? StageState::gate : StageState::done;
}

std::vector<JobView::Stage> StageList::stages(double running_seconds) const {
  std::vector<JobView::Stage> all = stages_;
  for (JobView::Stage& each : all) {
    if (each.state == StageState::running) each.seconds = running_seconds;
  }
  return all;
}

}  // namespace pgfanout
