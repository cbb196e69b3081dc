#include "copier/status/status_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "copier/journal/journal.h"
#include "copier/session/reporting_job.h"
#include "copier/watch/session_waits.h"
#include "copier/window/rules.h"
#include "copier/window/state.h"

namespace pgfanout {
namespace {

std::string prefix_of(const std::string& job) {
  return "pgfanout/" + job + "/";
}

/// The job's sessions now, in words; empty if there are none.
Result<std::string> active_session(Connection& connection, const std::string& job) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query("SELECT format('%s sessions, the first from %s since %s',"
                                       " count(*), COALESCE(min(host("
                                       "client_addr)), 'the server''s host'), date_trunc('second',"
                                       " min(backend_start))) FROM pg_stat_activity"
                                       " WHERE starts_with(application_name, $1)"
                                       " AND pid <> pg_backend_pid() HAVING count(*) > 0",
                                       {prefix_of(job)}));
  return rows.size() == 0 ? std::string() : rows.str(0, 0);
}

Result<WindowState> open_to_read(const JobDescription& job, const Cancellation& cancellation) {
  constexpr bool kMayShareBackend = true;
  return WindowState::open(job, cancellation, {}, kMayShareBackend);
}

/// Gives sessions that only read a name of their own, so that they do not pass for the job's.
Result<void> name_status_sessions(WindowState& state) {
  PGFANOUT_TRY(state.source().run("SET application_name = 'pgfanout/status/source'"));
  return state.target().run("SET application_name = 'pgfanout/status/target'");
}

/// Whether the table that the job moves, or after a swap the one that it put in place, was dropped.
Result<bool> warn_of_lost_table(WindowState& state, JobResult& result) {
  const JournalEntry& entry = *state.entry();
  if (entry.state == "swapped") {
    PGFANOUT_TRY_ASSIGN(const std::uint32_t live, find_made_table(state.target(), entry));
    if (live != 0) return false;
    result.issues.push_back(
        {Severity::warning, "target-gone", "somebody dropped the table that the job put in place",
         state.target_qualified(), "the rows from before the swap are in its backup"});
    return true;
  }
  if (entry.is_over() || entry.source_oid == 0) return false;
  PGFANOUT_TRY_ASSIGN(const Rows source,
                      state.source().query("SELECT 1 FROM pg_class c WHERE c.oid = $1",
                                           {std::to_string(entry.source_oid)}));
  if (source.size() > 0) return false;
  result.issues.push_back({Severity::warning, "source-gone",
                           "somebody dropped the table that the job moves", entry.source,
                           "'pgfanout rollback' ends the job, unless its copy has rows that are"
                           " nowhere else"});
  return true;
}

/// Fills job, status, stages and fence. Refuses where the journal has no job.
Result<void> read_job_status(WindowState& state, JobResult& result) {
  const auto& entry = state.entry();
  if (!entry) {
    return refused("no-job", "the journal knows of no job into this target",
                   "name the job's own --table, --into and --target", state.target_qualified());
  }
  result.job = entry->job;
  JobStatus status;
  status.state = entry->state;
  status.source = entry->source;
  status.target = fmt::format("{} {}", state.target().description(), state.target_qualified());
  status.started_at = entry->started_at;
  status.backup = entry->backup_name;
  status.keep_until = entry->keep_until;
  PGFANOUT_TRY_ASSIGN(status.active, active_session(state.target(), entry->job));
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(state.target()));
  std::vector<StageRecord> stages;
  if (version >= 2) {
    PGFANOUT_TRY_ASSIGN(stages, state.journal().stages());
  }
  for (const StageRecord& record : stages) {
    StageSummary summary = summary_of_record(record);
    summary.status = shown_status(record, !status.active.empty());
    if (!record.confirmed_by.empty()) {
      summary.detail +=
          fmt::format("{}confirmed by {}", summary.detail.empty() ? "" : "; ", record.confirmed_by);
    }
    // A rollback leaves the record of a gate.
    const bool is_under_way = !entry->is_over() || entry->state == "swapped";
    if (record.is_waiting && is_under_way) status.waiting_at = record.name;
    result.stages.push_back(std::move(summary));
  }
  status.next = next_command(*entry, stages, !status.active.empty());
  std::get<StatusResult>(result.details).status = std::move(status);
  PGFANOUT_TRY_ASSIGN(const bool stands, state.stands("source"));
  // After a swap that fence is the backup's.
  PGFANOUT_TRY_ASSIGN(const bool live_stands, state.stands("live"));
  const bool is_backup = entry->state == "swapped" || entry->state == "cleaning up";
  PGFANOUT_TRY_ASSIGN(const bool is_lost, warn_of_lost_table(state, result));
  result.writes_refused = !is_lost && (live_stands || (stands && !is_backup));
  result.verdict = Verdict::match;
  return {};
}

