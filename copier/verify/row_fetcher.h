// Rows of one side of a comparison by where they are: finds places, and fetches the rows there. All
// statements run under the snapshot that was streamed, so a place stays what it was.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "copier/plan/verify_plan.h"
#include "copier/stage/compare.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Where a row is: leaf (of the side's table) and ctid, "(block,line)".
struct RowAddress {
  std::uint32_t leaf = 0;
  std::string ctid;
  friend auto operator<=>(const RowAddress&, const RowAddress&) = default;
};

struct FetchedRow {
  RowAddress address;
  RowName name;
  std::vector<Parameter> identity;           ///< As text; parallel to the plan's identity columns.
  std::vector<std::uint64_t> column_hashes;  ///< Parallel to the plan's columns.
  bool is_misplaced = false;                 ///< Set by the caller, who knows.
};

/// A row that a repair puts into the target: its values as binary COPY carries them, NULL absent.
struct RowValues {
  RowName name;
  std::vector<Parameter> values;  ///< Parallel to the plan's columns.
};

class RowFetcher {
 public:
  /// `connection` is in the transaction with the side's snapshot.
  RowFetcher(const VerifyPlan& plan, Side side, Connection& connection,
             const Cancellation& cancellation)
      : plan_(plan), side_(side), connection_(connection), cancellation_(cancellation) {}

  /// All rows that have one of the fixed identities, each given as its canonical bytes.
  Result<std::vector<RowAddress>> locate(const std::vector<std::string>& identities);
  /// The places of rows of the stream, parallel to `places`.
  Result<std::vector<RowAddress>> resolve(const std::vector<SourceRange>& ranges,
                                          const std::vector<RowPlace>& places);
  /// The rows at `addresses`, parallel to them.
  Result<std::vector<FetchedRow>> fetch(const std::vector<RowAddress>& addresses);
  /// The same with all values: for few rows.
  Result<std::vector<RowValues>> fetch_values(const std::vector<RowAddress>& addresses);

 private:
  template <class Row, class Take>
  Result<std::vector<Row>> fetch_with(const std::vector<RowAddress>& addresses,
                                      const std::string& more, Take take);
  [[nodiscard]] RowName name_of(const Rows& rows, int row) const;

  const VerifyPlan& plan_;
  const Side side_;
  Connection& connection_;
  const Cancellation& cancellation_;
};

}  // namespace pgfanout
