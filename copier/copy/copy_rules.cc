#include "copier/copy/copy_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "copier/base/counted.h"
#include "copier/journal/job_request.h"
#include "copier/session/fence.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

constexpr std::array kPauses = {milliseconds(200), milliseconds(1000), milliseconds(3000),
                                milliseconds(10000), milliseconds(30000)};

std::string target_of(const JournalEntry& entry) {
  return fmt::format("{}.{}", entry.target_schema, entry.target_name);
}

Error unfinished(const JournalEntry& entry, const std::string& why, const std::string& hint) {
  return refused(
      "unfinished-job",
      fmt::format("a {} into this table was begun at {} and not finished (job {}){}",
                  entry.command == "run" ? "window" : "copy", entry.started_at, entry.job, why),
      hint, target_of(entry));
}

}  // namespace

bool is_done_but_fenced(const JournalEntry& entry) {
  return entry.command == "copy" && entry.state == "done" && entry.is_fenced;
}

Result<CopyStart> start_of_copy(const std::optional<JournalEntry>& last, const JobDescription& job,
                                const std::string& table) {
  if (!last) return CopyStart::fresh;
  const bool is_copy = last->command == "copy";
  if (!last->is_over() && last->command == "run") {
    return unfinished(*last, "",
                      last->is_being_undone
                          ? "'pgfanout rollback' finishes undoing it"
                          : "resume it with 'pgfanout run', or undo it with 'pgfanout rollback'");
  }
  if (is_copy && job.restart && !job.dry_run) return CopyStart::restart;
  const bool is_finished = is_done_but_fenced(*last);
  if (last->is_over() && !is_finished) return CopyStart::fresh;
  if (job.dry_run) return unfinished(*last, "", "the same command without --dry-run resumes it");
  if (!is_copy || !last->is_fenced) {
    return unfinished(*last, ", without a fence around its source",
                      "run the same command with --restart: it drops what that copy made and "
                      "starts over");
  }
  if (!job.fence || job.assume_quiet) {
    return refused("other-request",
                   fmt::format("job {} began with a fence, and is resumed only with it", last->job),
                   "leave --no-fence and --assume-quiet out, or start over with --restart", table);
  }
  return is_finished ? CopyStart::finished : CopyStart::resumes;
}

Error done_already(const JournalEntry& entry, std::uint32_t source_oid,
                   const std::string& request_now) {
  std::string differs;
  if (entry.source_oid != source_oid) {
    differs = ", of another source: " + entry.source;
  } else if (!entry.request.empty()) {
    const std::string settings = request_differences(entry.request, request_now);
    if (!settings.empty()) differs = ", with other settings: " + settings;
  }
  return refused(
      "target-not-empty",
      fmt::format("the target holds rows: a copy into it is done already (job {}, done at "
                  "{}, {} copied and proven then{})",
                  entry.job, entry.finished_at, rows_text(entry.rows), differs),
      fmt::format("'pgfanout verify' compares both sides again; {}",
                  made_its_target(entry)
                      ? "to copy once more, use --restart, which drops this target first"
                      : "to copy once more, empty the target first, or use --append to "
                        "leave its rows alone"),
      target_of(entry));
}

Result<void> check_same_source(const JournalEntry& entry, std::uint32_t source_oid) {
  if (entry.source_oid == source_oid) return {};
  return refused("other-request", "the unfinished copy into this table has another source",
                 "start over with --restart", entry.source);
}

Result<void> check_same_request(const JournalEntry& entry, const std::string& request_now,
                                const std::string& table) {
  const std::string differences = request_differences(entry.request, request_now);
  if (differences.empty()) return {};
  return refused("other-request", "the copy was begun with other settings: " + differences,
                 "use the same ones, or start over with --restart", table);
}

Result<void> check_same_place(const std::vector<std::string>& facts, const std::string& here,
                              const JournalEntry& entry, const std::string& source) {
  const auto place = std::ranges::find_if(
      facts, [](const std::string& fact) { return fact.starts_with("database "); });
  if (place == facts.end() || *place == here) return {};
  return refused("other-source",
                 fmt::format("job {} has its fence in another database: its source is {}",
                             entry.job, entry.source),
                 "name that source with --source", source);
}

