#include "copier/report/events/hook_process.h"

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
#include <csignal>
#include <cstring>

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Closed with its owner.
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

/// Cuts output into lines, and shows the first ones.
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

/// A file without a name: a command that does not read it holds nobody up.
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

/// With nothing of this process but its environment: no descriptors, no blocked or ignored signals.
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

/// Whether it has ended; it is not reaped, so that its group's number stays its own.
bool has_ended(pid_t pid) {
  siginfo_t info{};
  const int found = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  return (found == 0 && info.si_pid == pid) || (found < 0 && errno == ECHILD);
}

/// Reads the output that is there or comes within `wait`; false: nothing will follow.
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
    if (errno != EINTR) return "ended in a way that could not be learned";
  }
  if (WIFSIGNALED(status)) {
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) == 0) return {};
  return fmt::format("ended with exit status {}", WEXITSTATUS(status));
}

/// Until it has ended. Returns why it was made to end; empty: it ended by itself.
std::string attend(pid_t pid, int output, const HookLimits& limits, Lines& lines,
                   const Cancellation& cancellation) {
  constexpr milliseconds kLookEvery{10};
  const Clock::time_point began = Clock::now();
  Clock::time_point asked_to_end{};
  std::string made_to_end;
  bool has_output = true;
  while (!has_ended(pid)) {
    if (has_output) {
      has_output = read_output(output, kLookEvery, lines);
    } else {
      poll(nullptr, 0, 1);
    }
    const Clock::time_point now = Clock::now();
    const bool is_late = now - began >= limits.time;
    if (made_to_end.empty() && (is_late || cancellation.at_once().is_set())) {
      made_to_end = is_late ? fmt::format("did not end within {} s",
                                          std::chrono::duration<double>(limits.time).count())
                            : "was stopped with the job";
      asked_to_end = now;
      kill(-pid, SIGTERM);
    } else if (!made_to_end.empty() && now - asked_to_end >= limits.grace) {
      kill(-pid, SIGKILL);
    }
  }
  if (!made_to_end.empty()) kill(-pid, SIGKILL);  // Those of its group that did not listen.
  return made_to_end;
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
  const std::string made_to_end = attend(pid, output.get(), limits, lines, cancellation);
  std::string ending = ending_of(pid);
  // Reads the rest of the pipe; does not wait for other processes that hold its other end.
  std::array<char, 4096> piece{};
  ssize_t count = 0;
  for (int rounds = 0; rounds < 64; ++rounds) {
    count = read(output.get(), piece.data(), piece.size());
    if (count <= 0) break;
    lines.add({piece.data(), static_cast<std::size_t>(count)});
  }
  lines.finish();
  return made_to_end.empty() ? ending : made_to_end;
}

}  // namespace pgfanout
