// Rights that a session's role lacks, and the statement that gives them: also where the role is a
// member of one that has the right, but does not inherit from it.
#pragma once

#include <string>
#include <string_view>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// This session's role, quoted where needed.
Result<std::string> current_role(Connection& connection);

/// SQL expression: the statement after which CURRENT_USER has the rights of the role whose OID the
/// expression `role` gives. A plain GRANT leaves a membership without INHERIT as it is.
[[nodiscard]] std::string grant_role_sql(const Connection& connection, std::string_view role);

/// The statement that gives this session's role `rights` ("SELECT", "SELECT, INSERT") on a leaf.
Result<std::string> hint_for_right(Connection& connection, const Leaf& leaf,
                                   std::string_view rights);

/// How this session's role gets to see all rows of a leaf whose row-level security applies to it.
Result<std::string> hint_for_hidden_rows(Connection& connection, const Leaf& leaf);

/// How this session's role gets the rights of the owner of a table or leaf that it does not own;
/// empty if it owns all.
Result<std::string> hint_for_owner(Connection& connection, const Table& table);

}  // namespace pgfanout
