// Locks: those that the swap itself needs, and the vacuums, sessions and prepared transactions that
// would make it wait; and old snapshots, which make VACUUM wait.
#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"
#include "copier/plan/server_limits.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

/// Share of autovacuum_freeze_max_age beyond which an autovacuum may start within the window.
constexpr double kNearWraparound = 0.9;

/// Tables and TOAST tables of the leaves; {0}: leaves. A table's own limit can only be lower.
constexpr const char* kAgesSql =
    "SELECT c.oid::regclass::text, age.xids, age.multixacts,"
    " LEAST(current_setting('autovacuum_freeze_max_age')::int8, own.xids), "
    " LEAST(current_setting('autovacuum_multixact_freeze_max_age')::int8, own.multixacts)"
    " FROM {0} JOIN pg_class c ON c.oid = leaf.oid"
    " LEFT JOIN pg_class t ON t.oid = c.reltoastrelid CROSS JOIN LATERAL (SELECT"
    "  GREATEST(age(c.relfrozenxid), age(t.relfrozenxid)) AS xids,"
    "  GREATEST(mxid_age(c.relminmxid), mxid_age(t.relminmxid)) AS multixacts) age"
    " CROSS JOIN LATERAL (SELECT min(o.option_value::int8)"
    "   FILTER (WHERE o.option_name = 'autovacuum_freeze_max_age') AS xids,"
    "  min(o.option_value::int8)"
    "   FILTER (WHERE o.option_name = 'autovacuum_multixact_freeze_max_age') AS multixacts"
    "  FROM pg_options_to_table(c.reloptions) o"
    "  WHERE o.option_name LIKE 'autovacuum%freeze_max_age') own"
    " ORDER BY GREATEST(age.xids::float8, age.multixacts::float8) DESC";

constexpr const char* kVacuumsSql =
    "SELECT a.pid, l.relation::regclass::text"
    " FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid"
    " WHERE a.backend_type = 'autovacuum worker' AND a.query LIKE '%to prevent wraparound%'"
    " AND l.locktype = 'relation' AND l.relation IN (SELECT tree.oid FROM {0})"
    " AND l.database = (SELECT d.oid FROM pg_database d"
    "  WHERE d.datname = current_database()) ORDER BY 1, 2";

Result<void> check_running_vacuums(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, run.read(fmt::format(kVacuumsSql, kTableTree)));
  for (int row = 0; row < rows.size(); ++row) {
    run.add(Severity::warning, "wraparound-vacuum",
            fmt::format("autovacuum worker {} is vacuuming {} to prevent wraparound, and does not "
                        "give way to the swap",
                        rows.text(row, 0), rows.text(row, 1)),
            rows.str(row, 1),
            "wait for it to end (pg_stat_progress_vacuum), or VACUUM (FREEZE) the table before "
            "the window");
  }
  return {};
}

/// Condition on pg_stat_activity a: not this session, and none of the same job.
constexpr const char* kOthersSessions =
    "a.pid <> pg_backend_pid() AND NOT (a.application_name LIKE 'pgfanout/%'"
    " AND split_part(a.application_name, '/', 2)"
    " = split_part(current_setting('application_name'), '/', 2))";

/// More blockers than these are counted only.
constexpr int kMostNamed = 10;
/// A snapshot older than this is reported.
constexpr std::int64_t kOldSnapshotSeconds = 60;

/// Relations that the swap locks: {0} with all indexes, the tables at the other end of its foreign
/// keys, which are dropped or moved, and the views that are redefined.
constexpr const char* kLockedRelations =
    "(SELECT tree.oid FROM {0} UNION SELECT i.indexrelid FROM {0}"
    " JOIN pg_index i ON i.indrelid = tree.oid"
    " UNION SELECT k.confrelid FROM {0} JOIN pg_constraint k"
    "  ON k.conrelid = tree.oid AND k.contype = 'f'"
    " UNION SELECT k.conrelid FROM {0} JOIN pg_constraint k"
    "  ON k.confrelid = tree.oid AND k.contype = 'f'"
    " UNION SELECT r.ev_class FROM {0} JOIN pg_depend d ON d.refobjid = tree.oid"
    "  AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass"
    "  JOIN pg_rewrite r ON r.oid = d.objid)";

