#include "copier/pg/connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "copier/pg/server_error.h"
#include "copier/pg/stall_watch.h"

namespace pgfanout {
namespace {

using OptionList = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

Error connect_error(const PGconn* connection) {
  Error error = error_of_connection(connection, "connect");
  error.consequence = Consequence::refuse;
  error.code = "cannot-connect";
  const std::string& message = error.message;
  const auto says = [&](std::string_view part) { return message.find(part) != std::string::npos; };
  if (says("password authentication failed")) {
    error.hint =
        "the password is wrong, or the role does not exist: check the file named by PGPASSFILE "
        "(or ~/.pgpass) or the service file that the password comes from";
  } else if (says("no password supplied")) {
    error.hint =
        "put the password into a file named by PGPASSFILE (or ~/.pgpass), or use a service file";
  } else if (says("does not exist")) {
    error.hint = "check the name in the connection string";
  } else if (says("too many clients") || says("remaining connection slots")) {
    error.hint = "the server has no connection left: lower --writers or --readers";
  } else {
    error.hint = "check host, port and pg_hba.conf; psql with the same connection string must work";
  }
  if (connection != nullptr && PQhost(connection) != nullptr) {
    error.where = fmt::format("{}:{}", PQhost(connection), PQport(connection));
  }
  return error;
}

}  // namespace

Rows::Rows(pg_result* result) : result_(result) {}
Rows::~Rows() {
  PQclear(result_);
}
Rows::Rows(Rows&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
Rows& Rows::operator=(Rows&& other) noexcept {
  std::swap(result_, other.result_);
  return *this;
}
int Rows::size() const {
  return PQntuples(result_);
}
int Rows::columns() const {
  return PQnfields(result_);
}
bool Rows::is_null(int row, int column) const {
  return PQgetisnull(result_, row, column) == 1;
}

std::string_view Rows::text(int row, int column) const {
  return {PQgetvalue(result_, row, column),
          static_cast<std::size_t>(PQgetlength(result_, row, column))};
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
  const std::string_view count = PQcmdTuples(result_);
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
  const std::string timeout = std::to_string(options.connect_timeout.count());
  // expand_dbname makes the first dbname a whole connection string. Later words win over earlier
  // ones: words before dbname are defaults that the user's string may change.
  const char* const keywords[] = {
      "connect_timeout",  "keepalives_idle", "keepalives_interval", "keepalives_count",
      "tcp_user_timeout", "dbname",          "application_name",    nullptr};
  const char* const values[] = {timeout.c_str(),
                                "30",
                                "10",
                                "3",
                                "60000",
                                options.dsn.c_str(),
                                options.application_name.c_str(),
                                nullptr};
  Connection connection(PQconnectdbParams(keywords, values, 1), options);
  if (PQstatus(connection.connection_) != CONNECTION_OK) {
    return connect_error(connection.connection_);
  }
  // Otherwise a long statement would be sent by a libpq that waits for a stalled socket by itself.
  if (PQsetnonblocking(connection.connection_, 1) != 0) {
    return error_of_connection(connection.connection_, "make a connection non-blocking");
  }
  PGFANOUT_TRY(connection.set_up_session());
  return connection;
}

Result<void> Connection::set_up_session() {
  const std::string lift = server_version() >= 170000 ? "SET transaction_timeout = 0;" : "";
  PGFANOUT_TRY(
      run("SET search_path = ''; SET row_security = off; SET statement_timeout = 0;"
          "SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
          "SET idle_session_timeout = 0; SET default_transaction_read_only = off;"
          "SET default_transaction_isolation = 'read committed';" +
          lift +
          "SET client_min_messages = error; SET DateStyle = 'ISO, YMD';"
          "SET IntervalStyle = 'postgres'; SET extra_float_digits = 1;"
          "SET bytea_output = 'hex'; SET standard_conforming_strings = on;"
          // JIT costs more than it saves on the catalogs' queries.
          "SET xmloption = content; SET jit = off"));
  const char* encoding = PQparameterStatus(connection_, "server_encoding");
  if (encoding == nullptr) return error_of_connection(connection_, "learn the server's encoding");
  encoding_ = encoding;
  PGFANOUT_TRY(run("SET client_encoding = " + quote_literal(encoding_)));
  // Since 14; an error where the server's platform cannot tell that a socket was closed.
  if (server_version() >= 140000) {
    auto asked = run("SET client_connection_check_interval = '2s'");
    if (!asked && !is_open()) return asked;
  }
  return identify_backend();
}

Result<void> Connection::identify_backend() {
  PGFANOUT_TRY_ASSIGN(const Rows own, query(own_backend_sql()));
  if (own.size() != 1 || own.integer(0, 0) != PQbackendPID(connection_)) {
    return refused(
        "pooler",
        "there is a connection pooler between pgfanout and the server: statements of one "
        "session may reach different backends",
        "connect to the server itself", description());
  }
  watch_->set_backend({PQbackendPID(connection_), own.integer(0, 1)});
  return {};
}

Connection::Connection(pg_conn* connection, ConnectOptions options)
    : connection_(connection), watch_(std::make_unique<StallWatch>(std::move(options))) {}

Connection::~Connection() {
  PQfinish(connection_);
}

Connection::Connection(Connection&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)),
      encoding_(std::move(other.encoding_)),
      watch_(std::move(other.watch_)),
      cancellation_(other.cancellation_),
      is_abandoned_(other.is_abandoned_) {}

Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(encoding_, other.encoding_);
  std::swap(watch_, other.watch_);
  std::swap(cancellation_, other.cancellation_);
  std::swap(is_abandoned_, other.is_abandoned_);
  return *this;
}

int Connection::server_version() const {
  return PQserverVersion(connection_);
}

std::string Connection::server_version_text() const {
  const char* text = PQparameterStatus(connection_, "server_version");
  const std::string_view whole = text == nullptr ? "" : text;
  return std::string(whole.substr(0, whole.find(' ')));
}

std::string Connection::description() const {
  return description_of(connection_);
}

int Connection::backend_pid() const {
  return PQbackendPID(connection_);
}

bool Connection::is_open() const {
  return connection_ != nullptr && !is_abandoned_ && PQstatus(connection_) == CONNECTION_OK;
}

std::string Connection::quote_literal(std::string_view value) const {
  const std::unique_ptr<char, decltype(&PQfreemem)> quoted(
      PQescapeLiteral(connection_, value.data(), value.size()), &PQfreemem);
  return quoted == nullptr ? std::string() : std::string(quoted.get());
}

}  // namespace pgfanout
