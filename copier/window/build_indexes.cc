#include "copier/window/build_indexes.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/base/shell_word.h"
#include "copier/carry/references.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/table.h"
#include "copier/pg/transaction.h"
#include "copier/session/lock_attempts.h"
#include "copier/session/worker_sessions.h"
#include "copier/window/swap.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMostStepsAtOnce = 50;
/// Of one step: the leaf, its index, and those of the parent or of a table that is referred to.
constexpr std::int64_t kLocksOfStep = 6;
/// That steps which share a transaction read in all: little is repeated after an interruption, and
/// locks on tables that others write to are short.
constexpr std::uint64_t kBytesAtOnce = 4ULL << 20U;
/// Groups of steps for each worker, so that all of them end at about the same time.
constexpr std::size_t kGroupsOfWorker = 4;

Error at_step(Error error, const CarryStep& step) {
  if (error.where.empty()) error.where = step.id;
  if (error.sqlstate == "23505") {
    error.code = "not-unique";
    error.hint = "rows of the source are not unique where the target's key demands it";
  }
  if (error.sqlstate == "42883" || error.sqlstate == "42P01" || error.sqlstate == "42704") {
    error.hint =
        "a function of the table does not find a name in the search_path: write the schema in its "
        "body, or ALTER FUNCTION ... SET search_path; then run the same command again";
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

/// Makes an error of rows that have no parent, met when a foreign key was validated, name them.
Result<void> name_orphans(Connection& connection, const CarryStep& step,
                          const CarriedReference& key, const Table& target,
                          const std::vector<std::string>& identity, Error& error) {
  ReferringRows rows;
  rows.identity = identity_sql(connection, identity);
  if (key.is_to_itself) rows.parents = target.qualified;
  for (const CarriedReference::Pair& pair : key.pairs) rows.keys.push_back(pair.target);
  rows.from = step.leaf.empty() ? target.qualified : "ONLY " + step.leaf;
  // The target's columns have the type that they refer to.
  PGFANOUT_TRY_ASSIGN(const Rows found, connection.query(orphans_sql(key, rows, false)));
  rows.from = target.qualified;
  rows.place = "NULL";
  rows.identity.clear();
  PGFANOUT_TRY_ASSIGN(const std::string beside, columns_beside(connection, key));
  const std::string insert =
      key.is_to_itself
          ? std::string()
          : fmt::format(
                "insert the parents{}, which the fence does not prevent, and call the same command "
                "again: {}; or ",
                beside_text(beside), insert_parents_sql(key, rows));
  error = refused(
      "orphans",
      fmt::format("{} of {} without a parent in {}, by foreign key {}: {}",
                  counted(static_cast<std::uint64_t>(found.integer(0, 1)), "row", "rows"),
                  step.leaf.empty() ? target.qualified : step.leaf, key.table, key.name,
                  found.text(0, 2)),
      fmt::format("{}call it with --accept {}: the key is carried over as NOT VALID{}", insert,
                  shell_word(orphans_accepted_as(key.name)),
                  key.is_to_itself ? ""
                                   : "; or start over with --restart --reject-limit N, which sets "
                                     "such rows aside"),
      step.leaf.empty() ? target.qualified : step.leaf);
  return {};
}

struct StepSettings {
  WorkerSettings sessions;
  std::size_t steps_at_once = 1;  ///< At most, in one transaction.
  LockAttempts locks;
  std::string session_prefix;    ///< Begins the application_name of the workers' sessions.
  std::string application_path;  ///< For steps that run user code.
  Table target;
  std::vector<std::string> identity;  ///< Target columns that name a row to people.
  std::vector<CarriedReference> references;
};

/// Runs the statements of a stage, each exactly once: steps and their marks in the journal commit
/// in one transaction, so that an interrupted stage resumes where it stopped.
class StepRunner {
 public:
  StepRunner(StepSettings settings, WindowJournal& journal, JobCounters& counters,
             const Cancellation& cancellation)
      : settings_(std::move(settings)),
        journal_(journal),
        counters_(counters),
        cancellation_(cancellation) {}

  /// Steps of different leaves side by side, largest leaf first; those of one leaf in order, by one
  /// worker, and those of small leaves together. A leaf whose steps have all run is in `state`
  /// then. Returns how many were run.
  Result<std::uint64_t> run_by_leaf(std::vector<CarryStep> steps,
                                    std::optional<LeafState> state = {}) {
    PGFANOUT_TRY_ASSIGN(steps, left_to_do(std::move(steps)));
    PGFANOUT_TRY(
        run_queue(group_steps(steps, settings_.steps_at_once, settings_.sessions.workers), state));
    return steps.size();
  }

  /// The server's notices while it ran the steps, each text once, whatever its numbers are.
  [[nodiscard]] std::vector<Issue> notices() const {
    std::vector<Issue> issues;
    for (const auto& [text, said] : said_) {
      const std::string more = said.count == 1 ? "" : fmt::format(" and {} more", said.count - 1);
      issues.push_back(
          {said.first.is_warning ? Severity::warning : Severity::info, "server-notice",
           fmt::format("the server said of {}{}: {}", said.step, more, said.first.text), said.step,
           said.first.is_warning
               ? "look into the documentation of the index's method; more memory is "
                 "given by --maintenance-work-mem"
               : ""});
    }
    return issues;
  }

  /// All in order, on one connection, some in a transaction.
  Result<std::uint64_t> run_in_order(const std::vector<CarryStep>& steps) {
    PGFANOUT_TRY_ASSIGN(const std::vector<CarryStep> left, left_to_do(steps));
    if (left.empty()) return 0;
    PGFANOUT_TRY_ASSIGN(Connection connection, settings_.sessions.connect(nullptr));
    if (!settings_.sessions.set_up.empty()) PGFANOUT_TRY(connection.run(settings_.sessions.set_up));
    auto began = std::chrono::steady_clock::now();
    for (std::size_t begin = 0; begin < left.size(); begin += settings_.steps_at_once) {
      const std::size_t end = std::min(left.size(), begin + settings_.steps_at_once);
      obey_pace(settings_.sessions, std::chrono::steady_clock::now() - began,
                [this] { return cancellation_.is_set(); });
      began = std::chrono::steady_clock::now();
      PGFANOUT_TRY(run_group(connection, {left.begin() + static_cast<std::ptrdiff_t>(begin),
                                          left.begin() + static_cast<std::ptrdiff_t>(end)}));
    }
    return left.size();
  }

 private:
  struct Said {
    ServerNotice first;
    std::string step;
    std::size_t count = 0;
  };

  void hear(Connection& connection, const std::string& step) {
    for (ServerNotice& notice : connection.take_notices()) {
      std::string text = notice.text;
      std::erase_if(text, [](char byte) { return byte >= '0' && byte <= '9'; });
      const std::lock_guard lock(hearing_);
      Said& said = said_[text];
      if (said.count++ == 0) said = {std::move(notice), step, 1};
    }
  }

  Result<std::vector<CarryStep>> left_to_do(std::vector<CarryStep> steps) {
    PGFANOUT_TRY_ASSIGN(const std::vector<std::string> done, journal_.steps_done());
    const std::set<std::string> is_done(done.begin(), done.end());
    std::erase_if(steps, [&](const CarryStep& step) { return is_done.contains(step.id); });
    counters_.steps_done = 0;
    counters_.steps_total = steps.size();
    return steps;
  }

  /// One transaction.
  Result<void> run_group(Connection& connection, const std::vector<CarryStep>& steps) {
    const CarryStep* current = &steps.front();
    const auto run_all = [&]() -> Result<void> {
      std::string marks;
      for (const CarryStep& step : steps) {
        current = &step;
        PGFANOUT_TRY(run_step(connection, step));
        hear(connection, step.id);
        marks += journal_.mark_step_sql(step.id, step.undo) + "; ";
      }
      return connection.run(marks);
    };
    auto done = with_lock_attempts(connection, settings_.locks, cancellation_, run_all);
    if (!done) {
      Error error = at_step(std::move(done).error(), *current);
      if (error.sqlstate == "23503") {
        for (const CarriedReference& key : settings_.references) {
          if (!current->id.ends_with(" " + key.name)) continue;
          // If they cannot be read, the server's own error is told.
          if (name_orphans(connection, *current, key, settings_.target, settings_.identity, error))
            return error;
        }
      }
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

  Result<void> run_step(Connection& connection, const CarryStep& step) const {
    if (!step.runs_user_code) return connection.run(step.sql);
    return with_search_path(connection, settings_.application_path,
                            [&] { return connection.run(step.sql); });
  }

  /// Counts the blocks of the builds that run now. An error is ignored: only figures are missing
  /// then.
  void read_build_progress(Connection& connection) {
    const auto rows = connection.query(
        "SELECT COALESCE(sum(p.blocks_done), 0), COALESCE(sum(p.blocks_total), 0)"
        " FROM pg_stat_progress_create_index p JOIN pg_stat_activity a"
        " USING (pid) WHERE starts_with(a.application_name, $1)",
        {settings_.session_prefix});
    if (!rows) return;
    counters_.build_blocks_done = static_cast<std::uint64_t>(rows->integer(0, 0));
    counters_.build_blocks_total = static_cast<std::uint64_t>(rows->integer(0, 1));
  }

  void set_state(const std::string& leaf, LeafState state) {
    LeafBoard& board = counters_.leaves;
    for (std::size_t at = 0; at < board.size(); ++at) {
      if (board.name(at) == leaf) board.set_state(at, state);
    }
  }

  Result<void> run_queue(const std::vector<StepGroup>& queue, std::optional<LeafState> state) {
    if (queue.empty()) return {};
    WorkerSettings settings = settings_.sessions;
    settings.workers =
        static_cast<std::uint32_t>(std::min<std::size_t>(settings.workers, queue.size()));
    std::atomic<std::size_t> next{0};
    const auto work = [&](Connection& connection, WorkerTurn& turn) -> Result<void> {
      for (std::size_t at = next++; at < queue.size() && !turn.stop.is_set(); at = next++) {
        const StepGroup& group = queue[at];
        const std::size_t at_once = group.is_joined ? group.steps.size() : 1;
        for (auto step = group.steps.begin(); step != group.steps.end() && turn.may_go_on();) {
          const auto end = step + static_cast<std::ptrdiff_t>(at_once);
          PGFANOUT_TRY(run_group(connection, {step, end}));
          step = end;
        }
        if (!state || turn.stop.is_set()) continue;
        for (const CarryStep& step : group.steps) set_state(step.leaf, *state);
      }
      return {};
    };
    auto watcher = settings.connect(nullptr);
    auto done = run_on_workers(settings, cancellation_, work, [&] {
      if (watcher) read_build_progress(*watcher);
    });
    counters_.build_blocks_total = 0;
    return done;
  }

  const StepSettings settings_;
  WindowJournal& journal_;
  JobCounters& counters_;
  const Cancellation& cancellation_;
  std::mutex hearing_;
  std::map<std::string, Said> said_;  ///< By the text without its numbers.
};

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
Result<std::uint64_t> maintenance_memory(const StageInput& input) {
  if (input.state.job().window.maintenance_work_bytes)
    return *input.state.job().window.maintenance_work_bytes;
  PGFANOUT_TRY_ASSIGN(
      const Rows address,
      input.state.target().query("SELECT inet_client_addr() IS NULL, pg_size_bytes(current_setting("
                                 "'maintenance_work_mem'))"));
  const auto own = static_cast<std::uint64_t>(address.integer(0, 1));
  const long pages = sysconf(_SC_AVPHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (!address.boolean(0, 0) || pages <= 0 || page <= 0) return own;
  const std::uint64_t share = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page) /
                              4 / worker_count(input.state.job());
  return std::clamp(share, own, std::max(own, kMostMaintenanceMemory));
}

/// As many as the job's --index-jobs or this host's processors, with memory for sorts.
Result<WorkerSettings> worker_sessions(const StageInput& input) {
  WorkerSettings settings;
  settings.connect = [&state = input.state](const Cancellation* stop) {
    return state.connect_target("worker", stop);
  };
  settings.workers = worker_count(input.state.job());
  settings.pace = &input.pace;
  settings.pace_wait_ns = &input.counters.pace_wait_ns;
  PGFANOUT_TRY_ASSIGN(const std::uint64_t memory, maintenance_memory(input));
  // The workers are the parallelism.
  settings.set_up = fmt::format(
      "SET maintenance_work_mem = '{}kB'; SET max_parallel_maintenance_workers = 0", memory / 1024);
  return settings;
}

LockAttempts attempts_on(const StageInput& input, const Table& target) {
  LockAttempts attempts;
  attempts.patience = input.state.patience();
  attempts.relations.push_back(target.oid);
  for (const Leaf& leaf : target.leaves) attempts.relations.push_back(leaf.oid);
  return attempts;
}

/// On the target's side: the tables, with partitions, that foreign keys of the source refer to.
Result<std::vector<std::uint32_t>> referenced_oids(WindowState& state, const Table& source) {
  PGFANOUT_TRY_ASSIGN(const Rows tables,
                      state.source().query("SELECT DISTINCT k.confrelid::regclass::text"
                                           " FROM pg_constraint k WHERE k.contype = 'f'"
                                           " AND k.conrelid = $1 AND k.confrelid <> $1",
                                           {std::to_string(source.oid)}));
  std::vector<std::uint32_t> oids;
  for (const std::string& table : tables.column(0)) {
    PGFANOUT_TRY_ASSIGN(const Rows tree,
                        state.target().query("SELECT to_regclass($1)::oid UNION SELECT t.relid::oid"
                                             " FROM pg_partition_tree(to_regclass($1)) t",
                                             {table}));
    for (int row = 0; row < tree.size(); ++row) oids.push_back(tree.oid(row, 0));
  }
  return oids;
}

Result<StepSettings> settings_of(const StageInput& input, const MadeTarget& made) {
  StepSettings settings;
  PGFANOUT_TRY_ASSIGN(settings.sessions, worker_sessions(input));
  PGFANOUT_TRY_ASSIGN(settings.application_path, input.state.application_path());
  settings.session_prefix = "pgfanout/" + input.state.job_id() + "/";
  settings.target = made.target;
  settings.references = made.carry.references;
  for (const std::string& column : made.source.primary_key) {
    if (made.target.find(column) != nullptr) settings.identity.push_back(column);
  }
  settings.locks = attempts_on(input, made.target);
  PGFANOUT_TRY_ASSIGN(const std::int64_t free_locks, read_free_locks(input.state.target()));
  settings.steps_at_once = static_cast<std::size_t>(
      std::clamp<std::int64_t>(free_locks / 2 / (kLocksOfStep * settings.sessions.workers), 1,
                               static_cast<std::int64_t>(kMostStepsAtOnce)));
  PGFANOUT_TRY_ASSIGN(settings.locks.referenced, referenced_oids(input.state, made.source));
  return settings;
}

std::string figures(const std::vector<std::pair<std::uint64_t, const char*>>& counts) {
  std::vector<std::string> parts;
  for (const auto& [count, what] : counts) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, what));
  }
  return parts.empty() ? "nothing left to do" : fmt::format("{}", fmt::join(parts, ", "));
}

constexpr int kFirstWithAnalyzeOnly = 180000;
/// Below this share of frozen pages a leaf is vacuumed.
constexpr double kFrozenEnough = 0.95;

/// Before version 18, ANALYZE of a parent analyzes all its partitions as well. There the parent is
/// analyzed while the workers' transactions hold the lock on every leaf that ANALYZE needs, with
/// SKIP_LOCKED: its own sample is read all the same.
class Analysis {
 public:
  Analysis(const StageInput& input, const Table& target, WorkerSettings settings,
           std::string application_path)
      : input_(input),
        target_(target),
        settings_(std::move(settings)),
        application_path_(std::move(application_path)),
        locks_(attempts_on(input, target)),
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
    return run_on_workers(sessions, input_.state.cancellation(),
                          [this](Connection& connection, WorkerTurn& turn) {
                            return turn.worker == leaf_workers_ ? analyze_parent(connection, turn)
                                                                : analyze_leaves(connection, turn);
                          });
  }

 private:
  /// Every n-th leaf by size is the worker's.
  [[nodiscard]] std::vector<const Leaf*> leaves_of(std::size_t worker) const {
    std::vector<const Leaf*> own;
    for (std::size_t at = worker; at < by_size_.size(); at += leaf_workers_) {
      own.push_back(&target_.leaves[by_size_[at]]);
    }
    return own;
  }

  Result<void> analyze_leaves(Connection& connection, WorkerTurn& turn) {
    const std::vector<const Leaf*> own = leaves_of(turn.worker);
    if (analyzes_alone_ || own.empty()) return analyze(own, connection, turn);
    std::string names;
    for (const Leaf* leaf : own) names += (names.empty() ? "" : ", ") + leaf->qualified;
    return with_lock_attempts(connection, locks_, turn.stop, [&]() -> Result<void> {
      PGFANOUT_TRY(
          connection.run(fmt::format("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE", names)));
      PGFANOUT_TRY(analyze(own, connection, turn));
      if (turn.wait_until([this] { return is_parent_done_.load(); })) return {};
      return cancelled();
    });
  }

  Result<void> analyze(const std::vector<const Leaf*>& own, Connection& connection,
                       WorkerTurn& turn) {
    ++ready_workers_;
    for (const Leaf* leaf : own) {
      if (!turn.may_go_on()) return {};
      PGFANOUT_TRY(run(connection, turn, "ANALYZE " + leaf->qualified));
      ++input_.counters.steps_done;
    }
    return {};
  }

  /// Statistics of expressions run user code.
  Result<void> run(Connection& connection, const WorkerTurn& turn, const std::string& sql) const {
    const auto work = [&] {
      return with_search_path(connection, application_path_, [&] { return connection.run(sql); });
    };
    if (connection.is_in_transaction()) return work();
    return with_lock_attempts(connection, locks_, turn.stop, work);
  }

  Result<void> analyze_parent(Connection& connection, WorkerTurn& turn) {
    if (!turn.wait_until([this] { return ready_workers_ == leaf_workers_; })) return {};
    if (analyzes_alone_) {
      PGFANOUT_TRY(run(connection, turn, "ANALYZE ONLY " + target_.qualified));
    } else {
      // SKIP_LOCKED must not skip the parent, so its lock is acquired first.
      PGFANOUT_TRY(run(connection, turn,
                       fmt::format("LOCK TABLE ONLY {0} IN SHARE UPDATE EXCLUSIVE MODE;"
                                   "ANALYZE (SKIP_LOCKED) {0}",
                                   target_.qualified)));
    }
    ++input_.counters.steps_done;
    is_parent_done_ = true;
    return {};
  }

  const StageInput& input_;
  const Table& target_;
  const WorkerSettings settings_;
  const std::string application_path_;
  const LockAttempts locks_;
  const bool analyzes_alone_;
  std::size_t leaf_workers_ = 1;
  std::vector<std::uint32_t> by_size_;
  std::atomic<std::size_t> ready_workers_{0};
  std::atomic<bool> is_parent_done_{false};
};

