#include "copier/window/undo_window.h"

#include <fmt/format.h>

#include "copier/base/counted.h"
#include "copier/copy/give_up.h"

namespace pgfanout {

Result<void> undo_window(const JobDescription& /*job*/, WindowState& state,
                         const Cancellation& cancellation, const IssueSink& tell) {
  const JournalEntry& entry = *state.entry();
  PGFANOUT_TRY(check_fence_place(state.target(), state.source(), entry));
  PGFANOUT_TRY(check_nothing_stays(state.target(), entry));
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
  Journal journal(state.target());
  PGFANOUT_TRY(journal.bring_up_to_date());
  PGFANOUT_TRY(journal.set_unfenced(entry.job));
  return journal.set_state(entry.job, "rolled back");
}

}  // namespace pgfanout
