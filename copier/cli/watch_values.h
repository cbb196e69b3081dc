// Options that can be given several times, and that a job file has as tables of their own.
#pragma once

#include <string_view>

#include "copier/cli/invocation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// "cpu=80%:slow": as parse_threshold() takes it.
Result<void> add_threshold(std::string_view text, Invocation& to);
/// "stage_finished=COMMAND".
Result<void> add_hook(std::string_view text, Invocation& to);

}  // namespace pgfanout
