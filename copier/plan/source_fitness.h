// Whether a table can be read whole: every leaf an ordinary table that this role may read, no rows
// hidden, no setting that drops damaged ones; and whether two servers can be compared byte by byte.
#pragma once

#include "copier/catalog/server_facts.h"
#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct BothServers {
  ServerFacts source;
  ServerFacts target;
};

/// Refuses servers whose encodings differ.
Result<BothServers> read_both_servers(Connection& source, Connection& target);

enum class LeafUse : unsigned char { read, read_and_write };

/// Refuses leaves that are no heaps, that this role may not use, or whose rows are hidden from it.
Result<void> check_leaves(Connection& connection, const Table& table, LeafUse use);

/// The same of a table that is read, and a setting that drops rows.
Result<void> check_source(Connection& source, const Table& table, const ServerFacts& facts);

/// Says that tables inherit from it, and what of them is not read.
Result<void> note_heirs(Connection& source, const Table& table, std::vector<Issue>& issues);

/// Counts the objects that a new target does not get from the source while it is copied: keys,
/// indexes, triggers, ...
Result<Issue> note_not_carried(Connection& source, const Table& table);

}  // namespace pgfanout
