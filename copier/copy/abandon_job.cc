#include "copier/copy/abandon_job.h"

#include <fmt/format.h>

#include "copier/base/counted.h"
#include "copier/catalog/relation_name.h"
#include "copier/copy/copy_rules.h"
#include "copier/journal/journal.h"
#include "copier/journal/window_journal.h"
#include "copier/session/fence.h"

namespace pgfanout {

Result<void> check_fence_place(Connection& journal, Connection& source, const JournalEntry& entry) {
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(journal));
  if (version < 2) return {};
  PGFANOUT_TRY_ASSIGN(const auto facts, WindowJournal(journal, entry.job).fence("source"));
  if (facts.empty()) return {};
  PGFANOUT_TRY_ASSIGN(const std::string here, fence_place(source));
  return check_same_place(facts, here, entry, source.description());
}

Result<void> check_nothing_stays(Connection& journal, const JournalEntry& entry) {
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(journal));
  if (version < 3) return {};
  if (made_its_target(entry)) return {};
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      journal.query("SELECT COALESCE(sum(rows), 0), to_regclass("
                    "format('%I.%I', $2::text, $3::text)) FROM pgfanout.leaf_load WHERE job = $1",
                    {entry.job, entry.target_schema, entry.target_name}));
  RowsLeft left;
  left.committed = static_cast<std::uint64_t>(rows.integer(0, 0));
  if (!rows.is_null(0, 1)) left.target = rows.str(0, 1);
  if (left.committed > 0 && !left.target.empty()) {
    PGFANOUT_TRY_ASSIGN(const Rows some,
                        journal.query(fmt::format("SELECT 1 FROM {} LIMIT 1", left.target)));
    left.has_rows = some.size() > 0;
  }
  return check_may_forget(entry, left);
}

Result<void> check_source_has_its_rows(Connection& journal, Connection& source,
                                       const JournalEntry& entry) {
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(journal));
  if (version < 3) return {};  // It does not know what was read.
  PGFANOUT_TRY_ASSIGN(
      const Rows copied,
      journal.query(
          "SELECT COALESCE((SELECT array_agg(DISTINCT r.leaf) FROM pgfanout.source_range r"
          " WHERE r.job = $1), '{}') || $2::oid"
          " WHERE EXISTS (SELECT FROM pgfanout.leaf_load l WHERE l.job = $1 AND l.rows > 0)"
          " AND EXISTS (SELECT FROM pgfanout.made_relation m"
          " JOIN pg_class c ON c.oid = m.relation WHERE m.job = $1)",
          {entry.job, std::to_string(entry.source_oid)}));
  if (copied.size() == 0) return {};
  PGFANOUT_TRY_ASSIGN(const Rows gone,
                      source.query("SELECT count(*) FROM unnest($1::oid[]) o"
                                   " WHERE o NOT IN (SELECT c.oid FROM pg_class c)",
                                   {copied.str(0, 0)}));
  const std::string target =
      fmt::format("{}.{}", display_name(entry.target_schema), display_name(entry.target_name));
  const auto tables = static_cast<std::uint64_t>(gone.integer(0, 0));
  if (tables == 0) return {};
  return refused(
      "source-gone",
      fmt::format("somebody dropped {} of the source since the job copied {}: {} may be"
                  " the only place that has the rows",
                  counted(tables, "table", "tables"), tables == 1 ? "it" : "them", target),
      "copy the rows that are needed from there first, then 'pgfanout rollback --force'"
      " drops it",
      target);
}

Result<void> lift_copy_fence(Connection& journal, Connection& source, const JournalEntry& entry,
                             const LockPatience& patience, const Cancellation& cancellation) {
  PGFANOUT_TRY(check_fence_place(journal, source, entry));
  return Fence(entry.job, "source").lower(source, patience, cancellation);
}

Result<void> finish_copy(Connection& journal, Connection& source, JournalEntry& entry,
                         const LockPatience& patience, const Cancellation& cancellation) {
  if (!is_done_but_fenced(entry)) return {};
  PGFANOUT_TRY(lift_copy_fence(journal, source, entry, patience, cancellation));
  PGFANOUT_TRY(Journal(journal).bring_up_to_date());
  entry.is_fenced = false;
  return Journal(journal).set_unfenced(entry.job);
}

}  // namespace pgfanout
