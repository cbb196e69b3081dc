// The columns that a query would return: the server describes it without running it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct ResultColumn {
  std::string name;
  std::uint32_t type_oid = 0;
  std::int32_t type_modifier = -1;
};

/// Parses and analyses `sql` on the server. An error is the server's own; inside a transaction it
/// ends that transaction.
Result<std::vector<ResultColumn>> describe_select(Connection& connection, std::string_view sql);

}  // namespace pgfanout
