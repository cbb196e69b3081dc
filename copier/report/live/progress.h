// Shows a running job on standard error: the live view on a terminal, lines in a log, or only
// issues, thresholds and stops. A thread of its own draws, so that the job never waits for a slow
// terminal; output that nobody reads is dropped.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "copier/report/live/job_view.h"
#include "copier/report/record/figures.h"
#include "copier/report/text/watch_text.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"

namespace pgfanout {

enum class ProgressMode : std::uint8_t { automatic, plain, none };

/// Facts about a job that are known before it begins.
struct JobLabel {
  std::string command;
  std::string source;
  std::string target;
  std::vector<std::string> stages;  ///< In order; others are added when they begin.
  CommitMode commits = CommitMode::unknown;
};

struct ProgressOptions {
  int fd = 2;
  ProgressMode mode = ProgressMode::automatic;
  std::chrono::milliseconds plain_every{2000};  ///< Between two progress lines in a log.
  std::chrono::milliseconds tick_every{100};    ///< Between two checks whether a line is due.
  JobLabel label = {};
};

/// Adds the figures of one moment to the view.
void show_figures(const Figures& now, JobView& view);

/// Where the readers' time goes.
class TimeShares {
 public:
  /// `seconds` never goes back.
  void add(double seconds, const Figures& now);
  /// Over the last seconds; absent while no reader has worked.
  [[nodiscard]] std::optional<JobView::Shares> shares() const;

 private:
  struct Times {
    double seconds = 0;
    std::array<std::uint64_t, 4> ns{};  ///< source, work, target, held.
  };
  std::deque<Times> times_;
};

/// The stages of a job: a list that is known before it begins, and the state of each.
class StageList {
 public:
  explicit StageList(const std::vector<std::string>& expected);

  /// Waiting stages before it in the list were done by an earlier call.
  void started(const std::string& stage);
  void finished(const StageSummary& stage);
  void set_gate(const std::string& stage, bool is_waiting);
  /// `running_seconds` is the time of the running one.
  [[nodiscard]] std::vector<JobView::Stage> stages(double running_seconds) const;

 private:
  JobView::Stage& stage(const std::string& name);

  std::vector<JobView::Stage> stages_;
};

/// One for each job. Counters are read only between stage_started() and stage_finished(); a job
/// must finish its stages before it returns.
class Progress : public Observer {
 public:
  /// `cancellation` outlives it.
  Progress(const ProgressOptions& options, const Cancellation& cancellation);
  ~Progress() override;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void job_started(const std::string& job_id, const JobCounters& counters) override;
  void stage_started(std::string_view stage) override;
  void stage_finished(const StageSummary& stage) override;
  /// The notes of a window's plan are only counted; 'pgfanout plan' prints them.
  void issue_found(const Issue& issue) override;
  /// Prints it.
  void tell(const Issue& issue);
  void gate_reached(std::string_view stage, bool is_waiting) override;
  void sampled(const WatchSample& sample) override;
  void threshold_changed(const ThresholdState& threshold) override;
  void wait_changed(const SessionWait& wait, WaitChange change) override;
  /// Stops drawing and removes the live view. No callback may follow.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  struct OpenStage {
    std::string name;
    Clock::time_point start;
    // When it began: the difference is this stage's own.
    std::uint64_t steps_done = 0;
    std::uint64_t steps_total = 0;
    bool has_inner = false;
  };

  void run();
  // All of these need mutex_.
  void tick();
  void tell_about_stop();
  [[nodiscard]] bool is_planning() const;
  [[nodiscard]] ProgressSnapshot snapshot();
  [[nodiscard]] std::string label() const;
  [[nodiscard]] JobView view(ProgressSnapshot now);
  void draw();
  void tell_changes(const WatchSample& sample);

  const ProgressOptions options_;
  const Cancellation& cancellation_;
  const bool is_silent_;

  std::mutex mutex_;
  std::condition_variable stopping_changed_;
  const JobCounters* counters_ = nullptr;  // guarded by mutex_
  std::vector<OpenStage> open_;            // guarded by mutex_; outermost first
  std::size_t notes_ = 0;                  // guarded by mutex_; of the plan
  std::size_t warnings_ = 0;               // guarded by mutex_; of the plan, or worse
  Clock::time_point next_plain_;           // guarded by mutex_
  RateWindow rates_;                       // guarded by mutex_
  TerminalView terminal_;                  // guarded by mutex_
  StageList stages_;                       // guarded by mutex_
  RateSeries plot_;                        // guarded by mutex_
  TimeShares shares_;                      // guarded by mutex_
  std::string job_;                        // guarded by mutex_
  Clock::time_point began_;                // guarded by mutex_
  Clock::time_point next_draw_;            // guarded by mutex_
  std::string last_issue_;                 // guarded by mutex_
  std::optional<WatchSample> sample_;      // guarded by mutex_; the last one
  Clock::time_point next_stop_line_;       // guarded by mutex_; of the epoch: none was told
  bool has_told_at_once_ = false;          // guarded by mutex_
  bool is_stopping_ = false;               // guarded by mutex_
  std::thread ticker_;                     // last: it uses all of the above
};

}  // namespace pgfanout
