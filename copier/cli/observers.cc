#include "copier/cli/observers.h"

#include <string>
#include <utility>

namespace pgfanout {
namespace {

ProgressOptions progress_options(const Invocation& call, int message_fd) {
  ProgressOptions options;
  options.fd = message_fd;
  options.mode = call.progress;
  return options;
}

}  // namespace

class Observers::IssuesLater : public Observer {
 public:
  explicit IssuesLater(Observer& observer) : observer_(observer) {}

  void job_started(const std::string& job_id, const JobCounters& counters) override {
    observer_.job_started(job_id, counters);
  }
  void stage_started(std::string_view stage) override { observer_.stage_started(stage); }
  void stage_finished(const StageSummary& stage) override { observer_.stage_finished(stage); }
  void issue_found(const Issue&) override {}
  Result<void> may_begin(std::string_view stage) override { return observer_.may_begin(stage); }
  void gate_reached(std::string_view stage, bool is_waiting) override {
    observer_.gate_reached(stage, is_waiting);
  }
  void sampled(const WatchSample& sample) override { observer_.sampled(sample); }
  void threshold_changed(const ThresholdState& threshold) override {
    observer_.threshold_changed(threshold);
  }

 private:
  Observer& observer_;
};

Observers::Observers(const Invocation& call, int message_fd, const Cancellation& cancellation)
    : progress_(progress_options(call, message_fd), cancellation) {
  if (call.command == "plan") {
    quiet_progress_ = std::make_unique<IssuesLater>(progress_);
    all_.add(*quiet_progress_);
  } else {
    all_.add(progress_);
  }
}

Observers::~Observers() = default;

void Observers::add(std::unique_ptr<ResultObserver> observer) {
  all_.add(*observer);
  told_the_result_.push_back(std::move(observer));
}

Result<std::unique_ptr<Observers>> Observers::open(const Invocation& call, int message_fd,
                                                   const Cancellation& cancellation) {
  return std::unique_ptr<Observers>(new Observers(call, message_fd, cancellation));
}

void Observers::finish(JobResult& result) {
  progress_.finish();
  for (const auto& each : told_the_result_) each->job_finished(result);
}

}  // namespace pgfanout
