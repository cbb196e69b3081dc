// What tests of a watched job share: a table that takes seconds to copy, and an observer that keeps
// what it was told, and does what a test wants at that moment.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "copier/lifecycle/copy_job.h"
#include "copier/lifecycle/window_commands.h"
#include "pgfanout/observer.h"
#include "tests/integration/copy_fixture.h"

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

class WatchFixture : public CopyFixture {
 protected:
  /// Table t, of `rows` rows; two readers need `milliseconds` for a row between them.
  void make_table(int rows, double milliseconds) const {
    execute(
        "CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN"
        " PERFORM pg_sleep(" +
        std::to_string(milliseconds / 1000) +
        "); RETURN $1; END $$; CREATE TABLE t (id int PRIMARY KEY, note text) PARTITION BY HASH"
        " (id); CREATE TABLE t_0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE t_1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO t SELECT n, 'x' FROM generate_series(1, " +
        std::to_string(rows) + ") n; ANALYZE t");
  }

  [[nodiscard]] JobDescription job(bool is_slow = true) const {
    JobDescription job;
    job.source_dsn = dsn();
    job.table = "public.t";
    job.key = "abs(hashtext(id::text)) % 4";
    job.partitions = 4;
    job.readers = 2;
    job.writers = 2;
    if (is_slow) job.map = {{"note", "public.slow(note)"}};
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
