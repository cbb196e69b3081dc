// The cleanup command: drops the backup in pieces, each under a short lock, never CASCADE.
#include <fmt/format.h>

#include <algorithm>

#include "copier/base/crash_point.h"
#include "copier/catalog/relation_name.h"
#include "copier/session/job_guard.h"
#include "copier/session/reporting_job.h"
#include "copier/window/commands.h"
#include "copier/window/rules.h"
#include "copier/window/state.h"

namespace pgfanout {
namespace {

/// Objects that would keep relation or routine $1 of catalog $3 from being dropped, or be dropped
/// with it, but for the relations and routines $2.
constexpr const char* kDependentsSql = R"sql(
WITH tree(oid) AS (
  SELECT $1::oid UNION SELECT t.relid::oid
  FROM pg_partition_tree($1::oid::regclass) t),
part(class, oid) AS (
  SELECT $3::regclass::oid, tree.oid FROM tree
  UNION SELECT 'pg_type'::regclass, t.oid FROM pg_type t
    JOIN pg_class c ON c.reltype = t.oid JOIN tree ON tree.oid = c.oid
  UNION SELECT 'pg_type'::regclass, t.typarray FROM pg_type t
    JOIN pg_class c ON c.reltype = t.oid JOIN tree ON tree.oid = c.oid
    WHERE t.typarray <> 0
  UNION SELECT 'pg_class'::regclass, s.oid
    FROM pg_class s JOIN pg_depend d
    ON d.classid = 'pg_class'::regclass AND d.objid = s.oid
    JOIN tree ON d.refobjid = tree.oid WHERE s.relkind = 'S' AND d.deptype IN ('a', 'i')
  UNION SELECT 'pg_constraint'::regclass, k.oid
    FROM pg_constraint k JOIN tree ON tree.oid = k.conrelid
  UNION SELECT 'pg_class'::regclass, i.indexrelid
    FROM pg_index i JOIN tree ON tree.oid = i.indrelid)
SELECT * FROM (SELECT DISTINCT CASE WHEN d.classid = 'pg_rewrite'::regclass
    THEN pg_describe_object('pg_class'::regclass, (
      SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = d.objid), 0)
    ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END AS name
FROM pg_depend d JOIN part p ON d.refclassid = p.class AND d.refobjid = p.oid
WHERE d.deptype = 'n' AND NOT EXISTS (
  SELECT 1 FROM part o WHERE o.class = d.classid AND o.oid = d.objid)
AND NOT (d.classid = 'pg_attrdef'::regclass AND EXISTS (
  SELECT 1 FROM pg_attrdef a JOIN tree ON tree.oid = a.adrelid WHERE a.oid = d.objid))
AND NOT (d.classid = 'pg_trigger'::regclass AND EXISTS (
  SELECT 1 FROM pg_trigger t JOIN tree ON tree.oid = t.tgrelid WHERE t.oid = d.objid))
AND NOT (d.classid = 'pg_policy'::regclass AND EXISTS (
  SELECT 1 FROM pg_policy y JOIN tree ON tree.oid = y.polrelid WHERE y.oid = d.objid))
AND NOT (d.classid = 'pg_rewrite'::regclass AND EXISTS (
  SELECT 1 FROM pg_rewrite r JOIN tree ON tree.oid = r.ev_class WHERE r.oid = d.objid))
) AS dependents WHERE NOT EXISTS (SELECT 1 FROM unnest($2::oid[]) AS own
  WHERE name IN (pg_describe_object('pg_class'::regclass, own, 0),
    pg_describe_object('pg_proc'::regclass, own, 0)))
ORDER BY 1)sql";

class CleanupJob : ReportingJob {
 public:
  CleanupJob(const JobDescription& job, JobGuard& guard)
      : ReportingJob("cleanup", guard.observer()),
        job_(job),
        cancellation_(guard.cancellation()),
        counters_(guard.counters()) {}

