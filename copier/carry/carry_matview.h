// One materialized view, created again over the target with everything that it has.
#pragma once

#include <string>

#include "copier/carry/carry_context.h"
#include "copier/carry/carry_view_catalog.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Steps and names for `view`, called `until_swap` at first; `query` reads the target.
Result<void> carry_matview(CarryContext& context, const SourceView& view,
                           const std::string& until_swap, const std::string& query,
                           bool has_own_columns);

}  // namespace pgfanout
