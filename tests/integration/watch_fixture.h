// Shared by the tests of a watched job: a table whose copy waits until the test has seen what it
// asks for, looks that come every few milliseconds, and an observer that keeps what it was told.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "copier/copy/copy_command.h"
#include "copier/window/commands.h"
#include "pgfanout/observer.h"
#include "tests/integration/held_copy.h"

namespace pgfanout::testing {

/// Callbacks come from the job's thread and from the one that watches.
class Watcher : public Observer {
 public:
  std::function<void(std::string_view stage)> at_stage = [](std::string_view) {};
  std::function<void(const WatchSample&)> at_sample = [](const WatchSample&) {};
  std::function<void(const ThresholdState&)> at_change = [](const ThresholdState&) {};

  void job_started(const std::string&, const JobCounters& counters) override {
    counters_ = &counters;
  }
  void stage_started(std::string_view stage) override {
    if (stages.empty() || stages.back() != stage) stages.emplace_back(stage);
    at_stage(stage);
  }
  void stage_finished(const StageSummary&) override {
    pace_wait_ns = counters_->pace_wait_ns;
    rows_rejected = counters_->rows_rejected;
  }
  void issue_found(const Issue& issue) override { issues.push_back(issue); }
  void sampled(const WatchSample& sample) override {
    const std::lock_guard lock(mutex);
    samples.push_back(sample);
    at_sample(sample);
  }
  void threshold_changed(const ThresholdState& threshold) override {
    const std::lock_guard lock(mutex);
    changes.push_back(threshold);
    at_change(threshold);
  }

  [[nodiscard]] bool was(Speed speed) const {
    return std::any_of(samples.begin(), samples.end(),
                       [&](const WatchSample& sample) { return sample.speed == speed; });
  }

  std::mutex mutex;
  std::vector<std::string> stages;
  std::vector<Issue> issues;
  std::vector<WatchSample> samples;
  std::vector<ThresholdState> changes;
  std::uint64_t pace_wait_ns = 0;
  std::uint64_t rows_rejected = 0;

 private:
  const JobCounters* counters_ = nullptr;
};

class WatchFixture : public HeldCopyFixture {
 protected:
  /// Table t, of `rows` rows. Readers wait at row `held_from` until let_go().
  void make_table(int rows, int held_from = 1) {
    execute(
        "CREATE TABLE t (id int PRIMARY KEY, note text) PARTITION BY HASH (id);"
        "CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO t SELECT n, n FROM generate_series(1, " +
        std::to_string(rows) + ") n; ANALYZE t");
    hold("$1::int >= " + std::to_string(held_from));
  }
  /// Lets go once a sample is as the test wants it, or after so many looks that it never will be.
  void let_go_when(Watcher& watcher, const std::function<bool(const WatchSample&)>& is_so) {
    watcher.at_sample = [this, is_so, looks = 0](const WatchSample& sample) mutable {
      constexpr int kMostLooks = 1500;
      if (is_so(sample) || ++looks > kMostLooks) let_go();
    };
  }

  [[nodiscard]] JobDescription job(bool is_held = true) const {
    JobDescription job;
    job.source_dsn = dsn();
    job.table = "public.t";
    job.key = "abs(hashtext(id::text)) % 4";
    job.partitions = 4;
    job.readers = 2;
    job.writers = 2;
    job.watch.sample_every = std::chrono::milliseconds(20);
    if (is_held) job.map = {{"note", "public.hold(note)"}};
    return job;
  }
  [[nodiscard]] JobDescription job_with(Measure measure, double limit, WatchAction action) const {
    JobDescription made = job();
    made.watch.thresholds = {{measure, limit, action}};
    return made;
  }

  [[nodiscard]] static const Issue* issue_of(const JobResult& result, const std::string& code) {
    for (const Issue& issue : result.issues) {
      if (issue.code == code) return &issue;
    }
    return nullptr;
  }

  static JobResult run(const JobDescription& job, Watcher& watcher) {
    const Cancellation never;
    return run_copy(job, watcher, never);
  }
};

}  // namespace pgfanout::testing
