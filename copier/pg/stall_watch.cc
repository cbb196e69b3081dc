#include "copier/pg/stall_watch.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using ResultPointer = std::unique_ptr<PGresult, decltype(&PQclear)>;

bool has_input(const PGconn* connection, std::chrono::milliseconds wait) {
  pollfd socket{PQsocket(connection), POLLIN, 0};
  return poll(&socket, 1, static_cast<int>(wait.count())) > 0;
}

/// A connection of raw libpq calls, which all end at one deadline: a Connection would need a
/// StallWatch of its own.
class BackendQuery {
 public:
  BackendQuery(BackendIdentity backend, std::chrono::milliseconds within)
      : backend_(backend), deadline_(Clock::now() + within) {}
  ~BackendQuery() { PQfinish(connection_); }
  BackendQuery(const BackendQuery&) = delete;
  BackendQuery& operator=(const BackendQuery&) = delete;

  StallFinding state_of_backend(const ConnectOptions& options, const PGconn* watched) {
    if (!connect(options, watched)) {
      return was_turned_away() ? StallFinding::cannot_tell : StallFinding::unreachable;
    }
    const ResultPointer found =
        query("coalesce(a.state, ''), coalesce(a.wait_event_type, '')" + from_backend());
    if (found == nullptr) return StallFinding::unreachable;
    if (PQresultStatus(found.get()) != PGRES_TUPLES_OK) return StallFinding::cannot_tell;
    if (PQntuples(found.get()) == 0) return StallFinding::gone;
    return finding_of(PQgetvalue(found.get(), 0, 0), PQgetvalue(found.get(), 0, 1));
  }

  void end_backend() { query("pg_terminate_backend(a.pid)" + from_backend()); }

 private:
  /// To the server that the watched connection reached, even if its DSN names several.
  bool connect(const ConnectOptions& options, const PGconn* watched) {
    constexpr std::string_view kSuffix = "/watch";
    constexpr std::size_t kLongestName = 63;
    const std::string name =
        options.application_name.substr(0, kLongestName - kSuffix.size()).append(kSuffix);
    const char* const keywords[] = {"dbname",           "host", "hostaddr", "port",
                                    "application_name", nullptr};
    const char* const values[] = {options.dsn.c_str(), PQhost(watched), PQhostaddr(watched),
                                  PQport(watched),     name.c_str(),    nullptr};
    connection_ = PQconnectStartParams(keywords, values, 1);
    if (PQstatus(connection_) == CONNECTION_BAD) return false;
    PQsetErrorVerbosity(connection_, PQERRORS_SQLSTATE);
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
      if (next == PGRES_POLLING_FAILED) return false;
      if (!wait(next == PGRES_POLLING_READING ? POLLIN : POLLOUT)) return false;
      next = PQconnectPoll(connection_);
    }
    return true;
  }

  /// The server answered, but with an error, whose SQLSTATE then ends the message: it may have no
  /// connection left, which says nothing about our backend.
  [[nodiscard]] bool was_turned_away() const {
    std::string_view message = PQerrorMessage(connection_);
    while (!message.empty() && message.back() == '\n') message.remove_suffix(1);
    const std::string_view state = message.substr(message.rfind(' ') + 1);
    constexpr std::size_t kStateBytes = 5;
    return state.size() == kStateBytes && std::all_of(state.begin(), state.end(), [](char c) {
             return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
           });
  }

  [[nodiscard]] std::string from_backend() const {
    return fmt::format(
        " FROM pg_stat_get_activity({}) a WHERE coalesce((date_part('epoch',"
        " a.backend_start) * 1000000)::int8, 0) = {}",
        backend_.pid, backend_.started_at);
  }

  /// Null when it was not answered in time.
  ResultPointer query(const std::string& what) {
    ResultPointer last(nullptr, &PQclear);
    if (PQsendQuery(connection_, ("SET search_path = ''; SELECT " + what).c_str()) == 0)
      return last;
    while (true) {
      while (PQisBusy(connection_) == 1) {
        if (!wait(POLLIN) || PQconsumeInput(connection_) == 0) return {nullptr, &PQclear};
      }
      PGresult* result = PQgetResult(connection_);
      if (result == nullptr) return last;
      last.reset(result);
    }
  }

  [[nodiscard]] bool wait(short events) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    if (left.count() <= 0) return false;
    pollfd socket{PQsocket(connection_), events, 0};
    return poll(&socket, 1, static_cast<int>(left.count())) > 0;
  }

  const BackendIdentity backend_;
  const Clock::time_point deadline_;
  PGconn* connection_ = nullptr;
};

}  // namespace

std::string own_backend_sql() {
  return "SELECT a.pid, coalesce((date_part('epoch', a.backend_start) * 1000000)::int8, 0)"
         " FROM pg_stat_get_activity(pg_backend_pid()) a";
}

StallFinding finding_of(std::string_view state, std::string_view wait_event_type) {
  return state.starts_with("idle") || wait_event_type == "Client" ? StallFinding::waits_for_us
                                                                  : StallFinding::works;
}

bool is_query_due(const ConnectOptions& options, bool knows_backend,
                  std::chrono::nanoseconds silence) {
  if (options.stall_timeout.count() == 0) return false;
  return silence >= options.stall_timeout && (knows_backend || silence >= options.connect_timeout);
}

StallVerdict judge_silence(StallFinding finding, bool has_come) {
  const bool is_alive =
      has_come || finding == StallFinding::works || finding == StallFinding::cannot_tell;
  if (is_alive) return StallVerdict::patience;
  return finding == StallFinding::gone ? StallVerdict::lost : StallVerdict::stalled;
}

Result<void> StallWatch::check(pg_conn* watched, Moment& silent_since) const {
  const auto silence = Clock::now() - silent_since;
  if (!is_query_due(options_, backend_.pid != 0, silence)) return {};
  if (backend_.pid == 0) return stalled(watched, silence);
  BackendQuery query(backend_, options_.query_timeout);
  const StallFinding finding = query.state_of_backend(options_, watched);
  StallVerdict verdict = judge_silence(finding, false);
  // Input that the server sent meanwhile arrives in a moment; libpq then says what it is.
  if (verdict != StallVerdict::patience) {
    verdict = judge_silence(finding, has_input(watched, options_.arrival_timeout));
  }
  if (verdict == StallVerdict::patience) {
    silent_since = Clock::now();
    return {};
  }
  if (verdict == StallVerdict::lost) return gone(watched);
  if (finding == StallFinding::waits_for_us) query.end_backend();
  return stalled(watched, silence);
}

Error StallWatch::gone(const pg_conn* watched) const {
  return interrupted("connection-lost",
                     fmt::format("the server has no backend {} any more, and the connection to "
                                 "it did not say so",
                                 backend_.pid),
                     "check that the server is running, then run the same command again",
                     description_of(watched));
}

Error StallWatch::stalled(const pg_conn* watched, std::chrono::nanoseconds silence) {
  return interrupted(
      "stalled",
      fmt::format("nothing came from the server for {} seconds, although it does not work on "
                  "anything for this connection, or cannot be reached",
                  std::chrono::floor<std::chrono::seconds>(silence).count()),
      "check the network between pgfanout and the server, then run the same command again",
      description_of(watched));
}

}  // namespace pgfanout
