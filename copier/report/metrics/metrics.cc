#include "copier/report/metrics/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/text_serializer.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "copier/report/metrics/metric_families.h"
#include "copier/report/metrics/metrics_state.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

class Collected : public prometheus::Collectable {
 public:
  explicit Collected(const MetricsState& state) : state_(state) {}
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    return metric_families(state_.snapshot());
  }

 private:
  const MetricsState& state_;
};

/// Replaces the file in one step, since its reader may come at any time. 0 or errno.
int replace_file(const std::string& path, const std::string& text) {
  const std::string draft = fmt::format("{}.{}.tmp", path, getpid());
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return errno;
  fchmod(fd, 0644);  // The node exporter runs as another user, whatever our umask.
  const ssize_t written = write(fd, text.data(), text.size());
  int failure = written < 0 ? errno : 0;
  if (failure == 0 && written < static_cast<ssize_t>(text.size())) failure = ENOSPC;
  if (close(fd) != 0 && failure == 0) failure = errno;
  if (failure == 0 && std::rename(draft.c_str(), path.c_str()) != 0) failure = errno;
  if (failure != 0) unlink(draft.c_str());
  return failure;
}

}  // namespace

struct Metrics::Parts {
  explicit Parts(const MetricsOptions& options)
      : state(options.command, options.table),
        collected(std::make_shared<Collected>(state)),
        file(options.file) {}

  /// From time to time, or now.
  void write(bool now) {
    const std::lock_guard lock(file_mutex);
    if (file.empty() || (!now && Clock::now() < next_write)) return;
    constexpr std::chrono::seconds kEvery{5};
    next_write = Clock::now() + kEvery;
    const int failure = replace_file(file, text());
    if (failure == 0) return;
    last_failure = failure;
    ++failures;
  }
  [[nodiscard]] std::string text() const {
    return prometheus::TextSerializer().Serialize(collected->Collect());
  }

  MetricsState state;
  std::shared_ptr<Collected> collected;
  const std::string file;
  std::mutex file_mutex;
  Clock::time_point next_write{};                // guarded by file_mutex
  int last_failure = 0;                          // guarded by file_mutex; errno
  std::uint64_t failures = 0;                    // guarded by file_mutex
  std::unique_ptr<prometheus::Exposer> exposer;  // Last: its threads use all of the above.
};

Metrics::Metrics(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Metrics::~Metrics() = default;

Result<std::unique_ptr<Metrics>> Metrics::open(const MetricsOptions& options) {
  auto parts = std::make_unique<Parts>(options);
  if (!options.address.empty()) {
    try {
      parts->exposer = std::make_unique<prometheus::Exposer>(options.address, 2);
      parts->exposer->RegisterCollectable(parts->collected);
    } catch (const std::exception&) {
      return refused("metrics-address",
                     fmt::format("cannot serve metrics at {}", printable(options.address)),
                     "the port is taken, or the address is not one of this host's; nothing was "
                     "done");
    }
  }
  parts->write(true);
  if (parts->last_failure != 0) {
    return refused(
        "metrics-file",
        fmt::format("cannot write metrics to {}: {}", printable(options.file),
                    std::strerror(parts->last_failure)),
        "its folder must exist and be writable: the file is replaced as a whole; nothing "
        "was done");
  }
  return std::unique_ptr<Metrics>(new Metrics(std::move(parts)));
}

std::uint16_t Metrics::port() const {
  if (!parts_->exposer) return 0;
  const std::vector<int> ports = parts_->exposer->GetListeningPorts();
  return ports.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(ports.front());
}

std::string Metrics::text() const {
  return parts_->text();
}

void Metrics::job_started(const std::string& job_id, const JobCounters& counters) {
  parts_->state.start_job(job_id, counters);
  parts_->write(true);
}

void Metrics::stage_started(std::string_view stage) {
  parts_->state.start_stage(stage);
  parts_->write(false);
}

void Metrics::stage_finished(const StageSummary& stage) {
  parts_->state.finish_stage(stage);
  parts_->write(false);
}

void Metrics::issue_found(const Issue& issue) {
  parts_->state.add_issue(issue);
}

void Metrics::gate_reached(std::string_view stage, bool is_waiting) {
  parts_->state.reach_gate(stage, is_waiting);
}

void Metrics::sampled(const WatchSample& sample) {
  parts_->state.sample(sample);
  parts_->write(false);
}

void Metrics::threshold_changed(const ThresholdState& threshold) {
  parts_->state.change_threshold(threshold);
}

void Metrics::job_finished(JobResult& result) {
  parts_->state.finish_job(result);
  parts_->write(true);
  if (parts_->failures == 0) return;
  Issue issue;
  issue.severity = Severity::warning;
  issue.code = "metrics-incomplete";
  issue.message = fmt::format(
      "the metrics could not be written {} times, the last time that "
      "failed: {}",
      parts_->failures, std::strerror(parts_->last_failure));
  issue.where = parts_->file;
  issue.hint = "the job itself was not affected";
  result.issues.push_back(std::move(issue));
}

}  // namespace pgfanout
