// The event stream in a file: one line an event, appended.
#pragma once

#include <memory>
#include <string>

#include "copier/report/events/event_sink.h"

namespace pgfanout {

class EventFile : public EventSink {
 public:
  /// Refused if the file cannot be written to. It may be a FIFO that somebody reads.
  [[nodiscard]] static Result<std::unique_ptr<EventFile>> open(std::string path);
  ~EventFile() override;
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  void take(const Event& event) override;
  void settle(JobResult& result) override;

 private:
  EventFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  const std::string path_;
  const int fd_;
  std::uint64_t lost_ = 0;     ///< Events that are not, or not whole, in the file.
  int first_error_ = 0;        ///< errno.
  bool ends_in_line_ = false;  ///< The last write was cut short.
};

}  // namespace pgfanout
