// The one JSON document that a command prints with --json. Names and meaning are those of the
// command line's contract; members that do not apply to a command are left out.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "copier/report/record/figures.h"
#include "pgfanout/job_result.h"
#include "pgfanout/watch.h"

namespace pgfanout {

// Conversions of parts that other documents have, too; nlohmann's JSON finds them by their name.
void to_json(nlohmann::ordered_json& json, const TableSummary& side);
void to_json(nlohmann::ordered_json& json, const StageSummary& stage);
void to_json(nlohmann::ordered_json& json, const Issue& issue);
void to_json(nlohmann::ordered_json& json, const Error& error);
void to_json(nlohmann::ordered_json& json, const WaitCount& wait);
void to_json(nlohmann::ordered_json& json, const SessionWait& wait);
[[nodiscard]] nlohmann::ordered_json rows_json(const CopyResult& copied);
/// Without the rows.
[[nodiscard]] nlohmann::ordered_json counts_json(const Differences& differences);
/// To the millisecond: more digits say nothing and differ from run to run.
[[nodiscard]] double rounded(double number);

/// The document of any command. An error is the first of the issues.
[[nodiscard]] nlohmann::ordered_json json_document(const JobResult& result, const Resources& used);
/// json_document() as text: indented, with a line feed at the end. Bytes that are no UTF-8 become
/// U+FFFD.
[[nodiscard]] std::string json_report(const JobResult& result, const Resources& used);

}  // namespace pgfanout