Result<void> check_fence_stood(const std::vector<std::string>& then,
                               const std::optional<std::vector<std::string>>& now,
                               const std::string& table) {
  if (!now) {
    return refused(
        "fence-lifted",
        "the fence around the source was lifted: the source may have changed since it was "
        "copied",
        "start over with --restart", table);
  }
  const std::string broken = broken_facts(then, *now);
  if (broken.empty()) return {};
  return refused("source-changed", "the source was changed in spite of its fence: " + broken,
                 "start over with --restart: the copy is not reliable", table);
}

bool is_target_there(const JournalEntry& entry, std::optional<std::uint32_t> oid_now) {
  if (!oid_now) return false;
  for (const MadeRelation& made : entry.made) {
    if (made.schema == entry.target_schema && made.name == entry.target_name) {
      return made.oid == *oid_now;
    }
  }
  return true;
}

Result<void> check_same_leaves(const std::vector<std::string>& names_then,
                               const std::vector<LeafNow>& now, bool are_made,
                               const JournalEntry& entry, const std::string& target) {
  const auto changed = [](const std::string& where) {
    return refused("target-changed",
                   "the leaves of the target are not those with which the copy began",
                   "restore them, or start over with --restart", where);
  };
  if (names_then.size() != now.size()) return changed(target);
  for (std::size_t at = 0; at < now.size(); ++at) {
    const LeafNow& leaf = now[at];
    if (names_then[at] != leaf.name) return changed(leaf.name);
    if (!are_made) continue;
    const bool is_ours = std::ranges::any_of(entry.made, [&](const MadeRelation& relation) {
      return leaf.oid && relation.oid == *leaf.oid;
    });
    if (!is_ours) return changed(leaf.name);
  }
  return {};
}

Result<void> check_same_rows(std::uint32_t epoch, const MultisetDigest& then,
                             const MultisetDigest& now, bool has_volatile_values,
                             const std::string& source) {
  const bool is_same = has_volatile_values ? then.rows() == now.rows() : then == now;
  if (is_same) return {};
  return unproven(
      "source-changed",
      fmt::format("epoch {} had {} with digest {} when it was read first, "
                  "and has {} with digest {} now",
                  epoch, rows_text(then.rows()), then.hex(), rows_text(now.rows()), now.hex()),
      "start over with --restart; a copy whose mapping gives other values each time, such as "
      "now(), cannot be resumed",
      source);
}

bool made_its_target(const JournalEntry& entry) {
  return std::ranges::any_of(entry.made, [&](const MadeRelation& relation) {
    return relation.schema == entry.target_schema && relation.name == entry.target_name;
  });
}

Result<void> check_may_forget(const JournalEntry& entry, const RowsLeft& left) {
  if (made_its_target(entry) || left.committed == 0 || left.target.empty() || !left.has_rows) {
    return {};
  }
  return refused(
      "rows-left",
      fmt::format("{} of job {} are in a table that it did not make, and only the journal knows "
                  "which",
                  rows_text(left.committed), entry.job),
      fmt::format("resume it with the same command; or delete those rows yourself (if nothing else "
                  "is in the table: TRUNCATE it), and then, if it still holds others: DELETE FROM "
                  "pgfanout.job WHERE job = '{}'",
                  entry.job),
      left.target);
}

std::optional<milliseconds> pause_before_retry(bool may_pass, int attempt, bool is_cancelled) {
  if (!may_pass || is_cancelled || attempt >= static_cast<int>(kPauses.size())) return {};
  return kPauses[static_cast<std::size_t>(attempt)];
}

int next_attempt(int attempt, std::uint32_t epoch_then, std::uint32_t epoch_now) {
  return epoch_now > epoch_then ? 0 : attempt + 1;
}

CopySettlement settlement_of(const CopyEnd& end) {
  constexpr int kRefused = 2;
  CopySettlement settlement;
  if (!end.has_job || !end.may_undo || end.exit_code > kRefused) return settlement;
  settlement.lifts_fence = end.raises_fence;
  settlement.marks_unfenced = end.raises_fence && end.exit_code == 0;
  settlement.drops_tables = end.exit_code == kRefused && !end.is_attached;
  return settlement;
}

}  // namespace pgfanout
