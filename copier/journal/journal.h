// The journal: schema `pgfanout` in the target database, the truth about what jobs did there. Its
// rows commit in the transaction of what they describe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A relation that a job made: what `--restart` may drop, if it still has that name.
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
  // Of a window alone:
  std::string source_schema;
  std::string source_name;
  std::uint32_t source_oid = 0;
  std::string request;  ///< What must be the same when the job is called again.
  std::string key_sql_on_target;
  std::optional<std::string> key_column;
  std::string backup_name;    ///< Once swapped.
  std::string keep_until;     ///< Of the backup.
  std::uint64_t rows = 0;     ///< Once copied.
  std::string digest;         ///< The same.
  bool is_fenced = true;      ///< A fence around the source outlives the session.
  bool has_progress = false;  ///< A copy has begun that can be gone on with.

  /// Nothing of the job is under way: another one may begin.
  [[nodiscard]] bool is_over() const { return state != "open" && state != "loading"; }
};

class Journal {
 public:
  explicit Journal(Connection& connection) : connection_(connection) {}

  /// Takes the target for this session: one live job per target. The refusal says who has it.
  Result<void> claim(const std::string& target_schema, const std::string& target_name);
  /// The last job into that target, if its schema exists here. Refuses a newer version's journal.
  Result<std::optional<JournalEntry>> find(const std::string& target_schema,
                                           const std::string& target_name);

  /// Jobs into that target whose backups are still there, oldest first.
  Result<std::vector<JournalEntry>> find_swapped(const std::string& target_schema,
                                                 const std::string& target_name);

  /// Gives a journal of an earlier version the tables of this one, in a transaction of its own.
  Result<void> bring_up_to_date();
  /// Creates schema and tables if need be. Part of the caller's transaction, as are all that
  /// follow.
  Result<void> prepare();
  /// Writes the entry down; one of the same job is brought up to date.
  Result<void> begin_job(const JournalEntry& entry);
  Result<void> add_made(const std::string& job, const MadeRelation& relation);
  /// The copy is done: its rows and digest, and the state that the job has then.
  Result<void> finish_job(const std::string& job, const std::string& state, std::uint64_t rows,
                          const std::string& digest);
  Result<void> set_state(const std::string& job, const std::string& state);
  /// Its fence around the source does not stand any more.
  Result<void> set_unfenced(const std::string& job);
  Result<void> forget(const std::string& job);

 private:
  Result<std::vector<JournalEntry>> find_where(const std::string& condition,
                                               const std::vector<Parameter>& parameters);

  Connection& connection_;
};

/// What remains of a job in the journal when what it made is dropped.
enum class JournalRemains : std::uint8_t { nothing, job };

/// Drops what a job made, in one transaction, never CASCADE: a relation that was renamed is left
/// alone, and a parent that has got other partitions is refused.
Result<void> drop_made(Connection& connection, const JournalEntry& entry, JournalRemains remains);

}  // namespace pgfanout
