// Who holds locks on the source, or an old snapshot, and would make the swap or VACUUM wait.
#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// So many are named one by one.
constexpr int kMostNamed = 10;
/// A transaction open for so long is not one that just ends.
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

/// {0}: relations, {1}: others' sessions. An autovacuum that is not for wraparound gives way.
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

/// Whether it looks as if it would still be there when the swap's patience ends.
bool stays(const Rows& rows, int row, std::int64_t patience_seconds) {
  return rows.integer(row, 4) >= patience_seconds || rows.integer(row, 4) < 0 ||
         rows.text(row, 3).starts_with("idle in transaction");
}

void add_blocker(PreflightContext& context, const Rows& rows, int row) {
  const std::int64_t age = rows.integer(row, 4);
  const std::int64_t others = rows.integer(row, 7);
  context.add(
      Severity::warning, "session-blocks",
      fmt::format("{} holds {} on {}{}{}: while its transaction is open the swap waits",
                  session_text(rows, row), rows.text(row, 5), rows.text(row, 6),
                  others > 0 ? fmt::format(" and {} more", others) : "",
                  age < 0 ? ""
                          : fmt::format(", in a transaction open for {}, last statement {} ago",
                                        amount_of_time(age), amount_of_time(rows.integer(row, 8)))),
      rows.str(row, 6),
      fmt::format("end it before the swap (SELECT pg_terminate_backend({})); the swap waits {} ms "
                  "for each lock and tries again for {} s",
                  rows.text(row, 0), context.job.window.swap_lock_timeout.count(),
                  context.job.window.swap_within.count()));
}

Result<void> find_blockers(PreflightContext& context, const std::string& table) {
  const std::int64_t patience = std::max<std::int64_t>(
      1, std::chrono::duration_cast<std::chrono::seconds>(context.job.window.swap_lock_timeout)
             .count());
  PGFANOUT_TRY_ASSIGN(const Rows oid,
                      context.source.query("SELECT to_regclass($1)::oid::text", {table}));
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      context.source.query(
          fmt::format(kBlockersSql, fmt::format(kLockedRelations, kSchemaTree), kOthersSessions),
          {oid.str(0, 0)}));
  int named = 0;
  int unnamed = 0;
  int passing = 0;
  for (int row = 0; row < rows.size(); ++row) {
    if (!stays(rows, row, patience)) {
      ++passing;
    } else if (named < kMostNamed) {
      add_blocker(context, rows, row);
      ++named;
    } else {
      ++unnamed;
    }
  }
  if (unnamed > 0) {
    context.add(Severity::warning, "session-blocks",
                fmt::format("{} more sessions block the swap likewise", unnamed), table,
                "SELECT * FROM pg_locks shows them");
  }
  if (passing > 0) {
    context.add(Severity::info, "sessions-use-table",
                fmt::format("{} sessions are using the table in short transactions", passing),
                table);
  }
  return {};
}

/// The server shows the activity of other sessions to some roles only.
Result<void> note_hidden_sessions(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows row,
                      context.source.query("SELECT pg_has_role('pg_read_all_stats', 'USAGE'),"
                                           " quote_ident(CURRENT_USER)"));
  if (row.boolean(0, 0)) return {};
  context.add(Severity::info, "sessions-hidden",
              "this role is not shown what sessions of other roles do: ages and states of their "
              "transactions are missing, and some blockers may be",
              context.source.description(), fmt::format("GRANT pg_monitor TO {}", row.text(0, 1)));
  return {};
}

/// A prepared transaction has no session; its locks are known by the lock on its own number.
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

Result<void> check_blockers(PreflightContext& context) {
  PGFANOUT_TRY(find_blockers(context, context.plan.source.qualified));
  if (context.plan.same_database && !context.plan.target.is_new) {
    PGFANOUT_TRY(find_blockers(context, context.plan.target.qualified));
  }
  return note_hidden_sessions(context);
}

Result<void> check_prepared_transactions(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      context.source.query(fmt::format(kPreparedSql, fmt::format(kLockedRelations, kSchemaTree)),
                           {std::to_string(context.plan.source.oid)}));
  for (int row = 0; row < rows.size(); ++row) {
    context.add(Severity::error, "prepared-transaction",
                fmt::format("prepared transaction {} of {} has held {} on {} for {}: no session "
                            "will end it",
                            rows.text(row, 0), rows.text(row, 1), rows.text(row, 3),
                            rows.text(row, 4), amount_of_time(rows.integer(row, 2))),
                rows.str(row, 4),
                fmt::format("COMMIT PREPARED {0} or ROLLBACK PREPARED {0}", rows.text(row, 0)));
  }
  return {};
}

Result<void> check_snapshots(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      context.target.query(fmt::format(kSnapshotsSql, kOthersSessions),
                                           {std::to_string(kOldSnapshotSeconds)}));
  std::vector<std::string> holders;
  holders.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) {
    holders.push_back(rows.is_null(row, 1) ? rows.str(row, 0)
                                           : fmt::format("{} for {}", rows.text(row, 0),
                                                         amount_of_time(rows.integer(row, 1))));
  }
  if (holders.empty()) return {};
  context.add(Severity::warning, "old-snapshot",
              fmt::format("VACUUM can neither freeze nor remove what is newer than the snapshots "
                          "held by {}",
                          some_of(holders, kMostNamed)),
              context.target.description(), "end them before the window if you can");
  return {};
}

}  // namespace pgfanout
