// A job's metrics for Prometheus: served at an address, or written to a file for the node
// exporter's textfile collector. docs/METRICS.md lists them; a test compares the two. Thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/report/record/figures.h"
#include "pgfanout/observer.h"

namespace prometheus {
class Exposer;
struct MetricFamily;
}  // namespace prometheus

namespace pgfanout {

struct MetricsOptions {
  std::string address;  ///< ADDR:PORT to serve at; port 0: any free one. Empty: not served.
  std::string file;     ///< Empty: not written.
  std::string command;
  std::string table;
  bool each_leaf = false;  ///< A series for each leaf also where there are many.
};

class Metrics : public Observer {
 public:
  /// Serves and writes at once; refused if that fails.
  [[nodiscard]] static Result<std::unique_ptr<Metrics>> open(const MetricsOptions& options);
  ~Metrics() override;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// The port that it serves at; 0: none.
  [[nodiscard]] std::uint16_t port() const;
  /// The page that is served at this moment.
  [[nodiscard]] std::string text() const;

  void job_started(const std::string& job_id, const JobCounters& counters) override;
  void stage_started(std::string_view stage) override;
  void stage_finished(const StageSummary& stage) override;
  void issue_found(const Issue& issue) override;
  void gate_reached(std::string_view stage, bool is_waiting) override;
  void sampled(const WatchSample& sample) override;
  void threshold_changed(const ThresholdState& threshold) override;
  void job_finished(JobResult& result) override;

 private:
  using Clock = std::chrono::steady_clock;
  class Page;

  /// The job at one moment.
  struct State {
    std::string job;  ///< Id; empty before there is one.
    std::chrono::system_clock::time_point began = std::chrono::system_clock::now();
    std::optional<std::chrono::system_clock::time_point> ended;
    int exit_code = 0;                    ///< Once it has ended.
    Figures figures;                      ///< As of the end of the last stage.
    std::vector<std::string> leaf_names;  ///< As many as figures.leaf_rows.
    std::vector<StageSummary> finished;
    WatchSample sample;
    std::array<std::uint64_t, 4> issues{};  ///< By severity.
    std::string waiting_at;                 ///< Stage whose gate waits for a person.
  };

  explicit Metrics(const MetricsOptions& options);
  /// In the order of docs/METRICS.md. Families without a sample at this moment are left out.
  [[nodiscard]] std::vector<prometheus::MetricFamily> families() const;
  /// Needs mutex_. The counters exist only while a stage is open: a job ends its stages, then
  /// returns.
  void read_counters(State& into) const;
  /// Writes the file: every few seconds, or now.
  void write(bool now);

  const MetricsOptions options_;
  mutable std::mutex mutex_;
  State state_;                            // guarded by mutex_
  const JobCounters* counters_ = nullptr;  // guarded by mutex_
  OpenStages open_;                        // guarded by mutex_
  std::mutex file_mutex_;
  Clock::time_point next_write_{};  // guarded by file_mutex_
  int last_failure_ = 0;            // guarded by file_mutex_; errno
  std::uint64_t failures_ = 0;      // guarded by file_mutex_
  std::shared_ptr<Page> page_;
  std::unique_ptr<prometheus::Exposer> exposer_;  // Last: its threads use all of the above.
};

}  // namespace pgfanout
