#include "copier/copy/copy_command.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "copier/base/crash_point.h"
#include "copier/catalog/server_facts.h"
#include "copier/copy/abandon_job.h"
#include "copier/copy/copy_rules.h"
#include "copier/copy/table_copy.h"
#include "copier/journal/copy_journal.h"
#include "copier/journal/job_request.h"
#include "copier/journal/target_claim.h"
#include "copier/plan/job_key.h"
#include "copier/plan/source_fitness.h"
#include "copier/session/fence.h"
#include "copier/session/job_guard.h"
#include "copier/session/reporting_job.h"

namespace pgfanout {
namespace {

class CopyCommand : ReportingJob {
 public:
  CopyCommand(const JobDescription& job, JobGuard& guard)
      : ReportingJob("copy", guard.observer()),
        counters_(guard.counters()),
        job_(job),
        state_{job_, guard.cancellation(), guard.counters(), guard.pace(),
               [this](Issue issue) { report(std::move(issue)); }} {}

  JobResult run() {
    if (auto ended = claim_and_copy(); !ended) result_.error = std::move(ended).error();
    settle();
    return std::move(result_);
  }

 private:
  [[nodiscard]] const JobDescription& job() const { return state_.job; }

  Result<void> claim_and_copy() {
    const auto connect = [&](const std::string& dsn, const char* role) {
      return Connection::open(connect_options(job(), dsn, fmt::format("pgfanout/copy/{}", role)));
    };
    PGFANOUT_TRY_ASSIGN(source_, connect(job().source_dsn, "source"));
    PGFANOUT_TRY_ASSIGN(state_.target, connect(target_dsn_of(job()), "target"));
    PGFANOUT_TRY_ASSIGN(table_, describe_table(*source_, job().table));
    // Before any lock: a role that may not even read must not get a hint to ask for more.
    PGFANOUT_TRY_ASSIGN(const ServerFacts facts, read_server_facts(*source_));
    PGFANOUT_TRY(check_source(*source_, table_, facts));
    PGFANOUT_TRY_ASSIGN(const CopyStart start, claim());
    result_.job = state_.job_id;
    observer_.job_started(result_.job, counters_);
    if (job().window.release) return release();
    return start == CopyStart::finished ? take_finished() : copy();
  }

  /// Claims the target, ends sessions that a killed call left, and settles what an earlier job
  /// left. Refuses if another session has the target, or the unfinished job has another request.
  Result<CopyStart> claim() {
    PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(job(), table_));
    Journal journal(*state_.target);
    if (!job().dry_run) {
      PGFANOUT_TRY(claim_target(*state_.target, name, state_.cancellation, state_.report));
    }
    PGFANOUT_TRY_ASSIGN(auto earlier, journal.find(name.schema, name.name));
    PGFANOUT_TRY_ASSIGN(const CopyStart start, start_of_copy(earlier, job(), table_.qualified));
    if (start == CopyStart::fresh && earlier) PGFANOUT_TRY(check_not_done(*earlier));
    if (start == CopyStart::restart) PGFANOUT_TRY(drop_earlier(*earlier));
    if (start == CopyStart::fresh || start == CopyStart::restart) {
      PGFANOUT_TRY(take_job(new_job_id()));
      return start;
    }
    PGFANOUT_TRY(check_fence_place(*state_.target, *source_, *earlier));
    state_.entry = std::move(earlier);
    if (says_nothing(job_) && !state_.entry->request.empty()) {
      job_ = with_request(std::move(job_), state_.entry->request);
    }
    PGFANOUT_TRY(take_job(state_.entry->job));
    if (state_.entry->has_progress && start != CopyStart::finished && !job().window.release) {
      PGFANOUT_TRY_ASSIGN(const std::string committed,
                          CopyJournal(*state_.target, state_.job_id).committed_text());
      report({Severity::info, "resumed",
              fmt::format("resuming job {}: {}; checking first what may have changed since",
                          state_.job_id, committed),
              table_.qualified});
    }
    PGFANOUT_TRY(end_orphans_of(state_.job_id));
    if (!job().window.release) PGFANOUT_TRY(check_request());
    // A drop of its tables was interrupted.
    if (start == CopyStart::resumes && !state_.entry->has_progress && !state_.entry->made.empty()) {
      PGFANOUT_TRY(drop_made(*state_.target, *state_.entry, JournalRemains::job));
      state_.entry->made.clear();
    }
    return start;
  }

