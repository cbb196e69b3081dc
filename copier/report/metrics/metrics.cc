#include "copier/report/metrics/metrics.h"

#include <fmt/format.h>
#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_type.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <span>

#include "copier/base/caught.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/output.h"
#include "copier/report/text/text.h"
#include "copier/report/text/tool_version.h"
#include "copier/report/text/watch_text.h"

namespace pgfanout {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Label = ClientMetric::Label;

/// A family with one sample, which is one of the figures.
struct FigureFamily {
  const char* name;
  const char* help;
  MetricType type;
  std::uint64_t Figures::*figure;
};

constexpr MetricType kCounter = MetricType::Counter;
constexpr MetricType kGauge = MetricType::Gauge;

constexpr std::array kRows = {
    FigureFamily{"pgfanout_rows_read_total", "Rows read from the source.", kCounter,
                 &Figures::rows_read},
    FigureFamily{"pgfanout_bytes_read_total", "Bytes of row data read from the source.", kCounter,
                 &Figures::bytes_read},
    FigureFamily{"pgfanout_rows_written_total", "Rows handed to the target, committed or not.",
                 kCounter, &Figures::rows_written},
    FigureFamily{"pgfanout_bytes_written_total", "Bytes of row data handed to the target.",
                 kCounter, &Figures::bytes_written},
    FigureFamily{"pgfanout_rows_read_back_total", "Rows read from the target to prove it.",
                 kCounter, &Figures::rows_read_back},
    FigureFamily{"pgfanout_bytes_read_back_total", "Bytes of row data read from the target.",
                 kCounter, &Figures::bytes_read_back},
    FigureFamily{"pgfanout_rows_rejected_total", "Rows set aside.", kCounter,
                 &Figures::rows_rejected},
    FigureFamily{"pgfanout_rows_expected", "Rows that the source is thought to have; 0: unknown.",
                 kGauge, &Figures::rows_expected},
    FigureFamily{"pgfanout_bytes_expected", "Bytes that are thought to be read, by relation sizes.",
                 kGauge, &Figures::bytes_expected},
    FigureFamily{"pgfanout_leaves", "Leaves that the stage works on.", kGauge,
                 &Figures::leaves_total},
    FigureFamily{"pgfanout_leaves_committed", "Leaves whose rows are all committed.", kGauge,
                 &Figures::leaves_committed}};

constexpr std::array kWork = {
    FigureFamily{"pgfanout_steps", "Statements of the stages that run statements, so far known.",
                 kGauge, &Figures::steps_total},
    FigureFamily{"pgfanout_steps_done", "Of these, how many are done.", kGauge,
                 &Figures::steps_done},
    FigureFamily{"pgfanout_index_build_blocks", "Blocks of the index builds that run now.", kGauge,
                 &Figures::build_blocks_total},
    FigureFamily{"pgfanout_index_build_blocks_done", "Of these, how many are done.", kGauge,
                 &Figures::build_blocks_done},
    FigureFamily{"pgfanout_readers", "Connections that read.", kGauge, &Figures::readers},
    FigureFamily{"pgfanout_readers_busy", "Of these, how many have a range in hand.", kGauge,
                 &Figures::readers_busy},
    FigureFamily{"pgfanout_writers", "Connections that write.", kGauge, &Figures::writers},
    FigureFamily{"pgfanout_writers_busy", "Of these, how many have rows to send.", kGauge,
                 &Figures::writers_busy},
    FigureFamily{"pgfanout_memory_used_bytes", "Row data held by the process.", kGauge,
                 &Figures::memory_used},
    FigureFamily{"pgfanout_memory_budget_bytes", "How much it may hold.", kGauge,
                 &Figures::memory_budget}};

/// A measure and its limit, each in its own unit.
struct MeasureFamily {
  Measure measure;
  const char* name;
  const char* limit_name;
  const char* help;
  double scale;  ///< Divides the measure's value: percent become a ratio.
};

constexpr std::array kMeasures = {
    MeasureFamily{Measure::cpu, "pgfanout_cpu_ratio", "pgfanout_cpu_limit_ratio",
                  "Use of all processors of the target's host.", 100},
    MeasureFamily{Measure::memory, "pgfanout_memory_ratio", "pgfanout_memory_limit_ratio",
                  "Memory of the target's host that is in use.", 100},
    MeasureFamily{Measure::errors, "pgfanout_rejected_ratio", "pgfanout_rejected_limit_ratio",
                  "Rows set aside, of those that this call has read.", 100},
    MeasureFamily{Measure::lock_wait, "pgfanout_lock_wait_seconds",
                  "pgfanout_lock_wait_limit_seconds",
                  "Longest wait for a lock among the job's sessions.", 1},
    MeasureFamily{Measure::replica_lag, "pgfanout_replica_lag_seconds",
                  "pgfanout_replica_lag_limit_seconds", "Lag of the slowest standby.", 1},
    MeasureFamily{Measure::disk_free, "pgfanout_disk_free_bytes", "pgfanout_disk_free_limit_bytes",
                  "Free space of the target's data or WAL, whichever has less.", 1},
    MeasureFamily{Measure::checkpoints, "pgfanout_requested_checkpoints",
                  "pgfanout_requested_checkpoints_limit",
                  "Checkpoints that were requested within the last minute.", 1},
    MeasureFamily{Measure::session_wait, "pgfanout_session_wait_seconds",
                  "pgfanout_session_wait_limit_seconds",
                  "Longest wait of a session for something that is no work, locks left out.", 1},
    MeasureFamily{Measure::wal_waiting, "pgfanout_wal_waiting_bytes",
                  "pgfanout_wal_waiting_limit_bytes", "WAL that waits to be archived.", 1}};

double unix_seconds(std::chrono::system_clock::time_point moment) {
  return std::chrono::duration<double>(moment.time_since_epoch()).count();
}

/// Collects families; all samples have the labels of the job.
class Families {
 public:
  explicit Families(std::vector<Label> job_labels) : job_labels_(std::move(job_labels)) {}

