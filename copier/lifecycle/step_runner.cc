#include "copier/lifecycle/step_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/lifecycle/lock_attempts.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

/// Steps in one transaction where they run in order: each may hold locks on a leaf's index.
constexpr std::size_t kStepsInTransaction = 50;
constexpr milliseconds kLookEvery{50};
constexpr int kLooksAtBuilds = 10;  ///< One in that many looks asks the server.

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
  const auto rows = connection.query(
      fmt::format("SELECT pg_catalog.string_agg(ctid::pg_catalog.text, ', '), pg_catalog.count(*)"
                  " OVER () FROM ONLY {} GROUP BY {} HAVING pg_catalog.count(*) > 1 LIMIT {}",
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

/// The connections that work now, so that what they run can be cancelled.
class Workers {
 public:
  void add(Connection* connection) {
    const std::lock_guard lock(mutex_);
    connections_.push_back(connection);
  }
  void remove(Connection* connection) {
    const std::lock_guard lock(mutex_);
    connections_.erase(std::find(connections_.begin(), connections_.end(), connection));
  }
  void cancel_all() {
    const std::lock_guard lock(mutex_);
    for (const Connection* connection : connections_) connection->cancel();
  }

 private:
  std::mutex mutex_;
  std::vector<Connection*> connections_;  // guarded by mutex_
};

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
      "SELECT COALESCE(pg_catalog.sum(p.blocks_done), 0), COALESCE(pg_catalog.sum(p.blocks_total), "
      "0)"
      " FROM pg_catalog.pg_stat_progress_create_index p JOIN pg_catalog.pg_stat_activity a"
      " USING (pid) WHERE pg_catalog.starts_with(a.application_name, $1)",
      {settings_.session_prefix});
  if (!rows) return;
  counters_.build_blocks_done = static_cast<std::uint64_t>(rows->integer(0, 0));
  counters_.build_blocks_total = static_cast<std::uint64_t>(rows->integer(0, 1));
}

Result<void> StepRunner::run_queue(const Queue& queue) {
  Workers workers;
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> running{0};
  std::atomic<bool> is_failed{false};
  std::mutex mutex;
  std::optional<Error> failure;  // guarded by mutex
  const auto fail = [&](Error error) {
    const std::lock_guard lock(mutex);
    if (!failure) failure = std::move(error);
    is_failed = true;
  };
  const auto work = [&] {
    auto connection = settings_.connect();
    if (!connection) return fail(std::move(connection).error());
    if (!settings_.set_up.empty()) {
      if (auto set = connection->run(settings_.set_up); !set) return fail(std::move(set).error());
    }
    workers.add(&*connection);
    for (std::size_t at = next++; at < queue.size() && !is_failed; at = next++) {
      for (const CarryStep& step : queue[at]) {
        if (is_failed) break;
        if (auto done = run_group(*connection, {step}); !done) fail(std::move(done).error());
      }
    }
    workers.remove(&*connection);
  };
  std::vector<std::thread> threads;
  const std::size_t wanted = std::min<std::size_t>(settings_.workers, queue.size());
  running = wanted;
  for (std::size_t at = 0; at < wanted; ++at) {
    threads.emplace_back([&] {
      work();
      --running;
    });
  }
  auto watcher = settings_.connect();
  for (int look = 1; running > 0; ++look) {
    std::this_thread::sleep_for(kLookEvery);
    if (is_failed || cancellation_.is_set()) workers.cancel_all();
    if (watcher && look % kLooksAtBuilds == 0) look_at_builds(*watcher);
  }
  for (std::thread& thread : threads) thread.join();
  counters_.build_blocks_total = 0;
  if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
  if (failure) return *std::move(failure);
  return {};
}

Result<std::uint64_t> StepRunner::run_by_leaf(std::vector<CarryStep> steps) {
  PGFANOUT_TRY_ASSIGN(steps, left_to_do(std::move(steps)));
  std::map<std::string, std::vector<CarryStep>> by_leaf;
  for (const CarryStep& step : steps) by_leaf[step.leaf].push_back(step);
  Queue queue;
  for (auto& [leaf, own] : by_leaf) queue.push_back(std::move(own));
  std::stable_sort(queue.begin(), queue.end(),
                   [](const auto& a, const auto& b) { return a.front().bytes > b.front().bytes; });
  PGFANOUT_TRY(run_queue(queue));
  return steps.size();
}

Result<std::uint64_t> StepRunner::run_in_order(const std::vector<CarryStep>& steps) {
  PGFANOUT_TRY_ASSIGN(const std::vector<CarryStep> left, left_to_do(steps));
  if (left.empty()) return 0;
  PGFANOUT_TRY_ASSIGN(Connection connection, settings_.connect());
  if (!settings_.set_up.empty()) PGFANOUT_TRY(connection.run(settings_.set_up));
  for (std::size_t begin = 0; begin < left.size(); begin += kStepsInTransaction) {
    const std::size_t end = std::min(left.size(), begin + kStepsInTransaction);
    PGFANOUT_TRY(run_group(connection, {left.begin() + static_cast<std::ptrdiff_t>(begin),
                                        left.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  return left.size();
}

}  // namespace pgfanout
