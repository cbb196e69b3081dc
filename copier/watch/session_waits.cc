#include "copier/watch/session_waits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "copier/base/wait_causes.h"
#include "copier/catalog/standbys.h"

namespace pgfanout {
namespace {

/// Readers and the session that holds the source belong to the source's side.
constexpr const char* kSessionsSql =
    "SELECT a.pid, r.role, COALESCE(a.state = 'active', false),"
    " COALESCE(a.wait_event_type || '/' || a.wait_event, 'cpu'), a.query_start,"
    " GREATEST(EXTRACT(epoch FROM clock_timestamp() - a.query_start), 0)::float8,"
    " COALESCE(NULLIF($2, ''),"
    "  CASE WHEN r.role IN ('reader', 'source') THEN 'source' ELSE 'target' END)"
    " FROM pg_stat_activity a, substr(a.application_name, length($1) + 1) AS r(role)"
    " WHERE starts_with(a.application_name, $1) AND ($2 = '' OR a.datname = current_database())"
    " AND r.role <> 'watch' AND a.pid <> pg_backend_pid()";

/// Run only when a session waits: pg_locks and pg_blocking_pids() stop the lock manager for a
/// moment. Roles without pg_read_all_stats see less of a blocker.
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

double number_in(const Rows& rows, int row, int column) {
  return std::strtod(rows.str(row, column).c_str(), nullptr);
}

std::string blocker_in(const Rows& rows) {
  std::string text = fmt::format("pid {} of the job", rows.text(0, 1));
  if (!rows.text(0, 2).empty()) text += fmt::format(" waits for {}", rows.text(0, 2));
  if (rows.is_null(0, 3)) return text;
  std::string who = rows.str(0, 4);
  for (const int column : {5, 6}) {
    if (!rows.text(0, column).empty()) who += (who.empty() ? "" : ", ") + rows.str(0, column);
  }
  if (!rows.is_null(0, 7)) {
    who += fmt::format(" for {:.0f} s", std::max(number_in(rows, 0, 7), 0.0));
  }
  return text + fmt::format(", blocked by pid {} ({})", rows.text(0, 3), who);
}

/// A session that wakes for a moment goes on with the same wait.
constexpr std::chrono::seconds kUntilOver{3};

const WaitCause* cause_of_wait(const JobSession& session) {
  return session.is_active ? cause_of(session.event) : nullptr;
}

}  // namespace

Result<JobSessions> read_job_sessions(Connection& connection, const std::string& prefix,
                                      const std::string& side) {
  JobSessions found;
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kSessionsSql, {prefix, side}));
  std::set<std::string_view> causes;
  for (int row = 0; row < rows.size(); ++row) {
    found.all.push_back({rows.str(row, 6), static_cast<int>(rows.integer(row, 0)), rows.str(row, 1),
                         rows.boolean(row, 2), rows.str(row, 3), rows.str(row, 4),
                         number_in(rows, row, 5)});
    if (const WaitCause* cause = cause_of_wait(found.all.back())) causes.insert(cause->cause);
  }
  if (causes.contains("lock")) {
    PGFANOUT_TRY_ASSIGN(const Rows lock, connection.query(kLockSql, {prefix}));
    if (lock.size() == 1) found.lock = {std::max(number_in(lock, 0, 0), 0.0), blocker_in(lock)};
  }
  if (causes.contains("standby")) {
    PGFANOUT_TRY_ASSIGN(const auto missing, find_missing_standbys(connection));
    found.standbys = missing ? text_of(*missing) : "enough of them are streaming: one is slow";
  }
  return found;
}

std::vector<WaitCount> wait_counts(const std::vector<JobSession>& sessions) {
  std::map<std::pair<std::string, std::string>, std::uint32_t> counts;
  for (const JobSession& session : sessions) {
    if (session.is_active) ++counts[{session.side, session.event}];
  }
  std::vector<WaitCount> waits;
  for (const auto& [place, count] : counts) waits.push_back({place.first, place.second, count});
  return waits;
}

void JobSessions::add(JobSessions others) {
  all.insert(all.end(), others.all.begin(), others.all.end());
  if (!lock.value || others.lock.value > lock.value) lock = std::move(others.lock);
  if (!others.standbys.empty()) standbys = std::move(others.standbys);
}

std::vector<SessionWait> WaitJudge::judge(const JobSessions& sessions, Moment now) {
  std::map<Kind, SessionWait> found;
  for (const JobSession& session : sessions.all) {
    const WaitCause* cause = cause_of_wait(session);
    if (cause == nullptr) continue;
    const Place place{session.side, session.pid};
    const auto before = seen_.find(place);
    const bool is_same = before != seen_.end() && before->second.event == session.event &&
                         before->second.statement == session.statement;
    Moment since = now - std::chrono::duration_cast<Moment::duration>(
                             std::chrono::duration<double>(session.statement_seconds));
    if (is_same) {
      since = before->second.since;
    } else if (last_look_) {
      since = std::max(since, *last_look_);
    }
    seen_[place] = {session.event, session.statement, since, now};
    const double seconds = std::chrono::duration<double>(now - since).count();
    SessionWait& wait = found[{session.side, cause->cause}];
    const std::uint32_t others = wait.pid == 0 ? 0 : wait.sessions;
    if (wait.pid == 0 || seconds > wait.seconds) {
      wait = {session.side, cause->cause, session.event, cause->what, session.pid, session.role, 1,
              seconds,      {},           cause->help};
    }
    wait.sessions = others + 1;
  }
  std::erase_if(seen_, [&](const auto& each) { return now - each.second.last >= kUntilOver; });
  last_look_ = now;
  std::vector<SessionWait> waits;
  for (auto& [kind, wait] : found) {
    if (wait.cause == "standby") wait.detail = sessions.standbys;
    if (wait.cause == "lock") {
      wait.seconds = std::max(wait.seconds, sessions.lock.value.value_or(0));
      wait.detail = sessions.lock.detail;
    }
    if (wait.seconds >= kPatience) waits.push_back(std::move(wait));
  }
  std::stable_sort(waits.begin(), waits.end(),
                   [](const SessionWait& left, const SessionWait& right) {
                     return left.seconds > right.seconds;
                   });
  return waits;
}

WaitNews WaitJudge::news(const std::vector<SessionWait>& waits, Moment now) {
  constexpr std::chrono::seconds kBetween{60};
  WaitNews news;
  for (const SessionWait& wait : waits) {
    const auto [told, is_new] = told_.try_emplace({wait.side, wait.cause}, Told{wait, now, now});
    told->second.wait = wait;
    told->second.seen_at = now;
    const bool is_due = is_new || now - told->second.told_at >= kBetween;
    if (!is_due) continue;
    told->second.told_at = now;
    news.emplace_back(wait, is_new ? WaitChange::begins : WaitChange::lasts);
  }
  for (auto told = told_.begin(); told != told_.end();) {
    if (now - told->second.seen_at < kUntilOver) {
      ++told;
      continue;
    }
    news.emplace_back(told->second.wait, WaitChange::ends);
    told = told_.erase(told);
  }
  return news;
}

}  // namespace pgfanout
