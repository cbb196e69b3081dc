#include "copier/lifecycle/give_up.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/counted.h"
#include "copier/lifecycle/fence.h"
#include "copier/lifecycle/journal_tables.h"
#include "copier/lifecycle/window_journal.h"

namespace pgfanout {

Result<void> check_fence_place(Connection& journal, Connection& source, const JournalEntry& entry) {
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(journal));
  if (version < 2) return {};
  PGFANOUT_TRY_ASSIGN(const auto facts, WindowJournal(journal, entry.job).fence("source"));
  const auto place = std::find_if(facts.begin(), facts.end(), [](const std::string& fact) {
    return fact.starts_with("database ");
  });
  if (place == facts.end()) return {};
  PGFANOUT_TRY_ASSIGN(const std::string here, fence_place(source));
  if (here == *place) return {};
  return refused("other-source",
                 fmt::format("job {} has its fence in another database: its source is {}",
                             entry.job, entry.source),
                 "name that source with --source", source.description());
}

Result<void> check_nothing_stays(Connection& journal, const JournalEntry& entry) {
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(journal));
  if (version < 3) return {};
  const bool is_made =
      std::any_of(entry.made.begin(), entry.made.end(), [&](const MadeRelation& relation) {
        return relation.schema == entry.target_schema && relation.name == entry.target_name;
      });
  if (is_made) return {};
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      journal.query("SELECT COALESCE(pg_catalog.sum(rows), 0), pg_catalog.to_regclass("
                    "pg_catalog.format('%I.%I', $2::pg_catalog.text, $3::pg_catalog.text))"
                    " FROM pgfanout.leaf_load WHERE job = $1",
                    {entry.job, entry.target_schema, entry.target_name}));
  if (rows.integer(0, 0) == 0 || rows.is_null(0, 1)) return {};
  PGFANOUT_TRY_ASSIGN(const Rows left,
                      journal.query(fmt::format("SELECT 1 FROM {} LIMIT 1", rows.text(0, 1))));
  if (left.size() == 0) return {};
  return refused(
      "rows-left",
      fmt::format("{} of job {} stand in a table that it did not make, and only the journal knows "
                  "of them",
                  rows_text(static_cast<std::uint64_t>(rows.integer(0, 0))), entry.job),
      fmt::format("go on with the same command; or take those rows out yourself (if nothing else "
                  "is in the table: TRUNCATE it), and then, if it still holds others: DELETE FROM "
                  "pgfanout.job WHERE job = '{}'",
                  entry.job),
      rows.str(0, 1));
}

Result<void> lift_copy_fence(Connection& journal, Connection& source, const JournalEntry& entry,
                             const LockPatience& patience, const Cancellation& cancellation) {
  PGFANOUT_TRY(check_fence_place(journal, source, entry));
  return Fence(entry.job, "source").lower(source, patience, cancellation);
}

Result<void> finish_copy(Connection& journal, Connection& source, JournalEntry& entry,
                         const LockPatience& patience, const Cancellation& cancellation) {
  if (entry.command != "copy" || entry.state != "done" || !entry.is_fenced) return {};
  PGFANOUT_TRY(lift_copy_fence(journal, source, entry, patience, cancellation));
  PGFANOUT_TRY(Journal(journal).bring_up_to_date());
  entry.is_fenced = false;
  return Journal(journal).set_unfenced(entry.job);
}

}  // namespace pgfanout