/// The job's sessions on both servers.
Result<JobSessions> sessions_of(WindowState& state, const std::string& job) {
  const bool is_one = state.same_database();
  PGFANOUT_TRY_ASSIGN(JobSessions all,
                      read_job_sessions(state.target(), prefix_of(job), is_one ? "" : "target"));
  if (is_one) return all;
  PGFANOUT_TRY_ASSIGN(JobSessions source,
                      read_job_sessions(state.source(), prefix_of(job), "source"));
  all.add(std::move(source));
  return all;
}

void add_waits(const JobSessions& sessions, WaitJudge& judge, JobResult& result) {
  std::get<StatusResult>(result.details).status->waits =
      judge.judge(sessions, std::chrono::steady_clock::now());
}

/// A session that only reads must not make others wait.
constexpr const char* kBrief = "SET lock_timeout = '1s'; SET statement_timeout = '5s'";

/// Whether a session belongs to the job, is another one, and works in this database.
constexpr const char* kOfTheJob =
    "starts_with(a.application_name, $1) AND a.pid <> pg_backend_pid()"
    " AND a.datname = current_database()";

std::uint64_t count_at(const Rows& rows, int row, int column) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, rows.integer(row, column)));
}

/// By the stages that are done. Only the job knows the progress of the running stage.
LeafState state_after(const JobResult& status) {
  LeafState state = LeafState::waiting;
  for (const StageSummary& stage : status.stages) {
    if (stage.status != "ok" && stage.status != "waiting" && stage.status != "confirmed") continue;
    if (stage.name == "copy") state = std::max(state, LeafState::proven);
    if (stage.name == "index") state = std::max(state, LeafState::indexed);
    if (stage.name == "verify") state = std::max(state, LeafState::verified);
  }
  return state;
}

std::string running_stage(const JobResult& status) {
  for (const StageSummary& stage : status.stages) {
    if (stage.status == "running") return stage.name;
  }
  return {};
}

class JobReader {
 public:
  /// Both outlive it.
  JobReader(const JobDescription& job, const Cancellation& cancellation)
      : job_(job), cancellation_(cancellation) {}

  /// Connects if need be, and again after an error. A transaction sees the sessions of its begin.

  Result<JobSnapshot> read() {
    auto snapshot = read_once();
    if (!snapshot || state_->target().is_one_transaction()) state_.reset();
    return snapshot;
  }

 private:
  struct Range {
    std::uint32_t number = 0;
    std::uint32_t leaf = 0;  ///< OID.
    std::uint64_t first_block = 0;
    std::uint64_t bytes = 0;
    std::uint32_t epoch = 0;
  };
  /// Of one backend's COPY.
  struct Copied {
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
  };
  Result<void> open() {
    PGFANOUT_TRY_ASSIGN(state_, open_to_read(job_, cancellation_));
    PGFANOUT_TRY(name_status_sessions(*state_));
    for (Connection* connection : {&state_->source(), &state_->target()}) {
      PGFANOUT_TRY(connection->run(kBrief));
    }
    if (state_->entry() && state_->entry()->job != watched_) {
      watched_ = state_->entry()->job;
      ranges_.clear();
      copies_.clear();
      seen_ = {};
      estimated_rows_ = 0;
    }
    return {};
  }

