#include "copier/window/after_load.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "copier/window/step_runner.h"
#include "copier/window/swap_stage.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;
/// Sorts of larger leaves spill to disk in any case.
constexpr std::uint64_t kMostMaintenanceMemory = 1024 * kMiB;

/// Index builds that the server has processors for: it says nothing of them, so this host's number
/// stands in, bounded where the server is another one.
std::uint32_t worker_count(const JobDescription& job) {
  if (job.window.index_jobs) return *job.window.index_jobs;
  return std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
}

/// A quarter of what this host has free, shared by the workers; absent where the server is not on
/// this host.
Result<std::uint64_t> maintenance_memory(const AfterLoad& input) {
  if (input.job.window.maintenance_work_bytes) return *input.job.window.maintenance_work_bytes;
  PGFANOUT_TRY_ASSIGN(
      const Rows address,
      input.state.target().query("SELECT inet_client_addr() IS NULL, pg_size_bytes(current_setting("
                                 "'maintenance_work_mem'))"));
  const auto own = static_cast<std::uint64_t>(address.integer(0, 1));
  const long pages = sysconf(_SC_AVPHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (!address.boolean(0, 0) || pages <= 0 || page <= 0) return own;
  const std::uint64_t share = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) /
                              4 / worker_count(input.job);
  return std::clamp(share, own, std::max(own, kMostMaintenanceMemory));
}

Result<StepSettings> settings_of(const AfterLoad& input) {
  StepSettings settings;
  PGFANOUT_TRY_ASSIGN(settings.sessions, worker_sessions(input));
  settings.session_prefix = "pgfanout/" + input.state.job_id() + "/";
  settings.lock_timeout = std::max(input.job.lock_timeout, std::chrono::milliseconds(10'000));
  return settings;
}

std::string figures(const std::vector<std::pair<std::uint64_t, const char*>>& counts) {
  std::vector<std::string> parts;
  for (const auto& [count, what] : counts) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, what));
  }
  return parts.empty() ? "nothing left to do" : fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

Result<WorkerSettings> worker_sessions(const AfterLoad& input) {
  WorkerSettings settings;
  settings.connect = [&state = input.state] { return state.connect_target("worker"); };
  settings.workers = worker_count(input.job);
  settings.pace = &input.pace;
  settings.pace_wait_ns = &input.counters.pace_wait_ns;
  PGFANOUT_TRY_ASSIGN(const std::uint64_t memory, maintenance_memory(input));
  // The workers are the parallelism.
  settings.set_up = fmt::format(
      "SET maintenance_work_mem = '{}kB'; SET max_parallel_maintenance_workers = 0", memory / 1024);
  return settings;
}

Result<std::string> build_indexes(const AfterLoad& input) {
  PGFANOUT_TRY_ASSIGN(const MadeTarget made, examine_made_target(input.job, input.state));
  // From here on everything is built by the source's definition as it is now.
  PGFANOUT_TRY_ASSIGN(const auto facts, input.state.journal().fence("carry"));
  if (facts.empty()) PGFANOUT_TRY(input.state.journal().set_fence("carry", facts_of(made.carry)));
  PGFANOUT_TRY_ASSIGN(StepSettings settings, settings_of(input));
  WindowJournal journal = input.state.journal();
  StepRunner runner(settings, journal, input.counters, input.cancellation);
  PGFANOUT_TRY_ASSIGN(const std::uint64_t leaves,
                      runner.run_by_leaf(made.carry.leaf_indexes, LeafState::indexed));
  // Those that have none are done as well.
  input.counters.leaves.set_all(LeafState::indexed);
  PGFANOUT_TRY_ASSIGN(const std::uint64_t parents, runner.run_in_order(made.carry.parent_indexes));
  return figures({{leaves, "index builds on leaves"}, {parents, "steps on the parent"}}) +
         fmt::format(", {} workers", settings.sessions.workers);
}

Result<std::string> add_constraints(const AfterLoad& input) {
  PGFANOUT_TRY_ASSIGN(const MadeTarget made, check_carry(input.job, input.state));
  PGFANOUT_TRY_ASSIGN(StepSettings settings, settings_of(input));
  WindowJournal journal = input.state.journal();
  StepRunner runner(settings, journal, input.counters, input.cancellation);
  PGFANOUT_TRY_ASSIGN(const std::uint64_t leaves, runner.run_by_leaf(made.carry.leaf_constraints));
  PGFANOUT_TRY_ASSIGN(const std::uint64_t parents,
                      runner.run_in_order(made.carry.parent_constraints));
  PGFANOUT_TRY_ASSIGN(const std::uint64_t rest, runner.run_in_order(made.carry.attributes));
  return figures({{leaves, "steps on leaves"},
                  {parents, "steps on the parent"},
                  {rest, "triggers, grants, comments and the like"}});
}

}  // namespace pgfanout
