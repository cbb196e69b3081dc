// The observer on a pipe: what a log contains, and that a reader that is gone or does not read does
// not stop the job.
#include "copier/report/live/progress.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>

#include "copier/report/text/output.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(ends_), 0); }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int writer() const { return ends_[1]; }
  void close_reader() { close_end(ends_[0]); }
  void close_writer() { close_end(ends_[1]); }
  /// Waits until this was written.
  void wait_for(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    fcntl(ends_[0], F_SETFL, fcntl(ends_[0], F_GETFL) | O_NONBLOCK);
    while (read_all().find(text) == std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << text << " is not in " << all_;
      std::this_thread::sleep_for(milliseconds(1));
    }
  }
  /// Closes the writer and returns all that was written.
  std::string rest() {
    close_writer();
    return read_all();
  }
  /// Leaves no room for another byte.
  void fill() const {
    const int flags = fcntl(ends_[1], F_GETFL);
    fcntl(ends_[1], F_SETFL, flags | O_NONBLOCK);
    const std::string block(4096, 'x');
    while (write(ends_[1], block.data(), block.size()) > 0) continue;
    fcntl(ends_[1], F_SETFL, flags);
  }

 private:
  static void close_end(int& fd) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  const std::string& read_all() {
    char piece[4096];
    for (ssize_t n = 0; (n = read(ends_[0], piece, sizeof piece)) > 0;) {
      all_.append(piece, static_cast<std::size_t>(n));
    }
    return all_;
  }

  int ends_[2] = {-1, -1};
  std::string all_;
};

/// Time for many looks at whether something is due.
void let_it_tick() {
  std::this_thread::sleep_for(milliseconds(40));
}

StageSummary stage(const char* name, double seconds) {
  StageSummary summary;
  summary.name = name;
  summary.seconds = seconds;
  return summary;
}

ProgressOptions options_for(const Pipe& pipe, ProgressMode mode,
                            milliseconds every = milliseconds(2000)) {
  ProgressOptions options;
  options.fd = pipe.writer();
  options.mode = mode;
  options.plain_every = every;
  options.tick_every = milliseconds(1);
  return options;
}

/// `meanwhile` runs while rows are copied.
void run_small_job(Progress& progress, JobCounters& counters,
                   const std::function<void()>& meanwhile) {
  progress.job_started("j1", counters);
  progress.stage_started("preflight");
  progress.stage_finished(stage("preflight", 0.1));
  Issue issue;
  issue.severity = Severity::warning;
  issue.message = "mind the gap";
  progress.issue_found(issue);
  progress.stage_started("copy");
  counters.bytes_expected = 1000;
  counters.bytes_read = 400;
  counters.rows_read = 4;
  meanwhile();
  progress.stage_finished(stage("copy", 2));
  progress.finish();
}

/// The lines of a log about a preflight that finds two notes and a warning, and of a note behind
/// it.
std::string log_of_preflight(const std::string& command) {
  Pipe pipe;
  const Cancellation cancellation;
  ProgressOptions options = options_for(pipe, ProgressMode::plain);
  options.label.command = command;
  Progress progress(options, cancellation);
  const JobCounters counters;
  progress.job_started("j", counters);
  progress.stage_started("preflight");
  progress.issue_found({Severity::info, "columns", "first note", {}, {}});
  progress.issue_found({Severity::warning, "disk", "mind the gap", {}, {}});
  progress.issue_found({Severity::info, "columns", "second note", {}, {}});
  progress.tell({Severity::info, "hook", "said by a hook", {}, {}});
  progress.stage_finished(stage("preflight", 1));
  progress.stage_started("verify");
  progress.issue_found({Severity::info, "sample", "third note", {}, {}});
  progress.stage_finished(stage("verify", 1));
  progress.finish();
  return pipe.rest();
}

TEST(ProgressLog, CountsTheNotesOfAWindowsPlan) {
  const std::string text = log_of_preflight("run");
  EXPECT_THAT(text, Not(HasSubstr("first note")));
  EXPECT_THAT(text, Not(HasSubstr("second note")));
  EXPECT_THAT(text, HasSubstr("warning: mind the gap [disk]\n"));
  EXPECT_THAT(text, HasSubstr("info: said by a hook [hook]\n"));
  EXPECT_THAT(text, HasSubstr("\n2 notes, 1 warning; 'pgfanout plan' shows them"));
  EXPECT_THAT(text, HasSubstr("info: third note [sample]\n"));
  EXPECT_THAT(log_of_preflight("copy"), HasSubstr("info: second note [columns]\n"));
}