  Result<JobSnapshot> read_once() {
    if (!state_) {
      PGFANOUT_TRY(open());
    } else {
      PGFANOUT_TRY_ASSIGN(
          auto entry,
          Journal(state_->target()).find(state_->target_name().schema, state_->target_name().name));
      const bool is_other = !entry || entry->job != watched_;
      if (is_other) PGFANOUT_TRY(open());
      if (!is_other) state_->entry() = std::move(entry);
    }
    JobSnapshot snapshot;
    PGFANOUT_TRY(read_job_status(*state_, snapshot.status));
    snapshot.is_over = state_->entry()->is_over();
    PGFANOUT_TRY(read_sessions(snapshot));
    snapshot.stage = running_stage(snapshot.status);
    const bool is_copy = state_->entry()->command == "copy";
    if (is_copy && !snapshot.is_over && !job_status_of(snapshot.status)->active.empty())
      snapshot.stage = "copy";
    if (!state_->entry()->has_progress) return snapshot;
    PGFANOUT_TRY(read_leaves(snapshot));
    if (snapshot.stage == "copy") PGFANOUT_TRY(read_progress(snapshot));
    if (snapshot.stage == "index" || snapshot.stage == "constraints")
      PGFANOUT_TRY(read_steps(snapshot));
    return snapshot;
  }

  Result<void> read_leaves(JobSnapshot& snapshot) {
    // Uncommitted rows are known of a COPY that runs now.
    PGFANOUT_TRY_ASSIGN(
        const Rows leaves,
        state_->target().query(
            "SELECT l.leaf_name, l.rows, l.epoch, COALESCE(p.rows, 0), j.commits = 'by leaf',"
            " (SELECT max(r.epoch) FROM pgfanout.source_range r WHERE r.job = l.job)"
            " FROM pgfanout.leaf_load l JOIN pgfanout.job j ON j.job = l.job"
            " LEFT JOIN (SELECT relid, sum(tuples_processed) AS rows"
            " FROM pg_stat_progress_copy WHERE command = 'COPY FROM'"
            " AND datname = current_database() GROUP BY relid) AS p"
            " ON p.relid = to_regclass(l.leaf_name)::oid WHERE l.job = $1 ORDER BY l.leaf",
            {watched_}));
    const LeafState reached = state_after(snapshot.status);
    std::uint32_t least = UINT32_MAX;
    for (int row = 0; row < leaves.size(); ++row) {
      snapshot.by_leaf = leaves.boolean(row, 4);
      snapshot.epochs = std::max(1U, leaves.oid(row, 5));
      const std::uint32_t epoch = leaves.oid(row, 2);
      const std::uint64_t now = count_at(leaves, row, 3);
      JobSnapshot::Leaf leaf;
      leaf.name = leaves.str(row, 0);
      leaf.rows = count_at(leaves, row, 1) + now;
      leaf.state = epoch >= snapshot.epochs ? LeafState::committed
                   : epoch > 0 || now > 0   ? LeafState::loading
                                            : LeafState::waiting;
      leaf.state = std::max(leaf.state, reached);
      snapshot.rows_committed += count_at(leaves, row, 1);
      least = std::min(least, epoch);
      snapshot.leaves.push_back(std::move(leaf));
    }
    if (snapshot.leaves.empty()) return {};
    snapshot.epoch = least < snapshot.epochs ? least + 1 : 0;
    return {};
  }

