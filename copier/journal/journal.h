// The journal: schema `pgfanout` in the target's database, the truth about what jobs did there. Its
// rows commit in the transaction of what they describe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Version of the journal's tables that this program writes.
inline constexpr int kJournalVersion = 4;

/// The version of the journal in this database: 0 if there is none. Refuses one that is newer than
/// this program, and one that the role may not read.
Result<int> journal_version(Connection& connection);

/// "20261121T061522-3fa9": the time (UTC) for people who read the journal, and 16 random bits.
[[nodiscard]] std::string new_job_id();

/// A relation that a job made: `--restart` may drop it if OID and name still agree.
struct MadeRelation {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
};

struct JournalEntry {
  std::string job;
  std::string target_schema;
  std::string target_name;
  std::string source;  ///< For people: server, database, table.
  std::string key;
  std::string state;  ///< "open", "loading", "done", "swapped", "rolled back", "cleaning up",
                      ///< or "cleaned up".
  std::string started_at;
  std::vector<MadeRelation> made;
  std::string command = "copy";  ///< "copy" or "run".
  // Of a window only:
  std::string source_schema;
  std::string source_name;
  std::uint32_t source_oid = 0;
  std::string request;  ///< Must be the same when the job is called again: job_request.h.
  std::string key_sql_on_target;
  std::optional<std::string> key_column;
  std::string backup_name;    ///< Once swapped.
  std::string keep_until;     ///< Of the backup.
  std::uint64_t rows = 0;     ///< Once copied.
  std::string digest;         ///< The same.
  bool is_fenced = true;      ///< A fence around the source outlives the session.
  bool has_progress = false;  ///< A copy has begun and can be resumed.
  std::string finished_at;    ///< When the copy was done; empty: it is not.
  /// A rollback has begun to undo the job, and has not ended: only that may go on.
  bool is_being_undone = false;

  /// The job has ended: another one may begin.
  [[nodiscard]] bool is_over() const { return state != "open" && state != "loading"; }
};

class Journal {
 public:
  explicit Journal(Connection& connection) : connection_(connection) {}

  /// The last job into that target, if there is one. Refuses a newer version's journal.
  Result<std::optional<JournalEntry>> find(const std::string& target_schema,
                                           const std::string& target_name);
  /// Jobs into that target whose backups still exist, oldest first.
  Result<std::vector<JournalEntry>> find_swapped(const std::string& target_schema,
                                                 const std::string& target_name);

  /// Upgrades a journal of an earlier version, in a transaction of its own.
  Result<void> bring_up_to_date();
  /// Creates the schema and the tables, or upgrades those of an earlier version. Part of the
  /// caller's transaction, as are all functions below.
  Result<void> prepare();
  /// Inserts the entry, or updates source, key and state of the same job's.
  Result<void> begin_job(const JournalEntry& entry);
  Result<void> add_made(const std::string& job, const std::vector<MadeRelation>& relations);
  /// Records the end of the copy: its rows and digest, and the job's new state.
  Result<void> finish_job(const std::string& job, const std::string& state, std::uint64_t rows,
                          const std::string& digest);
  Result<void> set_state(const std::string& job, const std::string& state);
  Result<void> set_request(const std::string& job, const std::string& request);
  /// Records that the fence around the source is gone.
  Result<void> set_unfenced(const std::string& job);

 private:
  Result<std::vector<JournalEntry>> find_where(const std::string& condition,
                                               const std::vector<Parameter>& parameters);
  Result<void> update_job(std::string_view assignments, const std::vector<Parameter>& parameters);

  Connection& connection_;
};

/// The part of a job that stays in the journal when its relations are dropped.
enum class JournalRemains : std::uint8_t { nothing, job };

/// One transaction of drop_made().
struct DropStep {
  std::vector<std::string> statements;
  std::vector<MadeRelation> relations;  ///< That it drops.
  bool is_parent = false;
};

/// The transactions by which drop_made() drops, in their order: what was made beside tables,
/// leaves in batches that fit the server's lock table, and the parent. `is_swapped`: relations have
/// other names now, and those of the journal by then.
Result<std::vector<DropStep>> drop_steps(Connection& connection, const JournalEntry& entry,
                                         bool is_swapped = false);

/// Drops what a job made, never CASCADE, and resumes a drop that was interrupted. The first
/// transaction takes the job's progress from the journal, so that nothing resumes from there. A
/// relation that was renamed is kept, and a parent that has got other partitions is refused.
Result<void> drop_made(Connection& connection, const JournalEntry& entry, JournalRemains remains);

}  // namespace pgfanout
