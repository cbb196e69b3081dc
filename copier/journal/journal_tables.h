// The journal's tables, schema `pgfanout` in the target's database, and their versions.
#pragma once

#include <string>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Version of the journal's tables that this program writes.
inline constexpr int kJournalVersion = 4;

/// The version of the journal in this database: 0 if there is none. Refuses one that is newer than
/// this program, and one that the role may not read.
Result<int> journal_version(Connection& connection);

/// The request of a row of pgfanout.job as window_request.h has it, in SQL, where the journal has
/// version 2 or later.
std::string request_sql(int version);

/// Creates the schema and tables, or brings those of an older version up to date. Part of the
/// caller's transaction.
Result<void> prepare_journal(Connection& connection);

}  // namespace pgfanout
