// `<target>_rejects`: rows of the source that were set aside, with the reason.
#pragma once

#include <string>
#include <vector>

#include "copier/journal/journal.h"
#include "copier/journal/row_locator.h"
#include "copier/pg/connection.h"
#include "copier/stage/rejects.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct LocatedReject {
  Reject reject;
  RowLocation location;
};

/// Whose rows they are. `schema` and `target` are unquoted.
struct RejectPlace {
  std::string job;
  std::string schema;
  std::string target;
  std::uint32_t epoch = 1;
};

/// Puts the rows in the place of those that an earlier attempt at the epoch has set aside, all in
/// the caller's transaction; rows of the leaves `kept` (quoted) are left, since those are
/// committed. Creates the table if need be, with a journal entry.
Result<void> store_rejects(Connection& connection, const RejectPlace& place,
                           const std::vector<LocatedReject>& rejects,
                           const std::vector<std::string>& kept);

/// Rows that the job has set aside in epochs before that one, and in it for the leaves `kept`.
Result<std::uint64_t> count_rejects(Connection& connection, const RejectPlace& place,
                                    const std::vector<std::string>& kept);

/// The table's name: `<target>_rejects`, within 63 bytes.
[[nodiscard]] std::string reject_table_name(const std::string& target);

}  // namespace pgfanout
