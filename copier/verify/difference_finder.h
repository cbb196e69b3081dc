// From elements that differ to rows that a person can look up: which are missing, extra, changed
// or misplaced, where they are on either side, and which columns changed.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "copier/pipeline/compare_sides.h"
#include "copier/plan/verify_plan.h"
#include "copier/reconcile/comparison.h"
#include "copier/stage/compare.h"
#include "copier/verify/verify_sides.h"
#include "hashing/difference_sketch.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job_result.h"
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
  std::uint64_t copies = 1;                  ///< As a collected row has them.
};

/// A row that a repair puts into the target: its values as binary COPY carries them, NULL absent.
struct RowValues {
  RowName name;
  std::vector<Parameter> values;  ///< Parallel to the plan's columns.
};

/// Finds places, and fetches the rows there. All statements run under the snapshot that was
/// streamed, so a place stays what it was.
class RowFetcher {
 public:
  /// `connection` is in the transaction with the side's snapshot.
  RowFetcher(const VerifyPlan& plan, Side side, Connection& connection,
             const Cancellation& cancellation)
      : plan_(plan), side_(side), connection_(connection), cancellation_(cancellation) {}

  /// All rows that have one of the identities, each given as its values' bytes in binary form, with
  /// their lengths. Its types must be known to the side's server, which compares them. `by_key`: of
  /// the target, each identity is followed by an int8, and only rows that store it as their key are
  /// found: in one leaf each.
  Result<std::vector<RowAddress>> locate(const std::vector<std::string>& identities,
                                         bool by_key = false);
  /// The places of rows of the stream, parallel to `places`.
  Result<std::vector<RowAddress>> resolve(const std::vector<SourceRange>& ranges,
                                          const std::vector<RowPlace>& places);
  /// The rows at `addresses`, parallel to them.
  Result<std::vector<FetchedRow>> fetch(const std::vector<RowAddress>& addresses);
  /// The same with all values: for few rows.
  Result<std::vector<RowValues>> fetch_values(const std::vector<RowAddress>& addresses);
  /// Digests of rows of the source as those that are set aside have them, parallel to `addresses`;
  /// empty where there is no row.
  Result<std::vector<std::string>> fetch_digests(const std::vector<RowAddress>& addresses);

 private:
  Result<std::vector<std::uint32_t>> identity_types();
  template <class Row, class Take>
  Result<std::vector<Row>> fetch_with(const std::vector<RowAddress>& addresses,
                                      const std::string& more, Take take);
  [[nodiscard]] RowName name_of(const Rows& rows, int row) const;

  const VerifyPlan& plan_;
  const Side side_;
  Connection& connection_;
  const Cancellation& cancellation_;
};

/// A difference with both of its rows. Missing: no target; extra: no source; misplaced: the
/// target's row alone.
struct FoundDifference {
  RowDifference named;
  std::optional<FetchedRow> source;
  std::optional<FetchedRow> target;
};

struct FoundDifferences {
  Differences counts;  ///< Without rows: `rows` has them, up to the limit.
  std::vector<FoundDifference> rows;
  std::uint64_t set_aside = 0;  ///< Missing rows that the copy put into the reject table.
  bool is_complete = false;     ///< The sketch named all differences by itself.
  bool adds_up = false;         ///< The rows account for the difference of the sides' digests.
};

/// Rows that were set aside, by their digest: how many there are of each.
using SetAsideDigests = std::map<std::string, std::uint64_t>;

/// Names the differences. `sketch` and `books` as the comparison left them. Needs a second pass
/// over both sides if rows have no identity of fixed width, or if the sketch overflowed: then over
/// the groups that differ alone, as many at a time as `memory_bytes` allows.
Result<FoundDifferences> find_differences(const VerifyPlan& plan, VerifySides& sides,
                                          DifferenceSketch sketch, const Comparison& books,
                                          SetAsideDigests set_aside, std::size_t max_named,
                                          std::uint64_t memory_bytes, JobCounters& counters,
                                          const Cancellation& cancellation);

}  // namespace pgfanout