  /// On both sides.
  Result<void> end_orphans_of(const std::string& job_id) {
    const Orphans orphans{job_id, "", {source_->backend_pid(), state_.target->backend_pid()}};
    for (Connection* side : {&*state_.target, &*source_}) {
      PGFANOUT_TRY(end_orphans(*side, orphans, state_.cancellation, state_.report));
    }
    return {};
  }

  /// The sessions opened so far carry the job's name from now on.
  Result<void> take_job(std::string job_id) {
    state_.job_id = std::move(job_id);
    for (auto [connection, role] :
         {std::pair(&*source_, "source"), std::pair(&*state_.target, "target")}) {
      const std::string name = fmt::format("pgfanout/{}/{}", state_.job_id, role);
      PGFANOUT_TRY(connection->run("SET application_name = " + connection->quote_literal(name)));
    }
    return {};
  }

  /// Of what has the name of the job's target now; absent: nothing has it.
  Result<std::optional<std::uint32_t>> oid_of_target(const JournalEntry& entry) {
    PGFANOUT_TRY_ASSIGN(const FoundRelation found,
                        find_relation(*state_.target, {entry.target_schema, entry.target_name}));
    return found.oid == 0 ? std::nullopt : std::optional(found.oid);
  }

  /// Refuses to copy into the target of a copy that is done, while it holds rows.
  Result<void> check_not_done(const JournalEntry& earlier) {
    if (earlier.command != "copy" || earlier.state != "done" || job().append) return {};
    PGFANOUT_TRY_ASSIGN(const auto oid, oid_of_target(earlier));
    if (!is_target_there(earlier, oid)) return {};
    const std::string target = quoted_name(earlier.target_schema, earlier.target_name);
    PGFANOUT_TRY_ASSIGN(const Rows some,
                        state_.target->query(fmt::format("SELECT 1 FROM {} LIMIT 1", target)));
    if (some.size() == 0) return {};
    const auto request = request_now(earlier);
    return done_already(earlier, table_.oid, request ? *request : std::string());
  }

  Result<void> drop_earlier(const JournalEntry& earlier) {
    PGFANOUT_TRY(check_fence_place(*state_.target, *source_, earlier));
    PGFANOUT_TRY(check_nothing_stays(*state_.target, earlier));
    if (!earlier.is_over()) {
      PGFANOUT_TRY(check_source_has_its_rows(*state_.target, *source_, earlier));
    }
    PGFANOUT_TRY(end_orphans_of(earlier.job));
    PGFANOUT_TRY(
        lift_copy_fence(*state_.target, *source_, earlier, state_.patience(), state_.cancellation));
    return drop_made(*state_.target, earlier, JournalRemains::nothing);
  }

