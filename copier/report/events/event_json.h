// The members of the event stream's lines beside those common to all. Pure functions; the fields
// are described in docs/EVENTS.md.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "copier/report/record/figures.h"
#include "pgfanout/job_result.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// RFC 3339, UTC, to the millisecond: "2026-01-31T02:03:04.567Z".
[[nodiscard]] std::string utc_text(std::chrono::system_clock::time_point moment);

/// Members of `progress`.
[[nodiscard]] nlohmann::ordered_json progress_fields(const Figures& figures);
/// Figures that only a look at the servers gives, also for `progress`.
void add_sample_fields(nlohmann::ordered_json& to, const WatchSample& sample);
[[nodiscard]] nlohmann::ordered_json threshold_fields(const ThresholdState& threshold);
[[nodiscard]] nlohmann::ordered_json finished_fields(const JobResult& result);

}  // namespace pgfanout
