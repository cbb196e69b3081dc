#include "copier/window/build_indexes.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

/// The work of a stage on leaves.
struct LeafFigures {
  std::array<std::uint64_t, kLeafStages.size()> steps{};  ///< By the stage that they belong to.
  std::array<double, kLeafStages.size()> seconds{};       ///< The same, of all workers together.
  std::uint64_t vacuumed = 0;
};

/// Below this share of frozen pages a leaf is vacuumed.
constexpr double kFrozenEnough = 0.95;

std::string vacuum_of(const std::string& leaf) {
  return "vacuum " + leaf;
}

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
  /// worker, and those of small leaves together. A leaf that was analyzed is vacuumed if it must
  /// be. A leaf whose steps have all run is in `state` then.
  Result<LeafFigures> run_by_leaf(std::vector<CarryStep> steps,
                                  std::optional<LeafState> state = {}) {
    LeafFigures figures;
    for (auto& time : work_ns_) time = 0;
    PGFANOUT_TRY_ASSIGN(steps, left_to_do(std::move(steps)));
    for (const CarryStep& step : steps) ++figures.steps.at(static_cast<std::size_t>(step.stage));
    PGFANOUT_TRY(
        run_queue(group_steps(steps, settings_.steps_at_once, settings_.sessions.workers), state));
    figures.vacuumed = vacuumed_;
    for (std::size_t stage = 0; stage < work_ns_.size(); ++stage) {
      figures.seconds.at(stage) = static_cast<double>(work_ns_.at(stage)) / 1e9;
    }
    return figures;
  }

  /// Those of these leaves whose pages are not all visible to everybody, as pages that were frozen
  /// are: by the server's figures, which ANALYZE has set.
  Result<void> vacuum_unfrozen(Connection& connection, const std::vector<std::string>& leaves,
                               const Cancellation& stop) {
    std::vector<std::string> oids;
    for (const std::string& leaf : leaves) {
      oids.push_back(connection.quote_literal(leaf) + "::regclass");
    }
    PGFANOUT_TRY_ASSIGN(
        const Rows unfrozen,
        connection.query(fmt::format("SELECT oid::regclass::text FROM pg_class"
                                     " WHERE relallvisible < {} * relpages AND oid IN ({})",
                                     kFrozenEnough, fmt::join(oids, ", "))));
    LockAttempts locks = settings_.locks;
    locks.in = AttemptIn::nothing;
    for (const std::string& leaf : unfrozen.column(0)) {
      PGFANOUT_TRY(with_lock_attempts(connection, locks, stop,
                                      [&] { return connection.run("VACUUM (FREEZE) " + leaf); }));
      // Marked: a leaf that cannot be frozen, since somebody has an old snapshot, is not tried
      // again.
      PGFANOUT_TRY(connection.run(journal_.mark_step_sql(vacuum_of(leaf), "")));
      ++vacuumed_;
    }
    return {};
  }

  /// Those that an interrupted call analyzed, and did not vacuum any more.
  Result<void> vacuum_left() {
    PGFANOUT_TRY_ASSIGN(const std::vector<std::string> done, journal_.steps_done());
    const std::set<std::string> is_done(done.begin(), done.end());
    std::vector<std::string> leaves;
    for (const Leaf& leaf : settings_.target.leaves) {
      if (!is_done.contains(vacuum_of(leaf.qualified))) leaves.push_back(leaf.qualified);
    }
    if (leaves.empty()) return {};
    PGFANOUT_TRY_ASSIGN(Connection connection, settings_.sessions.connect(&cancellation_));
    return vacuum_unfrozen(connection, leaves, cancellation_);
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

  /// All in order, on one connection, some in a transaction. `cancels`: a request cancels the
  /// statement that runs.
  Result<std::uint64_t> run_in_order(const std::vector<CarryStep>& steps, bool cancels = false) {
    PGFANOUT_TRY_ASSIGN(const std::vector<CarryStep> left, left_to_do(steps));
    if (left.empty()) return 0;
    PGFANOUT_TRY_ASSIGN(Connection connection,
                        settings_.sessions.connect(cancels ? &cancellation_ : nullptr));
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

  Result<void> run_step(Connection& connection, const CarryStep& step) {
    const auto began = std::chrono::steady_clock::now();
    auto done = !step.runs_user_code ? connection.run(step.sql)
                                     : with_search_path(connection, settings_.application_path,
                                                        [&] { return connection.run(step.sql); });
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - began;
    work_ns_.at(static_cast<std::size_t>(step.stage)) += static_cast<std::uint64_t>(took.count());
    return done;
  }

  /// The leaves of a group whose statistics are new.
  Result<void> vacuum_analyzed(Connection& connection, const StepGroup& group,
                               const Cancellation& stop) {
    std::vector<std::string> leaves;
    for (const CarryStep& step : group.steps) {
      if (step.stage == LeafStage::analyze) leaves.push_back(step.leaf);
    }
    return leaves.empty() ? Result<void>() : vacuum_unfrozen(connection, leaves, stop);
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
        for (std::size_t step = 0; step < group.steps.size() && turn.may_go_on();) {
          const std::size_t end = transaction_end(group, step, settings_.steps_at_once);
          const auto first = group.steps.begin();
          PGFANOUT_TRY(run_group(connection, {first + static_cast<std::ptrdiff_t>(step),
                                              first + static_cast<std::ptrdiff_t>(end)}));
          step = end;
        }
        if (turn.stop.is_set()) continue;
        PGFANOUT_TRY(vacuum_analyzed(connection, group, turn.stop));
        if (!state) continue;
        for (const CarryStep& step : group.steps) {
          if (!step.may_run_beside) set_state(step.leaf, *state);
        }
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
  std::array<std::atomic<std::uint64_t>, kLeafStages.size()> work_ns_{};
  std::atomic<std::uint64_t> vacuumed_{0};
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
  // The workers are the parallelism. A step whose commit a crash of the server loses has lost its
  // mark as well, and runs again; the stage's end is journaled by a session that waits for the
  // disk.
  settings.set_up = fmt::format(
      "SET maintenance_work_mem = '{}kB'; SET max_parallel_maintenance_workers = 0;"
      "SET synchronous_commit = off",
      memory / 1024);
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

Result<StepSettings> settings_of(const StageInput& input, const Table& target) {
  StepSettings settings;
  PGFANOUT_TRY_ASSIGN(settings.sessions, worker_sessions(input));
  PGFANOUT_TRY_ASSIGN(settings.application_path, input.state.application_path());
  settings.session_prefix = "pgfanout/" + input.state.job_id() + "/";
  settings.target = target;
  settings.locks = attempts_on(input, target);
  PGFANOUT_TRY_ASSIGN(const std::int64_t free_locks, read_free_locks(input.state.target()));
  settings.steps_at_once = static_cast<std::size_t>(
      std::clamp<std::int64_t>(free_locks / 2 / (kLocksOfStep * settings.sessions.workers), 1,
                               static_cast<std::int64_t>(kMostStepsAtOnce)));
  return settings;
}

/// The same for steps of the carry-over plan.
Result<StepSettings> settings_of(const StageInput& input, const MadeTarget& made) {
  PGFANOUT_TRY_ASSIGN(StepSettings settings, settings_of(input, made.target));
  settings.references = made.carry.references;
  for (const std::string& column : made.source.primary_key) {
    if (made.target.find(column) != nullptr) settings.identity.push_back(column);
  }
  PGFANOUT_TRY_ASSIGN(settings.locks.referenced, referenced_oids(input.state, made.source));
  return settings;
}

/// Why a stage finds nothing to do on leaves; empty: it is the first that may.
std::string done_before(const StageInput& input, LeafStage stage) {
  const LeafStage from = stage_of_leaves(stage, input.state.job().window.confirm_at);
  return from == stage ? "" : fmt::format("leaves were done in stage {}", name_of(from));
}

std::string figures(const std::vector<std::pair<std::uint64_t, std::string>>& counts,
                    std::string first = {}) {
  std::vector<std::string> parts;
  if (!first.empty()) parts.push_back(std::move(first));
  for (const auto& [count, what] : counts) {
    if (count > 0) parts.push_back(fmt::format("{} {}", count, what));
  }
  return parts.empty() ? "nothing left to do" : fmt::format("{}", fmt::join(parts, ", "));
}

/// Of `stage`, which may have done those behind it as well: then with the share of each in the
/// time.
std::string figures(const StageInput& input, LeafStage stage, const LeafFigures& leaves,
                    std::vector<std::pair<std::uint64_t, std::string>> more) {
  static constexpr std::array<const char*, kLeafStages.size()> kWhat = {
      "index builds on leaves", "steps of constraints on leaves", "leaves analyzed"};
  std::vector<std::pair<std::uint64_t, std::string>> counts;
  std::vector<std::string> shares;
  double all = 0;
  for (const double seconds : leaves.seconds) all += seconds;
  std::uint64_t steps = 0;
  for (std::size_t at = 0; at < kWhat.size(); ++at) {
    const bool is_one = at + 1 == kWhat.size() && leaves.steps.at(at) == 1;
    counts.emplace_back(leaves.steps.at(at), is_one ? "leaf analyzed" : kWhat.at(at));
    steps += leaves.steps.at(at);
    if (leaves.steps.at(at) == 0) continue;
    shares.push_back(fmt::format("{} {:.0f} %", kLeafStages.at(at),
                                 all > 0 ? 100 * leaves.seconds.at(at) / all : 0));
  }
  counts.emplace_back(leaves.vacuumed, "vacuumed");
  std::move(more.begin(), more.end(), std::back_inserter(counts));
  const std::string text = figures(counts, steps == 0 ? done_before(input, stage) : "");
  if (shares.size() < 2) return text;
  return fmt::format("{}; of the time on leaves {}", text, fmt::join(shares, ", "));
}

constexpr int kFirstWithAnalyzeOnly = 180000;

std::vector<CarryStep> analyses_of(const Table& target) {
  std::vector<CarryStep> steps;
  for (const Leaf& leaf : target.leaves) {
    // Statistics of expressions run user code.
    steps.push_back({"analyze " + leaf.qualified, "ANALYZE " + leaf.qualified, leaf.qualified,
                     leaf.total_bytes, "", true});
  }
  return steps;
}

/// Before version 18, ANALYZE of a parent analyzes all its partitions as well. There another
/// session holds the lock on every leaf that ANALYZE needs, and it skips them: the parent's own
/// sample is read all the same.
Result<void> analyze_parent(const StageInput& input, const StepSettings& settings,
                            StepRunner& runner) {
  const Table& target = settings.target;
  CarryStep step{
      "analyze " + target.qualified, "ANALYZE ONLY " + target.qualified, "", 0, "", true};
  std::optional<Connection> holder;
  if (input.state.target().server_version() < kFirstWithAnalyzeOnly) {
    std::string names;
    for (const Leaf& leaf : target.leaves) names += (names.empty() ? "" : ", ") + leaf.qualified;
    LockAttempts locks = settings.locks;
    locks.transaction.end = TransactionEnd::stay_open;  // Until its session ends.
    PGFANOUT_TRY_ASSIGN(holder, settings.sessions.connect(&input.state.cancellation()));
    PGFANOUT_TRY(with_lock_attempts(*holder, locks, input.state.cancellation(), [&] {
      return holder->run(fmt::format("LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE", names));
    }));
    // SKIP_LOCKED must not skip the parent, so its lock is acquired first.
    step.sql =
        fmt::format("LOCK TABLE ONLY {0} IN SHARE UPDATE EXCLUSIVE MODE; ANALYZE (SKIP_LOCKED) {0}",
                    target.qualified);
  }
  PGFANOUT_TRY_ASSIGN([[maybe_unused]] const std::uint64_t done, runner.run_in_order({step}, true));
  return {};
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
      target.query("SELECT c.conrelid, c.conname FROM pg_constraint c"
                   " WHERE c.conrelid = ANY ($1::oid[]) AND c.contype = 'f'",
                   {made.target.leaf_oids()}));
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

/// The steps on leaves that stage `from` runs.
Result<std::vector<CarryStep>> leaf_steps(const StageInput& input, const MadeTarget& made,
                                          LeafStage from) {
  // The indexes of a plain table are built side by side, and all are there when its keys take them.
  const bool is_plain = made.target.kind != 'p';
  const LeafStage last =
      is_plain ? from : last_leaf_stage(from, input.state.job().window.confirm_at);
  std::vector<CarryStep> steps;
  const auto add = [&](LeafStage stage, std::vector<CarryStep> own) {
    for (CarryStep& step : own) {
      step.stage = stage;
      step.may_run_beside = is_plain && stage == LeafStage::index;
      steps.push_back(std::move(step));
    }
  };
  if (from == LeafStage::index) add(LeafStage::index, made.carry.leaf_indexes);
  if (last >= LeafStage::constraints) {
    PGFANOUT_TRY_ASSIGN(auto constraints, without_keys_that_exist(input.state.target(), made));
    add(LeafStage::constraints, std::move(constraints));
  }
  if (last >= LeafStage::analyze) add(LeafStage::analyze, analyses_of(made.target));
  return steps;
}

}  // namespace

std::vector<StepGroup> group_steps(const std::vector<CarryStep>& steps, std::size_t at_once,
                                   std::size_t workers) {
  std::map<std::string, std::vector<CarryStep>> by_leaf;
  for (const CarryStep& step : steps) {
    by_leaf[step.may_run_beside ? step.id : step.leaf].push_back(step);
  }
  std::vector<std::vector<CarryStep>> leaves;
  for (auto& [leaf, own] : by_leaf) leaves.push_back(std::move(own));
  std::stable_sort(leaves.begin(), leaves.end(),
                   [](const auto& a, const auto& b) { return a.front().bytes > b.front().bytes; });
  const std::size_t most = std::min(at_once, steps.size() / (workers * kGroupsOfWorker));
  std::vector<StepGroup> groups;
  std::uint64_t bytes = 0;  // Of the last group.
  for (std::vector<CarryStep>& own : leaves) {
    std::uint64_t own_bytes = 0;
    for (const CarryStep& step : own) own_bytes += step.reads_rows ? step.bytes : 0;
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
  for (StepGroup& group : groups) {
    std::stable_sort(group.steps.begin(), group.steps.end(),
                     [](const CarryStep& a, const CarryStep& b) { return a.stage < b.stage; });
  }
  return groups;
}

std::size_t transaction_end(const StepGroup& group, std::size_t begin, std::size_t at_once) {
  const CarryStep& first = group.steps[begin];
  std::size_t end = begin + 1;
  while (end < group.steps.size() && group.steps[end].stage == first.stage &&
         end - begin < at_once &&
         (group.is_joined || !(first.reads_rows || group.steps[end].reads_rows))) {
    ++end;
  }
  return end;
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
  PGFANOUT_TRY_ASSIGN(auto steps, leaf_steps(input, made, LeafStage::index));
  PGFANOUT_TRY_ASSIGN(const LeafFigures leaves,
                      runner.run_by_leaf(std::move(steps), LeafState::indexed));
  // Those that have none are done as well.
  input.counters.leaves.set_all(LeafState::indexed);
  PGFANOUT_TRY_ASSIGN(const std::uint64_t parents, runner.run_in_order(made.carry.parent_indexes));
  for (Issue& notice : runner.notices()) input.state.report(std::move(notice));
  return figures(input, LeafStage::index, leaves,
                 {{parents, "steps on the parent"}, {settings.sessions.workers, "workers"}});
}

Result<std::string> add_constraints(const StageInput& input) {
  PGFANOUT_TRY_ASSIGN(const MadeTarget made, made_target(input.state));
  PGFANOUT_TRY_ASSIGN(StepSettings settings, settings_of(input, made));
  WindowJournal journal = input.state.journal();
  StepRunner runner(settings, journal, input.counters, input.state.cancellation());
  PGFANOUT_TRY_ASSIGN(auto steps, leaf_steps(input, made, LeafStage::constraints));
  PGFANOUT_TRY_ASSIGN(const LeafFigures leaves, runner.run_by_leaf(std::move(steps)));
  PGFANOUT_TRY_ASSIGN(const std::uint64_t parents,
                      runner.run_in_order(made.carry.parent_constraints));
  PGFANOUT_TRY_ASSIGN(const std::uint64_t rest, runner.run_in_order(made.carry.attributes));
  return figures(
      input, LeafStage::constraints, leaves,
      {{parents, "steps on the parent"}, {rest, "triggers, grants, comments and the like"}});
}

Result<std::string> analyze_target(const StageInput& input) {
  PGFANOUT_TRY_ASSIGN(const Table target, input.state.target_table());
  PGFANOUT_TRY_ASSIGN(const StepSettings settings, settings_of(input, target));
  WindowJournal journal = input.state.journal();
  StepRunner runner(settings, journal, input.counters, input.state.cancellation());
  std::vector<CarryStep> steps = analyses_of(target);
  for (CarryStep& step : steps) step.stage = LeafStage::analyze;
  PGFANOUT_TRY_ASSIGN(const LeafFigures leaves, runner.run_by_leaf(std::move(steps)));
  const bool has_parent = target.kind == 'p';
  if (has_parent) PGFANOUT_TRY(analyze_parent(input, settings, runner));
  PGFANOUT_TRY(runner.vacuum_left());
  const std::string text = figures(input, LeafStage::analyze, leaves, {});
  return leaves.steps.back() > 0 || !has_parent ? text : text + ", the parent here";
}

}  // namespace pgfanout
