#include "copier/cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "copier/cli/query_baseline.h"
#include "copier/cli/values.h"
#include "copier/layout/layout.h"
#include "copier/pg/connection.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Text = std::string_view;
using Done = Result<void>;

// Setters for a member that is reached by a path of member pointers.

template <auto... path>
auto& member(Invocation& to) {
  return (to.*....*path);
}

template <auto... path>
Done set_true(Text, Invocation& to) {
  member<path...>(to) = true;
  return {};
}

template <auto... path>
Done set_text(Text value, Invocation& to) {
  if (value.empty()) return refused("usage", "must not be empty");
  member<path...>(to) = value;
  return {};
}

template <auto... path>
Done set_file(Text value, Invocation& to) {
  if (value.empty()) return refused("usage", "must name a file");
  member<path...>(to) = value;
  return {};
}

template <auto... path>
Done add_text(Text value, Invocation& to) {
  member<path...>(to).emplace_back(value);
  return {};
}

/// The value of another form, by its parser.
template <auto parse, auto... path>
Done set_parsed(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(member<path...>(to), parse(value));
  return {};
}

template <auto parse, auto... path>
Done add_parsed(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(auto parsed, parse(value));
  member<path...>(to).push_back(std::move(parsed));
  return {};
}

template <std::uint64_t least, std::uint64_t most, auto... path>
Done set_number(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(const std::uint64_t number, parse_number(value, least, most));
  member<path...>(to) = static_cast<std::uint32_t>(number);
  return {};
}

template <std::uint64_t least, std::uint64_t most, auto... path>
Done set_large_number(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(member<path...>(to), parse_number(value, least, most));
  return {};
}

template <auto... path>
Done set_milliseconds(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(member<path...>(to), parse_duration(value, milliseconds(1), milliseconds(1)));
  return {};
}

template <int least, auto... path>
Done set_seconds(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(const milliseconds time, parse_duration(value, seconds(1), seconds(least)));
  member<path...>(to) = std::chrono::ceil<seconds>(time);
  return {};
}

/// "a, b or c".
template <class Choices>
std::string names_of(const Choices& choices) {
  std::string names;
  for (std::size_t at = 0; at < choices.size(); ++at) {
    names += at == 0 ? "" : at + 1 == choices.size() ? " or " : ", ";
    names += choices[at].first;
  }
  return names;
}

/// One of a few names, each of which stands for a value.
template <const auto& choices, auto... path>
Done set_choice(Text name, Invocation& to) {
  for (const auto& [each, value] : choices) {
    if (name != each) continue;
    member<path...>(to) = value;
    return {};
  }
  return bad_value(names_of(choices), name);
}

template <class Value>
using Choice = std::pair<Text, Value>;

constexpr std::array kKeyModes = {
    Choice<KeyMode>{"check", KeyMode::check}, Choice<KeyMode>{"generated", KeyMode::generated},
    Choice<KeyMode>{"expression", KeyMode::expression}, Choice<KeyMode>{"none", KeyMode::none}};
constexpr std::array kMismatchPolicies = {
    Choice<KeyMismatchPolicy>{"fail", KeyMismatchPolicy::fail},
    Choice<KeyMismatchPolicy>{"fix", KeyMismatchPolicy::fix}};
constexpr std::array kProgressModes = {Choice<ProgressMode>{"auto", ProgressMode::automatic},
                                       Choice<ProgressMode>{"plain", ProgressMode::plain},
                                       Choice<ProgressMode>{"none", ProgressMode::none}};
constexpr std::array kProfiles = {Choice<WatchProfile>{"window", WatchProfile::window},
                                  Choice<WatchProfile>{"polite", WatchProfile::polite}};
constexpr std::array kFailOn = {Choice<Severity>{"warning", Severity::warning},
                                Choice<Severity>{"error", Severity::error},
                                Choice<Severity>{"critical", Severity::critical}};
