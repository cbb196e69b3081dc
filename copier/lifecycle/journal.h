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
  std::string state;  ///< "loading" or "done".
  std::string started_at;
  std::vector<MadeRelation> made;
};

class Journal {
 public:
  /// Versions of the journal's tables that this program writes and reads.
  static constexpr int kVersion = 1;

  explicit Journal(Connection& connection) : connection_(connection) {}

  /// Takes the target for this session: one live job per target. The refusal says who has it.
  Result<void> claim(const std::string& target_schema, const std::string& target_name);
  /// The last job into that target, if its schema exists here. Refuses a newer version's journal.
  Result<std::optional<JournalEntry>> find(const std::string& target_schema,
                                           const std::string& target_name);

  /// Creates schema and tables if need be. Part of the caller's transaction, as are all that
  /// follow.
  Result<void> prepare();
  Result<void> begin_job(const JournalEntry& entry);
  Result<void> add_made(const std::string& job, const MadeRelation& relation);
  Result<void> finish_job(const std::string& job, std::uint64_t rows, const std::string& digest);
  Result<void> forget(const std::string& job);

 private:
  Connection& connection_;
};

/// Drops what a job made, in one transaction, never CASCADE: a relation that was renamed is left
/// alone, and a parent that has got other partitions is refused.
Result<void> drop_made(Connection& connection, const JournalEntry& entry);

}  // namespace pgfanout