  Result<void> read_ranges(JobSnapshot& snapshot) {
    if (!ranges_.empty() || snapshot.leaves.empty()) return {};
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        state_->target().query("SELECT number, leaf, first_block, bytes, epoch"
                                               " FROM pgfanout.source_range WHERE job = $1"
                                               " ORDER BY number",
                                               {watched_}));
    std::set<std::uint32_t> leaves;
    for (int row = 0; row < rows.size(); ++row) {
      ranges_.push_back({rows.oid(row, 0), rows.oid(row, 1), count_at(rows, row, 2),
                         count_at(rows, row, 3), rows.oid(row, 4)});
      leaves.insert(ranges_.back().leaf);
    }
    const std::vector<std::uint32_t> oids(leaves.begin(), leaves.end());
    PGFANOUT_TRY_ASSIGN(const Rows estimate,
                        state_->source().query(fmt::format(
                            "SELECT sum(GREATEST(reltuples, 0))::int8"
                            " FROM pg_class WHERE oid IN ({})",
                            oids.empty() ? "NULL" : fmt::format("{}", fmt::join(oids, ", ")))));
    estimated_rows_ = count_at(estimate, 0, 0);
    return {};
  }

  /// How far the copy is. Readers take the ranges of an epoch in order, so those before the ones
  /// that are being read have been.
  Result<void> read_progress(JobSnapshot& snapshot) {
    PGFANOUT_TRY(read_ranges(snapshot));
    PGFANOUT_TRY(read_copies(state_->source()));
    if (!state_->same_database()) PGFANOUT_TRY(read_copies(state_->target()));
    snapshot.rows_seen = seen_.rows;
    snapshot.bytes_seen = seen_.bytes;
    snapshot.rows_expected = estimated_rows_;
    if (snapshot.epoch == 0) {
      snapshot.stage = "copy/read-back";
      return {};
    }
    for (const Range& range : ranges_) snapshot.bytes_expected += range.bytes;
    // Readers name their range in front of the SELECT (RangeSelect::place).
    PGFANOUT_TRY_ASSIGN(const Rows reading,
                        state_->source().query(
                            fmt::format("SELECT substring(a.query, '^COPY /\\* (\\d+):')::oid,"
                                        " substring(a.query, '^COPY /\\* \\d+:(\\d+) \\*/')"
                                        " FROM pg_stat_activity a WHERE {} AND a.state = 'active'"
                                        " AND a.application_name LIKE '%/reader'",
                                        kOfTheJob),
                            {prefix_of(watched_)}));
    std::set<std::size_t> open;
    for (int row = 0; row < reading.size(); ++row) {
      const auto found = std::find_if(ranges_.begin(), ranges_.end(), [&](const Range& range) {
        return range.leaf == reading.oid(row, 0) &&
               range.first_block == count_at(reading, row, 1) && !reading.is_null(row, 0) &&
               range.epoch == snapshot.epoch;
      });
      if (found != ranges_.end()) open.insert(static_cast<std::size_t>(found - ranges_.begin()));
    }
    for (std::size_t at = 0; at < ranges_.size(); ++at) {
      const Range& range = ranges_[at];
      const bool is_before = !open.empty() && at < *open.rbegin() && !open.contains(at);
      if (range.epoch < snapshot.epoch || (range.epoch == snapshot.epoch && is_before)) {
        snapshot.bytes_done += range.bytes;
      }
    }
    if (open.empty() && snapshot.bytes_done == 0) snapshot.bytes_expected = 0;
    return {};
  }

  /// Adds up what readers read, as long as somebody watches.
  Result<void> read_copies(Connection& connection) {
    const int side = &connection == &state_->target() ? 1 : 0;
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        connection.query(fmt::format("SELECT p.pid, p.tuples_processed, p.bytes_processed"
                                     " FROM pg_stat_progress_copy p"
                                     " JOIN pg_stat_activity a USING (pid)"
                                     " WHERE p.command = 'COPY TO' AND {}",
                                     kOfTheJob),
                         {prefix_of(watched_)}));
    for (int row = 0; row < rows.size(); ++row) {
      Copied& before = copies_[{side, static_cast<int>(rows.integer(row, 0))}];
      const Copied now{count_at(rows, row, 1), count_at(rows, row, 2)};
      // Less than before: it is another statement.
      const bool is_same = now.rows >= before.rows && now.bytes >= before.bytes;
      seen_.rows += now.rows - (is_same ? before.rows : 0);
      seen_.bytes += now.bytes - (is_same ? before.bytes : 0);
      before = now;
    }
    return {};
  }

  Result<void> read_sessions(JobSnapshot& snapshot) {
    PGFANOUT_TRY_ASSIGN(const JobSessions sessions, sessions_of(*state_, watched_));
    for (const JobSession& session : sessions.all) {
      const bool reads = session.role == "reader";
      const bool writes = session.role == "writer" || session.role == "worker";
      // A COPY that waits for its client has no rows.
      const bool is_busy = session.is_active && !(writes && session.event == "Client/ClientRead");
      if (reads) ++snapshot.readers;
      if (reads && is_busy) ++snapshot.readers_busy;
      if (writes) ++snapshot.writers;
      if (writes && is_busy) ++snapshot.writers_busy;
    }
    snapshot.waits = wait_counts(sessions.all);
    add_waits(sessions, waits_, snapshot.status);
    return {};
  }

  Result<void> read_steps(JobSnapshot& snapshot) {
    PGFANOUT_TRY_ASSIGN(
        const Rows steps,
        state_->target().query("SELECT count(*) FROM pgfanout.step s JOIN pgfanout.stage g"
                               " ON g.job = s.job AND s.done_at >= g.started_at"
                               " WHERE s.job = $1 AND g.status = 'running'",
                               {watched_}));
    snapshot.steps_done = count_at(steps, 0, 0);
    PGFANOUT_TRY_ASSIGN(
        const Rows builds,
        state_->target().query(fmt::format("SELECT COALESCE(sum(p.blocks_done), 0),"
                                           " COALESCE(sum(p.blocks_total), 0)"
                                           " FROM pg_stat_progress_create_index p"
                                           " JOIN pg_stat_activity a USING (pid) WHERE {}",
                                           kOfTheJob),
                               {prefix_of(watched_)}));
    snapshot.build_blocks_done = count_at(builds, 0, 0);
    snapshot.build_blocks_total = count_at(builds, 0, 1);
    return {};
  }

  const JobDescription& job_;
  const Cancellation& cancellation_;
  std::optional<WindowState> state_;
  std::string watched_;        ///< The job that the following belongs to.
  std::vector<Range> ranges_;  ///< Of the source, by number.
  std::uint64_t estimated_rows_ = 0;
  std::map<std::pair<int, int>, Copied> copies_;  ///< By side and backend.
  Copied seen_;
  WaitJudge waits_;
};

}  // namespace

JobResult run_status(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation) {
  return without_exceptions("status", [&] {
    JobResult result("status");
    const auto read = [&]() -> Result<void> {
      PGFANOUT_TRY_ASSIGN(WindowState state, open_to_read(job, cancellation));
      PGFANOUT_TRY(name_status_sessions(state));
      PGFANOUT_TRY(read_job_status(state, result));
      for (const Issue& issue : result.issues) observer.issue_found(issue);
      if (job_status_of(result)->active.empty()) return {};
      PGFANOUT_TRY_ASSIGN(const JobSessions sessions, sessions_of(state, result.job));
      WaitJudge first_look;
      add_waits(sessions, first_look, result);
      return {};
    };
    if (auto done = read(); !done) result.error = std::move(done).error();
    return result;
  });
}

std::function<Result<JobSnapshot>()> watch_job(const JobDescription& job,
                                               const Cancellation& cancellation) {
  return [watch = std::make_shared<JobReader>(job, cancellation)] { return watch->read(); };
}

}  // namespace pgfanout
