// Connection's statements: sent without blocking, waited for in short steps.
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "copier/base/crash_point.h"
#include "copier/base/pause.h"
#include "copier/pg/connection.h"
#include "copier/pg/server_error.h"
#include "copier/pg/stall_watch.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kDoing = "run a statement";

bool is_copy(ExecStatusType status) {
  return status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH;
}

bool is_success(ExecStatusType status) {
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

/// libpq's request waits for a connection of its own, behind a stalled link for minutes: so a
/// detached thread makes it. True once it was made.
std::shared_ptr<std::atomic<bool>> request_cancel(PGconn* connection) {
  auto made = std::make_shared<std::atomic<bool>>(false);
  std::thread([made, cancel = PQgetCancel(connection)] {
    char ignored[256];
    if (cancel != nullptr) PQcancel(cancel, ignored, sizeof ignored);
    PQfreeCancel(cancel);
    *made = true;
  }).detach();
  return made;
}

#ifdef PGFANOUT_CRASH_POINTS
/// Sends by `send`, which says whether it could, and cuts the connection where a test wants that.
template <typename Send>
bool send_or_lose(PGconn* connection, Send send) {
  const LostPart lost = next_lost_part();
  if (lost == LostPart::statement) shutdown(PQsocket(connection), SHUT_RDWR);
  const bool was_sent = send();
  if (lost == LostPart::answer) {
    PQflush(connection);
    shutdown(PQsocket(connection), SHUT_RD);
  }
  return was_sent;
}
#else
template <typename Send>
bool send_or_lose(PGconn* /*connection*/, Send send) {
  return send();
}
#endif

}  // namespace

Result<Rows> Connection::query(std::string_view sql, const std::vector<Parameter>& parameters) {
  return query_as(sql, parameters, 0);
}

Result<Rows> Connection::query_binary(std::string_view sql,
                                      const std::vector<Parameter>& parameters) {
  return query_as(sql, parameters, 1);
}

/// `format` is libpq's: 0 text, 1 binary, for parameters and results alike.
Result<Rows> Connection::query_as(std::string_view sql, const std::vector<Parameter>& parameters,
                                  int format) {
  std::vector<const char*> values;
  std::vector<int> lengths;
  const std::vector<int> formats(parameters.size(), format);
  values.reserve(parameters.size());
  for (const Parameter& parameter : parameters) {
    values.push_back(parameter ? parameter->c_str() : nullptr);
    lengths.push_back(parameter ? static_cast<int>(parameter->size()) : 0);
  }
  PGFANOUT_TRY(take_leftovers());
  return answer_to(send_or_lose(connection_, [&] {
    return PQsendQueryParams(connection_, std::string(sql).c_str(), static_cast<int>(values.size()),
                             nullptr, values.data(), lengths.data(), formats.data(), format) == 1;
  }));
}

Result<void> Connection::run(std::string_view sql) {
  PGFANOUT_TRY(take_leftovers());
  PGFANOUT_TRY(answer_to(send_or_lose(
      connection_, [&] { return PQsendQuery(connection_, std::string(sql).c_str()) == 1; })));
  return {};
}

Result<void> Connection::run(std::string_view sql, const std::vector<Parameter>& parameters) {
  PGFANOUT_TRY(query(sql, parameters));
  return {};
}

/// The outcome of a statement: the first error counts, otherwise the last result.
struct Connection::Answer {
  Rows last{nullptr};
  std::optional<Error> failure;
};

/// A cancelled statement may have left results behind.
Result<void> Connection::take_leftovers() {
  if (!is_open()) return error_of_connection(connection_, kDoing);
  if (PQtransactionStatus(connection_) != PQTRANS_ACTIVE) return {};
  Answer ignored;
  return collect(ignored, cancellation_);
}

Result<Rows> Connection::answer_to(bool was_sent) {
  if (!was_sent) return error_of_connection(connection_, kDoing);
  Answer answer;
  auto collected = collect(answer, cancellation_);
  if (!collected && collected.error().code == "cancelled") collected = cancel_and_collect(answer);
  if (!answer.failure && !collected) return std::move(collected).error();
  if (!answer.failure) return std::move(answer.last);
  if (!is_open()) {
    // As after a termination: the server's words are kept.
    answer.failure->code = "connection-lost";
    answer.failure->consequence = Consequence::interrupt;
  }
  return *std::move(answer.failure);
}

