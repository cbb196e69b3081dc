#include "copier/status/status_job.h"

#include <fmt/format.h>

#include <exception>

#include "copier/journal/journal.h"
#include "copier/session/reporting_job.h"
#include "copier/status/job_standing.h"
#include "copier/window/window_rules.h"
#include "copier/window/window_state.h"

namespace pgfanout {
namespace {

/// The session that holds the job's target now, if there is one.
Result<std::string> active_session(Connection& connection, const std::string& job) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query("SELECT format('%s sessions, the first from %s since %s',"
                                       " count(*), COALESCE(min(host("
                                       "client_addr)), 'the server''s host'), date_trunc('second',"
                                       " min(backend_start))) FROM pg_stat_activity"
                                       " WHERE starts_with(application_name, $1)"
                                       " AND pid <> pg_backend_pid() HAVING count(*) > 0",
                                       {"pgfanout/" + job + "/"}));
  return rows.size() == 0 ? std::string() : rows.str(0, 0);
}

}  // namespace

Result<void> look_on(WindowState& state) {
  PGFANOUT_TRY(state.source().run("SET application_name = 'pgfanout/status/source'"));
  return state.target().run("SET application_name = 'pgfanout/status/target'");
}

Result<void> read_standing(WindowState& state, JobResult& result) {
  const auto& entry = state.entry();
  if (!entry) {
    return refused("no-job", "the journal knows of no job into this target",
                   "name the job's own --table, --into and --target", state.target_qualified());
  }
  result.job = entry->job;
  JobStanding standing;
  standing.state = entry->state;
  standing.source = entry->source;
  standing.target = fmt::format("{} {}", state.target().description(), state.target_qualified());
  standing.started_at = entry->started_at;
  standing.backup = entry->backup_name;
  standing.keep_until = entry->keep_until;
  PGFANOUT_TRY_ASSIGN(standing.active, active_session(state.target(), entry->job));
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(state.target()));
  std::vector<StageRecord> stages;
  if (version >= 2) {
    PGFANOUT_TRY_ASSIGN(stages, state.journal().stages());
  }
  for (const StageRecord& record : stages) {
    StageSummary summary;
    summary.name = record.name;
    summary.status = shown_status(record, !standing.active.empty());
    summary.seconds = record.seconds;
    summary.started_at = record.started_at;
    summary.detail = record.detail;
    summary.confirmed_by = record.confirmed_by;
    summary.confirmed_at = record.confirmed_at;
    if (!record.confirmed_by.empty()) {
      summary.detail +=
          fmt::format("{}confirmed by {}", summary.detail.empty() ? "" : "; ", record.confirmed_by);
    }
    if (record.is_waiting) standing.waiting_at = record.name;
    result.stages.push_back(std::move(summary));
  }
  standing.next = next_command(*entry, stages, !standing.active.empty());
  result.standing = std::move(standing);
  PGFANOUT_TRY_ASSIGN(const bool stands, state.fence("source").stands(state.source()));
  // After a swap that fence is the backup's.
  PGFANOUT_TRY_ASSIGN(const bool live_stands, state.fence("live").stands(state.target()));
  const bool is_backup = entry->state == "swapped" || entry->state == "cleaning up";
  result.writes_refused = live_stands || (stands && !is_backup);
  result.verdict = Verdict::match;
  return {};
}

JobResult run_status(const JobDescription& job, Observer& /*observer*/,
                     const Cancellation& /*cancellation*/) {
  JobResult result;
  result.command = "status";
  try {
    const auto read = [&]() -> Result<void> {
      PGFANOUT_TRY_ASSIGN(WindowState state, WindowState::open(job, false));
      PGFANOUT_TRY(look_on(state));
      return read_standing(state, result);
    };
    if (auto done = read(); !done) result.error = std::move(done).error();
  } catch (const std::exception& exception) {
    return stopped_by(exception, "status");
  }
  return result;
}

}  // namespace pgfanout
