#include "copier/pg/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "copier/base/crash_point.h"
#include "copier/base/pause.h"
#include "copier/base/server_waits.h"
#include "copier/pg/connect_hint.h"
#include "copier/pg/pooler.h"
#include "copier/pg/server_error.h"
#include "copier/pg/stall_watch.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using OptionList = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

Error connect_error(const PGconn* connection) {
  Error error = error_of_connection(connection, "connect");
  if (error.message.find(std::strerror(EMFILE)) != std::string::npos) {
    // The limit is this process's own: another attempt would end the same way.
    return interrupted(
        "internal", error.message,
        "raise the limit of open files (ulimit -n), then run the same command again");
  }
  error.consequence = Consequence::refuse;
  error.code = "cannot-connect";
  error.hint = connect_hint(connection == nullptr ? "" : PQerrorMessage(connection));
  if (connection != nullptr && PQhost(connection) != nullptr) {
    error.where = fmt::format("{}:{}", PQhost(connection), PQport(connection));
  }
  return error;
}

constexpr std::string_view kDoing = "run a statement";

bool is_copy(ExecStatusType status) {
  return status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH;
}

bool is_success(ExecStatusType status) {
  return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

std::atomic<const Cancellation*> user_stop{nullptr};
std::atomic<int> threads_within_libpq{0};

/// Of a statement that ended outside of a transaction: whether it may have changed anything.
bool may_commit(const PGresult* result) {
  if (result == nullptr) return false;
  const std::string_view tag = PQcmdStatus(const_cast<PGresult*>(result));
  return !tag.empty() && !tag.starts_with("SELECT") && tag != "SET" && tag != "ROLLBACK";
}

/// When a stop at once was first seen, by the clock's count; 0: none was asked for.
std::atomic<Clock::rep> at_once_since{0};

/// Since a stop at once was first seen; absent: none was asked for.
std::optional<Clock::duration> time_of_stop_at_once() {
  const Cancellation* user = user_stop.load();
  if (user == nullptr || !user->at_once().is_set()) return {};
  const Clock::rep now = Clock::now().time_since_epoch().count();
  Clock::rep since = 0;
  if (at_once_since.compare_exchange_strong(since, now)) since = now;
  return Clock::duration(now - since);
}

/// All statements together, from the stop at once on.
constexpr std::chrono::milliseconds kLongestStop{1'600};

/// Whether a stop at once ends what has waited since `began`. A statement that must follow it, such
/// as a ROLLBACK, may take a moment.
bool must_stop(Clock::time_point began) {
  constexpr std::chrono::milliseconds kGrace{500};
  const auto time = time_of_stop_at_once();
  return time && (*time >= kLongestStop || Clock::now() - began >= kGrace);
}

/// Runs `call`, which may wait in libpq for minutes, in a thread that nobody waits for. It owns all
/// that it uses. Without such a thread it runs here.
void run_detached(std::function<void()> call) {
  ++threads_within_libpq;
  const auto counted = [call = std::move(call)] {
    call();
    --threads_within_libpq;
  };
  try {
    std::thread(counted).detach();
  } catch (const std::system_error&) {
    counted();
  }
}

constexpr const char* kOwnPath = "''";

/// By the first word of the statements.
bool is_ddl(std::string_view sql) {
  sql.remove_prefix(std::min(sql.find_first_not_of(" \t\r\n"), sql.size()));
  constexpr std::string_view kWords[] = {"CREATE ", "ALTER ",  "DROP ",    "DO ",      "COMMENT ",
                                         "GRANT ",  "REVOKE ", "REFRESH ", "SECURITY "};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [&](std::string_view word) { return sql.starts_with(word); });
}

using OwnConnection = std::unique_ptr<PGconn, LibpqDeleter>;

/// libpq knows how long to try each host, and which one is next. A user who stops does not wait for
/// it. Null: stopped.
OwnConnection connect_unless_stopped(const ConnectOptions& options) {
  constexpr std::chrono::milliseconds kStep{50};
  constexpr std::chrono::seconds kWhenStopping{2};
  const auto promise = std::make_shared<std::promise<OwnConnection>>();
  std::future<OwnConnection> made = promise->get_future();
  run_detached([promise, dsn = options.dsn, name = options.application_name,
                timeout = std::to_string(options.connect_timeout.count())] {
    // expand_dbname makes the first dbname a whole connection string. Later words win over earlier
    // ones: words before dbname are defaults that the user's string may change.
    const char* const keywords[] = {
        "connect_timeout",  "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout", "dbname",          "application_name",    nullptr};
    const char* const values[] = {timeout.c_str(), "30",        "10",         "3",
                                  "60000",         dsn.c_str(), name.c_str(), nullptr};
    promise->set_value(OwnConnection(PQconnectdbParams(keywords, values, 1)));
  });
  const auto began = Clock::now();
  ServerWaits::all().begin(
      promise.get(), {0, options.application_name, server_of_dsn(options.dsn), "a connection"});
  while (made.wait_for(kStep) != std::future_status::ready) {
    if (must_stop(began) || (is_user_stopping() && Clock::now() - began >= kWhenStopping)) break;
  }
  ServerWaits::all().end(promise.get());
  return made.wait_for(kStep) == std::future_status::ready ? made.get() : nullptr;
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

/// A role's or database's statement_timeout counts until ours lifts it, from the moment a backend
/// that may wait for a processor got the statements.
template <typename Statements>
auto despite_timeout(Statements statements) {
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    auto done = statements();
    if (done || done.error().sqlstate != "57014" || attempt == kAttempts) return done;
  }
}

}  // namespace

