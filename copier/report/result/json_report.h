// The one JSON document that a command prints with --json. Names and meaning are those of the
// command line's contract; what does not apply to a command is left out.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "copier/report/record/resources.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

// Parts of the document, as others show them, too.
[[nodiscard]] nlohmann::ordered_json side_json(const TableSummary& side);
[[nodiscard]] nlohmann::ordered_json stage_json(const StageSummary& stage);
[[nodiscard]] nlohmann::ordered_json issue_json(const Issue& issue);
[[nodiscard]] nlohmann::ordered_json error_json(const Error& error);
/// To the millisecond: more digits say nothing and differ from run to run.
[[nodiscard]] double rounded(double number);

/// The document of any command. An error stands among the issues, first.
[[nodiscard]] nlohmann::ordered_json json_document(const JobResult& result, const Resources& used);
/// Indented, with a line feed at the end. Bytes that are no UTF-8 become U+FFFD; never throws for
/// them.
[[nodiscard]] std::string json_text(const nlohmann::ordered_json& document);
/// json_text() of json_document().
[[nodiscard]] std::string json_report(const JobResult& result, const Resources& used);

}  // namespace pgfanout
