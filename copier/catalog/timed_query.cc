#include "copier/catalog/timed_query.h"

#include <fmt/format.h>

#include "copier/pg/transaction.h"

namespace pgfanout {

Result<std::optional<Rows>> query_in_time(Connection& connection, const std::string& sql,
                                          std::chrono::milliseconds patience) {
  std::optional<Rows> found;
  const auto ask = [&]() -> Result<void> {
    PGFANOUT_TRY(connection.run(fmt::format("SET LOCAL statement_timeout = {}", patience.count())));
    PGFANOUT_TRY_ASSIGN(found, connection.query(sql));
    return {};
  };
  const auto asked = connection.is_in_transaction()
                         ? in_savepoint(connection, ask)
                         : in_transaction(connection, {"BEGIN", TransactionEnd::roll_back}, ask);
  const bool is_unknown = !asked && connection.is_open() &&
                          (asked.error().sqlstate == "57014" || asked.error().sqlstate == "42501");
  if (!asked && !is_unknown) return asked.error();
  return found;
}

}  // namespace pgfanout