  void open(const char* name, const char* help, MetricType type = kGauge) {
    drop_empty();
    all_.push_back({name, help, type, {}});
  }
  template <class Number>
  void add(Number value, std::initializer_list<Label> labels = {}) {
    ClientMetric metric;
    metric.label = job_labels_;
    metric.label.insert(metric.label.end(), labels);
    metric.gauge.value = metric.counter.value = static_cast<double>(value);
    all_.back().metric.push_back(std::move(metric));
  }
  void add_all(std::span<const FigureFamily> families, const Figures& figures) {
    for (const FigureFamily& each : families) {
      open(each.name, each.help, each.type);
      add(figures.*each.figure);
    }
  }
  [[nodiscard]] std::vector<MetricFamily> take() {
    drop_empty();
    return std::move(all_);
  }

 private:
  void drop_empty() {
    if (!all_.empty() && all_.back().metric.empty()) all_.pop_back();
  }

  std::vector<Label> job_labels_;
  std::vector<MetricFamily> all_;
};

void add_leaves(Families& to, const Figures& figures, const std::vector<std::string>& names,
                bool shows_each) {
  to.open("pgfanout_leaf_rows", "Rows handed to each leaf of the target.");
  for (std::size_t i = 0; i < names.size() && shows_each; ++i) {
    to.add(figures.leaf_rows[i], {{"leaf", names[i]}});
  }
  std::array<std::uint64_t, kLeafStateNames.size()> counts{};
  for (const LeafState state : figures.leaf_states) ++counts.at(static_cast<std::size_t>(state));
  to.open("pgfanout_leaves_in_state", "Leaves by how far they have come.");
  for (std::size_t i = 0; i < counts.size() && !figures.leaf_states.empty(); ++i) {
    to.add(counts.at(i), {{"state", kLeafStateNames.at(i)}});
  }
}

void add_reader_seconds(Families& to, const Figures& now) {
  to.open(
      "pgfanout_reader_seconds_total",
      "Where the readers' time went: waiting for the source, work, waiting for the target, held "
      "back by a threshold.",
      kCounter);
  for (const auto& [state, nanoseconds] : {std::pair{"source", now.source_wait_ns},
                                           {"work", now.work_ns},
                                           {"target", now.target_wait_ns},
                                           {"held", now.pace_wait_ns}}) {
    to.add(static_cast<double>(nanoseconds) / 1e9, {{"state", state}});
  }
}

void add_sample(Families& to, const WatchSample& now) {
  for (const MeasureFamily& each : kMeasures) {
    const auto state = std::find_if(now.thresholds.begin(), now.thresholds.end(),
                                    [&](const auto& at) { return at.measure == each.measure; });
    if (state == now.thresholds.end()) continue;
    to.open(each.name, each.help);
    if (state->value) to.add(*state->value / each.scale);
    to.open(each.limit_name, "The limit of that, and the action beyond it.");
    to.add(state->limit / each.scale, {{"action", name_of(state->action)}});
  }
  to.open("pgfanout_threshold_crossed", "1 while the limit is crossed.");
  for (const ThresholdState& each : now.thresholds) {
    to.add(each.is_crossed ? 1 : 0, {{"threshold", name_of(each.measure)}});
  }
  to.open("pgfanout_wait_sessions", "Sessions of the job on its servers, by what they wait for.");
  for (const WaitCount& wait : now.waits) {
    to.add(wait.sessions, {{"side", wait.side}, {"event", wait.event}});
  }
  to.open("pgfanout_waiting_seconds",
          "How long sessions of the job have waited for something that is no work, by cause.");
  for (const SessionWait& wait : now.session_waits) {
    to.add(wait.seconds, {{"side", wait.side}, {"cause", wait.cause}});
  }
  to.open("pgfanout_speed", "1 at the speed that thresholds allow the readers.");
  for (std::size_t i = 0; i < kSpeedNames.size(); ++i) {
    to.add(static_cast<std::size_t>(now.speed) == i ? 1 : 0, {{"speed", kSpeedNames.at(i)}});
  }
  to.open("pgfanout_deadline_timestamp_seconds", "When the job must be done, Unix time.");
  if (now.deadline) to.add(unix_seconds(now.deadline->finish_by));
  to.open("pgfanout_work_left_seconds", "The work that is left, best and worst case.");
  if (now.deadline && now.deadline->seconds_left_low) {
    to.add(*now.deadline->seconds_left_low, {{"bound", "low"}});
  }
  if (now.deadline && now.deadline->seconds_left_high) {
    to.add(*now.deadline->seconds_left_high, {{"bound", "high"}});
  }
}

}  // namespace

