// Makes the target's tables, opens the connections that fill them, and attaches the leaves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "copier/journal/copy_journal.h"
#include "copier/journal/journal.h"
#include "copier/pg/connection.h"
#include "copier/pg/write_channel.h"
#include "copier/plan/copy_plan.h"
#include "copier/stage/lane_writer.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Creates parent and standalone leaves, if the plan says so, and journals them in the same
/// transaction, with what is to be read. Fills plan.target.leaves[i].oid.
Result<void> create_target(Connection& connection, CopyPlan& plan, const JournalEntry& entry,
                           const CopyProgress& progress);

/// Opens the writers' connections side by side.
Result<std::vector<std::unique_ptr<WriteChannel>>> open_writers(const JobDescription& job,
                                                                const std::string& application_name,
                                                                std::uint32_t writers,
                                                                const Cancellation& cancellation);

/// The tables that each lane writes. Leaves that this job made, and that are committed as a whole,
/// are emptied first, so that COPY may FREEZE.
[[nodiscard]] std::vector<LaneTarget> lane_targets(const CopyPlan& plan,
                                                   const CopyProgress& progress);

/// Begins a transaction that holds SHARE on all leaves, so that what is read back is what will be
/// attached. Without the privilege (on leaves of others) it goes on unlocked.
Result<void> lock_leaves(Connection& connection, const CopyTarget& target);

/// Sizes of the target's leaves now, in their order.
Result<std::vector<LeafSize>> leaf_sizes(Connection& connection, const CopyTarget& target);

/// Attaches the leaves that this job made, and sets what comes last (sequences). In the transaction
/// that lock_leaves() began; the caller commits.
Result<void> attach_leaves(Connection& connection, const TargetDdl& ddl,
                           const Cancellation& cancellation);

}  // namespace pgfanout
