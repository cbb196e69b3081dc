// The sections of the HTML report, in its order. Each is empty if it has nothing to say.
#pragma once

#include <chrono>
#include <string>

#include "copier/report/html/html_report.h"

namespace pgfanout {

// html_verdict.cc
/// "Match", "Differs", "Refused": the headline.
[[nodiscard]] std::string verdict_word(const HtmlReport& report);
[[nodiscard]] std::string verdict_section(const HtmlReport& report);
// html_signoff.cc
[[nodiscard]] std::string signoff_section(const HtmlReport& report);
// html_times.cc
[[nodiscard]] std::string stages_section(const HtmlReport& report);
[[nodiscard]] std::string rates_section(const HtmlReport& report);
// html_leaves.cc
[[nodiscard]] std::string leaves_section(const HtmlReport& report);
[[nodiscard]] std::string digests_section(const HtmlReport& report);
// html_findings.cc
[[nodiscard]] std::string differences_section(const HtmlReport& report);
[[nodiscard]] std::string issues_section(const HtmlReport& report);
[[nodiscard]] std::string schema_section(const HtmlReport& report);
// html_record.cc
[[nodiscard]] std::string settings_section(const HtmlReport& report);
[[nodiscard]] std::string machine_section(const HtmlReport& report);

/// "2026-11-21 04:00:00 UTC".
[[nodiscard]] std::string utc_words(std::chrono::system_clock::time_point time);
/// A digest that may break across lines.
[[nodiscard]] std::string digest_html(const std::string& digest);

}  // namespace pgfanout
