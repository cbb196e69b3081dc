// `<target>_rejects`: rows of the source that were set aside, with place, identity and reason.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "copier/catalog/source_range.h"
#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "copier/stage/rejects.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct RowLocation {
  std::string leaf;         ///< Qualified.
  std::string ctid;         ///< Empty if the row could not be found.
  std::string identity;     ///< Primary key as a JSON object; empty without one.
  std::string digest = {};  ///< By reject_digest_sql(); empty: not asked for, or cannot be read.

  /// "public.chunks_p03 ctid (12,3) {"id": ...}"
  [[nodiscard]] std::string text() const;
};

/// The digest of a row's content as SQL over a row of the source: a row that was set aside is known
/// again by it, wherever the row is by then. `columns`: the target's names, and their values as
/// SQL; their order does not matter.
[[nodiscard]] std::string reject_digest_sql(
    std::vector<std::pair<std::string, std::string>> columns);

/// Asks the source for the place and identity of a row that the pipeline set aside, and for its
/// digest if `digest_sql` is not empty; else it reads no column but the primary key. `connection`
/// is in a transaction under the copy's snapshot, and reads in physical order.
Result<RowLocation> locate_row(Connection& connection, const Table& table,
                               const std::vector<SourceRange>& ranges, const Reject& reject,
                               const std::string& digest_sql = {});

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

struct RejectCount {
  std::uint64_t rows = 0;
  std::uint64_t read = 0;  ///< Those among them that could be read: the journal's books have them.
};
/// Counts the rows that the job set aside in epochs before that one, and in it for leaves `kept`.
Result<RejectCount> count_rejects(Connection& connection, const RejectPlace& place,
                                  const std::vector<std::string>& kept);

/// A row of the reject table.
struct SetAsideRow {
  std::string leaf;  ///< Of the source, qualified.
  std::string ctid;  ///< Its place when it was set aside.
  std::string digest;
};

/// Rows that the last job from a source into a target set aside. Rows that other jobs set aside say
/// nothing about the target as it is now.
struct SetAside {
  std::vector<SetAsideRow> rows;  ///< Those with a digest.
  std::uint64_t undigested = 0;   ///< Rows that cannot be known again.
  std::uint64_t booked = 0;       ///< Rows that the job's books have as set aside.
  std::uint64_t of_others = 0;    ///< Rows of other jobs.
};

/// Reads it in the target's database. Unproven if the role may not read the table or the journal.
Result<SetAside> read_set_aside(Connection& connection, const Table& target,
                                std::uint32_t source_oid);

}  // namespace pgfanout
