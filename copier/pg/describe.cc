#include "copier/pg/describe.h"

#include <libpq-fe.h>

#include "copier/pg/server_error.h"

namespace pgfanout {

Result<std::vector<ResultColumn>> describe_select(Connection& connection, std::string_view sql) {
  PGconn* raw = connection.raw();
  PGresult* prepared = PQprepare(raw, "", std::string(sql).c_str(), 0, nullptr);
  const Rows prepared_owner(prepared);
  if (PQresultStatus(prepared) != PGRES_COMMAND_OK) {
    if (!connection.is_open()) return error_of_connection(raw, "analyse a query");
    return error_of_result(prepared, "analyse a query");
  }
  PGresult* described = PQdescribePrepared(raw, "");
  const Rows described_owner(described);
  if (PQresultStatus(described) != PGRES_COMMAND_OK) {
    if (!connection.is_open()) return error_of_connection(raw, "analyse a query");
    return error_of_result(described, "analyse a query");
  }
  std::vector<ResultColumn> columns;
  for (int at = 0; at < PQnfields(described); ++at) {
    columns.push_back({PQfname(described, at), PQftype(described, at), PQfmod(described, at)});
  }
  return columns;
}

}  // namespace pgfanout
