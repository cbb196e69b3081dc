#include "copier/pg/server_error.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <array>

namespace pgfanout {
namespace {

std::string first_line(std::string_view text) {
  const auto end = text.find('\n');
  return std::string(end == std::string_view::npos ? text : text.substr(0, end));
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
  if (const auto column = field(result, PG_DIAG_COLUMN_NAME); !column.empty()) {
    where += fmt::format("{}column {}", where.empty() ? "" : ", ", column);
  }
  if (const auto constraint = field(result, PG_DIAG_CONSTRAINT_NAME); !constraint.empty()) {
    where += fmt::format("{}constraint {}", where.empty() ? "" : ", ", constraint);
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

struct Advice {
  std::string_view sqlstate;
  std::string_view hint;
};

constexpr std::array kAdvice = {
    Advice{"53100", "free space on the server's disk, then run the same command again"},
    Advice{"53300", "the server has no connection left: lower --writers or --readers"},
    Advice{"53200",
           "the server is out of memory or locks: raise max_locks_per_transaction, or lower "
           "--writers"},
    Advice{"55P03", "another session holds the lock: see pg_stat_activity and pg_locks"},
    Advice{"42501", "grant the missing privilege, or run as the owner"},
    Advice{"57014", "somebody cancelled the statement: run the same command again"},
};

std::string advice_for(const std::string& sqlstate) {
  for (const Advice& advice : kAdvice) {
    if (advice.sqlstate == sqlstate) return std::string(advice.hint);
  }
  return {};
}

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
  constexpr std::array<std::string_view, 8> kPassing = {"57P01",   // admin_shutdown
                                                        "57P02",   // crash_shutdown
                                                        "57P03",   // cannot_connect_now
                                                        "57P05",   // idle_session_timeout
                                                        "40P01",   // deadlock_detected
                                                        "40001",   // serialization_failure
                                                        "55P03",   // lock_not_available
                                                        "53300"};  // too_many_connections
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
  error.hint = advice_for(error.sqlstate);
  if (error.hint.empty()) error.hint = field(result, PG_DIAG_MESSAGE_HINT);
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
