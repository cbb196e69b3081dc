#include "copier/report/events/event_json.h"

#include <fmt/chrono.h>

#include <nlohmann/json.hpp>

#include "copier/report/result/json_report.h"

namespace pgfanout {
namespace {

using Json = nlohmann::ordered_json;

const char* speed_name(Speed speed) {
  switch (speed) {
    case Speed::full:
      return "full";
    case Speed::slow:
      return "slow";
    case Speed::paused:
      return "paused";
  }
  return "";
}

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::match:
      return "match";
    case Verdict::differs:
      return "differs";
    case Verdict::unproven:
      return "unproven";
  }
  return "";
}

const char* outlook_name(DeadlineState::Outlook outlook) {
  switch (outlook) {
    case DeadlineState::Outlook::unknown:
      return "unknown";
    case DeadlineState::Outlook::makes_it:
      return "makes_it";
    case DeadlineState::Outlook::close:
      return "close";
    case DeadlineState::Outlook::misses:
      return "misses";
  }
  return "";
}

double seconds_of(std::uint64_t nanoseconds) {
  return rounded(static_cast<double>(nanoseconds) / 1e9);
}

Json json_of(const DeadlineState& deadline) {
  Json json = {{"finish_by", utc_text(deadline.finish_by)},
               {"outlook", outlook_name(deadline.outlook)}};
  if (deadline.seconds_left_low) json["seconds_left_low"] = rounded(*deadline.seconds_left_low);
  if (deadline.seconds_left_high) json["seconds_left_high"] = rounded(*deadline.seconds_left_high);
  if (deadline.turn_back_by) json["turn_back_by"] = utc_text(*deadline.turn_back_by);
  if (!deadline.advice.empty()) json["advice"] = deadline.advice;
  return json;
}

}  // namespace

std::string utc_text(std::chrono::system_clock::time_point moment) {
  using std::chrono::floor;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  const auto whole = floor<seconds>(moment);
  const auto rest = floor<milliseconds>(moment - whole).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), rest);
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

void add_sample_fields(Json& to, const WatchSample& sample) {
  to["speed"] = speed_name(sample.speed);
  Json waits = Json::array();
  for (const WaitCount& wait : sample.waits) {
    waits.push_back({{"side", wait.side}, {"event", wait.event}, {"sessions", wait.sessions}});
  }
  to["waits"] = std::move(waits);
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
               {"verdict", verdict_name(final_verdict(result))}};
  CopyResult rows;  // Zeros where the command has none.
  if (const CopyResult* copied = copy_part(result)) {
    rows = *copied;
  } else if (const ReadResult* read = read_part(result)) {
    static_cast<ReadResult&>(rows) = *read;
  }
  json["rows"] = {{"read", rows.rows_read},
                  {"written", rows.rows_written},
                  {"resumed", rows.rows_resumed},
                  {"rejected", rows.rows_rejected},
                  {"key_mismatches", rows.key_mismatches}};
  json["bytes"] = {{"read", rows.bytes_read}, {"written", rows.bytes_written}};
  if (result.source) json["source"] = side_json(*result.source);
  if (result.target) json["target"] = side_json(*result.target);
  if (const Differences* differences = differences_of(result)) {
    json["differences"] = {{"missing", differences->missing},
                           {"extra", differences->extra},
                           {"changed", differences->changed},
                           {"misplaced", differences->misplaced}};
  }
  if (!result.waiting_at.empty()) json["waiting_at"] = result.waiting_at;
  if (result.command != "verify") json["writes_refused"] = result.writes_refused;
  if (result.error) json["error"] = error_json(*result.error);
  return json;
}

}  // namespace pgfanout
