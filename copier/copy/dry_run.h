// The SQL that a copy would run, in order, for a person to read.
#pragma once

#include <string>
#include <vector>

#include "copier/journal/copy_journal.h"
#include "copier/plan/copy_plan.h"

namespace pgfanout {

/// All statements that change something or move rows; catalog queries and the journal's own rows
/// are left out. Lines that start with "--" say which side runs what follows. `fence` is what
/// raises it, if there is to be one.
[[nodiscard]] std::vector<std::string> statements_of(const CopyPlan& plan,
                                                     const CopyProgress& progress,
                                                     const std::vector<std::string>& fence,
                                                     bool locks_source);

}  // namespace pgfanout
