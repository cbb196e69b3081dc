#include "copier/watch/job_deadline.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {
namespace {

/// Time of a stop: statements are cancelled, connections closed.
constexpr double kStopSeconds = 5;
/// Lowering fences and dropping leaves.
constexpr double kUndoSeconds = 10;
constexpr double kUndoSecondsPerLeaf = 0.05;
/// Of comparing every row, what a look at counts, bounds and a sample takes.
constexpr double kQuickLookShare = 0.25;
/// Work is done when its stage ends, whatever was expected.
constexpr double kMostFraction = 0.99;

double share(std::uint64_t part, std::uint64_t whole) {
  return std::min(static_cast<double>(part) / static_cast<double>(whole), kMostFraction);
}

bool is_in(const std::vector<std::string>& stages, std::string_view stage) {
  return std::find(stages.begin(), stages.end(), stage) != stages.end();
}

}  // namespace

std::vector<std::string> parts_of(std::string_view command, const JobDescription& job) {
  if (command == "copy") return {"load", "read-back"};
  if (command == "verify") return {"data"};
  if (command == "swap") return {"swap"};
  std::vector<std::string> parts = {"prepare",     "load",    "read-back", "index",
                                    "constraints", "analyze", "verify"};
  if (job.window.swap) parts.emplace_back("swap");
  return parts;
}

std::string part_of(std::string_view command, const std::vector<std::string>& stages) {
  if (stages.empty()) return {};
  const bool is_inner = stages.size() > 1;
  if (stages.back() == "read-back") return "read-back";
  // A window's stage of that name holds those of a copy.
  if (stages.back() == "copy") return is_inner || command == "copy" ? "load" : "copy";
  return is_inner ? std::string() : stages.back();
}

std::optional<double> fraction_of(std::string_view part, const JobCounters& counters) {
  if (part == "load") {
    if (counters.rows_expected > 0) return share(counters.rows_read, counters.rows_expected);
    if (counters.bytes_expected > 0) return share(counters.bytes_read, counters.bytes_expected);
  } else if (part == "read-back") {
    if (counters.rows_routed > 0) return share(counters.rows_read_back, counters.rows_routed);
  } else if (part == "data") {
    if (counters.bytes_expected > 0) {
      return share(counters.bytes_read + counters.bytes_read_back, counters.bytes_expected);
    }
  } else if (part == "index" || part == "constraints" || part == "analyze") {
    if (counters.steps_total > 0) return share(counters.steps_done, counters.steps_total);
  }
  return {};
}

JobDeadline::JobDeadline(const JobDescription& job, std::string_view command)
    : job_(job),
      finish_by_(*job.watch.finish_by),
      command_(command),
      left_(parts_of(command, job)) {}

void JobDeadline::set_estimates(std::vector<StageEstimate> estimates) {
  for (StageEstimate& each : estimates) {
    if (each.stage != "verify") continue;
    compare_seconds_ = each.seconds;
    if (job_.verify.scope != VerifyScope::data) each.seconds *= kQuickLookShare;
  }
  left_.set_estimates(estimates);
}

void JobDeadline::stage_started(const std::vector<std::string>& stages, TimePoint now) {
  const std::string part = part_of(command_, stages);
  left_.begin(part, now.steady);
  const bool may_fence =
      command_ == "run" || (command_ == "copy" && job_.fence && !job_.assume_quiet);
  // A copy raises its fence while it plans.
  if (may_fence && (command_ == "copy" || stages.front() != "preflight")) is_fenced_ = true;
  if (command_ == "swap") is_fenced_ = true;
  if (part == "load") {
    epoch_began_ = now.steady;
  }
}

void JobDeadline::stage_finished(const std::vector<std::string>& stages, TimePoint now) {
  left_.end(part_of(command_, stages), now.steady);
}

TurningBack JobDeadline::turning_back(bool is_swapping) const {
  TurningBack back;
  back.is_fenced = is_fenced_;
  back.is_swapping = is_swapping;
  back.how = command_ == "copy"     ? "'pgfanout copy --release'"
             : command_ == "verify" ? ""
                                    : "'pgfanout rollback'";
  back.seconds = kUndoSeconds + kUndoSecondsPerLeaf * job_.partitions;
  if (is_swapping) {
    if (compare_seconds_) *back.seconds += *compare_seconds_;
    if (!compare_seconds_) back.seconds.reset();
  }
  return back;
}

void JobDeadline::note_epochs(const JobCounters& counters, TimePoint now) {
  const std::uint64_t done = counters.epochs_done;
  if (done > epochs_done_ && epoch_began_) {
    epoch_seconds_ = std::chrono::duration<double>(now.steady - *epoch_began_).count() /
                     static_cast<double>(done - epochs_done_);
    epoch_began_ = now.steady;
  }
  epochs_done_ = done;
}

DeadlineState JobDeadline::look(const std::vector<std::string>& stages, const JobCounters& counters,
                                TimePoint now) {
  const std::string part = part_of(command_, stages);
  if (const auto fraction = fraction_of(part, counters)) left_.progress(*fraction, now.steady);
  if (part == "load") note_epochs(counters, now);
  return judge_deadline(finish_by_, now.clock, left_.left(now.steady),
                        turning_back(is_in(stages, "swap")));
}

Result<void> JobDeadline::may_begin(const std::vector<std::string>& stages, TimePoint now) const {
  if (!job_.watch.stop_at_deadline) return {};
  // Work that is nearly done, and needs no time.
  if (stages.back() == "attach") return {};
  if (now.clock >= finish_by_) return stopped(now);
  std::optional<Span> needed;
  std::string what = "the stage " + stages.back();
  if (stages.size() == 1 && stages.back() == "prepare") {
    needed = left_.left(now.steady);
    what = "the job";
  } else if (part_of(command_, stages) == "copy") {
    const auto load = left_.left_of("load", now.steady);
    const auto back = left_.left_of("read-back", now.steady);
    if (load && back) needed = Span{load->low + back->low, load->high + back->high};
  } else {
    needed = left_.left_of(part_of(command_, stages), now.steady);
  }
  if (!needed || after(now.clock, needed->low) <= finish_by_) return {};
  Error error = stopped(now);
  error.message = fmt::format("{} takes {} and cannot end by {}: it was not begun", what,
                              span_text(*needed), clock_text(finish_by_, now.clock));
  return error;
}

JobDeadline::Stop JobDeadline::must_stop(const std::vector<std::string>& stages,
                                         TimePoint now) const {
  if (!job_.watch.stop_at_deadline || is_in(stages, "swap")) return Stop::none;
  if (now.clock >= finish_by_) return Stop::at_once;
  constexpr double kReserve = 1.1;
  const double lead = kStopSeconds + (is_in(stages, "copy") ? kReserve * epoch_seconds_ : 0);
  return after(now.clock, lead) >= finish_by_ ? Stop::soon : Stop::none;
}

Error JobDeadline::stopped(TimePoint now) const {
  const auto left = left_.left(now.steady);
  std::string message =
      fmt::format("stopped for the deadline, {}", clock_text(finish_by_, now.clock));
  if (left) message += fmt::format(": {} of work are left", span_text(*left));
  std::string hint = "the same command goes on, with --finish-by for the next window";
  if (is_fenced_) {
    hint += fmt::format("; writes stay refused until then, or until {}", turning_back(false).how);
  }
  return interrupted("deadline", std::move(message), std::move(hint), job_.table);
}

}  // namespace pgfanout