/// Leaves whose pages are not all visible to everybody, as pages that were frozen are.
Result<std::vector<const Leaf*>> unfrozen_leaves(const StageInput& input, const Table& target) {
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

Result<void> vacuum(const StageInput& input, const Table& target, WorkerSettings settings,
                    const std::vector<const Leaf*>& leaves) {
  if (leaves.empty()) return {};
  LockAttempts locks = attempts_on(input, target);
  locks.in = AttemptIn::nothing;
  settings.workers =
      static_cast<std::uint32_t>(std::min<std::size_t>(settings.workers, leaves.size()));
  std::atomic<std::size_t> next{0};
  return run_on_workers(settings, input.state.cancellation(),
                        [&](Connection& connection, WorkerTurn& turn) -> Result<void> {
                          for (std::size_t at = next++; at < leaves.size() && turn.may_go_on();
                               at = next++) {
                            PGFANOUT_TRY(with_lock_attempts(connection, locks, turn.stop, [&] {
                              return connection.run("VACUUM (FREEZE) " + leaves[at]->qualified);
                            }));
                          }
                          return {};
                        });
}

/// Everything is built by the definition that the source had when it was fenced.
Result<MadeTarget> made_target(WindowState& state) {
  PGFANOUT_TRY_ASSIGN(Table source, state.source_table());
  PGFANOUT_TRY(check_definition(state, source));
  return examine_made_target(state, std::move(source));
}

/// Where rows may be set aside, the leaves have had their foreign keys from the beginning.
Result<std::vector<CarryStep>> without_keys_that_exist(Connection& target, const MadeTarget& made) {
  std::vector<CarryStep> steps = made.carry.leaf_constraints;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      target.query("SELECT c.conrelid, c.conname FROM pg_constraint c JOIN pg_inherits i"
                   " ON i.inhrelid = c.conrelid WHERE i.inhparent = $1 AND c.contype = 'f'",
                   {std::to_string(made.target.oid)}));
  for (int row = 0; row < rows.size(); ++row) {
    for (const Leaf& leaf : made.target.leaves) {
      if (leaf.oid != rows.oid(row, 0)) continue;
      const std::string sql = fmt::format("ALTER TABLE {} ADD CONSTRAINT {} ", leaf.qualified,
                                          quoted_name(rows.str(row, 1)));
      std::erase_if(steps, [&](const CarryStep& step) { return step.sql.starts_with(sql); });
    }
  }
  return steps;
}

}  // namespace

