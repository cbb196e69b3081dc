// The answers of the key command, as text and as JSON.
#pragma once

#include <string>

#include "copier/preflight/key_command.h"
#include "copier/report/record/resources.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// One line an answer; values and names are made safe for a terminal.
[[nodiscard]] std::string key_text(const KeyQuestion& question, const KeyResult& report);
/// json_report() of the result, with a member "key" before the issues if anything was
/// answered.
[[nodiscard]] std::string key_json(const JobResult& result, const Resources& used);

}  // namespace pgfanout