void set_user_stop(const Cancellation& user) {
  user_stop.store(&user);
  at_once_since = 0;
}
bool is_user_stopping() {
  const Cancellation* user = user_stop.load();
  return user != nullptr && user->is_set();
}
bool has_left_threads() {
  return threads_within_libpq > 0;
}

void LibpqDeleter::operator()(pg_conn* connection) const {
  ServerWaits::all().end(connection);
  PQfinish(connection);
}
void LibpqDeleter::operator()(pg_result* result) const {
  PQclear(result);
}
int Rows::size() const {
  return PQntuples(result_.get());
}
int Rows::columns() const {
  return PQnfields(result_.get());
}
bool Rows::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) == 1;
}

std::string_view Rows::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::vector<std::string> Rows::column(int column) const {
  std::vector<std::string> values;
  for (int row = 0; row < size(); ++row) values.push_back(str(row, column));
  return values;
}

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view value = text(row, column);
  std::int64_t number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

std::int64_t Rows::affected() const {
  const std::string_view count = PQcmdTuples(result_.get());
  std::int64_t number = -1;
  std::from_chars(count.data(), count.data() + count.size(), number);
  return number;
}

Result<void> check_dsn(std::string_view dsn, std::string_view option) {
  char* message = nullptr;
  const OptionList options(PQconninfoParse(std::string(dsn).c_str(), &message), &PQconninfoFree);
  if (options == nullptr) {
    // libpq's message may quote a part of the string, and that part may be a password.
    PQfreemem(message);
    return refused("bad-dsn", fmt::format("{} is not a libpq connection string or URI", option),
                   "write host=... port=... dbname=... or postgresql://host:port/dbname");
  }
  for (const PQconninfoOption* at = options.get(); at->keyword != nullptr; ++at) {
    const std::string_view keyword = at->keyword;
    if ((keyword == "password" || keyword == "sslpassword") && at->val != nullptr) {
      return refused(
          "password-in-dsn", fmt::format("{} carries a password, which others could read", option),
          "put it into a file named by PGPASSFILE (or ~/.pgpass), or use a service file");
    }
  }
  return {};
}

