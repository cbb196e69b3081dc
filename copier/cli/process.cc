#include "copier/cli/process.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

namespace pgfanout {
namespace {

constexpr const char* kBenchProgram = "pgfanout-bench";

std::atomic<Cancellation*> stop_soon{nullptr};
std::atomic<Cancellation*> stop_now{nullptr};
std::atomic<int> signals{0};
static_assert(std::atomic<Cancellation*>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free);

/// Resets the terminal's colour and cursor, and begins a new line. Async-signal-safe; does not
/// block on a stopped terminal.
void leave_terminal() {
  constexpr char reset[] = "\x1b[0m\x1b[?25h\r\n";
  pollfd terminal{STDERR_FILENO, POLLOUT, 0};
  if (isatty(STDERR_FILENO) != 1 || poll(&terminal, 1, 0) != 1) return;
  if (write(STDERR_FILENO, reset, sizeof reset - 1) < 0) return;  // Nothing else can be done.
}

void on_signal(int signal) {
  const int saved_errno = errno;
  const int earlier = signals.fetch_add(1);
  stop_soon.load()->set();
  if (earlier > 0) stop_now.load()->set();
  if (signal == SIGINT && earlier > 1) leave_process(3);
  errno = saved_errno;
}

void handle(int signal) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

void handle_signals(Cancellation& soon, Cancellation& now) {
  stop_soon.store(&soon);
  stop_now.store(&now);
  std::signal(SIGPIPE, SIG_IGN);
  handle(SIGINT);
  handle(SIGTERM);
  if (!is_ignored(SIGHUP)) handle(SIGHUP);  // nohup
}

void leave_process(int exit_code) {
  leave_terminal();
  _exit(exit_code);
}

Result<std::string> find_bench_program(const std::string& directory) {
  const std::string beside = directory + "/" + kBenchProgram;
  const std::string installed = directory + "/../libexec/pgfanout/" + kBenchProgram;
  for (const std::string& path : {beside, installed}) {
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return refused("no-bench", fmt::format("{}, which measures, is not here", kBenchProgram),
                 fmt::format("build it (cmake --build --preset release --target {}) and put it "
                             "beside pgfanout, or install all with cmake --install build/release",
                             kBenchProgram),
                 beside + ", " + installed);
}

Error become_bench_program(std::span<const std::string> words) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return refused("no-bench", "cannot tell where pgfanout itself is: " + error.message());
  auto program = find_bench_program(self.parent_path().string());
  if (!program) return std::move(program).error();
  std::vector<char*> argv = {program->data()};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(program->c_str(), argv.data());
  return refused("no-bench", fmt::format("cannot start {}: {}", kBenchProgram, strerror(errno)), {},
                 *program);
}

}  // namespace pgfanout