/// Asked for at each scrape.
class Metrics::Page : public prometheus::Collectable {
 public:
  explicit Page(const Metrics& metrics) : metrics_(metrics) {}
  /// On a thread of the server, which no exception may end.
  [[nodiscard]] std::vector<MetricFamily> Collect() const override {
    std::vector<MetricFamily> families;
    const auto made = run_caught("the metrics", [&] { families = metrics_.families(); });
    return made ? families : std::vector<MetricFamily>();
  }

 private:
  const Metrics& metrics_;
};

Metrics::Metrics(const MetricsOptions& options)
    : options_(options), page_(std::make_shared<Page>(*this)) {}

Metrics::~Metrics() = default;

Result<std::unique_ptr<Metrics>> Metrics::open(const MetricsOptions& options) {
  std::unique_ptr<Metrics> metrics(new Metrics(options));
  if (!options.address.empty()) {
    try {
      metrics->exposer_ = std::make_unique<prometheus::Exposer>(options.address, 2);
      metrics->exposer_->RegisterCollectable(metrics->page_);
    } catch (const std::exception&) {
      return refused("metrics-address",
                     fmt::format("cannot serve metrics at {}", printable(options.address)),
                     "the port is taken, or the address is not one of this host's; nothing was "
                     "done");
    }
  }
  metrics->write(true);
  if (metrics->last_failure_ != 0) {
    return refused(
        "metrics-file",
        fmt::format("cannot write metrics to {}: {}", printable(options.file),
                    std::strerror(metrics->last_failure_)),
        "its folder must exist and be writable: the file is replaced as a whole; nothing "
        "was done");
  }
  return metrics;
}

std::uint16_t Metrics::port() const {
  if (!exposer_) return 0;
  const std::vector<int> ports = exposer_->GetListeningPorts();
  return ports.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(ports.front());
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(families());
}

void Metrics::write(bool now) {
  const std::lock_guard lock(file_mutex_);
  if (options_.file.empty() || (!now && Clock::now() < next_write_)) return;
  constexpr std::chrono::seconds kEvery{5};
  next_write_ = Clock::now() + kEvery;
  // The node exporter, which runs as another user, must read it whatever the umask.
  const int failure = replace_file(options_.file, text(), 0644, false);
  if (failure == 0) return;
  last_failure_ = failure;
  ++failures_;
}

void Metrics::read_counters(State& into) const {
  if (counters_ == nullptr || open_.empty()) return;
  into.figures = figures_of(*counters_);
  into.leaf_names.clear();
  for (std::size_t leaf = 0; leaf < into.figures.leaf_rows.size(); ++leaf) {
    into.leaf_names.push_back(counters_->leaves.name(leaf));
  }
}

