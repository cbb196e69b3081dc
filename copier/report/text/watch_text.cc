#include "copier/report/text/watch_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

std::string time_of_day(std::chrono::system_clock::time_point moment) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm local{};
  localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}", local.tm_hour, local.tm_min);
}

const char* outlook_text(DeadlineState::Outlook outlook) {
  switch (outlook) {
    case DeadlineState::Outlook::unknown:
      return "not known yet";
    case DeadlineState::Outlook::makes_it:
      return "makes it";
    case DeadlineState::Outlook::close:
      return "it will be close";
    case DeadlineState::Outlook::misses:
      return "will miss it";
  }
  return "";
}

}  // namespace

std::string measure_text(Measure measure, double value) {
  switch (measure) {
    case Measure::cpu:
    case Measure::memory:
      return fmt::format("{:.0f} %", value);
    case Measure::errors:
      return fmt::format("{:.2g} %", value);
    case Measure::lock_wait:
    case Measure::replica_lag:
      return fmt::format("{:.1f} s", value);
    case Measure::disk_free:
      return bytes_text(value);
    case Measure::checkpoints:
      return fmt::format("{:.1f}/min", value);
  }
  return {};
}

std::string speed_text(Speed speed) {
  switch (speed) {
    case Speed::full:
      return "full speed";
    case Speed::slow:
      return "slowed down";
    case Speed::paused:
      return "paused";
  }
  return {};
}

std::string threshold_line(const ThresholdState& threshold) {
  const Measure measure = threshold.measure;
  const std::string name = name_of(measure);
  const std::string limit = measure_text(measure, threshold.limit);
  std::string line;
  if (!threshold.value) {
    line = fmt::format("threshold: {} is not measured", name);
  } else if (threshold.is_crossed) {
    line = fmt::format("threshold: {} is at {}, beyond its limit of {}: {}", name,
                       measure_text(measure, *threshold.value), limit, name_of(threshold.action));
  } else {
    line = fmt::format("threshold: {} is at {}, within its limit of {} again", name,
                       measure_text(measure, *threshold.value), limit);
  }
  return threshold.detail.empty() ? line : line + " (" + printable(threshold.detail) + ")";
}

std::string deadline_line(const DeadlineState& deadline) {
  std::string line = fmt::format("deadline {}: {}", time_of_day(deadline.finish_by),
                                 outlook_text(deadline.outlook));
  if (deadline.seconds_left_low && deadline.seconds_left_high) {
    line += fmt::format("; {} to {} are left to do", clock_text(*deadline.seconds_left_low),
                        clock_text(*deadline.seconds_left_high));
  }
  if (deadline.turn_back_by) {
    line += fmt::format("; turn back by {}", time_of_day(*deadline.turn_back_by));
  }
  return deadline.advice.empty() ? line : line + ": " + printable(deadline.advice);
}

std::string waits_text(const std::vector<WaitCount>& waits, const std::string& side,
                       std::size_t most) {
  std::vector<WaitCount> own;
  for (const WaitCount& wait : waits) {
    if (wait.side == side) own.push_back(wait);
  }
  std::stable_sort(own.begin(), own.end(),
                   [](const WaitCount& a, const WaitCount& b) { return a.sessions > b.sessions; });
  std::string text;
  for (std::size_t at = 0; at < std::min(most, own.size()); ++at) {
    text += fmt::format("{}{} {}", at == 0 ? "" : ", ", printable(own[at].event), own[at].sessions);
  }
  return text;
}

}  // namespace pgfanout
