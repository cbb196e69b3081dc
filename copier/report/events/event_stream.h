// A job reported as events: each a line of JSON, given to files and hooks. docs/EVENTS.md describes
// the lines, docs/events.schema.json is their schema.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "copier/report/events/event_sink.h"
#include "copier/report/record/figures.h"
#include "pgfanout/observer.h"

namespace pgfanout {

class EventStream : public Observer {
 public:
  /// `progress_every`: at most so often, and at the end of each stage that has moved something.
  explicit EventStream(std::string command,
                       std::chrono::milliseconds progress_every = std::chrono::seconds(5));
  ~EventStream() override;
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  /// Before the job.
  void add(std::unique_ptr<EventSink> sink) { sinks_.push_back(std::move(sink)); }

  void job_started(const std::string& job_id, const JobCounters& counters) override;
  void stage_started(std::string_view stage) override;
  void stage_finished(const StageSummary& stage) override;
  void issue_found(const Issue& issue) override;
  Result<void> may_begin(std::string_view stage) override;
  void gate_reached(std::string_view stage, bool is_waiting) override;
  void sampled(const WatchSample& sample) override;
  void threshold_changed(const ThresholdState& threshold) override;
  void job_finished(JobResult& result) override;

 private:
  using Clock = std::chrono::steady_clock;

  // These are called with mutex_ held.
  void emit(std::string_view name, std::string_view stage, const nlohmann::ordered_json& fields);
  void emit_progress(const WatchSample* sample);
  [[nodiscard]] std::string label() const;

  const std::string command_;
  const std::chrono::milliseconds progress_every_;
  const Clock::time_point began_ = Clock::now();
  std::vector<std::unique_ptr<EventSink>> sinks_;

  std::mutex mutex_;
  std::string job_;                        // guarded by mutex_
  std::uint64_t sequence_ = 0;             // guarded by mutex_
  const JobCounters* counters_ = nullptr;  // guarded by mutex_
  std::vector<std::string> open_;          // guarded by mutex_; outermost first
  Clock::time_point next_progress_{};      // guarded by mutex_
  std::uint64_t told_ = 0;                 // guarded by mutex_; what the last progress amounted to
};

}  // namespace pgfanout
