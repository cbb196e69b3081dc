#include "copier/session/job_connections.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <utility>

#include "copier/base/counted.h"
#include "copier/base/pause.h"

namespace pgfanout {

Result<Connection> connect_again(const ConnectOptions& options) {
  auto connection = Connection::open(options);
  if (!connection && connection.error().code == "cannot-connect") {
    connection.error().consequence = Consequence::interrupt;
  }
  return connection;
}

Result<void> end_orphans(Connection& connection, const Orphans& orphans,
                         const Cancellation& cancellation, const IssueSink& report) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kMoment{1};
  constexpr std::chrono::seconds kPatience{10};
  const std::vector<int>& own = orphans.own;
  const std::string sql = fmt::format(
      "SELECT pg_terminate_backend(a.pid), a.pid, format('%s (pid %s, since %s, %s)',"
      " a.application_name, a.pid, date_trunc('second', a.backend_start), concat_ws(', ', a.state,"
      " 'waits for ' || a.wait_event_type || '/' || a.wait_event, left(a.query, 60)))"
      " FROM pg_stat_activity a WHERE starts_with(a.application_name, $1)"
      " AND a.pid NOT IN ({}, {}) AND a.datname = current_database() ORDER BY a.backend_start",
      connection.backend_pid(), own.empty() ? "0" : fmt::format("{}", fmt::join(own, ", ")));
  Backoff pauses(std::chrono::milliseconds(5), std::chrono::milliseconds(100));
  bool has_told = false;
  for (const auto began = Clock::now();; pause_unless(cancellation, pauses.next())) {
    PGFANOUT_TRY_ASSIGN(
        const Rows left,
        connection.query(sql, {fmt::format("pgfanout/{}/{}", orphans.job, orphans.role)}));
    if (left.size() == 0) return {};
    if (cancellation.is_set()) return cancelled();
    const std::string hint = fmt::format("SELECT pg_terminate_backend({})", left.text(0, 1));
    if (Clock::now() - began >= kPatience) {
      return interrupted(
          "orphans", "a session of an earlier call of this job does not end: " + left.str(0, 2),
          "end it, then run the same command again: " + hint, connection.description());
    }
    if (Clock::now() - began < kMoment || std::exchange(has_told, true)) continue;
    report({Severity::info, "waiting-for-session",
            fmt::format("waiting up to {} s for {} of an earlier call of this job to end: {}",
                        kPatience.count(),
                        counted(static_cast<std::uint64_t>(left.size()), "session", "sessions"),
                        left.text(0, 2)),
            connection.description(), "it was told to end, as by " + hint});
  }
}

}  // namespace pgfanout