  JobResult run() {
    auto ended = run_stages();
    if (!ended) result_.error = std::move(ended).error();
    return std::move(result_);
  }

 private:
  Result<void> run_stages() {
    IssueSink sink;
    if (!job_.dry_run) sink = [this](Issue issue) { report(std::move(issue)); };
    PGFANOUT_TRY_ASSIGN(state_, WindowState::open(job_, cancellation_, std::move(sink)));
    state_->tell_waits(counters_.lock_waits);
    const auto& entry = state_->entry();
    if (entry) result_.job = entry->job;
    observer_.job_started(result_.job, counters_);
    PGFANOUT_TRY_ASSIGN(const auto swapped, Journal(state_->target())
                                                .find_swapped(state_->target_name().schema,
                                                              state_->target_name().name));
    if (swapped.empty() && entry && entry->state == "cleaned up") {
      report({Severity::info, "cleaned-up", "the backup has been dropped already", job_.table});
      result_.verdict = Verdict::match;
      return {};
    }
    if (swapped.empty()) {
      return refused("no-backup", "there is no backup of this table",
                     "'pgfanout status' shows the last job", job_.table);
    }
    // Of several windows on one table each has its backup; those that may go, go.
    std::vector<KeptBackup> kept;
    for (const JournalEntry& each : swapped) {
      PGFANOUT_TRY_ASSIGN(const bool is_time_over, is_retention_over(each));
      kept.push_back({each.state, is_time_over});
    }
    const std::vector<std::size_t> may_go = backups_to_drop(kept, job_.window.force);
    if (may_go.empty()) {
      return refused("retention",
                     fmt::format("the backup {} is kept until {}", swapped.back().backup_name,
                                 swapped.back().keep_until),
                     "--force drops it now", job_.table);
    }
    result_.verdict = Verdict::match;
    if (job_.dry_run) {
      for (const std::size_t index : may_go) PGFANOUT_TRY(list_drops(swapped[index]));
      return {};
    }
    PGFANOUT_TRY_ASSIGN(const bool waits, waits_at_gate(swapped, may_go));
    if (waits) return {};
    for (const std::size_t index : may_go) PGFANOUT_TRY(drop_backup_of(swapped[index]));
    return {};
  }

  /// A backup is the way back: while a gate behind the swap waits, it is not dropped.
  Result<bool> waits_at_gate(const std::vector<JournalEntry>& swapped,
                             const std::vector<std::size_t>& may_go) {
    const std::vector<std::string>& confirmed = job_.window.confirmed;
    const bool confirms = std::find(confirmed.begin(), confirmed.end(), "swap") != confirmed.end();
    std::size_t waiting = 0;
    for (const std::size_t index : may_go) {
      if (swapped[index].state != "swapped") continue;
      WindowJournal journal(state_->target(), swapped[index].job);
      PGFANOUT_TRY_ASSIGN(const auto records, journal.stages());
      if (!gate_behind_swap_holds(records, job_.window)) continue;
      ++waiting;
      PGFANOUT_TRY(confirms ? journal.confirm("swap") : journal.set_waiting("swap"));
    }
    for (const std::string& stage : confirmed) {
      if (stage != "swap" || waiting == 0) return not_waiting(stage);
    }
    if (waiting == 0) return false;
    observer_.gate_reached("swap", !confirms);
    if (!confirms) result_.waiting_at = "swap";
    return !confirms;
  }

  Result<bool> is_retention_over(const JournalEntry& entry) {
    PGFANOUT_TRY_ASSIGN(const Rows over,
                        state_->target().query("SELECT keep_until <= clock_timestamp()"
                                               " FROM pgfanout.job WHERE job = $1",
                                               {entry.job}));
    return over.boolean(0, 0);
  }

