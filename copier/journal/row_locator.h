// Finds the rows that the pipeline set aside: their place and identity, asked from the source under
// the snapshot that was streamed. Row contents other than the primary key are never read here.
#pragma once

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

  /// "public.chunks_p03 (12,3), {"id": ...}"
  [[nodiscard]] std::string text() const;
};

/// `connection` is in a transaction under the copy's snapshot, and reads in physical order.
Result<RowLocation> locate_row(Connection& connection, const Table& table,
                               const std::vector<SourceRange>& ranges, const Reject& reject);

}  // namespace pgfanout
