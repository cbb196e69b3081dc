#include "copier/pg/stall_watch.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "copier/base/wait_causes.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
std::mutex listener_mutex;
IssueSink wait_listener;      // guarded by listener_mutex
Clock::time_point next_told;  // guarded by listener_mutex

using ResultPointer = std::unique_ptr<PGresult, decltype(&PQclear)>;

bool is_ready(const PGconn* connection, short events) {
  pollfd socket{PQsocket(connection), events, 0};
  return poll(&socket, 1, 0) > 0;
}

}  // namespace

void set_wait_listener(IssueSink listener) {
  const std::lock_guard lock(listener_mutex);
  wait_listener = std::move(listener);
  next_told = {};
}

std::string own_backend_sql() {
  return "SELECT a.pid, coalesce(pg_catalog.int8(pg_catalog.date_part('epoch', a.backend_start)"
         " OPERATOR(pg_catalog.*) 1000000), 0)"
         " FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a";
}

StallFinding finding_of(std::string_view state, std::string_view wait_event_type) {
  return state.starts_with("idle") || wait_event_type == "Client" ? StallFinding::waits_for_us
                                                                  : StallFinding::works;
}

bool is_query_due(const ConnectOptions& options, bool knows_backend,
                  std::chrono::nanoseconds silence, bool is_stopping) {
  constexpr std::chrono::milliseconds kWhenStopping{1'000};
  if (options.stall_timeout.count() == 0) return false;
  if (is_stopping && silence >= kWhenStopping) return true;
  return silence >= options.stall_timeout && (knows_backend || silence >= options.connect_timeout);
}

StallVerdict judge_silence(StallFinding finding, bool has_come) {
  const bool is_alive =
      has_come || finding == StallFinding::works || finding == StallFinding::cannot_tell;
  if (is_alive) return StallVerdict::patience;
  return finding == StallFinding::gone ? StallVerdict::lost : StallVerdict::stalled;
}

/// A connection of raw libpq calls, none of which waits: a Connection would need a StallWatch of
/// its own.
class StallWatch::BackendQuery {
 public:
  /// To the server that the watched connection reached, even if its DSN names several.
  BackendQuery(BackendIdentity backend, const ConnectOptions& options, const PGconn* watched)
      : backend_(backend), time_(options.query_timeout) {
    constexpr std::string_view kSuffix = "/watch";
    constexpr std::size_t kLongestName = 63;
    const std::string name =
        options.application_name.substr(0, kLongestName - kSuffix.size()).append(kSuffix);
    const char* const keywords[] = {"dbname",           "host", "hostaddr", "port",
                                    "application_name", nullptr};
    const char* const values[] = {options.dsn.c_str(), PQhost(watched), PQhostaddr(watched),
                                  PQport(watched),     name.c_str(),    nullptr};
    connection_ = PQconnectStartParams(keywords, values, 1);
    if (PQstatus(connection_) == CONNECTION_BAD) next_ = PGRES_POLLING_FAILED;
    PQsetErrorVerbosity(connection_, PQERRORS_SQLSTATE);
  }
  ~BackendQuery() { PQfinish(connection_); }
  BackendQuery(const BackendQuery&) = delete;
  BackendQuery& operator=(const BackendQuery&) = delete;

  /// The state of the backend, as soon as it is known; at the latest when the time is over.
  std::optional<StallFinding> state_of_backend() {
    if (!finding_) {
      finding_ = ask();
      if (!finding_ && is_late()) {
        finding_ =
            is_asked_ && backend_.is_pooled ? StallFinding::cannot_tell : StallFinding::unreachable;
      }
      if (finding_) answered_at_ = Clock::now();
    }
    return finding_;
  }
  [[nodiscard]] Clock::time_point answered_at() const { return answered_at_; }
  /// "IPC/SyncRep"; of a backend that was found.
  [[nodiscard]] const std::string& event() const { return event_; }

  /// True once that is done, or cannot be.
  bool has_ended_backend() {
    if (!std::exchange(is_ending_, true)) send("pg_terminate_backend(a.pid)");
    return has_answer() || is_late();
  }

 private:
  std::optional<StallFinding> ask() {
    while (next_ != PGRES_POLLING_OK) {
      if (next_ == PGRES_POLLING_FAILED) {
        return was_turned_away() ? StallFinding::cannot_tell : StallFinding::unreachable;
      }
      if (!is_ready(connection_, next_ == PGRES_POLLING_READING ? POLLIN : POLLOUT)) return {};
      next_ = PQconnectPoll(connection_);
    }
    if (!std::exchange(is_asked_, true)) {
      PQsetnonblocking(connection_, 1);
      send("coalesce(a.state, ''), coalesce(a.wait_event_type, ''), coalesce(a.wait_event, '')");
    }
    if (!has_answer()) return {};
    if (is_broken_ || answer_ == nullptr) return StallFinding::unreachable;
    if (PQresultStatus(answer_.get()) != PGRES_TUPLES_OK) return StallFinding::cannot_tell;
    if (PQntuples(answer_.get()) == 0) return StallFinding::gone;
    const std::string_view type = PQgetvalue(answer_.get(), 0, 1);
    event_ = fmt::format("{}/{}", type, PQgetvalue(answer_.get(), 0, 2));
    return finding_of(PQgetvalue(answer_.get(), 0, 0), type);
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

  void send(std::string_view what) {
    const std::string sql = fmt::format(
        "SET search_path = ''; SELECT {} FROM pg_stat_get_activity({}) a WHERE"
        " coalesce((date_part('epoch', a.backend_start) * 1000000)::int8, 0) = {}",
        what, backend_.pid, backend_.started_at);
    is_broken_ = PQsendQuery(connection_, sql.c_str()) == 0;
  }

  /// True once the answer to what was sent is whole, or none can come.
  bool has_answer() {
    while (!is_broken_) {
      if (PQflush(connection_) < 0) break;
      while (PQisBusy(connection_) == 1) {
        if (!is_ready(connection_, POLLIN)) return false;
        if (PQconsumeInput(connection_) == 0) {
          is_broken_ = true;
          return true;
        }
      }
      PGresult* result = PQgetResult(connection_);
      if (result == nullptr) return true;
      answer_.reset(result);
    }
    is_broken_ = true;
    return true;
  }

  [[nodiscard]] bool is_late() const {
    constexpr std::chrono::milliseconds kWhenStopping{2'000};
    const auto time = is_user_stopping() ? std::min(time_, kWhenStopping) : time_;
    return Clock::now() - began_ >= time;
  }

  const BackendIdentity backend_;
  const std::chrono::milliseconds time_;
  const Clock::time_point began_ = Clock::now();
  PGconn* connection_ = nullptr;
  PostgresPollingStatusType next_ = PGRES_POLLING_WRITING;
  bool is_asked_ = false;
  bool is_ending_ = false;
  bool is_broken_ = false;
  ResultPointer answer_{nullptr, &PQclear};
  std::optional<StallFinding> finding_;
  std::string event_;
  Clock::time_point answered_at_;
};

StallWatch::StallWatch(ConnectOptions options) : options_(std::move(options)) {}
StallWatch::~StallWatch() = default;

Result<void> StallWatch::check(pg_conn* watched, Moment& silent_since) {
  const auto silence = Clock::now() - silent_since;
  if (!is_query_due(options_, backend_.pid != 0, silence, is_user_stopping())) {
    query_.reset();
    return {};
  }
  if (backend_.pid == 0) return stalled(watched, silence);
  if (query_ == nullptr) query_ = std::make_unique<BackendQuery>(backend_, options_, watched);
  const auto finding = query_->state_of_backend();
  if (!finding) return {};
  StallVerdict verdict = judge_silence(*finding, false);
  // Input that the server sent meanwhile arrives in a moment; libpq then says what it is.
  if (verdict != StallVerdict::patience) {
    const bool has_come = is_ready(watched, POLLIN);
    if (!has_come && Clock::now() - query_->answered_at() < options_.arrival_timeout) return {};
    verdict = judge_silence(*finding, has_come);
  }
  if (verdict == StallVerdict::patience) {
    if (*finding == StallFinding::works) tell_wait(watched, query_->event());
    query_.reset();
    silent_since = Clock::now();
    return {};
  }
  if (verdict == StallVerdict::lost) return gone(watched);
  if (*finding == StallFinding::waits_for_us && !query_->has_ended_backend()) return {};
  return stalled(watched, silence);
}

void StallWatch::tell_wait(const pg_conn* watched, std::string_view event) const {
  constexpr std::chrono::seconds kBetween{30};
  const WaitCause* cause = cause_of(event);
  const std::lock_guard lock(listener_mutex);
  if (cause == nullptr || !wait_listener || Clock::now() < next_told) return;
  next_told = Clock::now() + kBetween;
  wait_listener({Severity::info, "session-waits",
                 fmt::format("backend {} waits for {} ({})", backend_.pid, cause->what, event),
                 description_of(watched), cause->help});
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
