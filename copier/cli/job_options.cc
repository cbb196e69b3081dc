// The options that every command takes, and what only a job file says.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <utility>

#include "copier/cli/nearest.h"
#include "copier/cli/option_table.h"
#include "copier/cli/values.h"
#include "copier/pg/connection.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Text = std::string_view;
using Done = Result<void>;

constexpr std::uint64_t least_memory = 16ULL << 20U;

Done set_text(Text value, std::string& text) {
  if (value.empty()) return refused("usage", "must not be empty");
  text = value;
  return {};
}

/// `all` are the names in words.
template <class Value>
Done choose(Text name, std::initializer_list<std::pair<Text, Value>> choices, Text all, Value& to) {
  for (const auto& [each, value] : choices) {
    if (name != each) continue;
    to = value;
    return {};
  }
  return bad_value(all, name);
}

Done set_key_mode(Text name, Invocation& to) {
  return choose(name,
                {{"check", KeyMode::check},
                 {"generated", KeyMode::generated},
                 {"expression", KeyMode::expression},
                 {"none", KeyMode::none}},
                "check, generated, expression or none", to.job.key_mode);
}

Done add_mapping(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(ColumnMapping mapping, parse_mapping(value));
  to.job.map.push_back(std::move(mapping));
  return {};
}

Done set_commit_every(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(to.job.commit_every, parse_commit_every(value));
  return {};
}

Done set_memory(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(to.job.memory_bytes, parse_size(value));
  if (to.job.memory_bytes < least_memory) return bad_value("at least 16MiB", value);
  return {};
}

Done set_key_mismatch(Text name, Invocation& to) {
  return choose(name, {{"fail", KeyMismatchPolicy::fail}, {"fix", KeyMismatchPolicy::fix}},
                "fail or fix", to.job.on_key_mismatch);
}

Done set_progress(Text name, Invocation& to) {
  return choose(name,
                {{"auto", ProgressMode::automatic},
                 {"plain", ProgressMode::plain},
                 {"none", ProgressMode::none}},
                "auto, plain or none", to.progress);
}

Done set_profile(Text name, Invocation& to) {
  return choose(name, {{"window", WatchProfile::window}, {"polite", WatchProfile::polite}},
                "window or polite", to.job.watch.profile);
}

Done set_scope(Text name, Invocation& to) {
  return choose(name,
                {{"quick", VerifyScope::quick},
                 {"data", VerifyScope::data},
                 {"schema", VerifyScope::schema},
                 {"full", VerifyScope::full}},
                "quick, data, schema or full", to.job.verify.scope.emplace());
}

Done add_threshold(Text text, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(ThresholdSetting threshold, parse_threshold(text));
  to.job.watch.thresholds.push_back(threshold);
  return {};
}

Done add_hook(Text text, Invocation& to) {
  const std::size_t divider = text.find('=');
  const std::string_view event = text.substr(0, divider);
  if (divider == std::string_view::npos || event.empty() || divider + 1 == text.size()) {
    return refused("usage", "must be EVENT=COMMAND, such as stage_finished=/usr/local/bin/tell",
                   fmt::format("events are {}", fmt::join(kEvents, ", ")));
  }
  if (std::find(kEvents.begin(), kEvents.end(), event) == kEvents.end()) {
    return refused(
        "usage", "names no event",
        did_you_mean(event, kEvents, fmt::format("events are {}", fmt::join(kEvents, ", "))));
  }
  to.output.hooks.push_back({std::string(event), std::string(text.substr(divider + 1))});
  return {};
}