  /// With the key as this call settles it.
  Result<std::string> request_now(const JournalEntry& entry) {
    std::optional<Table> target;
    PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(job(), table_));
    PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(*state_.target, name));
    if (found.oid != 0 && !made_its_target(entry)) {
      PGFANOUT_TRY_ASSIGN(target, describe_table(*state_.target, found.oid));
    }
    PGFANOUT_TRY_ASSIGN(const JobKey key, key_of_copy(job(), *source_, table_, *state_.target,
                                                      target ? &*target : nullptr, entry.key));
    return request_of(as_recorded(job(), key), key.sql);
  }

  Result<void> check_request() {
    PGFANOUT_TRY(check_same_source(*state_.entry, table_.oid));
    PGFANOUT_TRY_ASSIGN(const std::string request, request_now(*state_.entry));
    return check_same_request(*state_.entry, request, table_.qualified);
  }

  /// The same command again, after its end.
  Result<void> take_finished() {
    const JournalEntry& entry = *state_.entry;
    PGFANOUT_TRY_ASSIGN(const auto oid, oid_of_target(entry));
    if (!is_target_there(entry, oid)) {
      return refused(
          "target-gone",
          fmt::format("job {} has copied this table, but its target no longer exists", entry.job),
          "start over with --restart",
          fmt::format("{}.{}", entry.target_schema, entry.target_name));
    }
    state_.may_undo = true;
    result_.source = {table_.qualified, entry.rows, entry.digest, source_->server_version_text()};
    result_.target = {entry.target_schema + "." + entry.target_name, entry.rows, entry.digest,
                      state_.target->server_version_text()};
    result_.verdict = Verdict::match;
    report({Severity::info, "already-copied",
            fmt::format("job {} has copied and proven this table already", entry.job),
            result_.target->table, "'pgfanout verify' compares both sides again"});
    return {};
  }

  /// Only lifts the fence. The job cannot be resumed after that, since the source may change.
  Result<void> release() {
    if (!state_.entry) {
      return refused("no-job", "no unfinished copy has a fence on this table", "",
                     table_.qualified);
    }
    PGFANOUT_TRY(lift_fence_once());
    result_.verdict = Verdict::match;
    report({Severity::info, "released", "writes to the source are allowed again", table_.qualified,
            "the copy cannot be resumed: run it with --restart, or undo it with rollback"});
    return {};
  }

  Result<void> copy() {
    CopyOutcome outcome = copy_table(state_, *std::exchange(source_, std::nullopt), table_, clock_);
    has_copied_ = true;
    source_ = std::move(outcome.source_session);
    result_.source = std::move(outcome.source);
    result_.target = std::move(outcome.target);
    result_.statements = std::move(outcome.statements);
    result_.details = std::move(outcome.rows);
    result_.verdict = outcome.verdict;
    result_.error = std::move(outcome.error);
    return {};
  }

  void settle() {
    const CopySettlement settlement =
        settlement_of({exit_code_of(result_), state_.entry.has_value(), state_.raises_fence(),
                       state_.may_undo, state_.is_attached()});
    const bool may_drop = settle_fence(settlement);
    if (settlement.drops_tables && may_drop && has_copied_) undo_copy(state_);
  }

  /// False if the fence may still be there: the journal must then keep the job, so that a later
  /// call lifts it.
  bool settle_fence(const CopySettlement& settlement) {
    bool is_settled = true;
    if (settlement.lifts_fence) {
      auto lifted = lift_fence();
      if (lifted && settlement.marks_unfenced) {
        lifted = Journal(*state_.target).set_unfenced(state_.job_id);
      }
      if (!lifted) {
        is_settled = false;
        Error left = interrupted(
            "fence-left",
            "the copy has ended, but its fence may still be there: " + lifted.error().message,
            "the same command lifts it, and so does copy --release", table_.qualified);
        if (exit_code_of(result_) != 0) {
          report({Severity::error, left.code, left.message, left.where, left.hint});
        } else {
          result_.error = std::move(left);
        }
      }
      crash_point("job-ended");
    }
    tell_fence();
    return is_settled;
  }

  /// With another connection if the present one is lost.
  Result<void> lift_fence() {
    constexpr int kTries = 3;
    Result<void> lifted = interrupted("connection-lost", "the connection to the source is lost");
    for (int attempt = 0; attempt < kTries; ++attempt) {
      if (!source_ || !source_->is_open()) {
        auto again = connect_again(state_.connect_options(job().source_dsn, "source"));
        if (!again) return std::move(again).error();
        source_ = *std::move(again);
      }
      lifted = lift_fence_once();
      if (lifted || source_->is_open()) break;
    }
    return lifted;
  }

  Result<void> lift_fence_once() {
    crash_point("fence-lifting");
    PGFANOUT_TRY(Fence(state_.entry->job, "source")
                     .lower(*source_, state_.patience(), state_.cancellation.at_once()));
    counters_.fence_stands = false;
    crash_point("fence-lifted");
    return {};
  }

  /// Whether anything refuses writes to the source, be it this job's or another's.
  void tell_fence() {
    if (job().dry_run || table_.oid == 0) return;
    if (!source_ || !source_->is_open()) {
      auto again = Connection::open(state_.connect_options(job().source_dsn, "source"));
      if (again) source_ = *std::move(again);
    }
    const auto standing = source_ ? fences_on(*source_, table_)
                                  : Result<std::vector<std::string>>(std::vector<std::string>{""});
    // A fence that cannot be looked at is reported as standing.
    result_.writes_refused = !standing || !standing->empty();
  }

  JobCounters& counters_;
  JobDescription job_;  // claim: as it was begun, if this call only names the table
  CopyState state_;
  std::optional<Connection> source_;  // but for the time of the copy
  Table table_;                       // claim_and_copy
  bool has_copied_ = false;           // copy
};

}  // namespace

JobResult run_copy(const JobDescription& job, Observer& observer,
                   const Cancellation& cancellation) {
  JobGuard guard(job, "copy", observer, cancellation);
  return guard.settled(without_exceptions("copy", [&] { return CopyCommand(job, guard).run(); }));
}

}  // namespace pgfanout