/// {0}: relations, {1}: others' sessions. Without autovacuums: one that is not for wraparound
/// yields to the swap.
constexpr const char* kBlockersSql =
    "SELECT a.pid, COALESCE(a.usename, a.backend_type, '?'),"
    " COALESCE(NULLIF(a.application_name, ''), 'without a name'),"
    " COALESCE(a.state, 'state not shown'),"
    " COALESCE(EXTRACT(epoch FROM clock_timestamp() - a.xact_start)::int8, -1),"
    " string_agg(DISTINCT l.mode, ', '), min(l.relation::regclass::text),"
    " count(DISTINCT l.relation) - 1,"
    " COALESCE(EXTRACT(epoch FROM clock_timestamp() - a.query_start)::int8, -1)"
    " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'relation' AND l.granted AND l.relation IN {0}"
    " AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
    " AND a.backend_type IS DISTINCT FROM 'autovacuum worker' AND {1}"
    " GROUP BY a.pid, a.usename, a.backend_type, a.application_name, a.state, a.xact_start,"
    " a.query_start ORDER BY 5 DESC, 1";

std::string session_text(const Rows& rows, int row) {
  return fmt::format("session {} (user {}, application {}, {})", rows.text(row, 0),
                     rows.text(row, 1), rows.text(row, 2), rows.text(row, 3));
}

/// Whether the session will probably still block when the swap's lock timeout ends.
bool stays(const Rows& rows, int row, std::int64_t patience_seconds) {
  return rows.integer(row, 4) >= patience_seconds || rows.integer(row, 4) < 0 ||
         rows.text(row, 3).starts_with("idle in transaction");
}

void add_blocker(PreflightRun& run, const Rows& rows, int row) {
  const std::int64_t age = rows.integer(row, 4);
  const std::int64_t others = rows.integer(row, 7);
  run.add(
      Severity::warning, "session-blocks",
      fmt::format("{} holds {} on {}{}{}: the swap waits while its transaction is open",
                  session_text(rows, row), rows.text(row, 5), rows.text(row, 6),
                  others > 0 ? fmt::format(" and {} more", others) : "",
                  age < 0 ? ""
                          : fmt::format(", in a transaction open for {}, last statement {} ago",
                                        amount_of_time(age), amount_of_time(rows.integer(row, 8)))),
      rows.str(row, 6),
      fmt::format("end it before the swap (SELECT pg_terminate_backend({})); the swap waits {} ms "
                  "for each lock and retries for {} s",
                  rows.text(row, 0), run.job.window.swap_lock_timeout.count(),
                  run.job.window.swap_within.count()));
}

Result<void> find_blockers(PreflightRun& run, const std::string& table) {
  const std::int64_t patience = std::max<std::int64_t>(
      1,
      std::chrono::duration_cast<std::chrono::seconds>(run.job.window.swap_lock_timeout).count());
  PGFANOUT_TRY_ASSIGN(const Rows oid,
                      run.source.query("SELECT to_regclass($1)::oid::text", {table}));
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      run.source.query(
          fmt::format(kBlockersSql, fmt::format(kLockedRelations, kTableTree), kOthersSessions),
          {oid.str(0, 0)}));
  int named = 0;
  int unnamed = 0;
  int passing = 0;
  for (int row = 0; row < rows.size(); ++row) {
    if (!stays(rows, row, patience)) {
      ++passing;
    } else if (named < kMostNamed) {
      add_blocker(run, rows, row);
      ++named;
    } else {
      ++unnamed;
    }
  }
  if (unnamed > 0) {
    run.add(Severity::warning, "session-blocks",
            fmt::format("{} more sessions block the swap too", unnamed), table,
            "list them with SELECT * FROM pg_locks");
  }
  if (passing > 0) {
    run.add(Severity::info, "sessions-use-table",
            fmt::format("{} sessions are using the table in short transactions", passing), table);
  }
  return {};
}

