// The outputs that a job reports to, beside standard output and the terminal.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

/// Names in the event stream, and of what hooks wait for.
inline constexpr std::array<std::string_view, 8> kEvents = {
    "job_started", "stage_started", "stage_finished", "issue",
    "progress",    "threshold",     "gate",           "job_finished"};

/// A command that is run at an event, with the event on its standard input.
struct HookRequest {
  std::string event;    ///< One of kEvents.
  std::string command;  ///< For /bin/sh.
};

/// Empty members: not asked for.
struct OutputRequest {
  std::string events;        ///< File for newline-delimited JSON.
  std::string metrics;       ///< ADDR:PORT of the Prometheus endpoint.
  std::string metrics_file;  ///< Textfile for the node exporter.
  std::string report;        ///< File for the HTML report.
  std::vector<HookRequest> hooks;
};

}  // namespace pgfanout
