#include "copier/cli/signals.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace pgfanout {
namespace {

std::atomic<Cancellation*> stop_soon{nullptr};
std::atomic<Cancellation*> stop_now{nullptr};
std::atomic<int> signals{0};
static_assert(std::atomic<Cancellation*>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free);

/// Leaves the terminal on a fresh line, in its own colour, with its cursor. Async-signal-safe, and
/// does not block on a terminal that is stopped.
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
  if (signal == SIGINT && earlier > 1) {
    leave_terminal();
    _exit(3);
  }
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

}  // namespace pgfanout
