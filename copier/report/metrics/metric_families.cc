#include "copier/report/metrics/metric_families.h"

#include <prometheus/client_metric.h>
#include <prometheus/metric_type.h>

#include <array>
#include <initializer_list>
#include <string>
#include <utility>

#include "copier/report/text/tool_version.h"

namespace pgfanout {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Label = ClientMetric::Label;

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

double seconds_of(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e9;
}

double unix_seconds(std::chrono::system_clock::time_point moment) {
  return std::chrono::duration<double>(moment.time_since_epoch()).count();
}

/// Gathers families; all samples carry the labels of the job.
class Families {
 public:
  explicit Families(const MetricsSnapshot& now) {
    if (!now.job.empty()) job_labels_.push_back({"job_id", now.job});
    job_labels_.push_back({"command", now.command});
    if (!now.table.empty()) job_labels_.push_back({"table", now.table});
  }

  void gauge(const char* name, const char* help, double value) {
    open(name, help, MetricType::Gauge);
    add(value);
  }
  void counter(const char* name, const char* help, double value) {
    open(name, help, MetricType::Counter);
    add(value);
  }
  void open(const char* name, const char* help, MetricType type) {
    if (!all_.empty() && all_.back().metric.empty()) all_.pop_back();
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    all_.push_back(std::move(family));
  }
  void add(double value, std::initializer_list<Label> labels = {}) {
    ClientMetric metric;
    metric.label = job_labels_;
    metric.label.insert(metric.label.end(), labels);
    metric.gauge.value = value;
    metric.counter.value = value;
    all_.back().metric.push_back(std::move(metric));
  }
  [[nodiscard]] std::vector<MetricFamily> take() {
    if (!all_.empty() && all_.back().metric.empty()) all_.pop_back();
    return std::move(all_);
  }

