// `<target>_rejects`: rows of the source that were set aside, with the reason.
#pragma once

#include <string>
#include <vector>

#include "copier/lifecycle/journal.h"
#include "copier/lifecycle/row_locator.h"
#include "copier/pg/connection.h"
#include "copier/stage/rejects.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct LocatedReject {
  Reject reject;
  RowLocation location;
};

/// Creates the table if need be and inserts the rows, with a journal entry for a table that was
/// made, in one transaction. `schema` and `target` are unquoted.
Result<void> store_rejects(Connection& connection, const std::string& job,
                           const std::string& schema, const std::string& target,
                           const std::vector<LocatedReject>& rejects);

/// The table's name: `<target>_rejects`, within 63 bytes.
[[nodiscard]] std::string reject_table_name(const std::string& target);

}  // namespace pgfanout
