#include "copier/report/events/hooks.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <thread>
#include <utility>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

/// A hook that takes a minute must not leave an endless queue behind.
constexpr std::size_t kMostWaiting = 1000;
/// Of what may come by the thousand.
constexpr std::size_t kMostIssuesWaiting = 20;

bool is_look(std::string_view event) {
  return event == "progress" || event == "threshold";
}

}  // namespace

std::string program_of(std::string_view command) {
  constexpr std::string_view kBlanks = " \t\n";
  while (!command.empty()) {
    command.remove_prefix(std::min(command.size(), command.find_first_not_of(kBlanks)));
    std::string_view word = command.substr(0, command.find_first_of(" \t\n;|&<>()"));
    if (word.empty()) break;
    command.remove_prefix(word.size());
    if (word.find('=') != std::string_view::npos) continue;  // A variable, which may be a secret.
    if (word.find_first_of("'\"`\\") != std::string_view::npos) break;
    word.remove_prefix(std::min(word.size(), word.rfind('/') + 1));
    return printable(word.substr(0, 40));
  }
  return "command";
}

/// Runs what it is given, in order, in a thread of its own that begins with the first.
class Hooks::Queue {
 public:
  explicit Queue(Hooks& hooks) : hooks_(hooks) {}
  ~Queue() {
    {
      const std::lock_guard lock(mutex_);
      is_closing_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void add(Hook& hook, const Event& event, bool only_if_idle) {
    const std::lock_guard lock(mutex_);
    if (only_if_idle && (is_running_ || !waiting_.empty())) return;
    if (waiting_.size() >= (event.name == "issue" ? kMostIssuesWaiting : kMostWaiting)) {
      ++skipped_;
      return;
    }
    waiting_.emplace_back(&hook, event);
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.empty() && !is_running_; });
  }
  /// False: the user no longer wants to wait.
  [[nodiscard]] bool wait_unless(const Cancellation& cancellation) {
    constexpr std::chrono::milliseconds kStep{100};
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kStep, [this] { return waiting_.empty() && !is_running_; })) {
      if (cancellation.is_set()) return false;
    }
    return true;
  }
  [[nodiscard]] std::uint64_t skipped() {
    const std::lock_guard lock(mutex_);
    return skipped_;
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return is_closing_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const auto [hook, event] = std::move(waiting_.front());
      waiting_.pop_front();
      is_running_ = true;
      lock.unlock();
      hooks_.run(*hook, event);
      lock.lock();
      is_running_ = false;
      changed_.notify_all();
    }
  }

  Hooks& hooks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<Hook*, Event>> waiting_;  // guarded by mutex_
  bool is_running_ = false;                      // guarded by mutex_
  bool is_closing_ = false;                      // guarded by mutex_
  std::uint64_t skipped_ = 0;                    // guarded by mutex_
  std::thread thread_;
};

Hooks::Hooks(std::vector<HookRequest> hooks, bool may_stop, Tell tell,
             const Cancellation& cancellation, const HookLimits& limits)
    : may_stop_(may_stop),
      tell_(std::move(tell)),
      cancellation_(cancellation),
      limits_(limits),
      steps_(std::make_unique<Queue>(*this)),
      looks_(std::make_unique<Queue>(*this)) {
  for (HookRequest& request : hooks) {
    std::string name = program_of(request.command);
    hooks_.push_back({std::move(request), std::move(name), 0, {}, {}});
  }
}

Hooks::~Hooks() = default;

void Hooks::take(const Event& event) {
  for (Hook& hook : hooks_) {
    if (hook.request.event != event.name) continue;
    // Figures grow old while a hook runs: those of the next moment serve as well.
    (is_look(event.name) ? looks_ : steps_)->add(hook, event, event.name == "progress");
  }
}

Result<void> Hooks::may_begin(std::string_view stage) {
  if (!may_stop_) return {};
  {
    const std::lock_guard lock(mutex_);
    if (is_behind_swap_) return {};
  }
  if (!steps_->wait_unless(cancellation_)) return interrupted("cancelled", "stopped on request");
  const std::lock_guard lock(mutex_);
  const auto failed = std::find_if(hooks_.begin(), hooks_.end(),
                                   [](const Hook& hook) { return hook.failures > 0; });
  if (failed == hooks_.end()) {
    is_behind_swap_ = stage == "swap";
    return {};
  }
  stopped_by_ = &*failed;
  return interrupted("hook-failed", failed->last_failure,
                     "the same command goes on from here, once the hook succeeds or is left out",
                     failed->last_stage);
}

void Hooks::settle(JobResult& result) {
  steps_->wait();
  looks_->wait();
  const std::lock_guard lock(mutex_);
  for (const Hook& hook : hooks_) {
    if (hook.failures == 0 || (&hook == stopped_by_ && hook.failures == 1)) continue;
    Issue issue;
    issue.severity = Severity::warning;
    issue.code = "hook-failed";
    issue.message = hook.last_failure;
    if (hook.failures > 1) issue.message += fmt::format(", the last of {} times", hook.failures);
    issue.where = hook.last_stage;
    issue.hint = "the job went on; what the hook should have told or done was not";
    result.issues.push_back(std::move(issue));
  }
  if (const std::uint64_t skipped = steps_->skipped() + looks_->skipped(); skipped > 0) {
    Issue issue;
    issue.severity = Severity::warning;
    issue.code = "hooks-skipped";
    issue.message = fmt::format(
        "{} runs of hooks were left out: events came faster than the hooks ended", skipped);
    result.issues.push_back(std::move(issue));
  }
}

void Hooks::run(Hook& hook, const Event& event) {
  if (cancellation_.at_once().is_set()) return;
  const auto show = [&](std::string_view line) {
    Issue issue;
    issue.code = "hook";
    issue.message = fmt::format("hook {} at {}: {}", hook.name, event.name, printable(line));
    tell_(issue);
  };
  const std::string what = run_hook(hook.request.command, event, limits_, show, cancellation_);
  if (!what.empty()) note_failure(hook, event, what);
}

void Hooks::note_failure(Hook& hook, const Event& event, const std::string& what) {
  Issue issue;
  issue.severity = Severity::warning;
  issue.code = "hook-failed";
  issue.message = fmt::format("the hook {} at {} {}", hook.name, event.name, what);
  issue.where = event.stage;
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    is_first = hook.failures++ == 0;
    hook.last_failure = issue.message;
    hook.last_stage = event.stage;
  }
  if (is_first) tell_(issue);
}

}  // namespace pgfanout
