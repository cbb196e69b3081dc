// The options that some commands have beside those of every command.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "copier/cli/nearest.h"
#include "copier/cli/option_table.h"
#include "copier/cli/values.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Text = std::string_view;
using Done = Result<void>;

constexpr Text window = "Maintenance window";
constexpr Text swapping = "Swap";
constexpr Text scope = "What is verified";
constexpr Text question = "Question";
constexpr Text telling = "Who is told";
constexpr std::uint64_t least_index_memory = 1ULL << 20U;
constexpr std::uint64_t most_index_memory = (1ULL << 41U) - 1024;  // As the server has it.
constexpr std::uint64_t most_retention_days = 3650;
constexpr std::uint64_t most_checks = 100'000'000;

Done confirm_stage(Text value, Invocation& to) {
  if (std::find(kWindowStages.begin(), kWindowStages.end(), value) != kWindowStages.end()) {
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

Done set_index_jobs(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(to.job.window.index_jobs, parse_connections(value));
  return {};
}

Done set_index_memory(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(const std::uint64_t bytes, parse_size(value));
  if (bytes < least_index_memory || bytes > most_index_memory) {
    return bad_value("a size from 1MB to 2047GB", value);
  }
  to.job.window.maintenance_work_bytes = bytes;
  return {};
}

Done set_retention(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(const std::uint64_t days, parse_number(value, 0, most_retention_days));
  to.job.window.retention_days = static_cast<std::uint32_t>(days);
  return {};
}

Done set_swap_lock_timeout(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(to.job.window.swap_lock_timeout,
                      parse_duration(value, milliseconds(1), milliseconds(1)));
  return {};
}

Done set_swap_within(Text value, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(const milliseconds time, parse_duration(value, seconds(1), seconds(1)));
  to.job.window.swap_within = std::chrono::ceil<seconds>(time);
  return {};
}

Done set_scope(Invocation& to, VerifyScope wanted) {
  if (to.verify_scopes++ > 0) {
    return refused("usage", "only one of --quick, --data, --schema and --full is possible",
                   "--full has all of --data and --schema");
  }
  to.job.verify.scope = wanted;
  return {};
}

// clang-format off
constexpr OptionSpec swap_too{window, "--swap", "", "Go on to the swap once verify has passed. Default: stop before it", false,
    [](Text, Invocation& to) -> Done { to.job.window.swap = true; return {}; }, "swap.after_verify", JobValue::flag};
constexpr OptionSpec confirm{window, "--confirm", "STAGE", "Go on past the gate of a stage at which the job waits for a person; repeatable. Gates are set in a job file: [gates]", true,
    confirm_stage};
constexpr OptionSpec release{window, "--release", "", "Only lift the fence that this job left on the source, so that it takes writes again; what was copied can then not be swapped in without proof", false,
    [](Text, Invocation& to) -> Done { to.job.window.release = true; return {}; }};
constexpr OptionSpec accept{window, "--accept", "\"KIND NAME\"", "Go on although this object cannot be carried over; as the plan prints it; repeatable", true,
    add_accepted, "accept", JobValue::list};
constexpr OptionSpec index_jobs{window, "--index-jobs", "N", "Connections that build indexes, or auto. Default: auto", false,
    set_index_jobs, "limits.index_jobs", JobValue::number_or_text};
constexpr OptionSpec index_memory{window, "--maintenance-work-mem", "SIZE", "maintenance_work_mem of each of them. Default: from the memory that there is", false,
    set_index_memory, "limits.maintenance_work_mem", JobValue::number_or_text};
constexpr OptionSpec retention{window, "--retention-days", "N", "Days for which the old table is kept after the swap. Default: 7", false,
    set_retention, "backup.retention_days", JobValue::number};
constexpr OptionSpec swap_lock_timeout{swapping, "--swap-lock-timeout", "TIME", "For each lock of the swap; a bare number counts milliseconds. Statements of the application wait as long. Default: 2s", false,
    set_swap_lock_timeout, "swap.lock_timeout", JobValue::number_or_text};
constexpr OptionSpec swap_within{swapping, "--swap-within", "TIME", "For all attempts of the swap together; a bare number counts seconds. Default: 1min", false,
    set_swap_within, "swap.within", JobValue::number_or_text};
constexpr OptionSpec end_blockers{swapping, "--end-blockers", "", "Terminate the sessions that block the swap. Default: name them and try again", false,
    [](Text, Invocation& to) -> Done { to.job.window.end_blockers = true; return {}; }, "swap.end_blockers", JobValue::flag};
constexpr OptionSpec keep_new_rows{window, "--keep-new-rows", "", "After a swap: what was inserted, updated and deleted since is applied to the restored table. Default: refuse if there is any", false,
    [](Text, Invocation& to) -> Done { to.job.window.keep_new_rows = true; return {}; }};
constexpr OptionSpec force{window, "--force", "", "Drop the backup now, before its retention is over", false,
    [](Text, Invocation& to) -> Done { to.job.window.force = true; return {}; }};
constexpr OptionSpec give_up{window, "--force", "", "After a swap: roll back although rows were written since, and give those up. Default: refuse if there are any", false,
    [](Text, Invocation& to) -> Done { to.job.window.force = true; return {}; }};

const std::array verify_table = {
    OptionSpec{scope, "--quick", "", "Counts, bounds, constraints, sequences, a sample of rows: seconds on any size", false,
               [](Text, Invocation& to) { return set_scope(to, VerifyScope::quick); }},
    OptionSpec{scope, "--data", "", "Every byte and every key of both sides, and what refers to what", false,
               [](Text, Invocation& to) { return set_scope(to, VerifyScope::data); }},
    OptionSpec{scope, "--schema", "", "What belongs to the tables: columns, constraints, indexes, triggers, grants, ...", false,
               [](Text, Invocation& to) { return set_scope(to, VerifyScope::schema); }},
    OptionSpec{scope, "--full", "", "Data and schema. The default", false,
               [](Text, Invocation& to) { return set_scope(to, VerifyScope::full); }},
    OptionSpec{scope, "--repair", "", "Make the target equal, touching only rows that differ, then verify again. With --dry-run: print the SQL", false,
               [](Text, Invocation& to) -> Done { to.job.verify.repair = true; return {}; }},
    OptionSpec{scope, "--install-views", "", "Only install views, in schema pgfanout of the target's database, that watch partitions and their skew", false,
               [](Text, Invocation& to) -> Done { to.job.verify.install_views = true; return {}; }},
};

const std::array key_table = {
    OptionSpec{question, "--value", "VALUE", "A value of the key's only column, or COLUMN=VALUE; repeatable", true,
               [](Text value, Invocation& to) -> Done {
                 to.key.values.emplace_back(value);
                 return {};
               }},
    OptionSpec{question, "--check", "N", "Compare N random, adversarial and sampled values with the server", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.key.check, parse_number(value, 1, most_checks));
                 return {};
               }},
    OptionSpec{question, "--seed", "N", "Seed of the random values, to repeat a check. Default: 1", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.key.seed, parse_number(value, 0, UINT64_MAX));
                 return {};
               }},
};

