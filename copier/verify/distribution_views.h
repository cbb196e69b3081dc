// Views for the time after a migration: how rows and bytes spread over partitions, and which of
// them work most.
#pragma once

#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Creates or replaces, in schema pgfanout of the target's database: partition_distribution,
/// partition_skew (status NORMAL, WARNING from 1.5, CRITICAL from 3 times the mean) and
/// hot_partitions. They show every partitioned table of the database, from the server's statistics.
Result<void> install_views(const JobDescription& job);

}  // namespace pgfanout