TEST(ProgressLog, HasALineForEveryStageAndIssue) {
  Pipe pipe;
  const Cancellation cancellation;
  JobCounters counters;
  Progress progress(options_for(pipe, ProgressMode::automatic), cancellation);
  run_small_job(progress, counters, [] {});
  EXPECT_EQ(pipe.rest(),
            "job j1\npreflight: started\npreflight: done in 0.10 s\nwarning: mind the gap\n"
            "copy: started\ncopy: done in 2.00 s, 4 rows, 400 B, 2 rows/s, 200 B/s\n");
}

TEST(ProgressLog, TellsFromTimeToTimeHowFarItIs) {
  Pipe pipe;
  const Cancellation cancellation;
  JobCounters counters;
  Progress progress(options_for(pipe, ProgressMode::plain, milliseconds(5)), cancellation);
  run_small_job(progress, counters, [&] { pipe.wait_for("copy: 40 %, 4 rows, "); });
}

TEST(ProgressLog, StagesWithinAStageBearItsName) {
  Pipe pipe;
  const Cancellation cancellation;
  JobCounters counters;
  Progress progress(options_for(pipe, ProgressMode::plain), cancellation);
  progress.job_started("j1", counters);
  progress.stage_started("copy");
  progress.stage_started("read-back");
  counters.rows_read_back = 4;
  progress.stage_finished(stage("read-back", 0));
  progress.stage_finished(stage("copy", 2));
  progress.finish();
  EXPECT_EQ(pipe.rest(),
            "job j1\ncopy: started\ncopy/read-back: started\n"
            "copy/read-back: done in 0.00 s, 4 rows, 0 B\ncopy: done in 2.00 s\n");
}

TEST(ProgressLog, CountsTheStepsOfTheStageThatTakesThem) {
  Pipe pipe;
  const Cancellation cancellation;
  JobCounters counters;
  Progress progress(options_for(pipe, ProgressMode::plain, milliseconds(5)), cancellation);
  progress.job_started("j1", counters);
  progress.stage_started("index");
  counters.steps_total = 7;
  counters.steps_done = 3;
  pipe.wait_for("index: 3/7 steps, 0:0");
  progress.stage_finished(stage("index", 1));
  progress.stage_started("verify");
  pipe.wait_for("verify: 0:0");  // The steps were the index's.
  progress.stage_finished(stage("verify", 1));
  progress.finish();
}

TEST(ProgressLog, TellsWhatTheWatchSees) {
  Pipe pipe;
  const Cancellation cancellation;
  Progress progress(options_for(pipe, ProgressMode::plain), cancellation);
  WatchSample sample;
  progress.sampled(sample);
  sample.speed = Speed::slow;
  sample.deadline = DeadlineState();
  progress.sampled(sample);
  sample.deadline->outlook = DeadlineState::Outlook::makes_it;
  progress.sampled(sample);
  progress.sampled(sample);
  ThresholdState threshold;
  threshold.limit = 80;
  threshold.value = 95;
  threshold.is_crossed = true;
  progress.threshold_changed(threshold);
  progress.gate_reached("verify", true);
  SessionWait wait;
  wait.what = "a lock";
  wait.seconds = 10;
  progress.wait_changed(wait, WaitChange::ends);
  progress.finish();
  const std::string log = pipe.rest();
  EXPECT_THAT(log,
              testing::MatchesRegex("speed: slowed down\ndeadline [0-9:]*: makes it\n"
                                    "threshold: cpu is at 95 %, beyond its limit of 80 %: warn\n"
                                    "gate: verify waits for a person\n"
                                    "waited: 10.0 s for a lock\n"));
}

TEST(ProgressLog, OfNoneHasIssuesOnly) {
  Pipe pipe;
  const Cancellation cancellation;
  JobCounters counters;
  Progress progress(options_for(pipe, ProgressMode::none, milliseconds(5)), cancellation);
  run_small_job(progress, counters, let_it_tick);
  EXPECT_EQ(pipe.rest(), "warning: mind the gap\n");
}

TEST(ProgressLog, TellsOnceThatTheJobIsStopping) {
  Pipe pipe;
  Cancellation now;
  Cancellation cancellation(&now);
  JobCounters counters;
  cancellation.set();
  Progress progress(options_for(pipe, ProgressMode::none), cancellation);
  run_small_job(progress, counters, [&] {
    let_it_tick();
    let_it_tick();
    now.set();
    let_it_tick();
  });
  const std::string log = pipe.rest();
  const std::size_t first = log.find("stopping: waits ");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("stopping: ", first + 1), std::string::npos) << "again after seconds only";
  EXPECT_GT(log.find("stopping at once: ends within two seconds"), first);
}

