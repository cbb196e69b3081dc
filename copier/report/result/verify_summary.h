// The text at the end of a verification, for a person: the verdict, figures, rows that differ, and
// the schema's gaps. A pure function; text from servers is made safe for a terminal.
#pragma once

#include <string>

#include "copier/report/record/resources.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Every line ends in a line feed. Shows the first rows that differ; the JSON document has all.
[[nodiscard]] std::string verify_summary(const JobResult& result, const Resources& used);

/// Its first line, of a verification that ran to its end.
[[nodiscard]] std::string verify_verdict(const JobResult& result);

}  // namespace pgfanout
