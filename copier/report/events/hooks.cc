#include "copier/report/events/hooks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <thread>
#include <utility>

#include "copier/base/caught.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Bound of a queue, since a hook may take a minute.
constexpr std::size_t kMostWaiting = 1000;
/// Bound for issues, which may come by the thousand.
constexpr std::size_t kMostIssuesWaiting = 20;

/// Closes the descriptor at the end of its life.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(-1); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  void reset(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_;
};

/// Splits output into lines, and shows the first ones.
class Lines {
 public:
  Lines(const HookLimits& limits, const ShowLine& show) : limits_(limits), show_(show) {}

  void add(std::string_view text) {
    for (const char byte : text) {
      if (byte == '\n') {
        end_line();
      } else if (line_.size() < limits_.line_bytes) {
        line_ += byte;
      }
    }
  }
  void finish() {
    if (!line_.empty()) end_line();
    if (count_ > limits_.lines) {
      show_(fmt::format("({} more lines of output are not shown)", count_ - limits_.lines));
    }
  }

 private:
  void end_line() {
    if (count_++ < limits_.lines) show_(line_);
    line_.clear();
  }

  const HookLimits& limits_;
  const ShowLine& show_;
  std::string line_;
  unsigned count_ = 0;
};

/// A file without a name, not a pipe: a command that does not read it blocks nobody.
int file_with(std::string_view text) {
  const int fd = memfd_create("pgfanout-event", MFD_CLOEXEC);
  if (fd < 0) return fd;
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) break;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

/// The command inherits only the environment: no descriptors, no blocked or ignored signals. errno
/// or 0.
int start(const std::string& command, const Event& event, int input, int output, pid_t& pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&how);
  posix_spawn_file_actions_adddup2(&files, input, 0);
  posix_spawn_file_actions_adddup2(&files, output, 1);
  posix_spawn_file_actions_adddup2(&files, output, 2);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&how, &none);
  posix_spawnattr_setsigdefault(&how, &all);
  posix_spawnattr_setpgroup(&how, 0);
  posix_spawnattr_setflags(&how,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::array<std::string, 3> words = {"sh", "-c", command};
  std::array<char*, 4> arguments = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  std::vector<std::string> variables = hook_environment(event);
  std::vector<char*> environment;
  environment.reserve(variables.size() + 1);
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  const int failure =
      posix_spawn(&pid, "/bin/sh", &files, &how, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&how);
  return failure;
}

/// Whether it has ended. Does not reap it, so that the number of its process group is not reused.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  const int found = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  return (found == 0 && info.si_pid == pid) || (found < 0 && errno == ECHILD);
}

/// Reads output that arrives within `wait`; false: end of output.
bool read_output(int fd, milliseconds wait, Lines& lines) {
  pollfd waiting{fd, POLLIN, 0};
  if (poll(&waiting, 1, static_cast<int>(wait.count())) <= 0) return true;
  std::array<char, 4096> piece{};
  const ssize_t count = read(fd, piece.data(), piece.size());
  if (count > 0) lines.add({piece.data(), static_cast<std::size_t>(count)});
  return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

std::string ending_of(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return "ended in an unknown way";
  }
  if (WIFSIGNALED(status)) {
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) == 0) return {};
  return fmt::format("ended with exit status {}", WEXITSTATUS(status));
}

