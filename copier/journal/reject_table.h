// `<target>_rejects`: rows of the source that were set aside, with place, identity and reason.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/catalog/source_range.h"
#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "copier/stage/rejects.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct RowLocation {
  std::string leaf;      ///< Qualified.
  std::string ctid;      ///< Empty if the row could not be found.
  std::string identity;  ///< Primary key as a JSON object; empty without one.

  /// "public.chunks_p03 ctid (12,3) {"id": ...}"
  [[nodiscard]] std::string text() const;
};

/// Asks the source for the place and identity of a row that the pipeline set aside. Reads no column
/// but the primary key. `connection` is in a transaction under the copy's snapshot, and reads in
/// physical order.
Result<RowLocation> locate_row(Connection& connection, const Table& table,
                               const std::vector<SourceRange>& ranges, const Reject& reject);

struct LocatedReject {
  Reject reject;
  RowLocation location;
};

/// The job and epoch that set rows aside. `schema` and `target` are unquoted.
struct RejectPlace {
  std::string job;
  std::string schema;
  std::string target;
  std::uint32_t epoch = 1;
};

/// Replaces the rows that an earlier attempt at the epoch has set aside by `rejects`, in the
/// caller's transaction. Rows of the leaves `kept` (quoted) stay: they are committed. Creates the
/// table if need be, with a journal entry.
Result<void> store_rejects(Connection& connection, const RejectPlace& place,
                           const std::vector<LocatedReject>& rejects,
                           const std::vector<std::string>& kept);

/// Counts the rows that the job set aside in epochs before that one, and in it for leaves `kept`.
Result<std::uint64_t> count_rejects(Connection& connection, const RejectPlace& place,
                                    const std::vector<std::string>& kept);

/// The table's name: `<target>_rejects`, within 63 bytes.
[[nodiscard]] std::string reject_table_name(const std::string& target);

}  // namespace pgfanout