std::string server_of_dsn(const std::string& dsn) {
  // Only these parts are shown: others may be secrets or names of files.
  constexpr std::array<std::string_view, 6> shown = {"service", "host",   "hostaddr",
                                                     "port",    "dbname", "user"};
  const OptionList options(PQconninfoParse(dsn.c_str(), nullptr), &PQconninfoFree);
  std::string text;
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    const bool is_shown = std::find(shown.begin(), shown.end(), option->keyword) != shown.end();
    if (!is_shown || option->val == nullptr) continue;
    text += (text.empty() ? "" : " ") + std::string(option->keyword) + "=" + option->val;
  }
  return text;
}

std::string description_of(const pg_conn* connection) {
  if (connection == nullptr) return "(not connected)";
  return fmt::format("{}:{}/{}", PQhost(connection), PQport(connection), PQdb(connection));
}

std::string libpq_version() {
  const int number = PQlibVersion();
  if (number >= 100000) return fmt::format("{}.{}", number / 10000, number % 10000);
  return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

Result<Connection> Connection::open(const ConnectOptions& options) {
  OwnConnection made = connect_unless_stopped(options);
  if (made == nullptr) return cancelled();
  Connection connection(made.release(), options);
  if (PQstatus(connection.raw()) != CONNECTION_OK) {
    return connect_error(connection.raw());
  }
  // Otherwise a long statement would be sent by a libpq that waits for a stalled socket by itself.
  if (PQsetnonblocking(connection.raw(), 1) != 0) {
    return error_of_connection(connection.raw(), "make a connection non-blocking");
  }
  // First of all: a setting on a backend that a pooler shares would be the application's.
  PGFANOUT_TRY(connection.identify_backend());
  if (connection.is_pooled()) PGFANOUT_TRY(connection.settle_pooling(options));
  PGFANOUT_TRY(connection.set_up_session());
  return connection;
}

Result<void> Connection::keep_notices() {
  notices_ = std::make_unique<std::vector<ServerNotice>>();
  const auto keep = [](void* to, const pg_result* notice) {
    const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char* text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    if (severity == nullptr || text == nullptr) return;
    static_cast<std::vector<ServerNotice>*>(to)->push_back(
        {std::string_view(severity) == "WARNING", text});
  };
  PQsetNoticeReceiver(raw(), keep, notices_.get());
  return run("SET client_min_messages = notice");
}

std::vector<ServerNotice> Connection::take_notices() {
  if (!notices_) return {};
  for (ServerNotice& notice : *notices_) notice.text = text_encoding_.to_utf8(notice.text);
  return std::exchange(*notices_, {});
}

Result<void> Connection::set_up_session() {
  PGFANOUT_TRY(despite_timeout([&] { return run("SET statement_timeout = 0"); }));
  const std::string lift = server_version() >= 170000 ? "SET transaction_timeout = 0;" : "";
  PGFANOUT_TRY(
      run("SET search_path = ''; SET row_security = off;"
          "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
          "SET idle_session_timeout = 0; SET default_transaction_read_only = off;"
          "SET default_transaction_isolation = 'read committed';" +
          lift +
          "SET client_min_messages = error; SET DateStyle = 'ISO, YMD';"
          "SET IntervalStyle = 'postgres'; SET extra_float_digits = 1;"
          "SET bytea_output = 'hex'; SET standard_conforming_strings = on;"
          // Settings of a role or database that would change answers to us.
          "SET transform_null_equals = off; SET quote_all_identifiers = off; SET array_nulls = on;"
          "SET enable_partition_pruning = on; SET default_transaction_deferrable = off;"
          // New tables are stored as the source is; an error in a savepoint ends no session.
          "SET default_tablespace = ''; SET default_table_access_method = heap;"
          "SET exit_on_error = off;"
          // JIT costs more than it saves on the catalogs' queries.
          "SET xmloption = content; SET jit = off;"
          // An idle session of a client whose host is lost ends after a minute.
          "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10;"
          "SET tcp_keepalives_count = 3"));
  const char* encoding = PQparameterStatus(raw(), "server_encoding");
  if (encoding == nullptr) return error_of_connection(raw(), "learn the server's encoding");
  encoding_ = encoding;
  PGFANOUT_TRY(run("SET client_encoding = " + quote_literal(encoding_)));
  text_encoding_ = TextEncoding(encoding_);
  // Since 14; an error where the server's platform cannot tell that a socket was closed.
  if (server_version() >= 140000 && !is_one_transaction_) {
    auto asked = run("SET client_connection_check_interval = '2s'");
    if (!asked && !is_open()) return asked;
  }
  return find_ddl_path();
}

Result<void> Connection::identify_backend() {
  // For this transaction alone: the backend may be others' too.
  const std::string sql = "SET LOCAL statement_timeout = 0; " + std::string(own_backend_sql());
  PGFANOUT_TRY_ASSIGN(const Rows own, despite_timeout([&] { return last_of(sql, kDoing); }));
  backend_pid_ = static_cast<int>(own.integer(0, 0));
  watch_->set_backend({backend_pid_, own.integer(0, 1), is_pooled()});
  return {};
}

bool Connection::is_pooled() const {
  return backend_pid_ != PQbackendPID(raw());
}

/// Once for each DSN of the process: whether the pooler gives each client a backend of its own.
Result<void> Connection::settle_pooling(const ConnectOptions& options) {
  static std::mutex mutex;
  static std::map<std::string, bool> known;
  const std::lock_guard lock(mutex);
  if (!known.contains(options.dsn)) {
    const OwnConnection other = connect_unless_stopped(options);
    if (other == nullptr) return cancelled();
    if (PQstatus(other.get()) != CONNECTION_OK) return connect_error(other.get());
    PGFANOUT_TRY_ASSIGN(known[options.dsn], has_own_backends(raw(), other.get()));
  }
  if (known[options.dsn]) return {};
  if (!options.may_share_backend) {
    return refused("pooler",
                   "the connection pooler between pgfanout and the server is not in session mode: "
                   "it gives the backend of one session to others, with its locks and settings",
                   "connect to the server itself, or to a pool in session mode (pgbouncer: "
                   "pool_mode = session)",
                   description());
  }
  auto begun = run("BEGIN READ ONLY");
  if (!begun) {
    return refused("pooler",
                   "the connection pooler between pgfanout and the server allows no transaction: " +
                       begun.error().message,
                   "connect to the server itself, or to a pool in session or transaction mode",
                   description());
  }
  is_one_transaction_ = true;
  return identify_backend();
}

Result<void> Connection::find_ddl_path() {
  PGFANOUT_TRY_ASSIGN(
      const Rows triggers,
      query("SELECT 1 FROM pg_event_trigger WHERE evtenabled IN ('O', 'A') AND evtevent <> 'login'"
            " LIMIT 1"));
  if (triggers.size() == 0) return {};
  PGFANOUT_TRY(set_search_path("DEFAULT"));
  PGFANOUT_TRY_ASSIGN(const Rows path,
                      query("SELECT pg_catalog.string_agg(pg_catalog.quote_literal(s), ', ')"
                            " FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) s"
                            " WHERE s OPERATOR(pg_catalog.<>) 'pg_catalog'"));
  if (!path.is_null(0, 0)) ddl_path_ = path.str(0, 0);
  return set_search_path(kOwnPath);
}

Connection::Connection(pg_conn* connection, ConnectOptions options)
    : connection_(connection),
      cancellation_(options.cancellation),
      watch_(std::make_unique<StallWatch>(std::move(options))) {}

Connection::~Connection() {
  // The pooler's next client gets the backend, without a reset where the pooler is not told to.
  if (!is_open() || !is_pooled() || is_user_stopping()) return;
  if (PQtransactionStatus(raw()) != (is_one_transaction_ ? PQTRANS_INTRANS : PQTRANS_IDLE)) return;
  [[maybe_unused]] const auto ended = run(is_one_transaction_ ? "ROLLBACK" : "DISCARD ALL");
}
Connection::Connection(Connection&& other) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept = default;

int Connection::server_version() const {
  return PQserverVersion(raw());
}

std::string Connection::server_version_text() const {
  const char* text = PQparameterStatus(raw(), "server_version");
  const std::string_view whole = text == nullptr ? "" : text;
  return std::string(whole.substr(0, whole.find(' ')));
}

std::string Connection::description() const {
  return description_of(raw());
}

bool Connection::is_open() const {
  return raw() != nullptr && !is_abandoned_ && PQstatus(raw()) == CONNECTION_OK;
}

bool Connection::is_in_transaction() const {
  const PGTransactionStatusType status = PQtransactionStatus(raw());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

/// standard_conforming_strings is on.
std::string Connection::quote_literal(std::string_view value) const {
  std::string quoted = "'";
  for (const char byte : value) quoted += byte == '\'' ? "''" : std::string(1, byte);
  return quoted + "'";
}

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
  PGFANOUT_TRY_ASSIGN(const std::string statement, text_encoding_.to_server(sql));
  const bool is_text = format == 0;
  std::vector<Parameter> converted;
  if (is_text && text_encoding_.converts()) {
    converted = parameters;
    for (Parameter& parameter : converted) {
      if (!parameter) continue;
      PGFANOUT_TRY_ASSIGN(parameter, text_encoding_.to_server(*parameter));
    }
  }
  for (const Parameter& parameter : converted.empty() ? parameters : converted) {
    values.push_back(parameter ? parameter->c_str() : nullptr);
    lengths.push_back(parameter ? static_cast<int>(parameter->size()) : 0);
  }
  PGFANOUT_TRY(take_leftovers());
  auto rows = answer_to(
      send_or_lose(raw(),
                   [&] {
                     return PQsendQueryParams(
                                raw(), statement.c_str(), static_cast<int>(values.size()), nullptr,
                                values.data(), lengths.data(), formats.data(), format) == 1;
                   }),
      sql, kDoing);
  if (rows && is_text) convert_values(*rows);
  return rows;
}

void Connection::convert_values(Rows& rows) const {
  if (!text_encoding_.converts()) return;
  for (int row = 0; row < rows.size(); ++row) {
    for (int column = 0; column < rows.columns(); ++column) {
      std::string value = text_encoding_.to_utf8(rows.text(row, column));
      if (value == rows.text(row, column)) continue;
      PQsetvalue(rows.result_.get(), row, column, value.data(), static_cast<int>(value.size()));
    }
  }
}

Error Connection::error_of(const pg_result* result, std::string_view doing) const {
  Error error = error_of_result(result, doing);
  for (std::string* text : {&error.message, &error.where, &error.hint, &error.key}) {
    *text = text_encoding_.to_utf8(*text);
  }
  return error;
}

Result<void> Connection::query_binary_each(std::string_view sql,
                                           const std::function<Result<void>(const Rows&)>& take) {
  PGFANOUT_TRY_ASSIGN(const std::string statement, text_encoding_.to_server(sql));
  PGFANOUT_TRY(take_leftovers());
  const bool was_sent = send_or_lose(raw(), [&] {
    return PQsendQueryParams(raw(), statement.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1) ==
               1 &&
           PQsetSingleRowMode(raw()) == 1;
  });
  PGFANOUT_TRY(answer_to(was_sent, sql, kDoing, &take));
  return {};
}

Result<void> Connection::run(std::string_view sql) {
  std::string in_path(sql);
  if (has_own_path_ && ddl_path_ != kOwnPath && is_ddl(sql)) {
    in_path =
        fmt::format("SET search_path = {}; {}\n; SET search_path = {}", ddl_path_, sql, kOwnPath);
  }
  PGFANOUT_TRY(last_of(in_path, sql));
  return {};
}

Result<Rows> Connection::last_of(std::string_view sql, std::string_view shown) {
  PGFANOUT_TRY_ASSIGN(const std::string statements, text_encoding_.to_server(sql));
  PGFANOUT_TRY(take_leftovers());
  return answer_to(send_or_lose(raw(), [&] { return PQsendQuery(raw(), statements.c_str()) == 1; }),
                   shown, kDoing);
}

Result<void> Connection::set_search_path(const std::string& path) {
  has_own_path_ = path == kOwnPath;
  return run("SET search_path = " + path);
}

Result<void> Connection::run(std::string_view sql, const std::vector<Parameter>& parameters) {
  PGFANOUT_TRY(query(sql, parameters));
  return {};
}

/// The outcome of a statement: the first error counts, otherwise the last result.
struct Connection::Answer {
  std::string_view doing;
  const std::function<Result<void>(const Rows&)>* take = nullptr;  ///< Of rows one by one.
  Rows last{nullptr};
  std::optional<Error> failure = {};
};

/// A cancelled statement may have left results behind.
Result<void> Connection::take_leftovers() {
  if (!is_open()) return error_of_connection(raw(), kDoing);
  if (PQtransactionStatus(raw()) != PQTRANS_ACTIVE) return {};
  Answer ignored{kDoing};
  return collect(ignored, cancellation_);
}

Result<Rows> Connection::answer_to(bool was_sent, std::string_view sql, std::string_view doing,
                                   const std::function<Result<void>(const Rows&)>* take) {
  if (!was_sent) return error_of_connection(raw(), doing);
  note_wait(sql);
  Answer answer{doing, take};
  auto collected = collect(answer, cancellation_);
  if (!collected && collected.error().code == "cancelled") {
    collected = collect_cancelled(answer, request_cancel());
  }
  ServerWaits::all().end(raw());
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
    while (PQisBusy(raw()) == 1) PGFANOUT_TRY(wait_for_input(cancellation));
    PGresult* result = PQgetResult(raw());
    if (result == nullptr) return {};
    answer.last = Rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_SINGLE_TUPLE) {
      auto taken =
          answer.take == nullptr || answer.failure ? Result<void>() : (*answer.take)(answer.last);
      if (!taken) answer.failure = std::move(taken).error();
      answer.last = Rows(nullptr);
      continue;
    }
    if (is_copy(status)) return refused("internal", "a COPY was run as if it were a statement");
    if (!is_success(status) && !answer.failure) answer.failure = error_of(result, answer.doing);
  }
}

