#include "copier/pg/server_error.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <utility>

#include "copier/pg/connect_hint.h"

namespace pgfanout {
namespace {

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

std::string field(const PGresult* result, int code) {
  const char* value = PQresultErrorField(result, code);
  return value == nullptr ? std::string() : std::string(value);
}

/// The object that the server names beside the message; never the row.
std::string object_of(const PGresult* result) {
  std::string where;
  const std::string schema = field(result, PG_DIAG_SCHEMA_NAME);
  const std::string table = field(result, PG_DIAG_TABLE_NAME);
  if (!table.empty()) where = schema.empty() ? table : schema + "." + table;
  for (const auto& [kind, code] :
       {std::pair{"column", PG_DIAG_COLUMN_NAME}, {"constraint", PG_DIAG_CONSTRAINT_NAME}}) {
    const std::string name = field(result, code);
    if (!name.empty()) where += fmt::format("{}{} {}", where.empty() ? "" : ", ", kind, name);
  }
  return where;
}

/// "id, collection_id" of "Key (id, collection_id)=(1, ...) is duplicated.": never the values.
std::string key_of(const PGresult* result) {
  const std::string detail = field(result, PG_DIAG_MESSAGE_DETAIL);
  const auto begin = detail.find('(');
  const auto end = detail.find(")=(");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return detail.substr(begin + 1, end - begin - 1);
}

/// Hints by SQLSTATE.
constexpr std::pair<std::string_view, std::string_view> kAdvice[] = {
    {"53100", "free space on the server's disk, then run the same command again"},
    {"53300", kNoConnectionLeft},
    {"53200",
     "the server is out of memory or locks: raise max_locks_per_transaction, or lower --writers"},
    {"55P03", "another session holds the lock: see pg_stat_activity and pg_locks"},
    {"42501", "grant the missing privilege, or run as the owner"},
    {"57014", "the statement was cancelled: run the same command again"},
};

}  // namespace

Consequence consequence_of(std::string_view sqlstate) {
  const std::string_view group = sqlstate.substr(0, 2);
  // 08 connection, 40 rollback by the server, 53 resources, 55 object state (locks), 57 operator
  // intervention, 58 system error, XX internal; an empty state means that the connection broke.
  for (const std::string_view passing : {"08", "40", "53", "55", "57", "58", "XX"}) {
    if (group == passing) return Consequence::interrupt;
  }
  return sqlstate.empty() ? Consequence::interrupt : Consequence::refuse;
}

bool is_transient(const Error& error) {
  constexpr std::array<std::string_view, 3> kLost = {"connection-lost", "stalled",
                                                     "cannot-connect"};
  constexpr std::string_view kDatabaseDropped = "57P04";
  // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout, deadlock_detected,
  // serialization_failure, lock_not_available, too_many_connections
  constexpr std::array<std::string_view, 8> kPassing = {"57P01", "57P02", "57P03", "57P05",
                                                        "40P01", "40001", "55P03", "53300"};
  const auto is_in = [](const auto& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
  };
  if (error.consequence != Consequence::interrupt || error.sqlstate == kDatabaseDropped) {
    return false;
  }
  return is_in(kLost, error.code) || is_in(kPassing, error.sqlstate) ||
         error.sqlstate.starts_with("08");
}

Error error_of_result(const pg_result* result, std::string_view doing) {
  Error error;
  error.sqlstate = field(result, PG_DIAG_SQLSTATE);
  error.consequence = consequence_of(error.sqlstate);
  error.code = error.sqlstate.empty() ? "connection-lost" : "server-error";
  std::string message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (message.empty()) message = first_line(PQresultErrorMessage(result));
  if (message.empty()) message = "the server closed the connection";
  error.message = fmt::format("could not {}: {}", doing, message);
  error.where = object_of(result);
  if (error.sqlstate == "23505") error.key = key_of(result);
  error.hint = field(result, PG_DIAG_MESSAGE_HINT);
  for (const auto& [sqlstate, hint] : kAdvice) {
    if (error.sqlstate == sqlstate) error.hint = hint;
  }
  if (error.message.find("query_wait_timeout") != std::string::npos) error.hint = kNoBackendLeft;
  return error;
}

Error error_of_connection(const pg_conn* connection, std::string_view doing) {
  Error error = interrupted("connection-lost", "");
  const std::string text =
      connection == nullptr ? "out of memory" : first_line(PQerrorMessage(connection));
  error.message = fmt::format("could not {}: {}", doing, text.empty() ? "connection lost" : text);
  error.hint = "check that the server is running, then run the same command again";
  return error;
}

}  // namespace pgfanout
