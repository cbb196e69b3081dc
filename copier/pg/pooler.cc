#include "copier/pg/pooler.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "copier/pg/connect_hint.h"
#include "copier/pg/server_error.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

Error no_backend(const PGconn* connection) {
  return refused("pooler",
                 "the connection pooler between pgfanout and the server gives no second backend",
                 std::string(kNoBackendLeft), description_of(connection));
}

/// Nothing while the pooler has none.
Result<std::optional<int>> backend_of(PGconn* connection, Clock::time_point deadline) {
  if (PQsendQuery(connection, "SELECT pg_catalog.pg_backend_pid()") == 0) {
    return error_of_connection(connection, "ask for the backend behind a pooler");
  }
  std::optional<int> pid;
  while (true) {
    while (PQflush(connection) == 1 || PQisBusy(connection) == 1) {
      constexpr int kStepMilliseconds = 50;
      pollfd waiting{PQsocket(connection), POLLIN, 0};
      poll(&waiting, 1, kStepMilliseconds);
      if (Clock::now() >= deadline || is_user_stopping()) return std::optional<int>();
      if (PQconsumeInput(connection) == 0) {
        return error_of_connection(connection, "ask for the backend behind a pooler");
      }
    }
    const Rows rows(PQgetResult(connection));
    if (rows.raw() == nullptr) return pid;
    if (PQresultStatus(rows.raw()) != PGRES_TUPLES_OK) {
      return error_of_result(rows.raw(), "ask for the backend behind a pooler");
    }
    pid = static_cast<int>(rows.integer(0, 0));
  }
}

}  // namespace

bool has_own_backends(const std::vector<int>& one, const std::vector<int>& other) {
  const auto is_one = [](const std::vector<int>& pids) {
    return !pids.empty() && std::count(pids.begin(), pids.end(), pids.front()) ==
                                static_cast<std::ptrdiff_t>(pids.size());
  };
  return is_one(one) && is_one(other) && one.front() != other.front();
}

Result<bool> has_own_backends(pg_conn* one, pg_conn* other) {
  // A pool may hand out the backend that came back last, or all of them in turn: in no order of two
  // or three backends does each client meet its own.
  constexpr std::string_view kTurns = "1121221121";
  const auto deadline = Clock::now() + std::chrono::seconds(5);
  std::vector<int> seen[2];
  for (const char turn : kTurns) {
    PGconn* asked = turn == '1' ? one : other;
    PGFANOUT_TRY_ASSIGN(const std::optional<int> pid, backend_of(asked, deadline));
    if (!pid) return is_user_stopping() ? cancelled() : no_backend(asked);
    seen[turn - '1'].push_back(*pid);
  }
  return has_own_backends(seen[0], seen[1]);
}

int backends_at_once(const ConnectOptions& options, int wanted) {
  const std::string timeout = std::to_string(options.connect_timeout.count());
  const char* const keywords[] = {"connect_timeout", "dbname", "application_name", nullptr};
  const char* const values[] = {timeout.c_str(), options.dsn.c_str(),
                                options.application_name.c_str(), nullptr};
  std::vector<std::unique_ptr<PGconn, LibpqDeleter>> held;
  while (static_cast<int>(held.size()) < wanted && !is_user_stopping()) {
    held.emplace_back(PQconnectdbParams(keywords, values, 1));
    const auto deadline = Clock::now() + std::chrono::seconds(2);
    auto pid = PQstatus(held.back().get()) == CONNECTION_OK
                   ? backend_of(held.back().get(), deadline)
                   : Result<std::optional<int>>(std::optional<int>());
    if (!pid || !*pid) return static_cast<int>(held.size()) - 1;
  }
  return static_cast<int>(held.size());
}

}  // namespace pgfanout