/// Waits for the end of the command. Returns why it was terminated; empty: it ended by itself.
std::string await_end(pid_t pid, int output, const HookLimits& limits, Lines& lines,
                      const Cancellation& cancellation) {
  constexpr milliseconds kPollEvery{10};
  constexpr milliseconds kGraceAtOnce{500};
  const Clock::time_point began = Clock::now();
  Clock::time_point terminated_at{};
  std::string reason;
  bool has_output = true;
  while (!has_ended(pid)) {
    if (has_output) {
      has_output = read_output(output, kPollEvery, lines);
    } else {
      poll(nullptr, 0, 1);
    }
    const Clock::time_point now = Clock::now();
    const bool is_late = now - began >= limits.time;
    const auto grace =
        cancellation.at_once().is_set() ? std::min(limits.grace, kGraceAtOnce) : limits.grace;
    if (reason.empty() && (is_late || cancellation.at_once().is_set())) {
      reason = is_late ? fmt::format("did not end within {} s",
                                     std::chrono::duration<double>(limits.time).count())
                       : "was stopped with the job";
      terminated_at = now;
      kill(-pid, SIGTERM);
    } else if (!reason.empty() && now - terminated_at >= grace) {
      kill(-pid, SIGKILL);
    }
  }
  if (!reason.empty()) kill(-pid, SIGKILL);  // Processes of its group that ignored SIGTERM.
  return reason;
}

}  // namespace

std::vector<std::string> hook_environment(const Event& event) {
  std::vector<std::string> variables;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view variable = *each;
    if (variable.starts_with("PGPASSWORD=") || variable.starts_with("PGFANOUT_EVENT=") ||
        variable.starts_with("PGFANOUT_JOB=") || variable.starts_with("PGFANOUT_STAGE=")) {
      continue;
    }
    variables.emplace_back(variable);
  }
  variables.push_back(fmt::format("PGFANOUT_EVENT={}", event.name));
  variables.push_back("PGFANOUT_JOB=" + event.job);
  variables.push_back("PGFANOUT_STAGE=" + event.stage);
  return variables;
}

std::string run_hook(const std::string& command, const Event& event, const HookLimits& limits,
                     const ShowLine& show, const Cancellation& cancellation) {
  const Descriptor input(file_with(event.line + "\n"));
  std::array<int, 2> ends = {-1, -1};
  if (input.get() < 0 || pipe2(ends.data(), O_CLOEXEC) < 0) {
    return fmt::format("could not be started: {}", std::strerror(errno));
  }
  const Descriptor output(ends[0]);
  Descriptor its_output(ends[1]);
  fcntl(output.get(), F_SETFL, O_NONBLOCK);
  pid_t pid = 0;
  const int failure = start(command, event, input.get(), its_output.get(), pid);
  its_output.reset(-1);
  if (failure != 0) return fmt::format("could not be started: {}", std::strerror(failure));

  Lines lines(limits, show);
  const std::string reason = await_end(pid, output.get(), limits, lines, cancellation);
  std::string ending = ending_of(pid);
  // Reads the rest of the pipe, without waiting for background processes that hold its other end.
  std::array<char, 4096> piece{};
  ssize_t count = 0;
  for (int rounds = 0; rounds < 64; ++rounds) {
    count = read(output.get(), piece.data(), piece.size());
    if (count <= 0) break;
    lines.add({piece.data(), static_cast<std::size_t>(count)});
  }
  lines.finish();
  return reason.empty() ? ending : reason;
}

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