std::vector<StepGroup> group_steps(const std::vector<CarryStep>& steps, std::size_t at_once,
                                   std::size_t workers) {
  std::map<std::string, std::vector<CarryStep>> by_leaf;
  for (const CarryStep& step : steps) by_leaf[step.leaf].push_back(step);
  std::vector<std::vector<CarryStep>> leaves;
  for (auto& [leaf, own] : by_leaf) leaves.push_back(std::move(own));
  std::stable_sort(leaves.begin(), leaves.end(),
                   [](const auto& a, const auto& b) { return a.front().bytes > b.front().bytes; });
  const std::size_t most = std::min(at_once, steps.size() / (workers * kGroupsOfWorker));
  std::vector<StepGroup> groups;
  std::uint64_t bytes = 0;  // Of the last group.
  for (std::vector<CarryStep>& own : leaves) {
    const std::uint64_t own_bytes = own.front().bytes * own.size();
    const bool joins = own.size() <= most && own_bytes <= kBytesAtOnce;
    const bool fits = joins && !groups.empty() && groups.back().is_joined &&
                      groups.back().steps.size() + own.size() <= most &&
                      bytes + own_bytes <= kBytesAtOnce;
    if (!fits) {
      groups.push_back({{}, joins});
      bytes = 0;
    }
    bytes += own_bytes;
    std::move(own.begin(), own.end(), std::back_inserter(groups.back().steps));
  }
  return groups;
}

