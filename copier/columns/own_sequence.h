// The sequences that the job makes for columns of the target: names, defaults, and what draws from
// them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct OwnSequence {
  TargetSequence wish;
  RelationName name;      ///< In the schema of the target, which its owner's table must be in.
  std::string qualified;  ///< Quoted.
  std::string column;     ///< Of the target, as in the catalog.

  /// "AS bigint START WITH 1 INCREMENT BY 1".
  [[nodiscard]] std::string options() const;
  /// "nextval('public.s'::regclass)".
  [[nodiscard]] std::string default_sql() const;
};

/// Refuses names, types and steps that no such sequence can have: "bad-sequence".
Result<std::vector<OwnSequence>> own_sequences(const TableRequest& job, const Table& source);

/// The one that this literal of a nextval() names, in its quotes.
[[nodiscard]] const OwnSequence* drawn_from(const std::vector<OwnSequence>& own,
                                            std::string_view literal);

}  // namespace pgfanout
