#include "copier/report/text/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

bool is_set(const char* value) {
  return value != nullptr && *value != '\0';
}

/// Waits until a piece of PIPE_BUF bytes can be written without blocking.
bool wait_until_writable(int fd, Clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{fd, POLLOUT, 0};
    const int ready =
        poll(&waiting, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
    if (ready > 0) return true;
    if (ready == 0 && left <= 0) return false;
    if (ready < 0 && errno != EINTR && errno != EAGAIN) return true;  // write() tells the error.
  }
}

/// Writes all of the new file; errno is set if that failed.
bool fill_file(int fd, std::string_view text, mode_t mode, bool is_durable) {
  while (!text.empty()) {
    const ssize_t bytes = write(fd, text.data(), text.size());
    if (bytes < 0 && errno != EINTR) return false;
    if (bytes > 0) text.remove_prefix(static_cast<std::size_t>(bytes));
  }
  return fchmod(fd, mode) == 0 && (!is_durable || fsync(fd) == 0);
}

}  // namespace

bool is_live_terminal(int fd) {
  const char* term = std::getenv("TERM");
  return isatty(fd) == 1 && is_set(term) && std::string_view(term) != "dumb";
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

bool locale_is_utf8() {
  return is_utf8_locale(std::getenv("LC_ALL"), std::getenv("LC_CTYPE"), std::getenv("LANG"));
}

bool is_utf8_locale(const char* lc_all, const char* lc_ctype, const char* lang) {
  const char* locale = is_set(lc_all) ? lc_all : is_set(lc_ctype) ? lc_ctype : lang;
  if (!is_set(locale)) return false;
  std::string name(locale);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name.find("utf-8") != std::string::npos || name.find("utf8") != std::string::npos;
}

bool color_is_wanted() {
  return !is_set(std::getenv("NO_COLOR"));
}

WriteOutcome write_patiently(int fd, std::string_view text, std::chrono::milliseconds patience) {
  WriteOutcome outcome;
  outcome.is_broken = fd < 0;  // poll() would wait forever.
  while (!outcome.is_broken && outcome.bytes < text.size()) {
    if (!wait_until_writable(fd, Clock::now() + patience)) return outcome;
    const std::string_view piece = text.substr(outcome.bytes, PIPE_BUF);
    const ssize_t written = write(fd, piece.data(), piece.size());
    if (written >= 0) {
      outcome.bytes += static_cast<std::size_t>(written);
    } else if (errno != EINTR && errno != EAGAIN) {
      outcome.is_broken = true;
    }
  }
  return outcome;
}

int replace_file(const std::string& path, std::string_view text, mode_t mode, bool is_durable) {
  std::string draft = path + ".XXXXXX";
  const int fd = mkostemp(draft.data(), O_CLOEXEC);
  if (fd < 0) return errno;
  int failure = fill_file(fd, text, mode, is_durable) ? 0 : errno;
  if (close(fd) != 0 && failure == 0) failure = errno;
  if (failure == 0 && std::rename(draft.c_str(), path.c_str()) != 0) failure = errno;
  if (failure != 0) unlink(draft.c_str());
  return failure;
}

int try_replace_file(const std::string& path) {
  std::string draft = path + ".XXXXXX";
  const int fd = mkostemp(draft.data(), O_CLOEXEC);
  if (fd < 0) return errno;
  close(fd);
  unlink(draft.c_str());
  return 0;
}

}  // namespace pgfanout