/// The server shows the activity of other sessions to some roles only.
Result<void> note_hidden_sessions(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows row,
                      run.source.query("SELECT pg_has_role('pg_read_all_stats', 'USAGE')"));
  if (row.boolean(0, 0)) return {};
  run.add(
      Severity::info, "sessions-hidden",
      fmt::format("role {} cannot see what sessions of other roles do: ages and states of their "
                  "transactions are unknown, and some blockers may be missing here",
                  run.source_role),
      run.source.description(), fmt::format("GRANT pg_monitor TO {}", run.source_role));
  return {};
}

/// A prepared transaction has no session; the lock on its own number identifies its locks.
constexpr const char* kPreparedSql =
    "SELECT quote_literal(p.gid), quote_ident(p.owner),"
    " EXTRACT(epoch FROM clock_timestamp() - p.prepared)::int8, string_agg(DISTINCT l.mode, ', '),"
    " min(l.relation::regclass::text) FROM pg_prepared_xacts p JOIN pg_locks own ON own.pid IS NULL"
    "  AND own.locktype = 'transactionid' AND own.transactionid = p.transaction"
    " JOIN pg_locks l ON l.pid IS NULL AND l.virtualtransaction = own.virtualtransaction"
    " WHERE l.locktype = 'relation' AND l.relation IN {0}"
    " AND p.database = current_database() GROUP BY 1, 2, 3 ORDER BY 3 DESC";

/// {0}: others' sessions. Standbys with hot_standby_feedback are among the walsenders.
constexpr const char* kSnapshotsSql =
    "SELECT format('%s %s (user %s, application %s, database %s)',"
    "  CASE a.backend_type WHEN 'walsender' THEN 'standby of session' ELSE 'session' END, a.pid,"
    "  COALESCE(a.usename, '?'), COALESCE(NULLIF(a.application_name, ''), 'without a name'),"
    "  COALESCE(a.datname, 'none')), EXTRACT(epoch FROM clock_timestamp() - a.xact_start)::int8"
    " FROM pg_stat_activity a WHERE a.backend_xmin IS NOT NULL AND {0}"
    " AND (a.backend_type = 'walsender' OR"
    "  clock_timestamp() - a.xact_start >= make_interval(secs => $1))"
    " UNION ALL SELECT format('replication slot %s', s.slot_name), NULL"
    " FROM pg_replication_slots s WHERE s.xmin IS NOT NULL"
    " UNION ALL SELECT format('prepared transaction %L', p.gid),"
    "  EXTRACT(epoch FROM clock_timestamp() - p.prepared)::int8"
    " FROM pg_prepared_xacts p ORDER BY 2 DESC NULLS FIRST, 1";

}  // namespace

Result<void> check_swap_locks(PreflightRun& run) {
  const CopyPlan& plan = run.plan;
  PGFANOUT_TRY_ASSIGN(
      const Rows parts,
      run.read("SELECT (SELECT count(*) FROM pg_index i WHERE i.indrelid = $1::oid),"
               " count(*) FILTER (WHERE k.contype = 'f' AND k.conrelid = $1::oid),"
               " count(*) FILTER (WHERE k.contype = 'f' AND k.confrelid = $1::oid),"
               " count(*) FILTER (WHERE k.contype IN ('c', 'n')) + (SELECT count(*)"
               "  FROM pg_attrdef d WHERE d.adrelid = $1::oid) FROM pg_constraint k"
               " WHERE k.conparentid = 0 AND $1::oid IN (k.conrelid, k.confrelid)"));
  const TableParts source{static_cast<std::int64_t>(plan.source.leaves.size()), parts.integer(0, 0),
                          parts.integer(0, 1), parts.integer(0, 2), parts.integer(0, 3)};
  TableParts target = source;
  target.leaves = static_cast<std::int64_t>(plan.target.leaves.size());
  // Indexes of the job file's own.
  target.indexes += static_cast<std::int64_t>(run.job.target.indexes.size());
  run.found.locks = {lock_needs(source, target, plan.same_database),
                     run.target_facts.lock_slots - run.target_facts.locks_used};
  auto issue = judge_locks(run.found.locks.needs, run.target_facts, plan.source.qualified);
  if (issue) run.found.issues.push_back(*std::move(issue));
  return {};
}

