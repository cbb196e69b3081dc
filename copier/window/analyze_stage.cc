#include "copier/window/analyze_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "copier/base/counted.h"
#include "copier/catalog/table.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

constexpr int kFirstWithAnalyzeOnly = 180000;
/// Below this share of frozen pages a leaf is vacuumed.
constexpr double kFrozenEnough = 0.95;

/// ANALYZE of a parent is, before version 18, one of all its partitions as well. There the parent
/// has its turn while the workers' transactions hold the lock on every leaf that ANALYZE needs, and
/// is told to pass over what is locked: its own sample is read all the same.
class Analysis {
 public:
  Analysis(const AfterLoad& input, const Table& target, WorkerSettings settings)
      : input_(input),
        target_(target),
        settings_(std::move(settings)),
        analyzes_alone_(input.state.target().server_version() >= kFirstWithAnalyzeOnly) {}

  Result<void> run() {
    input_.counters.steps_done = 0;
    input_.counters.steps_total = target_.leaves.size() + 1;
    for (std::uint32_t leaf = 0; leaf < target_.leaves.size(); ++leaf) by_size_.push_back(leaf);
    std::stable_sort(by_size_.begin(), by_size_.end(), [this](std::uint32_t a, std::uint32_t b) {
      return target_.leaves[a].total_bytes > target_.leaves[b].total_bytes;
    });
    leaf_workers_ =
        std::min<std::size_t>(settings_.workers, std::max<std::size_t>(by_size_.size(), 1));
    WorkerSettings sessions = settings_;
    sessions.workers = static_cast<std::uint32_t>(leaf_workers_) + 1;
    return run_on_workers(sessions, input_.cancellation,
                          [this](Connection& connection, WorkerTurn& turn) {
                            return turn.worker == leaf_workers_ ? analyze_parent(connection, turn)
                                                                : analyze_leaves(connection, turn);
                          });
  }

 private:
  /// Those of one worker, as the cards of a hand are dealt.
  [[nodiscard]] std::vector<const Leaf*> dealt_to(std::size_t worker) const {
    std::vector<const Leaf*> own;
    for (std::size_t at = worker; at < by_size_.size(); at += leaf_workers_) {
      own.push_back(&target_.leaves[by_size_[at]]);
    }
    return own;
  }

  Result<void> analyze_leaves(Connection& connection, WorkerTurn& turn) {
    const std::vector<const Leaf*> own = dealt_to(turn.worker);
    if (analyzes_alone_ || own.empty()) return analyze(own, connection, turn);
    std::string names;
    for (const Leaf* leaf : own) names += (names.empty() ? "" : ", ") + leaf->qualified;
    return in_transaction(connection, {}, [&]() -> Result<void> {
      PGFANOUT_TRY(
          connection.run(fmt::format("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE", names)));
      PGFANOUT_TRY(analyze(own, connection, turn));
      if (turn.wait_until([this] { return is_parent_done_.load(); })) return {};
      return interrupted("cancelled", "stopped on request");
    });
  }

  Result<void> analyze(const std::vector<const Leaf*>& own, Connection& connection,
                       WorkerTurn& turn) {
    ++ready_workers_;
    for (const Leaf* leaf : own) {
      if (!turn.may_go_on()) return {};
      PGFANOUT_TRY(connection.run("ANALYZE " + leaf->qualified));
      ++input_.counters.steps_done;
    }
    return {};
  }

  Result<void> analyze_parent(Connection& connection, WorkerTurn& turn) {
    if (!turn.wait_until([this] { return ready_workers_ == leaf_workers_; })) return {};
    if (analyzes_alone_) {
      PGFANOUT_TRY(connection.run("ANALYZE ONLY " + target_.qualified));
    } else {
      // It passes over what others have locked: of the parent the lock must be its own.
      PGFANOUT_TRY(in_transaction(connection, {}, [&] {
        return connection.run(
            fmt::format("LOCK TABLE ONLY {0} IN SHARE UPDATE EXCLUSIVE MODE;"
                        "ANALYZE (SKIP_LOCKED) {0}",
                        target_.qualified));
      }));
    }
    ++input_.counters.steps_done;
    is_parent_done_ = true;
    return {};
  }

  const AfterLoad& input_;
  const Table& target_;
  const WorkerSettings settings_;
  const bool analyzes_alone_;
  std::size_t leaf_workers_ = 1;
  std::vector<std::uint32_t> by_size_;
  std::atomic<std::size_t> ready_workers_{0};
  std::atomic<bool> is_parent_done_{false};
};

/// Leaves whose pages are not all visible to everybody, as pages that were frozen are.
Result<std::vector<const Leaf*>> unfrozen_leaves(const AfterLoad& input, const Table& target) {
  PGFANOUT_TRY_ASSIGN(const Rows pages,
                      input.state.target().query(
                          "SELECT c.oid, c.relpages, c.relallvisible FROM pg_inherits i"
                          " JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::oid",
                          {std::to_string(target.oid)}));
  std::vector<const Leaf*> unfrozen;
  for (int row = 0; row < pages.size(); ++row) {
    const auto all = static_cast<double>(pages.integer(row, 1));
    if (static_cast<double>(pages.integer(row, 2)) >= kFrozenEnough * all) continue;
    for (const Leaf& leaf : target.leaves) {
      if (leaf.oid == pages.oid(row, 0)) unfrozen.push_back(&leaf);
    }
  }
  return unfrozen;
}

Result<void> vacuum(const AfterLoad& input, WorkerSettings settings,
                    const std::vector<const Leaf*>& leaves) {
  if (leaves.empty()) return {};
  settings.workers =
      static_cast<std::uint32_t>(std::min<std::size_t>(settings.workers, leaves.size()));
  std::atomic<std::size_t> next{0};
  return run_on_workers(
      settings, input.cancellation, [&](Connection& connection, WorkerTurn& turn) -> Result<void> {
        for (std::size_t at = next++; at < leaves.size() && turn.may_go_on(); at = next++) {
          PGFANOUT_TRY(connection.run("VACUUM (FREEZE) " + leaves[at]->qualified));
        }
        return {};
      });
}

}  // namespace

Result<std::string> analyze_target(const AfterLoad& input) {
  PGFANOUT_TRY_ASSIGN(const Table target, input.state.target_table());
  PGFANOUT_TRY_ASSIGN(const WorkerSettings settings, worker_sessions(input));
  PGFANOUT_TRY(Analysis(input, target, settings).run());
  PGFANOUT_TRY_ASSIGN(const auto unfrozen, unfrozen_leaves(input, target));
  PGFANOUT_TRY(vacuum(input, settings, unfrozen));
  std::string figures = counted(target.leaves.size(), "leaf", "leaves") + " analyzed";
  if (!unfrozen.empty()) figures += fmt::format(", {} vacuumed", unfrozen.size());
  return figures;
}

}  // namespace pgfanout
