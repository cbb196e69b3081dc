// Takes events as they happen: a file, commands that are run.
#pragma once

#include <string>
#include <string_view>

#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct Event {
  std::string_view name;  ///< One of kEvents.
  std::string job;        ///< Id; empty before there is one.
  std::string stage;      ///< "copy/read-back"; empty where the event is about none.
  std::string line;       ///< JSON, on one line, without line feed.
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Never concurrently, but from any thread. Returns soon: the job waits.
  virtual void take(const Event& event) = 0;
  /// As the observer's; may take its time.
  virtual Result<void> may_begin(std::string_view /*stage*/) { return {}; }
  /// Behind the last event: waits for what is under way, and adds what went wrong.
  virtual void settle(JobResult& result) = 0;
};

}  // namespace pgfanout