 private:
  std::vector<Label> job_labels_;
  std::vector<MetricFamily> all_;
};

void add_job(Families& to, const MetricsSnapshot& now) {
  to.open("pgfanout_job_info", "The job and what runs it. Always 1.", MetricType::Gauge);
  to.add(1, {{"version", std::string(tool_version())}});
  to.gauge("pgfanout_job_running", "1 while the command runs, 0 once it has ended.",
           now.ended ? 0 : 1);
  to.gauge("pgfanout_job_start_time_seconds", "When the command began, Unix time.",
           unix_seconds(now.began));
  to.open("pgfanout_job_end_time_seconds", "When the command ended, Unix time.", MetricType::Gauge);
  if (now.ended) to.add(unix_seconds(*now.ended));
  to.open("pgfanout_job_exit_code", "The command's exit code, once it has ended.",
          MetricType::Gauge);
  if (now.ended) to.add(now.exit_code);
  to.open("pgfanout_issues_total", "Issues that were told, by severity.", MetricType::Counter);
  constexpr std::array<const char*, 4> severities = {"critical", "error", "warning", "info"};
  for (std::size_t i = 0; i < severities.size(); ++i) {
    to.add(number(now.issues.at(i)), {{"severity", severities.at(i)}});
  }
}

void add_rows(Families& to, const Figures& now) {
  to.counter("pgfanout_rows_read_total", "Rows read from the source.", number(now.rows_read));
  to.counter("pgfanout_bytes_read_total", "Bytes of row data read from the source.",
             number(now.bytes_read));
  to.counter("pgfanout_rows_written_total", "Rows handed to the target, committed or not.",
             number(now.rows_written));
  to.counter("pgfanout_bytes_written_total", "Bytes of row data handed to the target.",
             number(now.bytes_written));
  to.counter("pgfanout_rows_read_back_total", "Rows read from the target to prove it.",
             number(now.rows_read_back));
  to.counter("pgfanout_bytes_read_back_total", "Bytes of row data read from the target.",
             number(now.bytes_read_back));
  to.counter("pgfanout_rows_rejected_total", "Rows set aside.", number(now.rows_rejected));
  to.gauge("pgfanout_rows_expected", "Rows that the source is thought to have; 0: unknown.",
           number(now.rows_expected));
  to.gauge("pgfanout_bytes_expected", "Bytes that are thought to be read, by relation sizes.",
           number(now.bytes_expected));
}

void add_leaves(Families& to, const MetricsSnapshot& now) {
  const Figures& figures = now.figures;
  to.gauge("pgfanout_leaves", "Leaves that the stage works on.", number(figures.leaves_total));
  to.gauge("pgfanout_leaves_committed", "Leaves whose rows are all committed.",
           number(figures.leaves_committed));
  to.open("pgfanout_leaf_rows", "Rows handed to each leaf of the target.", MetricType::Gauge);
  for (std::size_t i = 0; i < now.leaf_names.size(); ++i) {
    to.add(number(figures.leaf_rows[i]), {{"leaf", now.leaf_names[i]}});
  }
  constexpr std::array<const char*, 6> states = {"waiting", "loading", "committed",
                                                 "proven",  "indexed", "verified"};
  std::array<std::uint64_t, 6> counts{};
  for (const LeafState state : figures.leaf_states) ++counts.at(static_cast<std::size_t>(state));
  to.open("pgfanout_leaves_in_state", "Leaves by how far they have come.", MetricType::Gauge);
  for (std::size_t i = 0; i < states.size() && !figures.leaf_states.empty(); ++i) {
    to.add(number(counts.at(i)), {{"state", states.at(i)}});
  }
}

void add_work(Families& to, const Figures& now) {
  to.gauge("pgfanout_steps", "Statements of the stages that run statements, so far known.",
           number(now.steps_total));
  to.gauge("pgfanout_steps_done", "Of these, how many are done.", number(now.steps_done));
  to.gauge("pgfanout_index_build_blocks", "Blocks of the index builds that run now.",
           number(now.build_blocks_total));
  to.gauge("pgfanout_index_build_blocks_done", "Of these, how many are done.",
           number(now.build_blocks_done));
  to.gauge("pgfanout_readers", "Connections that read.", number(now.readers));
  to.gauge("pgfanout_readers_busy", "Of these, how many have a range in hand.",
           number(now.readers_busy));
  to.gauge("pgfanout_writers", "Connections that write.", number(now.writers));
  to.gauge("pgfanout_writers_busy", "Of these, how many have rows to send.",
           number(now.writers_busy));
  to.gauge("pgfanout_memory_used_bytes", "Row data held by the process.", number(now.memory_used));
  to.gauge("pgfanout_memory_budget_bytes", "How much it may hold.", number(now.memory_budget));
  to.open(
      "pgfanout_reader_seconds_total",
      "Where the readers' time went: waiting for the source, work, waiting for the target, held "
      "back by a threshold.",
      MetricType::Counter);
  to.add(seconds_of(now.source_wait_ns), {{"state", "source"}});
  to.add(seconds_of(now.work_ns), {{"state", "work"}});
  to.add(seconds_of(now.target_wait_ns), {{"state", "target"}});
  to.add(seconds_of(now.pace_wait_ns), {{"state", "held"}});
}

void add_stages(Families& to, const MetricsSnapshot& now) {
  to.open("pgfanout_stage_seconds", "How long each stage took that has ended.", MetricType::Gauge);
  for (const StageSummary& stage : now.finished) {
    to.add(stage.seconds, {{"stage", stage.name}, {"status", stage.status}});
  }
  to.open("pgfanout_stage_running_seconds", "Since when each stage runs that has not ended.",
          MetricType::Gauge);
  for (const auto& [stage, seconds] : now.running) to.add(seconds, {{"stage", stage}});
  to.open("pgfanout_gate_waiting", "1 at the stage whose gate waits for a person.",
          MetricType::Gauge);
  if (!now.waiting_at.empty()) to.add(1, {{"stage", now.waiting_at}});
}

void add_watch(Families& to, const MetricsSnapshot& now) {
  to.open("pgfanout_threshold_value",
          "What is measured, in the measure's unit: percent, seconds, bytes, or times a minute.",
          MetricType::Gauge);
  for (const ThresholdState& each : now.thresholds) {
    if (each.value) to.add(*each.value, {{"threshold", name_of(each.measure)}});
  }
  to.open("pgfanout_threshold_limit", "The limit, in the same unit.", MetricType::Gauge);
  for (const ThresholdState& each : now.thresholds) {
    to.add(each.limit, {{"threshold", name_of(each.measure)}, {"action", name_of(each.action)}});
  }
  to.open("pgfanout_threshold_crossed", "1 while the limit is crossed.", MetricType::Gauge);
  for (const ThresholdState& each : now.thresholds) {
    to.add(each.is_crossed ? 1 : 0, {{"threshold", name_of(each.measure)}});
  }
  to.open("pgfanout_wait_sessions", "Sessions of the job on its servers, by what they wait for.",
          MetricType::Gauge);
  for (const WaitCount& wait : now.waits) {
    to.add(wait.sessions, {{"side", wait.side}, {"event", wait.event}});
  }
  to.open("pgfanout_speed", "1 at the speed that thresholds allow the readers.", MetricType::Gauge);
  constexpr std::array<const char*, 3> speeds = {"full", "slow", "paused"};
  for (std::size_t i = 0; i < speeds.size(); ++i) {
    to.add(static_cast<std::size_t>(now.speed) == i ? 1 : 0, {{"speed", speeds.at(i)}});
  }
  to.open("pgfanout_deadline_timestamp_seconds", "When the job must be done, Unix time.",
          MetricType::Gauge);
  if (now.deadline) to.add(unix_seconds(now.deadline->finish_by));
  to.open("pgfanout_work_left_seconds", "The work that is left, best and worst case.",
          MetricType::Gauge);
  if (now.deadline && now.deadline->seconds_left_low) {
    to.add(*now.deadline->seconds_left_low, {{"bound", "low"}});
  }
  if (now.deadline && now.deadline->seconds_left_high) {
    to.add(*now.deadline->seconds_left_high, {{"bound", "high"}});
  }
}

}  // namespace

std::vector<MetricFamily> metric_families(const MetricsSnapshot& now) {
  Families all(now);
  add_job(all, now);
  add_rows(all, now.figures);
  add_leaves(all, now);
  add_work(all, now.figures);
  add_stages(all, now);
  add_watch(all, now);
  return all.take();
}

}  // namespace pgfanout
