#include "copier/status/job_onlooker.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "copier/status/job_standing.h"

namespace pgfanout {
namespace {

/// A session that only looks must not make others wait.
constexpr const char* kBrief = "SET lock_timeout = '1s'; SET statement_timeout = '5s'";

/// Whether a session belongs to the job, is another one, and works in this database.
constexpr const char* kOfTheJob =
    "starts_with(a.application_name, $1) AND a.pid <> pg_backend_pid()"
    " AND a.datname = current_database()";

std::string prefix_of(const std::string& job) {
  return "pgfanout/" + job + "/";
}

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

}  // namespace

std::function<Result<JobLook>()> watch_job(const JobDescription& job,
                                           const Cancellation& cancellation) {
  return [watch = std::make_shared<JobOnlooker>(job, cancellation)] { return watch->look(); };
}

Result<JobLook> JobOnlooker::look() {
  auto look = look_once();
  if (!look) state_.reset();
  return look;
}

Result<void> JobOnlooker::open() {
  PGFANOUT_TRY_ASSIGN(state_, WindowState::open(job_, false));
  PGFANOUT_TRY(look_on(*state_));
  for (Connection* connection : {&state_->source(), &state_->target()}) {
    PGFANOUT_TRY(connection->run(kBrief));
    connection->set_cancellation(&cancellation_);
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

Result<JobLook> JobOnlooker::look_once() {
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
  JobLook look;
  look.status.command = "status";
  PGFANOUT_TRY(read_standing(*state_, look.status));
  look.is_over = state_->entry()->is_over();
  PGFANOUT_TRY(read_sessions(state_->target(), true, look));
  if (!state_->same_database()) PGFANOUT_TRY(read_sessions(state_->source(), false, look));
  look.stage = running_stage(look.status);
  const bool is_copy = state_->entry()->command == "copy";
  if (is_copy && !look.is_over && !look.status.standing->active.empty()) look.stage = "copy";
  if (!state_->entry()->has_progress) return look;
  PGFANOUT_TRY(read_leaves(look));
  if (look.stage == "copy") PGFANOUT_TRY(read_progress(look));
  if (look.stage == "index" || look.stage == "constraints") PGFANOUT_TRY(read_steps(look));
  return look;
}

Result<void> JobOnlooker::read_leaves(JobLook& look) {
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
  const LeafState reached = state_after(look.status);
  std::uint32_t least = UINT32_MAX;
  for (int row = 0; row < leaves.size(); ++row) {
    look.by_leaf = leaves.boolean(row, 4);
    look.epochs = std::max(1U, leaves.oid(row, 5));
    const std::uint32_t epoch = leaves.oid(row, 2);
    const std::uint64_t now = count_at(leaves, row, 3);
    JobLook::Leaf leaf;
    leaf.name = leaves.str(row, 0);
    leaf.rows = count_at(leaves, row, 1) + now;
    leaf.state = epoch >= look.epochs   ? LeafState::committed
                 : epoch > 0 || now > 0 ? LeafState::loading
                                        : LeafState::waiting;
    leaf.state = std::max(leaf.state, reached);
    look.rows_committed += count_at(leaves, row, 1);
    least = std::min(least, epoch);
    look.leaves.push_back(std::move(leaf));
  }
  if (look.leaves.empty()) return {};
  look.epoch = least < look.epochs ? least + 1 : 0;
  return {};
}

Result<void> JobOnlooker::read_ranges(JobLook& look) {
  if (!ranges_.empty() || look.leaves.empty()) return {};
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

/// How far the copy is. Readers take the ranges of an epoch in order, so those before the ones that
/// are being read have been.
Result<void> JobOnlooker::read_progress(JobLook& look) {
  PGFANOUT_TRY(read_ranges(look));
  PGFANOUT_TRY(read_copies(state_->source(), look));
  if (!state_->same_database()) PGFANOUT_TRY(read_copies(state_->target(), look));
  look.rows_seen = seen_.rows;
  look.bytes_seen = seen_.bytes;
  look.rows_expected = estimated_rows_;
  if (look.epoch == 0) {
    look.stage = "copy/read-back";
    return {};
  }
  for (const Range& range : ranges_) look.bytes_expected += range.bytes;
  // A long list of columns may hide where it is; then nothing is said about it.
  PGFANOUT_TRY_ASSIGN(
      const Rows reading,
      state_->source().query(
          fmt::format("SELECT to_regclass(substring(a.query, 'FROM ONLY (.*) WHERE'))::oid,"
                      " substring(a.query, 'ctid >= ''\\((\\d+),')"
                      " FROM pg_stat_activity a WHERE {} AND a.state = 'active'"
                      " AND a.application_name LIKE '%/reader'",
                      kOfTheJob),
          {prefix_of(watched_)}));
  std::set<std::size_t> open;
  for (int row = 0; row < reading.size(); ++row) {
    const auto found = std::find_if(ranges_.begin(), ranges_.end(), [&](const Range& range) {
      return range.leaf == reading.oid(row, 0) && range.first_block == count_at(reading, row, 1) &&
             !reading.is_null(row, 0) && range.epoch == look.epoch;
    });
    if (found != ranges_.end()) open.insert(static_cast<std::size_t>(found - ranges_.begin()));
  }
  for (std::size_t at = 0; at < ranges_.size(); ++at) {
    const Range& range = ranges_[at];
    const bool is_before = !open.empty() && at < *open.rbegin() && !open.contains(at);
    if (range.epoch < look.epoch || (range.epoch == look.epoch && is_before)) {
      look.bytes_done += range.bytes;
    }
  }
  if (open.empty() && look.bytes_done == 0) look.bytes_expected = 0;
  return {};
}

/// Adds up what readers read, as long as somebody watches.
Result<void> JobOnlooker::read_copies(Connection& connection, JobLook& /*look*/) {
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

Result<void> JobOnlooker::read_sessions(Connection& connection, bool is_target, JobLook& look) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(fmt::format("SELECT split_part(a.application_name, '/', 3),"
                                   " COALESCE(a.state = 'active', false),"
                                   " COALESCE(a.wait_event_type || '/' || a.wait_event, 'cpu')"
                                   " FROM pg_stat_activity a WHERE {}",
                                   kOfTheJob),
                       {prefix_of(watched_)}));
  const auto count = [&](const std::string& side, const std::string& event) {
    for (WaitCount& wait : look.waits) {
      if (wait.side == side && wait.event == event) return ++wait.sessions, void();
    }
    look.waits.push_back({side, event, 1});
  };
  for (int row = 0; row < rows.size(); ++row) {
    const std::string role = rows.str(row, 0);
    const std::string event = rows.str(row, 2);
    const bool is_active = rows.boolean(row, 1);
    const bool reads = role == "reader";
    const bool writes = role == "writer" || role == "worker";
    // A COPY that waits for its client has no rows.
    const bool is_busy = is_active && !(writes && event == "Client/ClientRead");
    if (reads) ++look.readers;
    if (reads && is_busy) ++look.readers_busy;
    if (writes) ++look.writers;
    if (writes && is_busy) ++look.writers_busy;
    const bool is_source = state_->same_database() ? reads || role == "source" : !is_target;
    if (is_active) count(is_source ? "source" : "target", event);
  }
  return {};
}

Result<void> JobOnlooker::read_steps(JobLook& look) {
  PGFANOUT_TRY_ASSIGN(
      const Rows steps,
      state_->target().query("SELECT count(*) FROM pgfanout.step s JOIN pgfanout.stage g"
                             " ON g.job = s.job AND s.done_at >= g.started_at"
                             " WHERE s.job = $1 AND g.status = 'running'",
                             {watched_}));
  look.steps_done = count_at(steps, 0, 0);
  PGFANOUT_TRY_ASSIGN(
      const Rows builds,
      state_->target().query(fmt::format("SELECT COALESCE(sum(p.blocks_done), 0),"
                                         " COALESCE(sum(p.blocks_total), 0)"
                                         " FROM pg_stat_progress_create_index p"
                                         " JOIN pg_stat_activity a USING (pid) WHERE {}",
                                         kOfTheJob),
                             {prefix_of(watched_)}));
  look.build_blocks_done = count_at(builds, 0, 0);
  look.build_blocks_total = count_at(builds, 0, 1);
  return {};
}

}  // namespace pgfanout
