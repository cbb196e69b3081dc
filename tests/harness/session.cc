#include "tests/harness/session.h"

#include <libpq-fe.h>

#include <utility>

namespace pgfanout::harness {
namespace {

void ignore_notice(void* /*unused*/, const PGresult* /*unused*/) {}

[[noreturn]] void fail(const PGresult* result, const std::string& message, const std::string& sql) {
  const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  throw ServerError(message + "in: " + sql, sqlstate != nullptr ? sqlstate : "");
}

}  // namespace

Session::Session(const std::string& dsn) : connection_(PQconnectdb(dsn.c_str()), PQfinish) {
  if (PQstatus(raw()) != CONNECTION_OK) throw ServerError(PQerrorMessage(raw()), "");
  PQsetNoticeReceiver(raw(), ignore_notice, nullptr);
}

std::unique_ptr<PGresult, void (*)(PGresult*)> Session::run(const std::string& sql) {
  std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(raw(), sql.c_str()), PQclear);
  switch (PQresultStatus(result.get())) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_IN:
      return result;
    default:
      fail(result.get(), PQerrorMessage(raw()), sql);
  }
}

void Session::execute(const std::string& sql) {
  run(sql);
}

std::string Session::value(const std::string& sql) {
  const auto result = run(sql);
  if (PQntuples(result.get()) != 1 || PQnfields(result.get()) != 1) {
    throw ServerError("not one row of one column, in: " + sql, "");
  }
  if (PQgetisnull(result.get(), 0, 0) != 0) throw ServerError("NULL, in: " + sql, "");
  return PQgetvalue(result.get(), 0, 0);
}

TextRows Session::rows(const std::string& sql) {
  const auto result = run(sql);
  TextRows rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    TextRow& values = rows[static_cast<std::size_t>(row)];
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      if (PQgetisnull(result.get(), row, column) != 0) {
        values.emplace_back(std::nullopt);
      } else {
        values.emplace_back(PQgetvalue(result.get(), row, column));
      }
    }
  }
  return rows;
}

void Session::copy_in(const std::string& sql, const std::string& data) {
  const auto start = run(sql);
  if (PQresultStatus(start.get()) != PGRES_COPY_IN) {
    throw ServerError("not a COPY FROM STDIN: " + sql, "");
  }
  const bool sent = PQputCopyData(raw(), data.data(), static_cast<int>(data.size())) == 1 &&
                    PQputCopyEnd(raw(), nullptr) == 1;
  const std::unique_ptr<PGresult, void (*)(PGresult*)> end(PQgetResult(raw()), PQclear);
  if (!sent || PQresultStatus(end.get()) != PGRES_COMMAND_OK) {
    fail(end.get(), PQerrorMessage(raw()), sql);
  }
  PQclear(PQgetResult(raw()));
}

int Session::backend_pid() const {
  return PQbackendPID(raw());
}

}  // namespace pgfanout::harness
