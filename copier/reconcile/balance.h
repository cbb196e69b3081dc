// Checks that the books balance: every comparison between two hand-overs, with a sentence for each
// that fails.
#pragma once

#include <string>
#include <vector>

#include "copier/reconcile/ledger.h"
#include "pgfanout/job_result.h"
#include "pgfanout/verdict.h"

namespace pgfanout {

struct Balance {
  Verdict verdict = Verdict::unproven;
  MultisetDigest source;  ///< All rows that were read.
  MultisetDigest target;  ///< All rows that were read back, without those that were there before.
  std::vector<Issue> issues;
};

/// Before COMMIT: read = routed + rejected, sent = copied. Differences here mean a defect or broken
/// memory; nothing may be committed then. Ranges that need not have been read yet are false in
/// `must_be_read`; empty: all must.
[[nodiscard]] Balance balance_before_commit(const Ledger& ledger,
                                            const std::vector<std::string>& leaf_names,
                                            const std::vector<bool>& must_be_read = {});

/// After the read-back: committed, and what is there is what was routed. `match` only if every
/// range is complete and every leaf was committed and read to its end.
[[nodiscard]] Balance balance_after_read_back(const Ledger& ledger,
                                              const std::vector<std::string>& leaf_names);

}  // namespace pgfanout