Result<std::string> build_indexes(const StageInput& input) {
  PGFANOUT_TRY_ASSIGN(const MadeTarget made, made_target(input.state));
  PGFANOUT_TRY_ASSIGN(StepSettings settings, settings_of(input, made));
  settings.sessions.connect = [&state =
                                   input.state](const Cancellation* stop) -> Result<Connection> {
    PGFANOUT_TRY_ASSIGN(Connection worker, state.connect_target("worker", stop));
    PGFANOUT_TRY(worker.keep_notices());
    return worker;
  };
  WindowJournal journal = input.state.journal();
  StepRunner runner(settings, journal, input.counters, input.state.cancellation());
  PGFANOUT_TRY_ASSIGN(const std::uint64_t leaves,
                      runner.run_by_leaf(made.carry.leaf_indexes, LeafState::indexed));
  // Those that have none are done as well.
  input.counters.leaves.set_all(LeafState::indexed);
  PGFANOUT_TRY_ASSIGN(const std::uint64_t parents, runner.run_in_order(made.carry.parent_indexes));
  for (Issue& notice : runner.notices()) input.state.report(std::move(notice));
  return figures({{leaves, "index builds on leaves"}, {parents, "steps on the parent"}}) +
         fmt::format(", {} workers", settings.sessions.workers);
}

