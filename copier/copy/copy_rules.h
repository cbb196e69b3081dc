// The decisions of a copy that need no server: what a call makes of the job that the journal has,
// whether what was copied can still be relied on, whether a lost epoch is retried, and what the
// command's end does with fence and tables. The stages read facts, ask here, and act.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/journal/journal.h"
#include "hashing/row_digest.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// How a call of copy begins, by the last job into its target.
enum class CopyStart : std::uint8_t {
  fresh,     ///< No job, or none that matters any more.
  restart,   ///< The same, once the tables of an earlier copy are dropped.
  resumes,   ///< The same job, interrupted.
  finished,  ///< The same job, done and proven; its fence may still be there.
};

/// `last`: the last job into the target. Refuses if this call can neither resume it nor forget it.
/// `table` is for messages.
Result<CopyStart> start_of_copy(const std::optional<JournalEntry>& last, const JobDescription& job,
                                const std::string& table);

/// A copy that is done, and was killed before the journal said that its fence is lifted.
[[nodiscard]] bool is_done_but_fenced(const JournalEntry& entry);

/// The refusal of a copy into a target that a copy has filled already: which copy that was, when it
/// was done, and what to do next. `request_now` is empty if it cannot be made.
[[nodiscard]] Error done_already(const JournalEntry& entry, std::uint32_t source_oid,
                                 const std::string& request_now);

/// The same call again means the same rows: of the same source,
Result<void> check_same_source(const JournalEntry& entry, std::uint32_t source_oid);
/// by the same settings.
Result<void> check_same_request(const JournalEntry& entry, const std::string& request_now,
                                const std::string& table);

/// The database at hand is the one in which the job raised its fence. `facts` are the fence's as
/// they were journaled, `here` is the fact that names this database.
Result<void> check_same_place(const std::vector<std::string>& facts, const std::string& here,
                              const JournalEntry& entry, const std::string& source);

/// The fence was there all the time since its facts were journaled. `now` is absent if it is not.
Result<void> check_fence_stood(const std::vector<std::string>& then,
                               const std::optional<std::vector<std::string>>& now,
                               const std::string& table);

/// The table that a finished copy was made into is still there: the one that it made, if it made
/// it. `oid_now` is that of its name.
[[nodiscard]] bool is_target_there(const JournalEntry& entry, std::optional<std::uint32_t> oid_now);

/// A leaf of the target as it is now.
struct LeafNow {
  std::string name;
  std::optional<std::uint32_t> oid;  ///< Of leaves that the copy made; absent: dropped.
};

/// The leaves are those that the copy began with, and, where it made them, the very same tables.
Result<void> check_same_leaves(const std::vector<std::string>& names_then,
                               const std::vector<LeafNow>& now, bool are_made,
                               const JournalEntry& entry, const std::string& target);

/// An epoch that was noted before gives the same rows again. Where values differ each time, only
/// their number is compared.
Result<void> check_same_rows(std::uint32_t epoch, const MultisetDigest& then,
                             const MultisetDigest& now, bool has_volatile_values,
                             const std::string& source);

/// Rows that a job has committed, in a target that may not be its own.
struct RowsLeft {
  std::uint64_t committed = 0;
  std::string target;     ///< Quoted; empty if it was dropped.
  bool has_rows = false;  ///< Of whomever.
};
/// The job made the table that it copies into.
[[nodiscard]] bool made_its_target(const JournalEntry& entry);
/// Refuses if rows would remain that only the journal knows of.
Result<void> check_may_forget(const JournalEntry& entry, const RowsLeft& left);

/// How long to wait before a retry; absent: no retry. `may_pass`: the error may be gone in a
/// moment. `attempt` counts from 0.
[[nodiscard]] std::optional<std::chrono::milliseconds> pause_before_retry(bool may_pass,
                                                                          int attempt,
                                                                          bool is_cancelled);
/// The number of the attempt that follows, which is the first again once an epoch was completed.
[[nodiscard]] int next_attempt(int attempt, std::uint32_t epoch_then, std::uint32_t epoch_now);

/// How a copy's command has ended.
struct CopyEnd {
  int exit_code = 0;
  bool has_job = false;       ///< The journal has the job.
  bool raises_fence = false;  ///< The copy puts a fence around its source itself.
  bool may_undo = false;      ///< The fence may be lifted, the job's tables dropped.
  bool is_attached = false;   ///< All rows are in, proven, and their leaves attached.
};
struct CopySettlement {
  bool lifts_fence = false;
  bool marks_unfenced = false;  ///< The journal then has no fence of the job.
  bool drops_tables = false;    ///< Not if the fence could not be lifted.
  bool operator==(const CopySettlement&) const = default;
};
/// The fence is lifted when the job has ended or was refused. It stays when the job can be resumed,
/// or is not proven. After a refusal, nothing remains that the job made.
[[nodiscard]] CopySettlement settlement_of(const CopyEnd& end);

}  // namespace pgfanout
