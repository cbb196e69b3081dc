#include "tests/harness/command.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ostream>
#include <system_error>
#include <thread>
#include <utility>

namespace pgfanout::harness {
namespace {

using Clock = std::chrono::steady_clock;

/// An unnamed file in memory. The child writes to it and never blocks; the test reads it any time.
class Capture {
 public:
  Capture() : fd_(memfd_create("capture", MFD_CLOEXEC)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "memfd_create");
  }
  ~Capture() { close(fd_); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

  void fill(const std::string& text) const {
    std::size_t written = 0;
    while (written < text.size()) {
      const ssize_t n = write(fd_, text.data() + written, text.size() - written);
      if (n < 0) throw std::system_error(errno, std::generic_category(), "write");
      written += static_cast<std::size_t>(n);
    }
    lseek(fd_, 0, SEEK_SET);
  }

  [[nodiscard]] std::string content() const {
    std::string text;
    std::array<char, 65536> piece{};
    for (;;) {
      const ssize_t n = pread(fd_, piece.data(), piece.size(), static_cast<off_t>(text.size()));
      if (n <= 0) return text;
      text.append(piece.data(), static_cast<std::size_t>(n));
    }
  }

 private:
  int fd_;
};

/// True if these arguments are a job and neither they nor a job file name the number of leaves.
bool lets_leaves_default(const std::vector<std::string>& arguments) {
  constexpr std::array kJobs = {"plan",     "run",     "copy",   "verify", "swap",
                                "rollback", "cleanup", "status", "key"};
  if (arguments.empty() || std::find(kJobs.begin(), kJobs.end(), arguments[0]) == kJobs.end()) {
    return false;
  }
  return std::none_of(arguments.begin(), arguments.end(), [](const std::string& argument) {
    return argument.starts_with("--partition") || argument.ends_with(".toml") ||
           argument == "--help";
  });
}

}  // namespace

struct BackgroundCommand::State {
  State(const std::vector<std::string>& argv, CommandOptions given) : options(std::move(given)) {
    in.fill(options.input);
    child = std::make_unique<ChildProcess>(
        argv, SpawnOptions{options.environment, options.unprivileged, in.fd(), out.fd(), err.fd()});
  }

  CommandOptions options;
  Capture in;
  Capture out;
  Capture err;
  Clock::time_point start = Clock::now();
  std::unique_ptr<ChildProcess> child;
};

BackgroundCommand::BackgroundCommand(const std::vector<std::string>& argv, CommandOptions options)
    : state_(std::make_unique<State>(argv, std::move(options))) {}
BackgroundCommand::~BackgroundCommand() = default;
BackgroundCommand::BackgroundCommand(BackgroundCommand&&) noexcept = default;
BackgroundCommand& BackgroundCommand::operator=(BackgroundCommand&&) noexcept = default;

pid_t BackgroundCommand::pid() const {
  return state_->child->pid();
}
bool BackgroundCommand::running() {
  return state_->child->running();
}
void BackgroundCommand::send_signal(int signal) {
  state_->child->send_signal(signal);
}
std::string BackgroundCommand::out() const {
  return state_->out.content();
}
std::string BackgroundCommand::err() const {
  return state_->err.content();
}

bool BackgroundCommand::wait_for_output(const std::string& text,
                                        std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    const bool ended = !running();  // Before the outputs are read, so that none is missed.
    if (out().find(text) != std::string::npos || err().find(text) != std::string::npos) {
      return true;
    }
    if (ended || Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

bool BackgroundCommand::wait_until_stopped(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (!state_->child->stopped()) {
    if (!running() || Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

CommandResult BackgroundCommand::wait() {
  CommandResult result;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      state_->start + state_->options.timeout - Clock::now());
  auto status = state_->child->wait(left);
  if (!status) {
    result.timed_out = true;
    state_->child->kill_group();
    status = state_->child->wait(std::chrono::seconds(10));
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - state_->start).count();
  if (status) {
    result.exit_code = status->exit_code;
    result.signal = status->signal;
    result.cpu_seconds = status->cpu_seconds;
    result.peak_rss_bytes = status->peak_rss_bytes;
  }
  result.out = out();
  result.err = err();
  return result;
}

CommandResult run_command(const std::vector<std::string>& argv, CommandOptions options) {
  return BackgroundCommand(argv, std::move(options)).wait();
}

std::string pgfanout_binary() {
  return PGFANOUT_BINARY_DIR "/bin/pgfanout";
}

std::vector<std::string> pgfanout_argv(std::vector<std::string> arguments) {
  if (lets_leaves_default(arguments)) {
    arguments.insert(arguments.end(), {"--partitions", std::to_string(kLeaves)});
  }
  arguments.insert(arguments.begin(), pgfanout_binary());
  return arguments;
}

CommandResult pgfanout(std::vector<std::string> arguments, CommandOptions options) {
  return run_command(pgfanout_argv(std::move(arguments)), std::move(options));
}

std::ostream& operator<<(std::ostream& stream, const CommandResult& result) {
  stream << "exit code " << result.exit_code;
  if (result.signal != 0) stream << ", signal " << result.signal;
  if (result.timed_out) stream << ", timed out";
  return stream << "\n--- standard output\n"
                << result.out << "\n--- standard error\n"
                << result.err << "\n---\n";
}

}  // namespace pgfanout::harness