TEST(ProgressLog, NothingFollowsTheEndOfAStageButTheNext) {
  Pipe pipe;
  const Cancellation cancellation;
  Progress progress(options_for(pipe, ProgressMode::plain, milliseconds(5)), cancellation);
  {
    JobCounters counters;
    progress.job_started("j1", counters);
    progress.stage_started("copy");
    progress.stage_finished(stage("copy", 1));
  }
  let_it_tick();  // The counters are gone: nobody may look.
  progress.finish();
  EXPECT_EQ(pipe.rest(), "job j1\ncopy: started\ncopy: done in 1.00 s\n");
}

TEST(ProgressLog, AReaderThatLeftStopsNobody) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.close_reader();
  const Cancellation cancellation;
  JobCounters counters;
  Progress progress(options_for(pipe, ProgressMode::plain, milliseconds(5)), cancellation);
  run_small_job(progress, counters, let_it_tick);
}

TEST(ProgressLog, AReaderThatSleepsCostsOneSecondAtMost) {
  Pipe pipe;
  pipe.fill();
  const Cancellation cancellation;
  JobCounters counters;
  const auto start = std::chrono::steady_clock::now();
  {
    Progress progress(options_for(pipe, ProgressMode::plain, milliseconds(5)), cancellation);
    run_small_job(progress, counters, let_it_tick);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(4000)) << "a second a line";
}

TEST(PatientWriting, GivesUpOnAFullPipeAndSaysHowMuchWasWritten) {
  Pipe pipe;
  pipe.fill();
  const WriteOutcome outcome = write_patiently(pipe.writer(), "hello", milliseconds(20));
  EXPECT_EQ(outcome.bytes, 0U);
  EXPECT_FALSE(outcome.is_broken);
}

TEST(PatientWriting, NoticesThatNobodyReads) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.close_reader();
  EXPECT_TRUE(write_patiently(pipe.writer(), "hello", milliseconds(20)).is_broken);
}

TEST(PatientWriting, AClosedDescriptorIsBroken) {
  EXPECT_TRUE(write_patiently(-1, "hello", milliseconds(20)).is_broken);
}

TEST(TerminalTraits, Utf8FollowsTheFirstVariableThatIsSet) {
  EXPECT_TRUE(is_utf8_locale(nullptr, nullptr, "en_US.UTF-8"));
  EXPECT_TRUE(is_utf8_locale("", "C.utf8", "C"));
  EXPECT_FALSE(is_utf8_locale("C", nullptr, "en_US.UTF-8"));
  EXPECT_FALSE(is_utf8_locale(nullptr, nullptr, nullptr));
  EXPECT_FALSE(is_utf8_locale(nullptr, nullptr, "de_DE.ISO-8859-1"));
}

TEST(TerminalTraits, APipeIsNoLiveTerminal) {
  const Pipe pipe;
  EXPECT_FALSE(is_live_terminal(pipe.writer()));
  EXPECT_EQ(terminal_size(pipe.writer()).columns, 80U);
  EXPECT_EQ(terminal_size(pipe.writer()).rows, 24U);
}

Figures figures(std::uint64_t rows, std::uint64_t source = 0, std::uint64_t work = 0) {
  Figures now;
  now.rows_read = rows;
  now.source_wait_ns = source;
  now.work_ns = work;
  return now;
}

TEST(TimeShares, SharesAreOfTheLastSeconds) {
  TimeShares live;
  EXPECT_FALSE(live.shares());
  live.add(0, figures(0));
  live.add(1, figures(0));
  EXPECT_FALSE(live.shares()) << "nothing was counted";
  live.add(2, figures(0, 300, 100));
  ASSERT_TRUE(live.shares());
  EXPECT_DOUBLE_EQ(live.shares()->source, 75);
  EXPECT_DOUBLE_EQ(live.shares()->work, 25);
  live.add(30, figures(0, 300, 100));
  live.add(60, figures(0, 300, 200));
  EXPECT_DOUBLE_EQ(live.shares()->work, 100) << "what was long ago does not count";
}

TEST(ShowFigures, ExpectsWhatEarlierCallsCommittedAsWell) {
  Figures now;
  now.rows_expected = 60;
  now.rows_written = 5;
  now.leaf_rows = {20, 25};
  now.leaf_states = {LeafState::loading, LeafState::committed};
  JobView view;
  show_figures(now, view);
  EXPECT_EQ(view.rows_expected, 100U);
  ASSERT_EQ(view.leaves.size(), 2U);
  EXPECT_EQ(view.leaves[1].rows, 25U);
}

}  // namespace
}  // namespace pgfanout