/// Runs hooks in order, in a thread of its own, which starts with the first hook.
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

  /// An error if its thread could not be started.
  Result<void> add(Hook& hook, const Event& event, bool only_if_idle) {
    const std::lock_guard lock(mutex_);
    if (only_if_idle && (is_running_ || !waiting_.empty())) return {};
    if (waiting_.size() >= (event.name == "issue" ? kMostIssuesWaiting : kMostWaiting)) {
      ++skipped_;
      return {};
    }
    waiting_.emplace_back(&hook, event);
    changed_.notify_all();
    if (thread_.joinable()) return {};
    auto started =
        run_caught("the start of the hooks", [this] { thread_ = std::thread([this] { work(); }); });
    if (!started) waiting_.clear();
    return started;
  }
  /// False: cancelled.
  bool wait(const Cancellation* cancellation = nullptr) {
    constexpr std::chrono::milliseconds kStep{100};
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kStep, [this] { return waiting_.empty() && !is_running_; })) {
      if (cancellation != nullptr && cancellation->is_set()) return false;
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
      awaited_(std::make_unique<Queue>(*this)),
      samples_(std::make_unique<Queue>(*this)) {
  for (HookRequest& request : hooks) {
    std::string name = program_of(request.command);
    hooks_.push_back({std::move(request), std::move(name), 0, {}, {}});
  }
}

Hooks::~Hooks() = default;

void Hooks::take(const Event& event) {
  for (Hook& hook : hooks_) {
    if (hook.request.event != event.name) continue;
    // Figures are out of date when a running hook ends: the next event has newer ones.
    const bool is_sample =
        event.name == "progress" || event.name == "threshold" || event.name == "session_wait";
    const auto added =
        (is_sample ? samples_ : awaited_)->add(hook, event, event.name == "progress");
    if (!added) note_failure(hook, event, "could not be started: " + added.error().message);
  }
}

Result<void> Hooks::may_begin(std::string_view stage) {
  if (!may_stop_) return {};
  {
    const std::lock_guard lock(mutex_);
    if (has_swap_begun_) return {};
  }
  if (!awaited_->wait(&cancellation_)) return interrupted("cancelled", "stopped on request");
  const std::lock_guard lock(mutex_);
  const auto failed = std::find_if(hooks_.begin(), hooks_.end(),
                                   [](const Hook& hook) { return hook.failures > 0; });
  if (failed == hooks_.end()) {
    has_swap_begun_ = stage == "swap";
    return {};
  }
  stopped_by_ = &*failed;
  return interrupted("hook-failed", failed->last_failure,
                     "repair the hook or leave it out, then repeat the same command: it resumes "
                     "the job here",
                     failed->last_stage);
}

void Hooks::settle(JobResult& result) {
  if (!awaited_->wait(&cancellation_) && !cancellation_.at_once().is_set()) {
    tell_(
        {Severity::info,
         "hook",
         fmt::format("stopping: waits for hooks that run, {} s at most for each; Ctrl-C again ends"
                     " them",
                     std::chrono::duration<double>(limits_.time).count()),
         {},
         {}});
  }
  awaited_->wait();
  samples_->wait();
  const std::lock_guard lock(mutex_);
  for (const Hook& hook : hooks_) {
    if (hook.failures == 0 || (&hook == stopped_by_ && hook.failures == 1)) continue;
    const std::string times =
        hook.failures > 1 ? fmt::format(", the last of {} times", hook.failures) : "";
    result.issues.push_back({Severity::warning, "hook-failed", hook.last_failure + times,
                             hook.last_stage,
                             "the job went on; what the hook should have done was not done"});
  }
  if (const std::uint64_t skipped = awaited_->skipped() + samples_->skipped(); skipped > 0) {
    result.issues.push_back(
        {Severity::warning,
         "hooks-skipped",
         fmt::format("{} runs of hooks were skipped: events came faster than the hooks ended",
                     skipped),
         {},
         {}});
  }
}

void Hooks::run(Hook& hook, const Event& event) {
  if (cancellation_.at_once().is_set()) return;
  const auto show = [&](std::string_view line) {
    tell_({Severity::info,
           "hook",
           fmt::format("hook {} at {}: {}", hook.name, event.name, printable(line)),
           {},
           {}});
  };
  std::string what;
  const auto ran = run_caught("the hook", [&] {
    what = run_hook(hook.request.command, event, limits_, show, cancellation_);
  });
  [[maybe_unused]] const auto noted = run_caught("", [&] {
    if (!ran) what = "could not be run: " + ran.error().message;
    if (!what.empty()) note_failure(hook, event, what);
  });
}

void Hooks::note_failure(Hook& hook, const Event& event, const std::string& what) {
  const Issue issue{Severity::warning,
                    "hook-failed",
                    fmt::format("the hook {} at {} {}", hook.name, event.name, what),
                    event.stage,
                    {}};
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