constexpr std::array kScopes = {Choice<VerifyScope>{"quick", VerifyScope::quick},
                                Choice<VerifyScope>{"data", VerifyScope::data},
                                Choice<VerifyScope>{"schema", VerifyScope::schema},
                                Choice<VerifyScope>{"full", VerifyScope::full}};

template <VerifyScope wanted>
Done set_only_scope(Text, Invocation& to) {
  if (to.verify_scopes++ > 0) {
    return refused("usage", "only one of --quick, --data, --schema and --full is possible",
                   "--full has all of --data and --schema");
  }
  to.job.verify.scope = wanted;
  return {};
}

Done set_source(Text value, Invocation& to) {
  to.job.source_dsn = value;
  return check_dsn(value, "--source");
}

Done set_target(Text value, Invocation& to) {
  to.job.target_dsn = std::string(value);
  return check_dsn(value, "--target");
}

Done set_bench_source(Text value, Invocation& to) {
  to.bench.source_dsn = std::string(value);
  return check_dsn(value, "--source");
}

Done set_layout(Text value, Invocation& to) {
  PGFANOUT_TRY(parse_partition_by(value));
  to.job.layout.by = value;
  return {};
}

Done add_skipped(Text value, Invocation& to) {
  if (value.empty()) return refused("usage", "must not be empty");
  to.job.skip.emplace_back(value);
  return {};
}

Done set_add_to(Text value, Invocation& to) {
  if (value.empty()) return refused("usage", "must name a job file");
  to.add_to = value;
  to.job.window.advise = true;
  return {};
}

Done set_memory(Text value, Invocation& to) {
  constexpr std::uint64_t least = 16ULL << 20U;
  PGFANOUT_TRY_ASSIGN(to.job.memory_bytes, parse_size(value));
  if (to.job.memory_bytes < least) return bad_value("at least 16MiB", value);
  return {};
}

Done set_index_memory(Text value, Invocation& to) {
  constexpr std::uint64_t least = 1ULL << 20U;
  constexpr std::uint64_t most = (1ULL << 41U) - 1024;  // The server's limit.
  PGFANOUT_TRY_ASSIGN(const std::uint64_t bytes, parse_size(value));
  if (bytes < least || bytes > most) return bad_value("a size from 1MB to 2047GB", value);
  to.job.window.maintenance_work_bytes = bytes;
  return {};
}

Done set_finish_by(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(to.job.watch.finish_by,
                      parse_clock_time(value, std::chrono::system_clock::now()));
  return {};
}

Done set_metrics(Text value, Invocation& to) {
  const std::size_t colon = value.rfind(':');
  const bool has_both = colon != Text::npos && colon > 0;
  if (!has_both || !parse_number(value.substr(colon + 1), 0, 65535)) {
    return bad_value("ADDRESS:PORT, such as 127.0.0.1:9187", value);
  }
  to.output.metrics = value;
  return {};
}

Done add_hook(Text text, Invocation& to) {
  const std::size_t divider = text.find('=');
  const Text event = text.substr(0, divider);
  const std::string all = fmt::format("events are {}", fmt::join(kEvents, ", "));
  if (divider == Text::npos || event.empty() || divider + 1 == text.size()) {
    return refused("usage", "must be EVENT=COMMAND, such as stage_finished=/usr/local/bin/tell",
                   all);
  }
  if (std::ranges::find(kEvents, event) == kEvents.end()) {
    return refused("usage", "names no event", did_you_mean(event, kEvents, all));
  }
  to.output.hooks.push_back({std::string(event), std::string(text.substr(divider + 1))});
  return {};
}

Done confirm_stage(Text value, Invocation& to) {
  if (std::ranges::find(kWindowStages, value) != kWindowStages.end()) {
    to.job.window.confirmed.emplace_back(value);
    return {};
  }
  Error error = bad_value(
      "a stage: preflight, prepare, copy, index, constraints, analyze, verify or swap", value);
  error.hint = did_you_mean(value, kWindowStages, "");
  return error;
}

