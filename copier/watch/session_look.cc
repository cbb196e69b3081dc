#include "copier/watch/session_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace pgfanout {
namespace {

/// Readers and those that hold the source stand on the source's side. Sessions without a statement
/// are left out: they wait for nobody.
constexpr const char* kWaitsSql =
    "SELECT substr(a.application_name, length($1) + 1) IN ('reader', 'source'),"
    " COALESCE(a.wait_event_type || '/' || a.wait_event, 'cpu'), count(*),"
    " COALESCE(bool_or(a.wait_event_type = 'Lock'), false) FROM pg_stat_activity a"
    " WHERE starts_with(a.application_name, $1)"
    " AND a.application_name <> $1 || 'watch' AND a.state = 'active'"
    " AND a.pid <> pg_backend_pid() GROUP BY 1, 2 ORDER BY 3 DESC, 2";

/// Only asked when somebody waits: pg_locks and pg_blocking_pids() stop the lock manager for a
/// moment. Of a blocker, roles without pg_read_all_stats see less.
constexpr const char* kLockSql =
    "SELECT EXTRACT(epoch FROM clock_timestamp()"
    "  - COALESCE(w.since, a.query_start))::float8, a.pid,"
    " COALESCE(w.what, ''), b.pid, COALESCE(b.usename, ''), COALESCE(b.application_name, ''),"
    " COALESCE(b.state, b.backend_type, ''),"
    " EXTRACT(epoch FROM clock_timestamp() - b.state_change)::float8 FROM pg_stat_activity a"
    " LEFT JOIN LATERAL (SELECT l.waitstart AS since, CASE WHEN l.relation IS NULL THEN l.locktype"
    "  ELSE format('%s of %s', l.mode, l.relation::regclass) END AS what"
    "  FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted LIMIT 1) w ON true"
    " LEFT JOIN LATERAL (SELECT s.* FROM pg_stat_activity s"
    "  WHERE s.pid = ANY (pg_blocking_pids(a.pid)) ORDER BY s.state_change LIMIT 1) b ON true"
    " WHERE starts_with(a.application_name, $1) AND a.wait_event_type = 'Lock'"
    " ORDER BY 1 DESC NULLS LAST LIMIT 1";

double number_in(const Rows& rows, int column) {
  return std::strtod(rows.str(0, column).c_str(), nullptr);
}

std::string blocker_in(const Rows& rows) {
  std::string text = fmt::format("pid {} of the job", rows.text(0, 1));
  if (!rows.text(0, 2).empty()) text += fmt::format(" waits for {}", rows.text(0, 2));
  if (rows.is_null(0, 3)) return text;
  std::string who = rows.str(0, 4);
  for (const int column : {5, 6}) {
    if (!rows.text(0, column).empty()) who += (who.empty() ? "" : ", ") + rows.str(0, column);
  }
  if (!rows.is_null(0, 7)) who += fmt::format(" for {:.0f} s", std::max(number_in(rows, 7), 0.0));
  return text + fmt::format(", blocked by pid {} ({})", rows.text(0, 3), who);
}

}  // namespace

Result<SessionLook> look_at_sessions(Connection& connection, const std::string& prefix,
                                     ServerPart part) {
  SessionLook look;
  PGFANOUT_TRY_ASSIGN(const Rows waits, connection.query(kWaitsSql, {prefix}));
  bool has_lock_wait = false;
  for (int row = 0; row < waits.size(); ++row) {
    const bool is_source =
        part == ServerPart::both ? waits.boolean(row, 0) : part == ServerPart::source;
    look.waits.push_back({is_source ? "source" : "target", waits.str(row, 1),
                          static_cast<std::uint32_t>(waits.integer(row, 2))});
    has_lock_wait = has_lock_wait || waits.boolean(row, 3);
  }
  if (!has_lock_wait) return look;
  PGFANOUT_TRY_ASSIGN(const Rows lock, connection.query(kLockSql, {prefix}));
  if (lock.size() == 1) look.lock = LockWait{std::max(number_in(lock, 0), 0.0), blocker_in(lock)};
  return look;
}

}  // namespace pgfanout
