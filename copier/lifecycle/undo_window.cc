#include "copier/lifecycle/undo_window.h"

#include <fmt/format.h>

#include "copier/base/counted.h"

namespace pgfanout {

Result<void> undo_window(const JobDescription& /*job*/, WindowState& state,
                         const Cancellation& cancellation, const std::function<void(Issue)>& tell) {
  const JournalEntry& entry = *state.entry();
  PGFANOUT_TRY(state.fence("target").lower(state.target(), state.patience(), cancellation));
  if (!entry.made.empty()) {
    PGFANOUT_TRY(drop_made(state.target(), entry, JournalRemains::job));
    tell({Severity::info,
          "dropped",
          counted(entry.made.size(), "table that the job had made was dropped",
                  "tables that the job had made were dropped"),
          state.target_qualified(),
          {}});
  }
  // Last: until here nothing could change what the copy was made of.
  PGFANOUT_TRY(state.fence("source").lower(state.source(), state.patience(), cancellation));
  return Journal(state.target()).set_state(entry.job, "rolled back");
}

}  // namespace pgfanout
