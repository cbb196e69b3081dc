#include "copier/report/events/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "copier/report/text/text.h"

namespace pgfanout {

Result<std::unique_ptr<EventFile>> EventFile::open(std::string path) {
  // Not blocking: neither a FIFO without a reader nor one that is full may hold the job up.
  constexpr int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int fd = ::open(path.c_str(), flags, 0666);
  if (fd < 0) {
    return refused(
        "events-file",
        fmt::format("cannot write events to {}: {}", printable(path), std::strerror(errno)),
        "name a file that can be written, or a FIFO that is being read; nothing was "
        "done");
  }
  return std::unique_ptr<EventFile>(new EventFile(std::move(path), fd));
}

EventFile::~EventFile() {
  close(fd_);
}

/// In one write, so that several jobs can share a file.
void EventFile::take(const Event& event) {
  const std::string text = (ends_in_line_ ? "\n" : "") + event.line + "\n";
  ssize_t written = 0;
  do {
    written = write(fd_, text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(text.size())) {
    ends_in_line_ = false;
    return;
  }
  if (lost_ == 0) first_error_ = written < 0 ? errno : ENOSPC;
  ++lost_;
  if (written > 0) ends_in_line_ = true;
}

void EventFile::settle(JobResult& result) {
  if (lost_ == 0) return;
  Issue issue;
  issue.severity = Severity::warning;
  issue.code = "events-incomplete";
  issue.message = fmt::format("{} of the job's events could not be written: {}", lost_,
                              std::strerror(first_error_));
  issue.where = path_;
  issue.hint = "the job itself was not affected; its result says how it ended";
  result.issues.push_back(std::move(issue));
}

}  // namespace pgfanout
