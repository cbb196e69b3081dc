#include "copier/window/step_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/session/lock_attempts.h"

namespace pgfanout {
namespace {

/// Steps in one transaction where they run in order: each may hold locks on a leaf's index.
constexpr std::size_t kStepsInTransaction = 50;

Error at_step(Error error, const CarryStep& step) {
  if (error.where.empty()) error.where = step.id;
  if (error.sqlstate == "23505") {
    error.code = "not-unique";
    error.hint = "rows of the source are not unique where the target's key demands it";
  }
  return error;
}

/// Rows that are not unique, by place: "(0,1), (4,2)" for each of the first few keys.
std::string duplicates_in(Connection& connection, const CarryStep& step, const std::string& key) {
  constexpr int kShown = 3;
  const auto rows =
      connection.query(fmt::format("SELECT string_agg(ctid::text, ', '), count(*)"
                                   " OVER () FROM ONLY {} GROUP BY {} HAVING count(*) > 1 LIMIT {}",
                                   step.leaf, key, kShown));
  if (!rows || rows->size() == 0) return {};
  std::string places;
  for (int row = 0; row < rows->size(); ++row) {
    places += (row == 0 ? "" : "; ") + std::string("ctid ") + rows->str(row, 0);
  }
  return fmt::format("{} of ({}) in {}: {}",
                     counted(static_cast<std::uint64_t>(rows->integer(0, 1)), "value", "values"),
                     key, step.leaf, places);
}

}  // namespace

Result<std::vector<CarryStep>> StepRunner::left_to_do(std::vector<CarryStep> steps) {
  PGFANOUT_TRY_ASSIGN(const std::vector<std::string> done, journal_.steps_done());
  const std::set<std::string> is_done(done.begin(), done.end());
  std::erase_if(steps, [&](const CarryStep& step) { return is_done.contains(step.id); });
  counters_.steps_done = 0;
  counters_.steps_total = steps.size();
  return steps;
}

/// One transaction.
Result<void> StepRunner::run_group(Connection& connection, const std::vector<CarryStep>& steps) {
  LockAttempts attempts;
  attempts.patience.in_all = settings_.lock_timeout;
  const CarryStep* current = &steps.front();
  auto done = with_lock_attempts(connection, attempts, cancellation_, [&]() -> Result<void> {
    for (const CarryStep& step : steps) {
      current = &step;
      PGFANOUT_TRY(connection.run(step.sql));
      PGFANOUT_TRY(connection.run(journal_.mark_step_sql(step.id, step.undo)));
    }
    return {};
  });
  if (!done) {
    Error error = at_step(std::move(done).error(), *current);
    if (!error.key.empty() && !current->leaf.empty()) {
      const std::string places = duplicates_in(connection, *current, error.key);
      if (!places.empty()) error.where = places;
    }
    return error;
  }
  crash_point("step-committed");
  counters_.steps_done += steps.size();
  return {};
}

/// How far the builds are that run now. Not to know is no failure.
void StepRunner::look_at_builds(Connection& connection) {
  const auto rows = connection.query(
      "SELECT COALESCE(sum(p.blocks_done), 0), COALESCE(sum(p.blocks_total), 0)"
      " FROM pg_stat_progress_create_index p JOIN pg_stat_activity a"
      " USING (pid) WHERE starts_with(a.application_name, $1)",
      {settings_.session_prefix});
  if (!rows) return;
  counters_.build_blocks_done = static_cast<std::uint64_t>(rows->integer(0, 0));
  counters_.build_blocks_total = static_cast<std::uint64_t>(rows->integer(0, 1));
}

void StepRunner::set_state(const std::string& leaf, LeafState state) {
  LeafBoard& board = counters_.leaves;
  for (std::size_t at = 0; at < board.size(); ++at) {
    if (board.name(at) == leaf) board.set_state(at, state);
  }
}

Result<void> StepRunner::run_queue(const Queue& queue, std::optional<LeafState> state) {
  if (queue.empty()) return {};
  WorkerSettings settings = settings_.sessions;
  settings.workers =
      static_cast<std::uint32_t>(std::min<std::size_t>(settings.workers, queue.size()));
  std::atomic<std::size_t> next{0};
  const auto work = [&](Connection& connection, WorkerTurn& turn) -> Result<void> {
    for (std::size_t at = next++; at < queue.size() && !turn.stop.is_set(); at = next++) {
      for (const CarryStep& step : queue[at]) {
        if (!turn.may_go_on()) break;
        PGFANOUT_TRY(run_group(connection, {step}));
      }
      if (state && !turn.stop.is_set()) set_state(queue[at].front().leaf, *state);
    }
    return {};
  };
  auto watcher = settings.connect();
  auto done = run_on_workers(settings, cancellation_, work, [&] {
    if (watcher) look_at_builds(*watcher);
  });
  counters_.build_blocks_total = 0;
  return done;
}

Result<std::uint64_t> StepRunner::run_by_leaf(std::vector<CarryStep> steps,
                                              std::optional<LeafState> state) {
  PGFANOUT_TRY_ASSIGN(steps, left_to_do(std::move(steps)));
  std::map<std::string, std::vector<CarryStep>> by_leaf;
  for (const CarryStep& step : steps) by_leaf[step.leaf].push_back(step);
  Queue queue;
  for (auto& [leaf, own] : by_leaf) queue.push_back(std::move(own));
  std::stable_sort(queue.begin(), queue.end(),
                   [](const auto& a, const auto& b) { return a.front().bytes > b.front().bytes; });
  PGFANOUT_TRY(run_queue(queue, state));
  return steps.size();
}

Result<std::uint64_t> StepRunner::run_in_order(const std::vector<CarryStep>& steps) {
  PGFANOUT_TRY_ASSIGN(const std::vector<CarryStep> left, left_to_do(steps));
  if (left.empty()) return 0;
  PGFANOUT_TRY_ASSIGN(Connection connection, settings_.sessions.connect());
  if (!settings_.sessions.set_up.empty()) PGFANOUT_TRY(connection.run(settings_.sessions.set_up));
  auto began = std::chrono::steady_clock::now();
  for (std::size_t begin = 0; begin < left.size(); begin += kStepsInTransaction) {
    const std::size_t end = std::min(left.size(), begin + kStepsInTransaction);
    obey_pace(settings_.sessions, std::chrono::steady_clock::now() - began,
              [this] { return cancellation_.is_set(); });
    began = std::chrono::steady_clock::now();
    PGFANOUT_TRY(run_group(connection, {left.begin() + static_cast<std::ptrdiff_t>(begin),
                                        left.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  return left.size();
}

}  // namespace pgfanout