Done set_file(Text value, std::string& file) {
  if (value.empty()) return refused("usage", "must name a file");
  file = value;
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

Done set_connect_timeout(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(const milliseconds time, parse_duration(value, seconds(1), seconds(1)));
  to.job.connect_timeout = std::chrono::ceil<seconds>(time);
  return {};
}

Done set_stall_timeout(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(const milliseconds time, parse_duration(value, seconds(1), seconds(0)));
  to.job.stall_timeout = std::chrono::ceil<seconds>(time);
  return {};
}

constexpr Text tables = "Tables";
constexpr Text key = "Partition key";
constexpr Text columns = "Columns";
constexpr Text work = "How it works";
constexpr Text output = "Output";
constexpr Text watching = "While it runs";
constexpr Text telling = "Who is told";
constexpr Text scope = "What is verified";

// clang-format off
const std::array options = {
    OptionSpec{tables, "--source", "DSN", "Connection string or URI of the source, without password. Default: libpq's environment (PGHOST, PGSERVICE, ...)", false,
               [](Text value, Invocation& to) -> Done {
                 to.job.source_dsn = value;
                 return check_dsn(value, "--source");
               }, "source.dsn", JobValue::text},
    OptionSpec{tables, "--target", "DSN", "Where the target lives. Default: as the source", false,
               [](Text value, Invocation& to) -> Done {
                 to.job.target_dsn = std::string(value);
                 return check_dsn(value, "--target");
               }, "target.dsn", JobValue::text},
    OptionSpec{tables, "--table", "NAME", "Source table, as you would write it in psql. Required", false,
               [](Text value, Invocation& to) { return set_text(value, to.job.table); }, "source.table", JobValue::text},
    OptionSpec{tables, "--into", "NAME", "Target table; created if it does not exist. Default: <table>_new in the same schema", false,
               [](Text value, Invocation& to) { return set_text(value, to.job.into); }, "target.into", JobValue::text},
    OptionSpec{key, "--key", "EXPR", "SQL expression of the key over source columns. Default: abs(hashtext(<first partition column>::text)) % <partitions>", false,
               [](Text value, Invocation& to) { return set_text(value, to.job.key); }, "key.expression", JobValue::text},
    OptionSpec{key, "--key-column", "NAME", "Target column that stores the key. Default: partition_key", false,
               [](Text value, Invocation& to) { return set_text(value, to.job.key_column); }, "key.column", JobValue::text},
    OptionSpec{key, "--partitions", "N", "Leaves of a target that is created, for keys 0 to N-1. Default: 100", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(const std::uint64_t number, parse_number(value, 1, 10'000));
                 to.job.partitions = static_cast<std::uint32_t>(number);
                 return {};
               }, "target.partitions", JobValue::number},
    OptionSpec{key, "--key-mode", "MODE", "How rows inserted later get their key: check, generated, expression or none. Default: check", false,
               set_key_mode, "key.mode", JobValue::text},
    OptionSpec{key, "--on-key-mismatch", "WHAT", "If the source stores a key that differs from the recomputed one: fail, or fix it in the target. Default: fail", false,
               set_key_mismatch, "key.on_mismatch", JobValue::text},
    OptionSpec{columns, "--map", "COLUMN=EXPR", "Value of a target column, an SQL expression over the source's columns; repeatable. Default: the column of the same name", true,
               add_mapping, "map", JobValue::own_reader},
    OptionSpec{columns, "--skip", "COLUMN", "Leave a source column out; repeatable", true,
               [](Text value, Invocation& to) -> Done {
                 return set_text(value, to.job.skip.emplace_back());
               }, "skip", JobValue::list},
    OptionSpec{work, "--readers", "N", "Connections to the source, or auto. Default: auto", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.job.readers, parse_connections(value));
                 return {};
               }, "limits.readers", JobValue::number_or_text},
    OptionSpec{work, "--writers", "N", "Connections to the target, or auto. Default: auto", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.job.writers, parse_connections(value));
                 return {};
               }, "limits.writers", JobValue::number_or_text},
    OptionSpec{work, "--commit-every", "WHAT", "When to commit: leaf (one transaction per leaf; an interruption begins anew) or epochs of that many bytes or rows of the source, such as 256MB or 100000 (an interruption repeats one). Default: by size", false,
               set_commit_every, "limits.commit_every", JobValue::number_or_text},
    OptionSpec{work, "--memory", "SIZE", "Bound for row data held by the process, at least 16MiB. As in postgresql.conf, kB, MB and GB are powers of 1024. Default: 256MiB", false,
               set_memory, "limits.memory", JobValue::number_or_text},
    OptionSpec{work, "--reject-limit", "N|P%", "Rows that may be set aside in <target>_rejects before the job stops. Default: 0", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.job.reject_limit, parse_reject_limit(value));
                 return {};
               }, "limits.reject_limit", JobValue::number_or_text},
    OptionSpec{work, "--max-differences", "N", "Rows that differ which verify names in one pass. Default: 10000", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(const std::uint64_t number, parse_number(value, 1, 10'000'000));
                 to.job.verify.max_differences = static_cast<std::uint32_t>(number);
                 return {};
               }, "verify.max_differences", JobValue::number},
    OptionSpec{work, "--assume-quiet", "", "Do not lock the source, for roles that may only read. You make sure that nobody writes; the result may be unproven", false,
               [](Text, Invocation& to) -> Done { to.job.assume_quiet = true; return {}; }, "source.assume_quiet", JobValue::flag},
    OptionSpec{work, "--no-fence", "", "Leave no fence on the source that outlives this process", false,
               [](Text, Invocation& to) -> Done { to.job.fence = false; return {}; }, "source.fence", JobValue::inverted_flag},
    OptionSpec{work, "--restart", "", "Drop what an earlier run of this job made, and begin anew", false,
               [](Text, Invocation& to) -> Done { to.job.restart = true; return {}; }},
    OptionSpec{work, "--append", "", "Accept a target that holds rows; they are left alone", false,
               [](Text, Invocation& to) -> Done { to.job.append = true; return {}; }, "target.append", JobValue::flag},
    OptionSpec{work, "--lock-timeout", "TIME", "For each attempt to lock a table, such as 500ms or 5s; a bare number counts milliseconds. Default: 5s", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.job.lock_timeout,
                                     parse_duration(value, milliseconds(1), milliseconds(1)));
                 return {};
               }, "limits.lock_timeout", JobValue::number_or_text},
    OptionSpec{work, "--connect-timeout", "TIME", "For each connection; a bare number counts seconds. Default: 10s", false,
               set_connect_timeout, "limits.connect_timeout", JobValue::number_or_text},
    OptionSpec{work, "--stall-timeout", "TIME", "How long a server may be silent before another connection asks it whether it still works; a bare number counts seconds, 0 never asks. Default: 60s", false,
               set_stall_timeout, "limits.stall_timeout", JobValue::number_or_text},
    OptionSpec{output, "--dry-run", "", "Print all SQL that would be executed; execute nothing. Not for swap, rollback and cleanup in this version", false,
               [](Text, Invocation& to) -> Done { to.job.dry_run = true; return {}; }},
    OptionSpec{output, "--json", "", "One JSON document on standard output, all else on standard error", false,
               [](Text, Invocation& to) -> Done { to.json = true; return {}; }, "output.json", JobValue::flag},
    OptionSpec{output, "--progress", "HOW", "auto (a live line on a terminal, else plain), plain (a line every 2 s) or none. Default: auto", false,
               set_progress, "output.progress", JobValue::text},
    OptionSpec{output, "--yes", "", "Ask no questions. This version asks none", false,
               [](Text, Invocation&) -> Done { return {}; }},
    OptionSpec{watching, "--profile", "NAME", "window (all speed, stops only when it must) or polite (shares the server). Default: window", false,
               set_profile, "watch.profile", JobValue::text},
    OptionSpec{watching, "--threshold", "NAME=LIMIT[:ACTION]", "A limit and what is done beyond it: cpu=80%:slow, memory=90%, errors=1%:stop, lock_wait=5s:warn, replica_lag=30s:pause, disk_free=10GB:stop, checkpoints=2:slow; ACTION is off, warn, slow, pause or stop; repeatable. Default: the profile's", true,
               add_threshold, "thresholds", JobValue::own_reader},
    OptionSpec{watching, "--finish-by", "HH:MM", "When the job must be done, by this host's clock; says throughout whether it will be", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.job.watch.finish_by,
                                     parse_clock_time(value, std::chrono::system_clock::now()));
                 return {};
               }, "watch.finish_by", JobValue::text},
    OptionSpec{watching, "--stop-at-deadline", "", "Stop, resumable, at the last safe point if the job will not be done by then", false,
               [](Text, Invocation& to) -> Done { to.job.watch.stop_at_deadline = true; return {}; }, "watch.stop_at_deadline", JobValue::flag},
    OptionSpec{telling, "--events", "FILE", "Append every event to FILE, one line of JSON each", false,
               [](Text value, Invocation& to) { return set_file(value, to.output.events); }, "output.events", JobValue::text},
    OptionSpec{telling, "--hook", "EVENT=COMMAND", "Run COMMAND at an event, with the event on its standard input; one that fails stops the job before the swap; repeatable", true,
               add_hook, "hooks", JobValue::own_reader},
    OptionSpec{telling, "--metrics", "ADDR:PORT", "Serve metrics for Prometheus at http://ADDR:PORT/metrics", false,
               set_metrics, "output.metrics", JobValue::text},
    OptionSpec{telling, "--metrics-file", "FILE", "Write them to FILE, for the node exporter's textfile collector", false,
               [](Text value, Invocation& to) { return set_file(value, to.output.metrics_file); }, "output.metrics_file", JobValue::text},
    OptionSpec{telling, "--report", "FILE.html", "Write a report that needs nothing else: verdict, sign-off, stages, plots, settings, digests", false,
               [](Text value, Invocation& to) { return set_file(value, to.output.report); }, "output.report", JobValue::text},
};

const std::array only_in_job_files = {
    OptionSpec{scope, "", "WHAT", "What verify looks at unless an option says so: quick, data, schema or full", false,
               set_scope, "verify.scope", JobValue::text},
};
// clang-format on

}  // namespace

OptionTable job_options() {
  return options;
}

OptionTable job_file_options() {
  return only_in_job_files;
}

}  // namespace pgfanout