std::vector<MetricFamily> Metrics::families() const {
  State now;
  std::vector<std::pair<std::string, double>> running;
  {
    const std::lock_guard lock(mutex_);
    now = state_;
    read_counters(now);
    running = open_.seconds();
  }
  std::vector<Label> labels = {{"command", options_.command}};
  if (!options_.table.empty()) labels.push_back({"table", options_.table});
  Families to(std::move(labels));
  to.open("pgfanout_job_info", "The job and what runs it. Always 1.");
  to.add(1, {{"job_id", now.job}, {"version", std::string(tool_version())}});
  to.open("pgfanout_heartbeat_time_seconds",
          "When the command was last seen to run or to end, Unix time.");
  to.add(unix_seconds(now.ended.value_or(std::chrono::system_clock::now())));
  to.open("pgfanout_job_start_time_seconds", "When the command began, Unix time.");
  to.add(unix_seconds(now.began));
  to.open("pgfanout_job_end_time_seconds", "When the command ended, Unix time.");
  if (now.ended) to.add(unix_seconds(*now.ended));
  to.open("pgfanout_job_exit_code", "The command's exit code, once it has ended.");
  if (now.ended) to.add(now.exit_code);
  to.open("pgfanout_issues_total", "Issues that were told, by severity.", kCounter);
  for (std::size_t i = 0; i < kSeverityNames.size(); ++i) {
    to.add(now.issues.at(i), {{"severity", kSeverityNames.at(i)}});
  }
  to.add_all(kRows, now.figures);
  constexpr std::size_t kMostLeaves = 200;
  add_leaves(to, now.figures, now.leaf_names,
             options_.each_leaf || now.leaf_names.size() <= kMostLeaves);
  to.add_all(kWork, now.figures);
  add_reader_seconds(to, now.figures);
  to.open("pgfanout_stage_seconds", "How long each stage took that has ended.");
  for (const StageSummary& stage : now.finished) {
    to.add(stage.seconds, {{"stage", stage.name}, {"status", stage.status}});
  }
  to.open("pgfanout_stage_running_seconds", "Since when each stage runs that has not ended.");
  for (const auto& [stage, seconds] : running) to.add(seconds, {{"stage", stage}});
  to.open("pgfanout_fence_standing", "1 while the job's fence refuses writes to the table.");
  const bool only_reads =
      options_.command == "verify" || options_.command == "queries" || options_.command == "plan";
  if (!only_reads && !now.job.empty()) to.add(now.figures.fence_stands ? 1 : 0);
  to.open("pgfanout_gate_waiting", "1 at the stage whose gate waits for a person.");
  if (!now.waiting_at.empty()) to.add(1, {{"stage", now.waiting_at}});
  add_sample(to, now.sample);
  return to.take();
}

void Metrics::job_started(const std::string& job_id, const JobCounters& counters) {
  {
    const std::lock_guard lock(mutex_);
    state_.job = job_id;
    counters_ = &counters;
  }
  write(true);
}

void Metrics::stage_started(std::string_view stage) {
  {
    const std::lock_guard lock(mutex_);
    open_.start(stage);
  }
  write(false);
}

void Metrics::stage_finished(const StageSummary& stage) {
  {
    const std::lock_guard lock(mutex_);
    read_counters(state_);
    StageSummary ended = stage;
    if (!open_.empty()) ended.name = open_.finish();
    // A repeated stage replaces its first run, since a series may have one sample only.
    std::erase_if(state_.finished,
                  [&](const StageSummary& each) { return each.name == ended.name; });
    state_.finished.push_back(std::move(ended));
  }
  write(false);
}

void Metrics::issue_found(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  ++state_.issues.at(static_cast<std::size_t>(issue.severity));
}

void Metrics::gate_reached(std::string_view stage, bool is_waiting) {
  const std::lock_guard lock(mutex_);
  state_.waiting_at = is_waiting ? stage : std::string_view();
}

void Metrics::sampled(const WatchSample& sample) {
  {
    const std::lock_guard lock(mutex_);
    state_.sample = sample;
  }
  write(false);
}

void Metrics::threshold_changed(const ThresholdState& threshold) {
  const std::lock_guard lock(mutex_);
  std::vector<ThresholdState>& all = state_.sample.thresholds;
  std::erase_if(all, [&](const ThresholdState& each) { return each.measure == threshold.measure; });
  all.push_back(threshold);
}

void Metrics::job_finished(JobResult& result) {
  {
    const std::lock_guard lock(mutex_);
    counters_ = nullptr;  // They are gone with the job.
    open_ = {};
    if (state_.job.empty()) state_.job = result.job;
    state_.ended = std::chrono::system_clock::now();
    state_.exit_code = exit_code_of(result);
    state_.waiting_at = result.waiting_at;
    state_.figures.fence_stands = result.writes_refused;
    state_.sample.waits.clear();
    state_.sample.session_waits.clear();
  }
  write(true);
  if (failures_ == 0) return;
  result.issues.push_back(
      {Severity::warning, "metrics-incomplete",
       fmt::format("the metrics could not be written {} times, the last time that failed: {}",
                   failures_, std::strerror(last_failure_)),
       options_.file, "the job itself was not affected"});
}

}  // namespace pgfanout
