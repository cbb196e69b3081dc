#include "copier/report/events/event_stream.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "copier/report/result/json_report.h"
#include "copier/report/text/text.h"
#include "copier/report/text/tool_version.h"
#include "copier/report/text/watch_text.h"

namespace pgfanout {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kVerdictNames = {"match", "differs", "unproven"};
constexpr std::array kOutlookNames = {"unknown", "makes_it", "close", "misses"};

/// Grows with everything that a stage moves or does.
std::uint64_t amount_of(const Figures& figures) {
  return figures.rows_read + figures.rows_written + figures.rows_read_back + figures.steps_done;
}

double seconds_of(std::uint64_t nanoseconds) {
  return rounded(static_cast<double>(nanoseconds) / 1e9);
}

Json json_of(const DeadlineState& deadline) {
  Json json = {{"finish_by", utc_text(deadline.finish_by)},
               {"outlook", kOutlookNames.at(static_cast<std::size_t>(deadline.outlook))}};
  if (deadline.seconds_left_low) json["seconds_left_low"] = rounded(*deadline.seconds_left_low);
  if (deadline.seconds_left_high) json["seconds_left_high"] = rounded(*deadline.seconds_left_high);
  if (deadline.turn_back_by) json["turn_back_by"] = utc_text(*deadline.turn_back_by);
  if (!deadline.advice.empty()) json["advice"] = deadline.advice;
  return json;
}

Json progress_fields(const Figures& figures) {
  Json json;
  json["rows"] = {{"expected", figures.rows_expected},
                  {"read", figures.rows_read},
                  {"written", figures.rows_written},
                  {"rejected", figures.rows_rejected},
                  {"read_back", figures.rows_read_back}};
  json["bytes"] = {{"expected", figures.bytes_expected},
                   {"read", figures.bytes_read},
                   {"written", figures.bytes_written},
                   {"read_back", figures.bytes_read_back}};
  json["leaves"] = {{"total", figures.leaves_total}, {"committed", figures.leaves_committed}};
  json["steps"] = {{"total", figures.steps_total}, {"done", figures.steps_done}};
  json["readers"] = {{"total", figures.readers}, {"busy", figures.readers_busy}};
  json["writers"] = {{"total", figures.writers}, {"busy", figures.writers_busy}};
  json["memory_bytes"] = {{"budget", figures.memory_budget}, {"used", figures.memory_used}};
  json["reader_seconds"] = {{"source", seconds_of(figures.source_wait_ns)},
                            {"work", seconds_of(figures.work_ns)},
                            {"target", seconds_of(figures.target_wait_ns)},
                            {"held", seconds_of(figures.pace_wait_ns)}};
  return json;
}

/// Also members of `progress`, where the servers were sampled.
void add_sample_fields(Json& to, const WatchSample& sample) {
  to["speed"] = kSpeedNames.at(static_cast<std::size_t>(sample.speed));
  to["waits"] = sample.waits;
  if (!sample.session_waits.empty()) to["session_waits"] = sample.session_waits;
  if (sample.deadline) to["deadline"] = json_of(*sample.deadline);
}

Json threshold_fields(const ThresholdState& threshold) {
  Json json = {{"measure", name_of(threshold.measure)},
               {"action", name_of(threshold.action)},
               {"limit", threshold.limit}};
  if (threshold.value) json["value"] = *threshold.value;
  json["crossed"] = threshold.is_crossed;
  if (!threshold.detail.empty()) json["detail"] = threshold.detail;
  return json;
}

Json finished_fields(const JobResult& result) {
  Json json = {{"exit_code", exit_code_of(result)},
               {"status", status_of(result)},
               {"verdict", kVerdictNames.at(static_cast<std::size_t>(final_verdict(result)))}};
  CopyResult rows;  // Zeros where the command has none.
  if (const CopyResult* copied = copy_part(result)) {
    rows = *copied;
  } else if (const ReadResult* read = read_part(result)) {
    static_cast<ReadResult&>(rows) = *read;
  }
  json["rows"] = rows_json(rows);
  json["bytes"] = {{"read", rows.bytes_read}, {"written", rows.bytes_written}};
  if (result.source) json["source"] = *result.source;
  if (result.target) json["target"] = *result.target;
  if (const Differences* differences = differences_of(result)) {
    json["differences"] = counts_json(*differences);
  }
  if (!result.waiting_at.empty()) json["waiting_at"] = result.waiting_at;
  if (result.command != "verify" && result.command != "queries")
    json["writes_refused"] = result.writes_refused;
  if (result.error) json["error"] = *result.error;
  return json;
}

}  // namespace

std::string utc_text(std::chrono::system_clock::time_point moment) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(moment);
  const auto rest = std::chrono::floor<std::chrono::milliseconds>(moment - whole).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), rest);
}

Result<std::unique_ptr<EventFile>> EventFile::open(std::string path) {
  // Not blocking: a FIFO that has no reader, or is full, must not block the job.
  constexpr int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int fd = ::open(path.c_str(), flags, 0666);
  if (fd < 0) {
    return refused(
        "events-file",
        fmt::format("cannot write events to {}: {}", printable(path), std::strerror(errno)),
        "name a file that can be written, or a FIFO that has a reader; nothing was done");
  }
  return std::unique_ptr<EventFile>(new EventFile(std::move(path), fd));
}

EventFile::~EventFile() {
  close(fd_);
}

/// One write() for each event, so that several jobs can share a file.
void EventFile::take(const Event& event) {
  const std::string text = (ends_in_line_ ? "\n" : "") + event.line + "\n";
  ssize_t written = 0;
  do {
    written = write(fd_, text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(text.size())) {
    ends_in_line_ = false;
    return;
  }
  if (lost_ == 0) first_error_ = written < 0 ? errno : ENOSPC;
  ++lost_;
  if (written > 0) ends_in_line_ = true;
}

void EventFile::settle(JobResult& result) {
  if (lost_ == 0) return;
  result.issues.push_back({Severity::warning, "events-incomplete",
                           fmt::format("{} of the job's events could not be written: {}", lost_,
                                       std::strerror(first_error_)),
                           path_, "the job itself was not affected; its result says how it ended"});
}

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
  open_.start(stage);
  emit("stage_started", open_.label(), Json::object());
}

void EventStream::stage_finished(const StageSummary& stage) {
  const std::lock_guard lock(mutex_);
  if (counters_ != nullptr && amount_of(figures_of(*counters_)) != last_amount_)
    emit_progress(nullptr);
  Json fields = stage;
  fields.erase("name");
  emit("stage_finished", open_.empty() ? stage.name : open_.finish(), fields);
}

void EventStream::issue_found(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  emit("issue", open_.label(), issue);
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
  emit("threshold", open_.label(), threshold_fields(threshold));
}

void EventStream::wait_changed(const SessionWait& wait, WaitChange change) {
  const std::lock_guard lock(mutex_);
  Json fields = {{"change", name_of(change)}, {"wait_event", wait.event}};
  Json facts = wait;
  facts.erase("event");
  fields.update(facts);
  emit("session_wait", open_.label(), fields);
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
  last_amount_ = amount_of(figures);
  next_progress_ = Clock::now() + progress_every_;
  Json fields = progress_fields(figures);
  if (sample != nullptr) add_sample_fields(fields, *sample);
  emit("progress", open_.label(), fields);
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

}  // namespace pgfanout
