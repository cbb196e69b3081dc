// A job as events: each is a line of JSON, which goes to a file and to hooks. docs/EVENTS.md
// describes the lines, docs/events.schema.json is their schema.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "copier/report/record/figures.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Names of events, in the stream and for hooks.
inline constexpr std::array<std::string_view, 9> kEvents = {
    "job_started", "stage_started", "stage_finished", "issue",       "progress",
    "threshold",   "session_wait",  "gate",           "job_finished"};

struct Event {
  std::string_view name;  ///< One of kEvents.
  std::string job;        ///< Id; empty before there is one.
  std::string stage;      ///< "copy/read-back"; empty: of no stage.
  std::string line;       ///< JSON, without line feed.
};

/// Takes events as they happen.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Called from any thread, but never concurrently. Must return soon: the job waits.
  virtual void take(const Event& event) = 0;
  /// As Observer::may_begin(); may wait.
  virtual Result<void> may_begin(std::string_view /*stage*/) { return {}; }
  /// Called after the last event: waits for what still runs, and adds failures to the issues.
  virtual void settle(JobResult& result) = 0;
};

/// One line for each event, appended to a file.
class EventFile : public EventSink {
 public:
  /// Refused if the file cannot be written. It may be a FIFO that has a reader.
  [[nodiscard]] static Result<std::unique_ptr<EventFile>> open(std::string path);
  ~EventFile() override;
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  void take(const Event& event) override;
  void settle(JobResult& result) override;

 private:
  EventFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
  std::uint64_t lost_ = 0;     ///< Events that are missing or incomplete in the file.
  int first_error_ = 0;        ///< errno.
  bool ends_in_line_ = false;  ///< The last write was cut short.
};

/// RFC 3339, UTC, to the millisecond: "2026-01-31T02:03:04.567Z".
[[nodiscard]] std::string utc_text(std::chrono::system_clock::time_point moment);

class EventStream : public Observer {
 public:
  /// Emits `progress` at most that often, and at the end of each stage that has moved rows.
  explicit EventStream(std::string command,
                       std::chrono::milliseconds progress_every = std::chrono::seconds(5));
  ~EventStream() override;
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  /// Only before the job.
  void add(std::unique_ptr<EventSink> sink) { sinks_.push_back(std::move(sink)); }

  void job_started(const std::string& job_id, const JobCounters& counters) override;
  void stage_started(std::string_view stage) override;
  void stage_finished(const StageSummary& stage) override;
  void issue_found(const Issue& issue) override;
  Result<void> may_begin(std::string_view stage) override;
  void gate_reached(std::string_view stage, bool is_waiting) override;
  void sampled(const WatchSample& sample) override;
  void threshold_changed(const ThresholdState& threshold) override;
  void wait_changed(const SessionWait& wait, WaitChange change) override;
  void job_finished(JobResult& result) override;

 private:
  using Clock = std::chrono::steady_clock;

  // Both need mutex_.
  void emit(std::string_view name, std::string_view stage, const nlohmann::ordered_json& fields);
  void emit_progress(const WatchSample* sample);

  const std::string command_;
  const std::chrono::milliseconds progress_every_;
  const Clock::time_point began_ = Clock::now();
  std::vector<std::unique_ptr<EventSink>> sinks_;

  std::mutex mutex_;
  std::string job_;                        // guarded by mutex_
  std::uint64_t sequence_ = 0;             // guarded by mutex_
  const JobCounters* counters_ = nullptr;  // guarded by mutex_
  OpenStages open_;                        // guarded by mutex_
  Clock::time_point next_progress_{};      // guarded by mutex_
  std::uint64_t last_amount_ = 0;          // guarded by mutex_; of the last progress
};

}  // namespace pgfanout
