// The SQL that a copy would run, in order, for a person to read.
#pragma once

#include <string>
#include <vector>

#include "copier/plan/copy_plan.h"
#include "copier/plan/source_range.h"

namespace pgfanout {

/// All statements that change something or move rows; catalog queries and the journal's own rows
/// are left out. Lines that start with "--" say which side runs what follows.
[[nodiscard]] std::vector<std::string> statements_of(const CopyPlan& plan,
                                                     const std::vector<SourceRange>& ranges,
                                                     bool locks_source);

}  // namespace pgfanout
