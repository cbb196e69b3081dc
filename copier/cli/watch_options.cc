// Options that say how a job is watched, and where it is told to.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "copier/cli/nearest.h"
#include "copier/cli/option_table.h"
#include "copier/cli/values.h"

namespace pgfanout {
namespace {

using Text = std::string_view;
using Done = Result<void>;

Done add_threshold(Text text, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(ThresholdSetting threshold, parse_threshold(text));
  to.job.watch.thresholds.push_back(threshold);
  return {};
}

Done add_hook(Text text, Invocation& to) {
  const std::size_t divider = text.find('=');
  const std::string_view event = text.substr(0, divider);
  if (divider == std::string_view::npos || event.empty() || divider + 1 == text.size()) {
    return refused("usage", "must be EVENT=COMMAND, such as stage_finished=/usr/local/bin/tell",
                   fmt::format("events are {}", fmt::join(kEvents, ", ")));
  }
  if (std::find(kEvents.begin(), kEvents.end(), event) == kEvents.end()) {
    return refused(
        "usage", "names no event",
        did_you_mean(event, kEvents, fmt::format("events are {}", fmt::join(kEvents, ", "))));
  }
  to.output.hooks.push_back({std::string(event), std::string(text.substr(divider + 1))});
  return {};
}

Done set_file(Text value, std::string& file) {
  if (value.empty()) return refused("usage", "must name a file");
  file = value;
  return {};
}

Done set_profile(Text value, Invocation& to) {
  if (value != "window" && value != "polite") return bad_value("window or polite", value);
  to.job.watch.profile = value == "polite" ? WatchProfile::polite : WatchProfile::window;
  return {};
}

Done set_metrics(Text value, Invocation& to) {
  const std::size_t colon = value.rfind(':');
  const bool has_both = colon != Text::npos && colon > 0;
  if (!has_both || !parse_number(value.substr(colon + 1), 0, 65535)) {
    return bad_value("ADDRESS:PORT, such as 127.0.0.1:9187", value);
  }
  to.output.metrics = value;
  return {};
}

constexpr Text watching = "While it runs";
constexpr Text telling = "Who is told";

// clang-format off
constexpr std::array options = {
    OptionSpec{watching, "--profile", "NAME", "window (all speed, stops only when it must) or polite (shares the server). Default: window", false,
               set_profile, "watch.profile", JobValue::text},
    OptionSpec{watching, "--threshold", "NAME=LIMIT[:ACTION]", "A limit and what is done beyond it: cpu=80%:slow, memory=90%, errors=1%:stop, lock_wait=5s:warn, replica_lag=30s:pause, disk_free=10GB:stop, checkpoints=2:slow; ACTION is off, warn, slow, pause or stop; repeatable. Default: the profile's", true,
               add_threshold, "thresholds", JobValue::own_reader},
    OptionSpec{watching, "--finish-by", "HH:MM", "When the job must be done, by this host's clock; says throughout whether it will be", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.job.watch.finish_by,
                                     parse_clock_time(value, std::chrono::system_clock::now()));
                 return {};
               }, "watch.finish_by", JobValue::text},
    OptionSpec{watching, "--stop-at-deadline", "", "Stop, resumable, at the last safe point if the job will not be done by then", false,
               [](Text, Invocation& to) -> Done { to.job.watch.stop_at_deadline = true; return {}; }, "watch.stop_at_deadline", JobValue::flag},
    OptionSpec{telling, "--events", "FILE", "Append every event to FILE, one line of JSON each", false,
               [](Text value, Invocation& to) { return set_file(value, to.output.events); }, "output.events", JobValue::text},
    OptionSpec{telling, "--hook", "EVENT=COMMAND", "Run COMMAND at an event, with the event on its standard input; one that fails stops the job before the swap; repeatable", true,
               add_hook, "hooks", JobValue::own_reader},
    OptionSpec{telling, "--metrics", "ADDR:PORT", "Serve metrics for Prometheus at http://ADDR:PORT/metrics", false,
               set_metrics, "output.metrics", JobValue::text},
    OptionSpec{telling, "--metrics-file", "FILE", "Write them to FILE, for the node exporter's textfile collector", false,
               [](Text value, Invocation& to) { return set_file(value, to.output.metrics_file); }, "output.metrics_file", JobValue::text},
    OptionSpec{telling, "--report", "FILE.html", "Write a report that needs nothing else: verdict, sign-off, stages, plots, settings, digests", false,
               [](Text value, Invocation& to) { return set_file(value, to.output.report); }, "output.report", JobValue::text},
};

constexpr std::array status_table = {
    OptionSpec{telling, "--watch", "", "Go on showing the job, until it ends or you press Ctrl-C", false,
               [](Text, Invocation& to) -> Done { to.watch = true; return {}; }},
};
// clang-format on

}  // namespace

OptionTable watch_options() {
  return options;
}

OptionTable status_options() {
  return status_table;
}

}  // namespace pgfanout