Done add_accepted(Text value, Invocation& to) {
  const std::size_t blank = value.find(' ');
  const bool has_both = blank != Text::npos && blank > 0 && blank + 1 < value.size();
  if (!has_both) return bad_value("KIND NAME, as the plan prints it", value);
  to.job.window.accept.emplace_back(value);
  return {};
}

/// Adds each word of a list "a,b" to `names`, once.
Done add_names(Text list, std::span<const Text> known, std::vector<std::string>& names) {
  while (true) {
    const Text name = list.substr(0, list.find(','));
    if (std::ranges::find(known, name) == known.end()) {
      Error error = bad_value(fmt::format("a list of {}", fmt::join(known, ", ")), name);
      error.hint = did_you_mean(name, known, "");
      return error;
    }
    if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
    if (name.size() == list.size()) return {};
    list.remove_prefix(name.size() + 1);
  }
}

Done add_methods(Text list, Invocation& to) {
  return add_names(list, kBenchMethods, to.bench.methods);
}

Done add_sweeps(Text list, Invocation& to) {
  std::vector<Text> known(kBenchSweeps.begin(), kBenchSweeps.end());
  known.emplace_back("all");
  std::vector<std::string>& sweeps = to.bench.sweeps;
  PGFANOUT_TRY(add_names(list, known, sweeps));
  if (std::ranges::find(sweeps, "all") != sweeps.end()) {
    sweeps.assign(kBenchSweeps.begin(), kBenchSweeps.end());
  }
  return {};
}

constexpr auto job = &Invocation::job;
constexpr auto window = &JobDescription::window;
constexpr auto verify = &JobDescription::verify;
constexpr auto watch = &JobDescription::watch;
constexpr auto output = &Invocation::output;
constexpr auto bench = &Invocation::bench;
constexpr std::uint64_t kMostChecks = 100'000'000;
constexpr std::uint64_t kMostBenchRows = 100'000'000;