  Result<void> drop_backup_of(const JournalEntry& entry) {
    PGFANOUT_TRY(state_->take_job(entry.job));
    PGFANOUT_TRY_ASSIGN(const auto backup, state_->journal().backup());
    for (const BackupRelation& relation : backup) {
      PGFANOUT_TRY(check_dependents(relation, backup));
    }
    PGFANOUT_TRY(check_rows_are_elsewhere(entry, backup));
    // From the first drop on a rollback is refused: half a backup must not pass for the old table.
    PGFANOUT_TRY(Journal(state_->target()).set_state(entry.job, "cleaning up"));
    const auto drop_all = [&]() -> Result<void> {
      for (const BackupRelation& relation : backup) PGFANOUT_TRY(drop(relation));
      return {};
    };
    PGFANOUT_TRY(clock_.run("drop", drop_all));
    PGFANOUT_TRY(state_->lower_fence("source"));
    PGFANOUT_TRY(state_->lower_fence("live"));  // Triggers that a rollback could not drop.
    PGFANOUT_TRY(Journal(state_->target()).set_state(entry.job, "cleaned up"));
    report({Severity::info, "cleaned-up",
            fmt::format("the backup {} is dropped", entry.backup_name), job_.table});
    return {};
  }

  /// In the table that the swap put in place. A later window has made that its own backup, and may
  /// have dropped it.
  Result<void> check_rows_are_elsewhere(const JournalEntry& entry,
                                        const std::vector<BackupRelation>& backup) {
    if (entry.state != "swapped" || entry.made.empty()) return {};
    PGFANOUT_TRY_ASSIGN(const std::uint32_t live, find_made_table(state_->target(), entry));
    if (live != 0) return {};
    PGFANOUT_TRY_ASSIGN(
        const Rows moved,
        state_->target().query("SELECT 1 FROM pgfanout.made_relation m"
                               " JOIN pgfanout.job j ON j.source_oid = m.relation"
                               " WHERE m.job = $1 AND j.state IN ('cleaning up', 'cleaned up')",
                               {entry.job}));
    if (moved.size() > 0) return {};
    for (const BackupRelation& relation : backup) {
      PGFANOUT_TRY_ASSIGN(const bool exists, is_there(relation));
      if (!exists || relation.kind != "TABLE") continue;
      const std::string name = quoted_name(relation.schema, relation.name);
      return refused("target-gone",
                     fmt::format("somebody dropped the table that job {} put in place: the backup"
                                 " may be the only place that has its rows",
                                 entry.job),
                     "copy the rows that are needed from there, then DROP TABLE " + name, name);
    }
    return {};
  }

  static std::string catalog_of(const BackupRelation& relation) {
    return relation.kind == "ROUTINE" ? "pg_proc" : "pg_class";
  }

  Result<bool> is_there(const BackupRelation& relation) {
    PGFANOUT_TRY_ASSIGN(
        const Rows found,
        state_->target().query(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace"
            " WHERE c.oid = $1 AND n.nspname = $2 AND c.relname = $3"
            " AND $4 = 'pg_class'"
            " UNION ALL SELECT 1 FROM pg_proc p JOIN pg_namespace n"
            " ON n.oid = p.pronamespace"
            " WHERE p.oid = $1 AND n.nspname = $2 AND p.proname = $3"
            " AND $4 = 'pg_proc'",
            {std::to_string(relation.oid), relation.schema, relation.name, catalog_of(relation)}));
    return found.size() > 0;
  }

  Result<void> check_dependents(const BackupRelation& relation,
                                const std::vector<BackupRelation>& backup) {
    PGFANOUT_TRY_ASSIGN(const bool exists, is_there(relation));
    if (!exists) return {};
    // Relations of the backup itself are dropped before.
    std::string own = "{";
    for (const BackupRelation& other : backup)
      own += fmt::format("{}{}", own.size() > 1 ? "," : "", other.oid);
    PGFANOUT_TRY_ASSIGN(const Rows dependents,
                        state_->target().query(kDependentsSql, {std::to_string(relation.oid),
                                                                own + "}", catalog_of(relation)}));
    std::vector<std::string> names;
    for (int row = 0; row < dependents.size(); ++row) names.push_back(dependents.str(row, 0));
    if (names.empty()) return {};
    constexpr std::size_t kMost = 10;
    const std::size_t count = names.size();
    if (count > kMost) names.resize(kMost);
    return refused(
        "depended-on",
        fmt::format("{} object{} still depend{} on the backup: {}", count, count == 1 ? "" : "s",
                    count == 1 ? "s" : "", fmt::join(names, "; ")),
        "change or drop them first; nothing was dropped",
        quoted_name(relation.schema, relation.name));
  }