/// Waits for all results of the statements that were sent. Results that have come are kept,
/// whatever the wait ends with.
Result<void> Connection::collect(Answer& answer, const Cancellation* cancellation) {
  while (true) {
    while (PQisBusy(connection_) == 1) PGFANOUT_TRY(wait_for_input(cancellation));
    PGresult* result = PQgetResult(connection_);
    if (result == nullptr) return {};
    answer.last = Rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (is_copy(status)) return refused("internal", "a COPY was run as if it were a statement");
    if (!is_success(status) && !answer.failure) answer.failure = error_of_result(result, kDoing);
  }
}

/// Asks the server to cancel, and waits two seconds for its answer.
Result<void> Connection::cancel_and_collect(Answer& answer) {
  constexpr std::chrono::seconds kPatience{2};
  constexpr std::chrono::milliseconds kStep{10};
  const Error error = interrupted("cancelled", "cancelled while waiting for the server");
  const auto deadline = Clock::now() + kPatience;
  const auto made = request_cancel(connection_);
  while (PQisBusy(connection_) == 1 || !*made) {
    if (Clock::now() >= deadline) {
      abandon();  // A late request would hit the next statement.
      return error;
    }
    pause_for(kStep);
    if (PQconsumeInput(connection_) == 0) return error_of_connection(connection_, kDoing);
  }
  PGFANOUT_TRY(collect(answer, nullptr));
  if (answer.failure && answer.failure->sqlstate == "57014") answer.failure = error;
  return {};
}

Result<std::vector<ResultColumn>> Connection::describe(std::string_view sql) {
  constexpr std::string_view kAnalysing = "analyse a query";
  PGresult* result = PQprepare(connection_, "", std::string(sql).c_str(), 0, nullptr);
  Rows owner(result);
  if (PQresultStatus(result) == PGRES_COMMAND_OK) {
    result = PQdescribePrepared(connection_, "");
    owner = Rows(result);
  }
  if (PQresultStatus(result) != PGRES_COMMAND_OK) {
    return is_open() ? error_of_result(result, kAnalysing)
                     : error_of_connection(connection_, kAnalysing);
  }
  std::vector<ResultColumn> columns;
  for (int at = 0; at < PQnfields(result); ++at) {
    columns.push_back({PQfname(result, at), PQftype(result, at), PQfmod(result, at)});
  }
  return columns;
}

Result<void> Connection::wait_for_input(const Cancellation* cancellation, WaitTime* waited) {
  constexpr int kStepMilliseconds = 100;
  const bool must_flush = PQflush(connection_) == 1;
  pollfd waiting{PQsocket(connection_), static_cast<short>(must_flush ? POLLIN | POLLOUT : POLLIN),
                 0};
  auto silent_since = Clock::now();
  auto counted_until = silent_since;
  while (true) {
    if (cancellation != nullptr && cancellation->is_set())
      return interrupted("cancelled", "cancelled while waiting for the server");
    const int ready = poll(&waiting, 1, kStepMilliseconds);
    if (waited != nullptr) {
      const auto now = Clock::now();
      waited->add(now - std::exchange(counted_until, now));
    }
    if (ready < 0 && errno != EINTR) return error_of_connection(connection_, "wait for the server");
    if (ready > 0) break;
    PGFANOUT_TRY(check_stalled(silent_since));
  }
  if (PQconsumeInput(connection_) == 0)
    return error_of_connection(connection_, "read from the server");
  return {};
}

Result<void> Connection::check_stalled(Clock::time_point& silent_since) {
  auto checked = watch_->check(connection_, silent_since);
  if (!checked) abandon();
  return checked;
}

/// Sends nothing more over a connection that does not answer, not even the message that ends it.
void Connection::abandon() {
  is_abandoned_ = true;
  shutdown(PQsocket(connection_), SHUT_RDWR);
}

}  // namespace pgfanout