void Connection::note_wait(std::string_view sql) const {
  const char* session = PQparameterStatus(raw(), "application_name");
  ServerWaits::all().begin(raw(), {PQbackendPID(raw()), session == nullptr ? "" : session,
                                   description(), excerpt_of(sql)});
}

/// libpq makes a connection of its own for it, and waits.
CancelRequest Connection::request_cancel() const {
  CancelRequest request{std::make_shared<std::atomic<bool>>(false)};
  run_detached([made = request.was_made, cancel = PQgetCancel(raw())] {
    char ignored[256];
    if (cancel != nullptr) PQcancel(cancel, ignored, sizeof ignored);
    PQfreeCancel(cancel);
    *made = true;
  });
  return request;
}

/// Waits no longer than a stop at once allows. A COMMIT that waited for a standby is done then, on
/// this server alone.
Result<void> Connection::collect_cancelled(Answer& answer, const CancelRequest& request) {
  constexpr std::chrono::milliseconds kStep{10};
  const Error error = interrupted("cancelled", "cancelled while waiting for the server");
  while (PQisBusy(raw()) == 1 || !*request.was_made) {
    const auto stopping = time_of_stop_at_once();
    if (Clock::now() - request.at >= request.patience || (stopping && *stopping >= kLongestStop)) {
      ServerWaits::all().leave_behind(raw());
      abandon();  // A late request would hit the next statement.
      return error;
    }
    pause_for(kStep);
    if (PQconsumeInput(raw()) == 0) return error_of_connection(raw(), kDoing);
  }
  PGFANOUT_TRY(collect(answer, nullptr));
  if (answer.failure && answer.failure->sqlstate == "57014") answer.failure = error;
  const bool is_over = !answer.failure && !is_in_transaction();
  if (is_over && time_of_stop_at_once() && may_commit(answer.last.raw())) {
    ServerWaits::all().note_cancelled_commit();
  }
  return {};
}