constexpr std::array status_table = {
    OptionSpec{telling, "--watch", "", "Go on showing the job, until it ends or you press Ctrl-C", false,
               [](Text, Invocation& to) -> Done { to.watch = true; return {}; }},
};
// clang-format on

constexpr std::array plan_table = {swap_too,     accept,      index_jobs,
                                   index_memory, retention,   swap_lock_timeout,
                                   swap_within,  end_blockers};
constexpr std::array copy_table = {release};
constexpr std::array run_table = {swap_too,    confirm,      release,   accept,
                                  index_jobs,  index_memory, retention, swap_lock_timeout,
                                  swap_within, end_blockers};
constexpr std::array swap_table = {accept, retention, swap_lock_timeout, swap_within, end_blockers};
constexpr std::array rollback_table = {keep_new_rows, give_up, swap_lock_timeout, swap_within,
                                       end_blockers};
constexpr std::array cleanup_table = {force};

}  // namespace

OptionTable plan_options() {
  return plan_table;
}

OptionTable copy_options() {
  return copy_table;
}

OptionTable run_options() {
  return run_table;
}

OptionTable swap_options() {
  return swap_table;
}

OptionTable rollback_options() {
  return rollback_table;
}

OptionTable cleanup_options() {
  return cleanup_table;
}

OptionTable verify_options() {
  return verify_table;
}

OptionTable status_options() {
  return status_table;
}

OptionTable key_options() {
  return key_table;
}

}  // namespace pgfanout