// clang-format off
constexpr std::array kOptions = {
    OptionSpec{"", "Tables", "--source", "DSN", "Connection string or URI of the source, without password. Default: libpq's environment (PGHOST, PGSERVICE, ...)",
               set_source, "source.dsn"},
    OptionSpec{"", "Tables", "--target", "DSN", "Connection string or URI of the target. Default: that of the source",
               set_target, "target.dsn"},
    OptionSpec{"", "Tables", "--table", "NAME", "Source table, as you would write it in psql. Required",
               set_text<job, &JobDescription::table>, "source.table"},
    OptionSpec{"", "Tables", "--into", "NAME", "Target table; created if it does not exist. Default: <table>_new in the same schema",
               set_text<job, &JobDescription::into>, "target.into"},
    OptionSpec{"", "Tables", "--leaf-name", "PATTERN", "Names of new leaves, such as {table}_part{key:03}; after the swap {table} is the source's name. Default: {table}_p{key}, as many digits as the largest key has",
               set_text<job, &JobDescription::target, &TargetRequest::leaf_name>, "target.leaf_name"},
    OptionSpec{"", "Tables", "--search-path", "LIST", "search_path for the application's code: functions of triggers, indexes, checks, mappings. Default: as its roles and the database have it",
               set_text<job, &JobDescription::search_path>, "source.search_path"},
    OptionSpec{"", "Partition key", "--key", "EXPR", "Key of a row, as an SQL expression over source columns. Of a table that pgfanout converted it is known, and verify uses no other default. Default: abs(hashtext(<first partition column>::text)) % <partitions>",
               set_text<job, &JobDescription::key>, "key.expression"},
    OptionSpec{"", "Partition key", "--key-column", "NAME", "Target column that stores the key; known of a converted table. Default: partition_key",
               set_text<job, &JobDescription::key_column>, "key.column"},
    OptionSpec{"", "Partition key", "--partitions", "N", "Leaves of a new target, for keys 0 to N-1; those of an existing target, and of a converted table, are counted. Default: 100",
               set_number<1, 10'000, job, &JobDescription::partitions>, "target.partitions", JobValue::number},
    OptionSpec{"", "Partition key", "--partition-by", "LAYOUT", "Another layout than LIST by the key: 'HASH (columns)', 'RANGE (columns)', 'LIST (column)', or none for a plain table; of an existing target it is known. Default: LIST by the key",
               set_layout, "target.partition_by"},
    OptionSpec{"", "Partition key", "--interval", "WIDTH", "RANGE: what a leaf spans, '1 month' or 1000000",
               set_text<job, &JobDescription::layout, &LayoutRequest::interval>, "target.interval", JobValue::number_or_text},
    OptionSpec{"", "Partition key", "--from", "VALUE", "RANGE: the first bound. Default: by the lowest value",
               set_text<job, &JobDescription::layout, &LayoutRequest::from>, "target.from", JobValue::number_or_text},
    OptionSpec{"", "Partition key", "--ahead", "N", "RANGE: empty leaves above the highest value's. Default: 0",
               set_number<0, 1'000, job, &JobDescription::layout, &LayoutRequest::ahead>, "target.ahead", JobValue::number},
    OptionSpec{"", "Partition key", "--default-partition", "", "RANGE and LIST by a column: a leaf for rows that no other one takes",
               set_true<job, &JobDescription::layout, &LayoutRequest::default_partition>, "target.default_partition", JobValue::flag},
    OptionSpec{"", "Partition key", "--key-mode", "MODE", "How later rows get their key: check, generated, expression or none; a converted table keeps its own. Default: check",
               set_choice<kKeyModes, job, &JobDescription::key_mode>, "key.mode"},
    OptionSpec{"", "Partition key", "--on-key-mismatch", "WHAT", "If a stored key differs from the recomputed one: fail, or fix it in the target. Default: fail",
               set_choice<kMismatchPolicies, job, &JobDescription::on_key_mismatch>, "key.on_mismatch"},
    OptionSpec{"", "Columns", "--map", "COLUMN=EXPR", "Value of a target column, as an SQL expression over source columns; repeatable. Default: the column of the same name",
               add_parsed<parse_mapping, job, &JobDescription::map>, "map", JobValue::own_reader, true},
    OptionSpec{"", "Columns", "--skip", "COLUMN", "Do not copy this source column; repeatable",
               add_skipped, "skip", JobValue::list, true},
    OptionSpec{"", "Execution", "--readers", "N", "Connections that read from the source, or auto. Default: auto",
               set_parsed<parse_connections, job, &JobDescription::readers>, "limits.readers", JobValue::number_or_text},
    OptionSpec{"", "Execution", "--writers", "N", "Connections that write to the target, or auto. Default: auto",
               set_parsed<parse_connections, job, &JobDescription::writers>, "limits.writers", JobValue::number_or_text},
    OptionSpec{"", "Execution", "--commit-every", "WHAT", "leaf: one transaction per leaf, repeated as a whole after an interruption; or epochs of so many bytes (256MB) or rows (100000). Default: by size",
               set_parsed<parse_commit_every, job, &JobDescription::commit_every>, "limits.commit_every", JobValue::number_or_text},
    OptionSpec{"", "Execution", "--memory", "SIZE", "Most memory for row data, at least 16MiB; kB, MB and GB are powers of 1024. Default: 256MiB",
               set_memory, "limits.memory", JobValue::number_or_text},
    OptionSpec{"", "Execution", "--reject-limit", "N|P%", "Rows that may be set aside in <target>_rejects before the job stops. Default: 0",
               set_parsed<parse_reject_limit, job, &JobDescription::reject_limit>, "limits.reject_limit", JobValue::number_or_text},
    OptionSpec{"", "Execution", "--max-differences", "N", "Differing rows that verify names in one pass. Default: 10000",
               set_number<1, 10'000'000, job, verify, &VerifyRequest::max_differences>, "verify.max_differences", JobValue::number},
    OptionSpec{"", "Execution", "--assume-quiet", "", "Do not lock the source, for roles that may only read; the result may be unproven",
               set_true<job, &JobDescription::assume_quiet>, "source.assume_quiet", JobValue::flag},
    OptionSpec{"", "Execution", "--no-fence", "", "Leave no fence on the source when the process ends; the job can then not be resumed",
               [](Text, Invocation& to) -> Done { to.job.fence = false; return {}; }, "source.fence", JobValue::inverted_flag},
    OptionSpec{"", "Execution", "--restart", "", "Drop what an earlier run of this job made, and start over",
               set_true<job, &JobDescription::restart>},
    OptionSpec{"", "Execution", "--append", "", "Accept a target that holds rows; they are kept",
               set_true<job, &JobDescription::append>, "target.append", JobValue::flag},
    OptionSpec{"", "Execution", "--lock-timeout", "TIME", "Longest wait for each lock on a table, such as 500ms or 5s. Unit: ms. Default: 5s",
               set_milliseconds<job, &JobDescription::lock_timeout>, "limits.lock_timeout", JobValue::number_or_text},
    OptionSpec{"", "Execution", "--connect-timeout", "TIME", "Longest wait for each connection. Unit: s. Default: 10s",
               set_seconds<1, job, &JobDescription::connect_timeout>, "limits.connect_timeout", JobValue::number_or_text},
    OptionSpec{"", "Execution", "--stall-timeout", "TIME", "Silence of a server after which a second connection checks it; 0: never. Unit: s. Default: 60s",
               set_seconds<0, job, &JobDescription::stall_timeout>, "limits.stall_timeout", JobValue::number_or_text},
    OptionSpec{"", "Output", "--dry-run", "", "Print all SQL, execute nothing",
               set_true<job, &JobDescription::dry_run>},
    OptionSpec{"", "Output", "--json", "", "One JSON document on standard output, all else on standard error",
               set_true<&Invocation::json>, "output.json", JobValue::flag},
    OptionSpec{"", "Output", "--progress", "HOW", "auto (live view on a terminal, else plain), plain (a line every 2 s) or none. Default: auto",
               set_choice<kProgressModes, &Invocation::progress>, "output.progress"},
    OptionSpec{"", "Output", "--yes", "", "Ask no questions. This version asks none",
               [](Text, Invocation&) -> Done { return {}; }},
    OptionSpec{"", "Thresholds and deadline", "--profile", "NAME", "window (full speed, stops only when it must) or polite (shares the server). Default: window",
               set_choice<kProfiles, job, watch, &WatchRequest::profile>, "watch.profile"},
    OptionSpec{"", "Thresholds and deadline", "--threshold", "NAME=LIMIT[:ACTION]", "Limit for cpu, memory, errors (%), lock_wait, session_wait, replica_lag (s), disk_free, wal_waiting (size) or checkpoints (a minute), such as cpu=80%:slow; ACTION is off, warn, shrink, slow, pause or stop; repeatable. Default: the profile's",
               add_parsed<parse_threshold, job, watch, &WatchRequest::thresholds>, "thresholds", JobValue::own_reader, true},
    OptionSpec{"", "Thresholds and deadline", "--finish-by", "HH:MM", "Deadline of the job, by this host's clock; the estimate is shown throughout",
               set_finish_by, "watch.finish_by"},
    OptionSpec{"", "Thresholds and deadline", "--stop-at-deadline", "", "Stop, resumable, at the last safe point if the job would miss its deadline",
               set_true<job, watch, &WatchRequest::stop_at_deadline>, "watch.stop_at_deadline", JobValue::flag},
    OptionSpec{"", "Reports", "--events", "FILE", "Append every event to FILE, one line of JSON each",
               set_file<output, &OutputRequest::events>, "output.events"},
    OptionSpec{"", "Reports", "--hook", "EVENT=COMMAND", "Run COMMAND at an event, which is its standard input; if it fails, the job stops before the swap; repeatable",
               add_hook, "hooks", JobValue::own_reader, true},
    OptionSpec{"", "Reports", "--metrics", "ADDR:PORT", "Serve metrics for Prometheus at http://ADDR:PORT/metrics",
               set_metrics, "output.metrics"},
    OptionSpec{"", "Reports", "--metrics-file", "FILE", "Write metrics to FILE, for the node exporter's textfile collector",
               set_file<output, &OutputRequest::metrics_file>, "output.metrics_file"},
    OptionSpec{"", "Reports", "--metrics-leaves", "", "A series for each leaf also of tables with more than 200",
               set_true<output, &OutputRequest::metrics_leaves>, "output.metrics_leaves", JobValue::flag},
    OptionSpec{"", "Reports", "--report", "FILE.html", "Write a self-contained report: verdict, sign-off, stages, plots, settings, digests",
               set_file<output, &OutputRequest::report>, "output.report"},

    OptionSpec{"plan run", "Maintenance window", "--swap", "", "Continue to the swap after verify has passed",
               set_true<job, window, &WindowRequest::swap>, "swap.after_verify", JobValue::flag},
    OptionSpec{"run swap cleanup", "Maintenance window", "--confirm", "STAGE", "Pass the gate after a stage, at which the job waits; repeatable. Job files set gates: [gates]",
               confirm_stage, {}, {}, true},
    OptionSpec{"copy run", "Maintenance window", "--release", "", "Only lift the fence on the source; the copy can then not be swapped in without proof",
               set_true<job, window, &WindowRequest::release>},
    OptionSpec{"plan run swap", "Maintenance window", "--accept", "\"KIND NAME\"", "Continue although this object, as the plan prints it, cannot be carried over; repeatable",
               add_accepted, "accept", JobValue::list, true},
    OptionSpec{"plan run", "Maintenance window", "--check-references", "", "Look for a parent of every row, by each foreign key that will be valid; otherwise a sample is looked at",
               set_true<job, window, &WindowRequest::check_references>, "verify.references", JobValue::flag},
    OptionSpec{"plan run", "Maintenance window", "--index-jobs", "N", "Connections that build indexes, or auto. Default: auto",
               set_parsed<parse_connections, job, window, &WindowRequest::index_jobs>, "limits.index_jobs", JobValue::number_or_text},
    OptionSpec{"plan run", "Maintenance window", "--maintenance-work-mem", "SIZE", "maintenance_work_mem of each index build, from 1MB. Default: by the server's memory",
               set_index_memory, "limits.maintenance_work_mem", JobValue::number_or_text},
    OptionSpec{"plan run swap", "Maintenance window", "--retention-days", "N", "Days for which the old table is kept after the swap. Default: 7",
               set_number<0, 3650, job, window, &WindowRequest::retention_days>, "backup.retention_days", JobValue::number},
    OptionSpec{"rollback", "Maintenance window", "--keep-new-rows", "", "After a swap: apply rows inserted, updated and deleted since to the restored table",
               set_true<job, window, &WindowRequest::keep_new_rows>},
    OptionSpec{"rollback", "Maintenance window", "--save-new-rows", "", "After a swap: save rows inserted, updated and deleted since in a table <table>_new_rows_<time>, and roll back without them",
               set_true<job, window, &WindowRequest::save_new_rows>},
    OptionSpec{"rollback", "Maintenance window", "--force", "", "After a swap: roll back although rows were written since; those changes are lost. Before it: drop the copy although its source was dropped",
               set_true<job, window, &WindowRequest::force>},
    OptionSpec{"rollback", "Maintenance window", "--earlier", "", "The last job is undone: take back the swap of the job before it",
               set_true<job, window, &WindowRequest::earlier>},
    OptionSpec{"cleanup", "Maintenance window", "--force", "", "Drop the backup now, before its retention is over",
               set_true<job, window, &WindowRequest::force>},
    OptionSpec{"plan run swap rollback", "Swap", "--swap-lock-timeout", "TIME", "Longest wait for each lock; statements of the application wait as long. Unit: ms. Default: 2s",
               set_milliseconds<job, window, &WindowRequest::swap_lock_timeout>, "swap.lock_timeout", JobValue::number_or_text},
    OptionSpec{"plan run swap rollback", "Swap", "--swap-within", "TIME", "Longest time for all attempts together. Unit: s. Default: 1min",
               set_seconds<1, job, window, &WindowRequest::swap_within>, "swap.within", JobValue::number_or_text},
    OptionSpec{"plan run swap rollback", "Swap", "--end-blockers", "", "Terminate the sessions that block the swap, instead of naming them and retrying",
               set_true<job, window, &WindowRequest::end_blockers>, "swap.end_blockers", JobValue::flag},

    OptionSpec{"plan run queries", "Queries", "--statements", "N", "Also the N statements that name the table and took the most time, by pg_stat_statements. Default: 0",
               set_number<1, 1000, job, window, &WindowRequest::statements>, "queries_from.statements", JobValue::number},
    OptionSpec{"queries", "Queries", "--advise", "", "Name indexes and conditions that would help, tried with hypothetical indexes where HypoPG is installed",
               set_true<job, window, &WindowRequest::advise>},
    OptionSpec{"queries", "Queries", "--add-to", "JOB.toml", "Add the advised indexes to that job file, for the new table; implies --advise",
               set_add_to},
    OptionSpec{"queries", "Queries", "--baseline", "FILE", "Judge against the times in FILE, the output of an earlier pgfanout queries --json",
               set_parsed<read_query_baseline, job, window, &WindowRequest::baseline>},

    OptionSpec{"verify", "Scope", "--quick", "", "Counts, bounds, constraints, sequences, a sample of rows: seconds on any size",
               set_only_scope<VerifyScope::quick>},
    OptionSpec{"verify", "Scope", "--data", "", "Every byte and every key of both sides, and references between rows",
               set_only_scope<VerifyScope::data>},
    OptionSpec{"verify", "Scope", "--schema", "", "Columns, constraints, indexes, triggers, grants and all else of the definition",
               set_only_scope<VerifyScope::schema>},
    OptionSpec{"verify", "Scope", "--full", "", "--data and --schema; the default",
               set_only_scope<VerifyScope::full>},
    OptionSpec{"verify run", "Scope", "--stream", "", "Compare a 128-bit digest of every byte in the client, instead of 64-bit hashes that the servers make of the rows",
               set_true<job, verify, &VerifyRequest::stream>, "verify.stream", JobValue::flag},
    OptionSpec{"verify run", "Scope", "--fail-on", "SEVERITY", "From which severity on a failed criterion means exit code 1: warning, error or critical. Rows that differ always do. Default: error",
               set_choice<kFailOn, job, verify, &VerifyRequest::fail_on>, "verify.fail_on"},
    OptionSpec{"verify", "Scope", "--repair", "", "Change only the differing rows of the target, then verify again; --dry-run prints the SQL",
               set_true<job, verify, &VerifyRequest::repair>},
    OptionSpec{"verify", "Scope", "--install-views", "", "Only install views of partitions and their skew, in schema pgfanout of the target",
               set_true<job, verify, &VerifyRequest::install_views>},
    OptionSpec{"file", "Scope", "", "WHAT", "What verify compares unless an option says so: quick, data, schema or full",
               set_choice<kScopes, job, verify, &VerifyRequest::scope>, "verify.scope"},

    OptionSpec{"key", "Question", "--value", "VALUE", "A value of the key's only column, or COLUMN=VALUE; repeatable",
               add_text<&Invocation::key, &KeyQuestion::values>, {}, {}, true},
    OptionSpec{"key", "Question", "--check", "N", "Compare N random, adversarial and sampled values with the server",
               set_large_number<1, kMostChecks, &Invocation::key, &KeyQuestion::check>},
    OptionSpec{"key", "Question", "--seed", "N", "Seed of the random values, to repeat a check. Default: 1",
               set_large_number<0, UINT64_MAX, &Invocation::key, &KeyQuestion::seed>},

    OptionSpec{"status", "View", "--watch", "", "Show the job until it ends or you press Ctrl-C",
               set_true<&Invocation::watch>},

    OptionSpec{"bench", "What is measured", "--sweep", "LIST", "What is varied: method, key (who computes it), writers, batch, width, indexes, or all. Default: method,key",
               add_sweeps, {}, {}, true},
    OptionSpec{"bench", "What is measured", "--methods", "LIST", "Only these methods: row, multirow, pipeline, copy_text, copy_binary, fan_out",
               add_methods, {}, {}, true},
    OptionSpec{"bench", "What is measured", "--rows", "N", "Rows of one insertion. Default: 100000, with --quick 5000",
               set_large_number<1, kMostBenchRows, bench, &BenchRequest::rows>},
    OptionSpec{"bench", "What is measured", "--repetitions", "N", "Measurements of each case. Default: 1; of generated column against trigger 9 pairs",
               set_number<1, 1000, bench, &BenchRequest::repetitions>},
    OptionSpec{"bench", "What is measured", "--quick", "", "Few rows and repetitions: shows that all works, decides nothing",
               set_true<bench, &BenchRequest::quick>},
    OptionSpec{"bench", "What is measured", "--list", "", "Only list what would be measured, and what cannot be, with the reason",
               set_true<bench, &BenchRequest::list>},
    OptionSpec{"bench", "Where", "--source", "DSN", "A server of yours, without password; schema pgfanout_bench is made there, and dropped. Default: a throw-away server",
               set_bench_source},
    OptionSpec{"bench", "Where", "--server-bindir", "DIR", "Folder of initdb and postgres for the throw-away server. Default: the installed PostgreSQL 15, else another",
               set_text<bench, &BenchRequest::server_bindir>},
    OptionSpec{"bench", "Output", "--json", "FILE", "Write the measurements and facts of the machine to FILE, in Google Benchmark's format",
               set_text<bench, &BenchRequest::json_file>},
};
// clang-format on

/// Whether `commands` has the word.
bool has_command(Text commands, Text command) {
  return (" " + std::string(commands) + " ").find(" " + std::string(command) + " ") !=
         std::string::npos;
}

template <class Wanted>
std::vector<OptionSpec> options_where(Wanted wanted) {
  std::vector<OptionSpec> found;
  std::ranges::copy_if(kOptions, std::back_inserter(found), wanted);
  return found;
}

}  // namespace

std::vector<OptionSpec> own_options(Text command) {
  return options_where([&](const OptionSpec& each) { return has_command(each.commands, command); });
}

std::vector<OptionSpec> job_options() {
  return options_where([](const OptionSpec& each) { return each.commands.empty(); });
}

std::vector<OptionSpec> options_of(Text command) {
  std::vector<OptionSpec> all = own_options(command);
  if (command == "bench") return all;
  const std::vector<OptionSpec> shared = job_options();
  all.insert(all.end(), shared.begin(), shared.end());
  return all;
}

std::vector<OptionSpec> job_file_settings() {
  return options_where([](const OptionSpec& each) { return !each.job_key.empty(); });
}

const OptionSpec* find_option(std::span<const OptionSpec> options, Text name) {
  const auto found = std::ranges::find(options, name, &OptionSpec::name);
  return found == options.end() ? nullptr : &*found;
}

}  // namespace pgfanout