Result<void> Connection::await_cancelled(const CancelRequest& request) {
  Answer ignored{kDoing};
  return collect_cancelled(ignored, request);
}

Result<std::vector<ResultColumn>> Connection::describe(std::string_view sql) {
  constexpr std::string_view kAnalysing = "analyse a query";
  PGFANOUT_TRY_ASSIGN(const std::string statement, text_encoding_.to_server(sql));
  PGFANOUT_TRY(take_leftovers());
  PGFANOUT_TRY(
      answer_to(PQsendPrepare(raw(), "", statement.c_str(), 0, nullptr) == 1, sql, kAnalysing));
  PGFANOUT_TRY_ASSIGN(const Rows described,
                      answer_to(PQsendDescribePrepared(raw(), "") == 1, sql, kAnalysing));
  const PGresult* result = described.raw();
  std::vector<ResultColumn> columns;
  for (int at = 0; at < PQnfields(result); ++at) {
    columns.push_back(
        {text_encoding_.to_utf8(PQfname(result, at)), PQftype(result, at), PQfmod(result, at)});
  }
  return columns;
}

Result<void> Connection::wait_for_input(const Cancellation* cancellation, WaitTime* waited) {
  PGFANOUT_TRY(wait_until_ready(cancellation, waited));
  if (PQconsumeInput(raw()) == 0) return error_of_connection(raw(), "read from the server");
  return {};
}