  Result<void> in_short_lock(const std::string& sql) {
    if (cancellation_.is_set()) return cancelled();
    LockAttempts attempts;
    attempts.patience = state_->patience();
    attempts.relations = locked_;
    return with_lock_attempts(state_->target(), attempts, cancellation_,
                              [&] { return state_->target().run(sql); });
  }

  /// Each under a short lock of its own; none if the relation is gone.
  Result<std::vector<std::string>> drops_of(const BackupRelation& relation) {
    std::vector<std::string> statements;
    PGFANOUT_TRY_ASSIGN(const bool exists, is_there(relation));
    if (!exists) return statements;
    if (relation.kind == "TABLE") {
      PGFANOUT_TRY_ASSIGN(const Table table, describe_table(state_->target(), relation.oid));
      locked_ = {table.oid};
      for (const Leaf& leaf : table.leaves) {
        if (leaf.oid == table.oid) continue;
        locked_.push_back(leaf.oid);
        std::string sql = "DROP TABLE " + leaf.qualified;
        if (leaf.parent_oid == table.oid) {
          sql.insert(0, fmt::format("ALTER TABLE {} DETACH PARTITION {}; ", table.qualified,
                                    leaf.qualified));
        }
        statements.push_back(std::move(sql));
      }
    }
    statements.push_back(
        fmt::format("DROP {} {}", relation.kind, quoted_name(relation.schema, relation.name)));
    return statements;
  }

  Result<void> list_drops(const JournalEntry& entry) {
    PGFANOUT_TRY(state_->take_job(entry.job));
    PGFANOUT_TRY_ASSIGN(const auto backup, state_->journal().backup());
    result_.statements.push_back("-- backup " + display_name(entry.backup_name));
    for (const BackupRelation& relation : backup) {
      PGFANOUT_TRY(check_dependents(relation, backup));
      PGFANOUT_TRY_ASSIGN(const auto drops, drops_of(relation));
      result_.statements.insert(result_.statements.end(), drops.begin(), drops.end());
    }
    // Its triggers went with the table.
    const Fence fence = state_->fence("source");
    PGFANOUT_TRY_ASSIGN(const auto lower, fence.lower_statements(state_->target()));
    if (!lower.empty()) result_.statements.push_back(lower.back());
    return {};
  }

  Result<void> drop(const BackupRelation& relation) {
    PGFANOUT_TRY_ASSIGN(const auto drops, drops_of(relation));
    counters_.steps_total = drops.size();
    for (const std::string& sql : drops) {
      PGFANOUT_TRY(in_short_lock(sql));
      ++counters_.steps_done;
      if (&sql == &drops.back()) {
        crash_point("backup-dropped");
      } else {
        crash_point("backup-dropping");
      }
    }
    return {};
  }

  const JobDescription& job_;
  const Cancellation& cancellation_;
  JobCounters& counters_;
  std::optional<WindowState> state_;
  std::vector<std::uint32_t> locked_;  ///< Tables that the drops lock, to name who is in the way.
};

}  // namespace

JobResult run_cleanup(const JobDescription& job, Observer& observer,
                      const Cancellation& cancellation) {
  JobGuard guard(job, "cleanup", observer, cancellation);
  return guard.settled(without_exceptions("cleanup", [&] { return CleanupJob(job, guard).run(); }));
}

}  // namespace pgfanout
