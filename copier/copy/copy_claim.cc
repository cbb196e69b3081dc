#include "copier/copy/copy_claim.h"

#include <fmt/format.h>

#include <utility>

#include "copier/base/crash_point.h"
#include "copier/catalog/server_facts.h"
#include "copier/copy/give_up.h"
#include "copier/journal/job_request.h"
#include "copier/journal/journal.h"
#include "copier/journal/window_journal.h"
#include "copier/key/key_plan.h"
#include "copier/pg/transaction.h"
#include "copier/session/fence.h"
#include "copier/session/job_connections.h"

namespace pgfanout {
namespace {

Fence source_fence(const CopyState& state) {
  return {state.entry->job, "source"};
}

LockPatience patience_of(const CopyState& state) {
  return {std::chrono::milliseconds(500), state.job.lock_timeout};
}

/// The sessions opened so far carry the job's name from now on.
Result<void> take_job(CopyState& state, Connection& source, std::string job_id) {
  state.job_id = std::move(job_id);
  for (auto [connection, role] :
       {std::pair(&source, "source"), std::pair(&*state.target, "target")}) {
    const std::string name = fmt::format("pgfanout/{}/{}", state.job_id, role);
    PGFANOUT_TRY(connection->run("SET application_name = " + connection->quote_literal(name)));
  }
  return {};
}

Result<void> drop_earlier(CopyState& state, Connection& source, const JournalEntry& earlier) {
  PGFANOUT_TRY(check_fence_place(*state.target, source, earlier));
  PGFANOUT_TRY(check_nothing_stays(*state.target, earlier));
  PGFANOUT_TRY(end_orphans(*state.target, earlier.job, "", {source.backend_pid()}));
  PGFANOUT_TRY(
      lift_copy_fence(*state.target, source, earlier, patience_of(state), state.cancellation));
  return drop_made(*state.target, earlier, JournalRemains::nothing);
}

Result<void> check_request(const CopyState& state, const Table& table) {
  PGFANOUT_TRY(check_same_source(*state.entry, table.oid));
  PGFANOUT_TRY_ASSIGN(const KeyExpression key, compile_key(state.job, table));
  return check_same_request(*state.entry, request_of(state.job, key.sql()), table.qualified);
}

}  // namespace

Result<CopyStanding> claim_copy(CopyState& state, Connection& source, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(state.job, table));
  Journal journal(*state.target);
  if (state.is_part_of_window()) {
    PGFANOUT_TRY(take_job(state, source, state.job.within_job));
    PGFANOUT_TRY_ASSIGN(state.entry, journal.find(name.schema, name.name));
    return CopyStanding::resumes;
  }
  if (!state.job.dry_run) PGFANOUT_TRY(journal.claim(name.schema, name.name));
  PGFANOUT_TRY_ASSIGN(auto earlier, journal.find(name.schema, name.name));
  PGFANOUT_TRY_ASSIGN(const CopyStanding standing,
                      standing_of(earlier, state.job, table.qualified));
  if (standing == CopyStanding::begins_anew) PGFANOUT_TRY(drop_earlier(state, source, *earlier));
  if (standing == CopyStanding::fresh || standing == CopyStanding::begins_anew) {
    PGFANOUT_TRY(take_job(state, source, new_job_id()));
    return standing;
  }
  PGFANOUT_TRY(check_fence_place(*state.target, source, *earlier));
  state.entry = std::move(earlier);
  PGFANOUT_TRY(take_job(state, source, state.entry->job));
  PGFANOUT_TRY(end_orphans(*state.target, state.job_id, "", {source.backend_pid()}));
  PGFANOUT_TRY(end_orphans(source, state.job_id, "", {state.target->backend_pid()}));
  if (!state.job.window.release) PGFANOUT_TRY(check_request(state, table));
  return standing;
}

Result<void> journal_copy(CopyState& state, const Connection& source, const Table& table,
                          const std::string& key) {
  PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(state.job, table));
  JournalEntry entry;
  entry.job = state.job_id;
  entry.target_schema = name.schema;
  entry.target_name = name.name;
  entry.source = fmt::format("{} {}", source.description(), table.qualified);
  entry.source_schema = table.schema;
  entry.source_name = table.name;
  entry.source_oid = table.oid;
  entry.key = key;
  entry.request = request_of(state.job, key);
  entry.state = "loading";
  entry.is_fenced = state.raises_fence();
  Journal journal(*state.target);
  const auto write = [&]() -> Result<void> {
    PGFANOUT_TRY(journal.prepare());
    return journal.begin_job(entry);
  };
  PGFANOUT_TRY(in_transaction(*state.target, {}, write));
  crash_point("job-journaled");
  state.entry = std::move(entry);
  return {};
}

Result<void> fence_source(CopyState& state, Connection& source, const Table& table) {
  const Fence fence = source_fence(state);
  WindowJournal journal(*state.target, state.entry->job);
  PGFANOUT_TRY_ASSIGN(const auto then, journal.fence("source"));
  if (then.empty()) {
    // Whatever the job has read before its fence was known does not count, and a fence that was
    // raised then need not have stood since.
    PGFANOUT_TRY(fence.lower(source, patience_of(state), state.cancellation));
    auto raised = fence.raise(source, table, patience_of(state), state.cancellation);
    if (!raised) {
      Error error = std::move(raised).error();
      if (error.code == "cannot-fence") {
        error.hint += "; with --no-fence a lock is enough, but an interrupted copy begins anew";
      }
      return error;
    }
    crash_point("fence-raised");
    PGFANOUT_TRY_ASSIGN(const auto facts, fence.facts(source, table.oid));
    PGFANOUT_TRY(journal.set_fence("source", facts));
    crash_point("fence-journaled");
    return {};
  }
  PGFANOUT_TRY_ASSIGN(const bool stands, fence.stands(source));
  std::optional<std::vector<std::string>> now;
  if (stands) {
    PGFANOUT_TRY_ASSIGN(now, fence.facts(source, table.oid));
  }
  return check_fence_stood(then, now, table.qualified);
}

Result<void> lift_fence(CopyState& state, Connection& source) {
  crash_point("fence-lifting");
  const Cancellation never;
  PGFANOUT_TRY(source_fence(state).lower(source, patience_of(state), never));
  crash_point("fence-lifted");
  return {};
}

}  // namespace pgfanout
