// A job's figures for Prometheus: served at an address, or written to a file for the node
// exporter's textfile collector. docs/METRICS.md lists them. They are read when asked for, not
// pushed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "pgfanout/observer.h"

namespace pgfanout {

struct MetricsOptions {
  std::string address;  ///< ADDR:PORT to serve at; port 0: any that is free. Empty: not served.
  std::string file;     ///< Empty: not written.
  std::string command;
  std::string table;
};

class Metrics : public Observer {
 public:
  /// Serves and writes at once; refused if that fails.
  [[nodiscard]] static Result<std::unique_ptr<Metrics>> open(const MetricsOptions& options);
  ~Metrics() override;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// Where it serves; 0: nowhere.
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
  struct Parts;
  explicit Metrics(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace pgfanout
