#include "copier/report/events/event_stream.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "copier/report/events/event_json.h"
#include "copier/report/result/json_report.h"
#include "copier/report/text/tool_version.h"

namespace pgfanout {
namespace {

using Json = nlohmann::ordered_json;

/// Grows with everything that a stage moves or does.
std::uint64_t amount_of(const Figures& figures) {
  return figures.rows_read + figures.rows_written + figures.rows_read_back + figures.steps_done;
}

}  // namespace

EventStream::EventStream(std::string command, std::chrono::milliseconds progress_every)
    : command_(std::move(command)), progress_every_(progress_every) {}

EventStream::~EventStream() = default;

void EventStream::job_started(const std::string& job_id, const JobCounters& counters) {
  const std::lock_guard lock(mutex_);
  job_ = job_id;
  counters_ = &counters;
  emit("job_started", "", {{"version", tool_version()}});
}

void EventStream::stage_started(std::string_view stage) {
  const std::lock_guard lock(mutex_);
  open_.emplace_back(stage);
  emit("stage_started", label(), Json::object());
}

void EventStream::stage_finished(const StageSummary& stage) {
  const std::lock_guard lock(mutex_);
  if (counters_ != nullptr && amount_of(figures_of(*counters_)) != told_) emit_progress(nullptr);
  Json fields = stage_json(stage);
  fields.erase("name");
  emit("stage_finished", open_.empty() ? stage.name : label(), fields);
  if (!open_.empty()) open_.pop_back();
}

void EventStream::issue_found(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  emit("issue", label(), issue_json(issue));
}

Result<void> EventStream::may_begin(std::string_view stage) {
  for (const auto& sink : sinks_) PGFANOUT_TRY(sink->may_begin(stage));
  return {};
}

void EventStream::gate_reached(std::string_view stage, bool is_waiting) {
  const std::lock_guard lock(mutex_);
  emit("gate", stage, {{"waiting", is_waiting}});
}

void EventStream::sampled(const WatchSample& sample) {
  const std::lock_guard lock(mutex_);
  if (counters_ != nullptr && Clock::now() >= next_progress_) emit_progress(&sample);
}

void EventStream::threshold_changed(const ThresholdState& threshold) {
  const std::lock_guard lock(mutex_);
  emit("threshold", label(), threshold_fields(threshold));
}

void EventStream::job_finished(JobResult& result) {
  {
    const std::lock_guard lock(mutex_);
    counters_ = nullptr;  // They are gone with the job.
    if (job_.empty()) job_ = result.job;
    Json fields = finished_fields(result);
    fields["seconds"] = rounded(std::chrono::duration<double>(Clock::now() - began_).count());
    emit("job_finished", "", fields);
  }
  for (const auto& sink : sinks_) sink->settle(result);
}

void EventStream::emit_progress(const WatchSample* sample) {
  const Figures figures = figures_of(*counters_);
  told_ = amount_of(figures);
  next_progress_ = Clock::now() + progress_every_;
  Json fields = progress_fields(figures);
  if (sample != nullptr) add_sample_fields(fields, *sample);
  emit("progress", label(), fields);
}

void EventStream::emit(std::string_view name, std::string_view stage, const Json& fields) {
  Json json = {{"event", name},
               {"time", utc_text(std::chrono::system_clock::now())},
               {"sequence", ++sequence_},
               {"command", command_}};
  if (!job_.empty()) json["job"] = job_;
  if (!stage.empty()) json["stage"] = stage;
  json.update(fields);
  const Event event{name, job_, std::string(stage),
                    json.dump(-1, ' ', false, Json::error_handler_t::replace)};
  for (const auto& sink : sinks_) sink->take(event);
}

/// The open stages, outermost first: "copy/read-back".
std::string EventStream::label() const {
  std::string text;
  for (const std::string& stage : open_) text += (text.empty() ? "" : "/") + stage;
  return text;
}

}  // namespace pgfanout