Result<std::string> add_constraints(const StageInput& input) {
  PGFANOUT_TRY_ASSIGN(const MadeTarget made, made_target(input.state));
  PGFANOUT_TRY_ASSIGN(StepSettings settings, settings_of(input, made));
  WindowJournal journal = input.state.journal();
  StepRunner runner(settings, journal, input.counters, input.state.cancellation());
  PGFANOUT_TRY_ASSIGN(auto on_leaves, without_keys_that_exist(input.state.target(), made));
  PGFANOUT_TRY_ASSIGN(const std::uint64_t leaves, runner.run_by_leaf(std::move(on_leaves)));
  PGFANOUT_TRY_ASSIGN(const std::uint64_t parents,
                      runner.run_in_order(made.carry.parent_constraints));
  PGFANOUT_TRY_ASSIGN(const std::uint64_t rest, runner.run_in_order(made.carry.attributes));
  return figures({{leaves, "steps on leaves"},
                  {parents, "steps on the parent"},
                  {rest, "triggers, grants, comments and the like"}});
}

Result<std::string> analyze_target(const StageInput& input) {
  PGFANOUT_TRY_ASSIGN(const Table target, input.state.target_table());
  PGFANOUT_TRY_ASSIGN(const WorkerSettings settings, worker_sessions(input));
  PGFANOUT_TRY_ASSIGN(const std::string path, input.state.application_path());
  PGFANOUT_TRY(Analysis(input, target, settings, path).run());
  PGFANOUT_TRY_ASSIGN(const auto unfrozen, unfrozen_leaves(input, target));
  PGFANOUT_TRY(vacuum(input, target, settings, unfrozen));
  std::string figures = counted(target.leaves.size(), "leaf", "leaves") + " analyzed";
  if (!unfrozen.empty()) figures += fmt::format(", {} vacuumed", unfrozen.size());
  return figures;
}

}  // namespace pgfanout
