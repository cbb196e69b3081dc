#include "copier/report/text/watch_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iterator>

#include "copier/base/counted.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

std::string time_of_day(std::chrono::system_clock::time_point moment) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm local{};
  localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}", local.tm_hour, local.tm_min);
}

/// In the order of DeadlineState::Outlook.
constexpr std::array kOutlookTexts = {"not known yet", "makes it", "it will be close",
                                      "will miss it"};
/// In the order of Speed.
constexpr std::array kSpeedTexts = {"full speed", "slowed down", "paused"};

std::string copy_text(CommitMode mode) {
  switch (mode) {
    case CommitMode::by_leaf:
      return "stops at once; the same command copies again what is not committed";
    case CommitMode::by_epoch:
      return "finishes the epoch, then stops; the same command resumes after it";
    case CommitMode::unknown:
      break;
  }
  return "finishes an epoch and resumes later; by leaf, the copy starts over";
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
    case Measure::session_wait:
    case Measure::replica_lag:
      return fmt::format("{:.1f} s", value);
    case Measure::disk_free:
    case Measure::wal_waiting:
      return bytes_text(value);
    case Measure::checkpoints:
      return fmt::format("{:.1f}/min", value);
  }
  return {};
}

std::string speed_text(Speed speed) {
  return kSpeedTexts.at(static_cast<std::size_t>(speed));
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
                                 kOutlookTexts.at(static_cast<std::size_t>(deadline.outlook)));
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

std::string wait_text(const SessionWait& wait) {
  std::string text =
      fmt::format("{} for {} ({}", seconds_text(wait.seconds), wait.what, wait.event);
  if (wait.pid != 0) {
    text += fmt::format("; session {} ({}) on the {}", wait.pid, wait.role, wait.side);
  }
  if (wait.sessions > 1) text += fmt::format(", and {} more", wait.sessions - 1);
  text += ")";
  if (!wait.detail.empty()) text += "; " + wait.detail;
  return printable(text);
}

std::string wait_line(const SessionWait& wait, WaitChange change) {
  if (change == WaitChange::ends) {
    return fmt::format("waited: {} for {}", seconds_text(wait.seconds), wait.what);
  }
  return fmt::format("{}: {}: {}", change == WaitChange::begins ? "waits" : "still waits",
                     wait_text(wait), wait.help);
}

std::string interrupt_text(std::string_view command, std::string_view stage, CommitMode mode) {
  const std::string_view last = stage.substr(stage.rfind('/') + 1);
  if (command == "run" && last == stage && last == "preflight") {
    return "stops at once; nothing was changed";
  }
  if (command == "rollback" || command == "cleanup") {
    return "stops; the same command resumes with the rest";
  }
  if (last == "swap") return "before its commit no name has changed; the same command retries";
  if (last == "repair") return "stops at once; what is repaired stays, verify again";
  if (command == "verify" || command == "queries") return "stops at once; nothing was changed";
  if (last == "copy") return copy_text(mode);
  if (last == "read-back") {
    return "stops at once; the rows stay, the same command reads them back";
  }
  if (last == "index" || last == "constraints") {
    return "stops at once; steps done stay done, the same command does the rest";
  }
  return "stops; the same command resumes with this stage";
}

std::string stopping_line(std::uint64_t leaves, const std::optional<LockWaits::Wait>& lock,
                          const std::vector<ServerWait>& waits,
                          std::chrono::steady_clock::time_point now) {
  const auto time_since = [&](std::chrono::steady_clock::time_point since) {
    return fmt::format("{:.0f} s", std::chrono::duration<double>(now - since).count());
  };
  // The job does not wait for those that watch it.
  std::vector<ServerWait> own;
  std::copy_if(waits.begin(), waits.end(), std::back_inserter(own),
               [](const ServerWait& wait) { return !wait.session.ends_with("/watch"); });
  std::string text = "waits";
  if (leaves > 0) {
    text += fmt::format(" until {} committed{}", counted(leaves, "leaf is", "leaves are"),
                        lock || !own.empty() ? ":" : "");
  } else {
    text += " for";
  }
  if (lock) {
    text += fmt::format(" locks {} ({})",
                        lock->blockers.empty() ? "of other sessions" : printable(lock->blockers),
                        time_since(lock->since));
  } else if (!own.empty()) {
    text +=
        fmt::format(" {} ({}{})", printable(text_of(own.front())), time_since(own.front().since),
                    own.size() == 1 ? "" : fmt::format("; and {} more", own.size() - 1));
  } else if (leaves == 0) {
    text += " the next safe point";
  }
  return fmt::format("stopping: {}; Ctrl-C again stops at once", text);
}

}  // namespace pgfanout
