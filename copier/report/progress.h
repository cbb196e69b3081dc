// Shows a running job on standard error: a live line on a terminal, lines in a log, or only what a
// person must know. A thread of its own draws, so the job never waits for a slow terminal; output
// that nobody takes is dropped.
//
// The cursor is never hidden and no mode of the terminal is changed: whatever ends the process,
// there is nothing to restore.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "copier/report/progress_view.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"

namespace pgfanout {

enum class ProgressMode : std::uint8_t { automatic, plain, none };

struct ProgressOptions {
  int fd = 2;
  ProgressMode mode = ProgressMode::automatic;
  std::chrono::milliseconds plain_every{2000};
};

/// One for each job. A stage that starts within another is told as "copy/read-back". Counters are
/// read between stage_started() and stage_finished() only; a job
/// that returns must have finished its stages.
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
  /// Stops drawing and clears the live line. Callbacks may not follow.
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
  void print_line(std::string_view line);
  void draw(std::string_view line);
  void put(std::string_view text, std::chrono::milliseconds patience);

  const ProgressOptions options_;
  const Cancellation& cancellation_;
  const bool is_live_;
  const bool is_silent_;
  const Screen screen_;  // But for its width, which may change.

  std::mutex mutex_;
  std::condition_variable stopping_changed_;
  const JobCounters* counters_ = nullptr;  // guarded by mutex_
  std::vector<OpenStage> open_;            // guarded by mutex_; outermost first
  Clock::time_point next_plain_;           // guarded by mutex_
  RateWindow rates_;                       // guarded by mutex_
  std::string drawn_;                      // guarded by mutex_; the live line as it stands
  bool has_told_stop_ = false;             // guarded by mutex_
  bool is_stuck_ = false;                  // guarded by mutex_; nobody took the last output
  bool is_stopping_ = false;               // guarded by mutex_
  std::thread ticker_;                     // last: it uses all of the above
};

}  // namespace pgfanout
