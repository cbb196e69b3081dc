// The options that every command takes.
#include <array>
#include <chrono>
#include <string>
#include <vector>

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

Done set_key_mode(Text value, Invocation& to) {
  constexpr std::array<Text, 4> names = {"check", "generated", "expression", "none"};
  constexpr std::array modes = {KeyMode::check, KeyMode::generated, KeyMode::expression,
                                KeyMode::none};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (value != names[i]) continue;
    to.job.key_mode = modes[i];
    return {};
  }
  return bad_value("check, generated, expression or none", value);
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

Done set_key_mismatch(Text value, Invocation& to) {
  if (value != "fail" && value != "fix") return bad_value("fail or fix", value);
  to.job.on_key_mismatch = value == "fix" ? KeyMismatchPolicy::fix : KeyMismatchPolicy::fail;
  return {};
}

Done set_progress(Text value, Invocation& to) {
  if (value != "auto" && value != "plain" && value != "none") {
    return bad_value("auto, plain or none", value);
  }
  to.progress = value == "auto"    ? ProgressMode::automatic
                : value == "plain" ? ProgressMode::plain
                                   : ProgressMode::none;
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
};
// clang-format on

}  // namespace

OptionTable job_options() {
  static const std::vector<OptionSpec> all = [] {
    std::vector<OptionSpec> joined(options.begin(), options.end());
    const OptionTable watching = watch_options();
    joined.insert(joined.end(), watching.begin(), watching.end());
    return joined;
  }();
  return all;
}

}  // namespace pgfanout
