// A copy of one table into one target: plan, tables, rows, the proof, attached leaves. The caller
// has claimed the target, and knows which job it is.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/copy/copy_state.h"
#include "copier/session/reporting_job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct CopyOutcome {
  std::optional<TableSummary> source;
  std::optional<TableSummary> target;
  CopyResult rows;
  std::vector<std::string> statements;  ///< Of a dry run.
  std::optional<Verdict> verdict;       ///< Absent: the read-back was not reached.
  std::optional<Error> error;
  std::optional<Connection> source_session;  ///< Absent if it was lost.

  [[nodiscard]] bool is_refused() const {
    return error && error->consequence == Consequence::refuse;
  }
};

/// Stages: preflight, prepare, copy, read-back, attach. Releases the source, and judges whether it
/// stayed as it was. `source`: a session of the job on the source; the outcome gives it back.
/// `clock` times the stages. Never throws.
CopyOutcome copy_table(CopyState& state, Connection source, Table table, StageClock& clock);

/// Drops what the copy made, after a refusal.
void undo_copy(CopyState& state);

/// The SQL that a copy would run, in order: all statements that change something or move rows,
/// without catalog queries and the journal's own rows. Lines that start with "--" say which side
/// runs what follows. `fence`: what raises it, if the copy does that; `lock`: on the source.
[[nodiscard]] std::vector<std::string> copy_statements(const CopyPlan& plan,
                                                       const CopyProgress& progress,
                                                       const std::vector<std::string>& fence,
                                                       TableLock lock);

}  // namespace pgfanout