Result<void> Connection::wait_until_ready(const Cancellation* cancellation, WaitTime* waited) {
  constexpr int kStepMilliseconds = 100;
  constexpr int kStepWhileAsking = 10;
  const bool must_flush = PQflush(raw()) == 1;
  pollfd waiting{PQsocket(raw()), static_cast<short>(must_flush ? POLLIN | POLLOUT : POLLIN), 0};
  const auto began = Clock::now();
  auto silent_since = began;
  auto counted_until = began;
  while (true) {
    if ((cancellation != nullptr && cancellation->is_set()) || must_stop(began)) {
      return interrupted("cancelled", "cancelled while waiting for the server");
    }
    const int ready = poll(&waiting, 1, watch_->is_asking() ? kStepWhileAsking : kStepMilliseconds);
    if (waited != nullptr) {
      const auto now = Clock::now();
      waited->add(now - std::exchange(counted_until, now));
    }
    if (ready < 0 && errno != EINTR) return error_of_connection(raw(), "wait for the server");
    if (ready > 0) break;
    PGFANOUT_TRY(check_stalled(silent_since));
  }
  return {};
}

Result<void> Connection::check_stalled(Clock::time_point& silent_since) {
  auto checked = watch_->check(raw(), silent_since);
  if (!checked) {
    if (is_user_stopping() && checked.error().code == "stalled") {
      ServerWaits::all().leave_behind(raw());
    }
    abandon();
  }
  return checked;
}

/// Sends nothing more over a connection that does not answer, not even the message that ends it.
void Connection::abandon() {
  is_abandoned_ = true;
  shutdown(PQsocket(raw()), SHUT_RDWR);
}

}  // namespace pgfanout
