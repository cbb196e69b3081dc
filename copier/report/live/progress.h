// Shows a running job on standard error: the live view on a terminal, lines in a log, or only what
// a person must know. A thread of its own draws, so the job never waits for a slow terminal; output
// that is not read is dropped.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "copier/report/live/live_figures.h"
#include "copier/report/live/progress_view.h"
#include "copier/report/live/stage_list.h"
#include "copier/report/live/terminal_view.h"
#include "copier/report/text/interrupt_text.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"

namespace pgfanout {

enum class ProgressMode : std::uint8_t { automatic, plain, none };

/// Facts about a job that are known before it begins.
struct JobLabel {
  std::string command;
  std::string source;
  std::string target;
  std::vector<std::string> stages;  ///< In order; others are added as they begin.
  CommitMode commits = CommitMode::unknown;
};

struct ProgressOptions {
  int fd = 2;
  ProgressMode mode = ProgressMode::automatic;
  std::chrono::milliseconds plain_every{2000};  ///< A line of how far it is.
  std::chrono::milliseconds tick_every{100};    ///< A look at whether something is due.
  JobLabel label = {};
};

/// One for each job. A stage that starts within another is shown as "copy/read-back". Counters are
/// read between stage_started() and stage_finished() only; a job that returns must have finished
/// its stages.
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
  void issue_found(const Issue& issue) override;
  void gate_reached(std::string_view stage, bool is_waiting) override;
  void sampled(const WatchSample& sample) override;
  void threshold_changed(const ThresholdState& threshold) override;
  /// Stops drawing and clears the live view. Callbacks may not follow.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;

  struct OpenStage {
    std::string name;
    Clock::time_point start;
    // As it began: what differs later is this stage's own.
    std::uint64_t steps_done = 0;
    std::uint64_t steps_total = 0;
    bool has_inner = false;
  };

  void run();
  // All of these are called with mutex_ held.
  void tick();
  void tell_about_stop();
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
  Clock::time_point next_plain_;           // guarded by mutex_
  RateWindow rates_;                       // guarded by mutex_
  TerminalView terminal_;                  // guarded by mutex_
  StageList stages_;                       // guarded by mutex_
  LiveFigures figures_;                    // guarded by mutex_
  std::string job_;                        // guarded by mutex_
  Clock::time_point began_;                // guarded by mutex_
  Clock::time_point next_draw_;            // guarded by mutex_
  std::string last_issue_;                 // guarded by mutex_
  std::optional<WatchSample> sample_;      // guarded by mutex_; the last one
  bool has_told_stop_ = false;             // guarded by mutex_
  bool is_stopping_ = false;               // guarded by mutex_
  std::thread ticker_;                     // last: it uses all of the above
};

}  // namespace pgfanout