Result<void> check_wraparound(PreflightRun& run) {
  PGFANOUT_TRY(check_running_vacuums(run));
  PGFANOUT_TRY_ASSIGN(const Rows rows, run.read(fmt::format(kAgesSql, kTableLeaves)));
  int due = 0;
  int first = -1;
  bool by_multixacts = false;
  for (int row = 0; row < rows.size(); ++row) {
    const auto is_near = [&](int age, int limit) {
      return static_cast<double>(rows.integer(row, age)) >=
             kNearWraparound * static_cast<double>(rows.integer(row, limit));
    };
    if (!is_near(1, 3) && !is_near(2, 4)) continue;
    ++due;
    if (first >= 0) continue;
    first = row;
    by_multixacts = !is_near(1, 3);
  }
  if (due == 0) return {};
  run.add(
      Severity::warning, "wraparound-due",
      fmt::format(
          "{}{} is {} {} old; at {} an autovacuum starts that does not give way to the swap",
          rows.text(first, 0), due > 1 ? fmt::format(" (with {} more leaves)", due - 1) : "",
          rows.text(first, by_multixacts ? 2 : 1), by_multixacts ? "multixacts" : "transactions",
          rows.text(first, by_multixacts ? 4 : 3)),
      rows.str(first, 0), "VACUUM (FREEZE) it before the window");
  return {};
}

Result<void> check_blockers(PreflightRun& run) {
  PGFANOUT_TRY(find_blockers(run, run.plan.source.qualified));
  if (run.plan.same_database && !run.plan.target.is_new) {
    PGFANOUT_TRY(find_blockers(run, run.plan.target.qualified));
  }
  return note_hidden_sessions(run);
}

Result<void> check_prepared_transactions(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      run.read(fmt::format(kPreparedSql, fmt::format(kLockedRelations, kTableTree))));
  for (int row = 0; row < rows.size(); ++row) {
    run.add(Severity::error, "prepared-transaction",
            fmt::format("prepared transaction {} of {} has held {} on {} for {}: no session "
                        "will end it",
                        rows.text(row, 0), rows.text(row, 1), rows.text(row, 3), rows.text(row, 4),
                        amount_of_time(rows.integer(row, 2))),
            rows.str(row, 4),
            fmt::format("COMMIT PREPARED {0} or ROLLBACK PREPARED {0}", rows.text(row, 0)));
  }
  return {};
}

Result<void> check_snapshots(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, run.target.query(fmt::format(kSnapshotsSql, kOthersSessions),
                                                        {std::to_string(kOldSnapshotSeconds)}));
  std::vector<std::string> holders;
  holders.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    holders.push_back(rows.is_null(row, 1) ? rows.str(row, 0)
                                           : fmt::format("{} for {}", rows.text(row, 0),
                                                         amount_of_time(rows.integer(row, 1))));
  }
  if (holders.empty()) return {};
  run.add(
      Severity::warning, "old-snapshot",
      fmt::format(
          "VACUUM can neither freeze nor remove rows that are newer than the snapshots held by {}",
          some_of(holders, kMostNamed)),
      run.target.description(), "end them before the window");
  return {};
}

}  // namespace pgfanout
