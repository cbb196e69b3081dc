#include "copier/session/job_connections.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "copier/base/pause.h"

namespace pgfanout {

Result<Connection> connect_again(const ConnectOptions& options) {
  auto connection = Connection::open(options);
  if (!connection && connection.error().code == "cannot-connect") {
    connection.error().consequence = Consequence::interrupt;
  }
  return connection;
}

Result<void> end_orphans(Connection& connection, const std::string& job, std::string_view role,
                         const std::vector<int>& own) {
  constexpr int kChecks = 104;  // Ten seconds.
  Backoff pauses(std::chrono::milliseconds(5), std::chrono::milliseconds(100));
  const std::string sql = fmt::format(
      "SELECT pg_terminate_backend(pid), pid FROM pg_stat_activity"
      " WHERE starts_with(application_name, $1) AND pid NOT IN ({}, {})"
      " AND datname = current_database()",
      connection.backend_pid(), own.empty() ? "0" : fmt::format("{}", fmt::join(own, ", ")));
  for (int check = 0;; ++check) {
    PGFANOUT_TRY_ASSIGN(const Rows left,
                        connection.query(sql, {fmt::format("pgfanout/{}/{}", job, role)}));
    if (left.size() == 0) return {};
    if (check == kChecks) {
      return interrupted(
          "orphans",
          fmt::format("backend {} of an earlier call of this job does not end", left.text(0, 1)),
          "terminate that backend, then run the same command again", connection.description());
    }
    pause_for(pauses.next());
  }
}

}  // namespace pgfanout
