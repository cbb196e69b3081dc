// Several observers of one job, told in order. A list of one observer is the base of classes that
// change some of its callbacks; an empty list does nothing.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pgfanout/observer.h"

namespace pgfanout {

class ObserverList : public Observer {
 public:
  ObserverList() = default;
  explicit ObserverList(Observer& only) { add(only); }

  /// Those that are told; each outlives the list. Not while a job runs.
  void add(Observer& observer) { observers_.push_back(&observer); }

  void job_started(const std::string& job_id, const JobCounters& counters) override {
    for (Observer* each : observers_) each->job_started(job_id, counters);
  }
  void stage_started(std::string_view stage) override {
    for (Observer* each : observers_) each->stage_started(stage);
  }
  void stage_finished(const StageSummary& stage) override {
    for (Observer* each : observers_) each->stage_finished(stage);
  }
  void issue_found(const Issue& issue) override {
    for (Observer* each : observers_) each->issue_found(issue);
  }
  /// All are asked; the first error counts.
  Result<void> may_begin(std::string_view stage) override {
    Result<void> all;
    for (Observer* each : observers_) {
      auto one = each->may_begin(stage);
      if (all && !one) all = std::move(one);
    }
    return all;
  }
  void gate_reached(std::string_view stage, bool is_waiting) override {
    for (Observer* each : observers_) each->gate_reached(stage, is_waiting);
  }
  void job_finished(JobResult& result) override {
    for (Observer* each : observers_) each->job_finished(result);
  }
  void sampled(const WatchSample& sample) override {
    for (Observer* each : observers_) each->sampled(sample);
  }
  void threshold_changed(const ThresholdState& threshold) override {
    for (Observer* each : observers_) each->threshold_changed(threshold);
  }
  void wait_changed(const SessionWait& wait, WaitChange change) override {
    for (Observer* each : observers_) each->wait_changed(wait, change);
  }

 private:
  std::vector<Observer*> observers_;
};

}  // namespace pgfanout
