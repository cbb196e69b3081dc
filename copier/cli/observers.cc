#include "copier/cli/observers.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "copier/cli/report_writer.h"
#include "copier/report/events/event_file.h"
#include "copier/report/events/event_stream.h"
#include "copier/report/events/hooks.h"
#include "copier/report/metrics/metrics.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/terminal.h"

namespace pgfanout {
namespace {

constexpr std::chrono::milliseconds kPatience{10'000};

CommitMode commits_of(const JobDescription& job) {
  switch (job.commit_every.unit) {
    case CommitEvery::Unit::automatic:
      return job.reject_limit.rows > 0 || job.reject_limit.percent.value_or(0) > 0
                 ? CommitMode::by_epoch
                 : CommitMode::unknown;
    case CommitEvery::Unit::leaf:
      return CommitMode::by_leaf;
    case CommitEvery::Unit::bytes:
    case CommitEvery::Unit::rows:
      return CommitMode::by_epoch;
  }
  return CommitMode::unknown;
}

JobLabel label_of(const Invocation& call) {
  const JobDescription& job = call.job;
  JobLabel label;
  label.command = call.command;
  label.source = job.table;
  label.target = job.into.empty() ? job.table + "_new" : job.into;
  label.commits = commits_of(job);
  if (call.command == "run" || call.command == "swap") {
    label.stages.assign(kWindowStages.begin(), kWindowStages.end());
    if (call.command == "run" && !job.window.swap) label.stages.pop_back();
  } else if (call.command == "copy") {
    label.stages = {"preflight", "prepare", "copy", "read-back", "attach"};
  }
  return label;
}

ProgressOptions progress_options(const Invocation& call, int message_fd) {
  ProgressOptions options;
  options.fd = message_fd;
  options.mode = call.progress;
  options.label = label_of(call);
  return options;
}

}  // namespace

class Observers::IssuesLater : public ObserverList {
 public:
  using ObserverList::ObserverList;
  void issue_found(const Issue&) override {}
};

Observers::Observers(const Invocation& call, int message_fd, const Cancellation& cancellation)
    : message_fd_(message_fd), progress_(progress_options(call, message_fd), cancellation) {
  if (call.command == "plan") {
    quiet_progress_ = std::make_unique<IssuesLater>(progress_);
    all_.add(*quiet_progress_);
  } else {
    all_.add(progress_);
  }
}

Observers::~Observers() = default;

void Observers::add(std::unique_ptr<Observer> observer) {
  all_.add(*observer);
  owned_.push_back(std::move(observer));
}

Result<std::unique_ptr<Observers>> Observers::open(const Invocation& call, int message_fd,
                                                   const Cancellation& cancellation) {
  std::unique_ptr<Observers> observers(new Observers(call, message_fd, cancellation));
  // The first that hears of the end: a hook at job_finished can send the report that is written.
  PGFANOUT_TRY_ASSIGN(auto report, ReportWriter::open(call));
  if (report) observers->add(std::move(report));
  // Whoever only looks has nothing to tell of.
  if (call.command != "status") {
    PGFANOUT_TRY(observers->open_outputs(call, cancellation));
  }
  return observers;
}

Result<void> Observers::open_outputs(const Invocation& call, const Cancellation& cancellation) {
  const OutputRequest& output = call.output;
  if (!output.metrics.empty() || !output.metrics_file.empty()) {
    PGFANOUT_TRY_ASSIGN(auto metrics, Metrics::open({output.metrics, output.metrics_file,
                                                     call.command, call.job.table}));
    if (output.metrics.ends_with(":0")) {
      tell({Severity::info,
            "metrics",
            fmt::format("metrics are served at port {}", metrics->port()),
            {},
            {}});
    }
    add(std::move(metrics));
  }
  if (output.events.empty() && output.hooks.empty()) return {};
  auto events = std::make_unique<EventStream>(call.command);
  if (!output.events.empty()) {
    PGFANOUT_TRY_ASSIGN(auto file, EventFile::open(output.events));
    events->add(std::move(file));
  }
  if (!output.hooks.empty()) {
    const bool may_stop = call.command != "rollback" && call.command != "cleanup";
    events->add(std::make_unique<Hooks>(
        output.hooks, may_stop, [this](const Issue& issue) { tell(issue); }, cancellation));
  }
  add(std::move(events));
  return {};
}

void Observers::tell(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  told_.push_back(issue.message);
  if (!is_live_over_) return progress_.issue_found(issue);
  write_patiently(message_fd_, issue_text(issue) + "\n", kPatience);
}

void Observers::finish(JobResult& result) {
  {
    const std::lock_guard lock(mutex_);
    progress_.finish();
    is_live_over_ = true;
  }
  const std::size_t issues = result.issues.size();
  all_.job_finished(result);
  for (std::size_t i = issues; i < result.issues.size(); ++i) {
    const Issue& issue = result.issues[i];
    if (std::find(told_.begin(), told_.end(), issue.message) == told_.end()) tell(issue);
  }
}

}  // namespace pgfanout
