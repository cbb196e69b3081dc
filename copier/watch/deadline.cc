#include "copier/watch/deadline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

// The spread of an estimate, and that which a measured rate has on top of its own variation.
constexpr double kEstimateSpread = 0.3;
constexpr double kRateSpread = 0.1;
/// The share of a copy that sends rows; the rest reads them back.
constexpr double kLoadShare = 0.75;
/// The recent rate is measured over this time.
constexpr std::chrono::seconds kRecent{20};
/// Before this much is done a rate says nothing.
constexpr double kLeastFraction = 0.02;
constexpr double kLeastSeconds = 1.0;
/// Estimates are corrected by this factor at most.
constexpr double kMostCorrection = 5.0;
/// A recent rate counts as at least this share of the overall one: a part that has stopped would
/// never end.
constexpr double kSlowestRate = 0.05;
/// Time of a stop: statements are cancelled, connections closed.
constexpr double kStopSeconds = 5;
/// Lowering fences and dropping leaves.
constexpr double kUndoSeconds = 10;
constexpr double kUndoSecondsPerLeaf = 0.05;
/// Checking counts, bounds and a sample takes this share of a full comparison.
constexpr double kQuickVerifyShare = 0.25;
/// Work is done when its stage ends, whatever was expected.
constexpr double kMostFraction = 0.99;

double seconds_between(TimeLeft::Moment from, TimeLeft::Moment to) {
  return std::chrono::duration<double>(to - from).count();
}

ClockTime after(ClockTime from, double seconds) {
  return from +
         std::chrono::duration_cast<ClockTime::duration>(std::chrono::duration<double>(seconds));
}

std::tm local_time(ClockTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm local{};
  localtime_r(&seconds, &local);
  return local;
}

std::string time_text(double seconds) {
  return amount_of_time(static_cast<std::int64_t>(std::ceil(seconds)));
}

/// "8 min to 16 min".
std::string span_text(const Span& span) {
  const std::string low = time_text(span.low);
  const std::string high = time_text(span.high);
  return low == high ? low : low + " to " + high;
}

std::optional<double> share(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return {};
  return std::min(static_cast<double>(part) / static_cast<double>(whole), kMostFraction);
}

/// The job's parts, as TimeLeft has them.
std::vector<std::string> parts_of(std::string_view command, const JobDescription& job) {
  if (command == "copy") return {"load", "read-back"};
  if (command == "verify") return {"data"};
  if (command == "swap") return {"swap"};
  std::vector<std::string> parts = {"prepare",     "load",    "read-back", "index",
                                    "constraints", "analyze", "verify"};
  if (job.window.swap) parts.emplace_back("swap");
  return parts;
}

/// How much of the part is done, 0 to 1; absent: not known.
std::optional<double> fraction_of(std::string_view part, const JobCounters& counters) {
  if (part == "load" && counters.rows_expected > 0) {
    return share(counters.rows_read, counters.rows_expected);
  }
  if (part == "load") return share(counters.bytes_read, counters.bytes_expected);
  if (part == "read-back") return share(counters.rows_read_back, counters.rows_routed);
  if (part == "data") {
    return share(counters.bytes_read + counters.bytes_read_back, counters.bytes_expected);
  }
  if (part == "index" || part == "constraints" || part == "analyze") {
    return share(counters.steps_done, counters.steps_total);
  }
  return {};
}

}  // namespace

TimeLeft::TimeLeft(std::vector<std::string> parts) {
  for (std::string& name : parts) parts_.push_back({std::move(name), {}, {}, {}, false});
}

template <class Parts>
auto TimeLeft::find(Parts& parts, std::string_view name) -> decltype(parts.data()) {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const Part& part) { return part.name == name; });
  return found == parts.end() ? nullptr : &*found;
}

void TimeLeft::set_estimates(const std::vector<StageEstimate>& estimates) {
  for (const StageEstimate& each : estimates) {
    if (each.stage == "copy") {
      if (Part* load = find(parts_, "load")) load->estimate = each.seconds * kLoadShare;
      if (Part* back = find(parts_, "read-back")) back->estimate = each.seconds * (1 - kLoadShare);
    } else if (Part* part = find(parts_, each.stage)) {
      part->estimate = each.seconds;
    }
  }
}

void TimeLeft::begin(std::string_view name, Moment now) {
  Part* const part = find(parts_, name);
  if (part == nullptr) return;
  // An earlier call did the parts before it.
  for (Part* earlier = parts_.data(); earlier != part; ++earlier) earlier->is_done = true;
  part->began = now;
  part->is_done = false;
  samples_.clear();
}

void TimeLeft::progress(double fraction, Moment now) {
  // Lost work is done again.
  if (!samples_.empty() && fraction < samples_.back().second) samples_.clear();
  samples_.emplace_back(now, std::clamp(fraction, 0.0, 1.0));
  while (samples_.size() > 2 && now - samples_.front().first > kRecent) samples_.pop_front();
}

void TimeLeft::end(std::string_view name, Moment now) {
  Part* const part = find(parts_, name);
  if (part == nullptr) return;
  part->is_done = true;
  if (part->began) part->took = seconds_between(*part->began, now);
  samples_.clear();
}

/// From the rate since the part began and the recent one.
std::optional<Span> TimeLeft::projected(const Part& part, Moment now) const {
  if (!part.began || samples_.empty()) return {};
  const double fraction = samples_.back().second;
  const double elapsed = seconds_between(*part.began, now);
  if (fraction < kLeastFraction || elapsed < kLeastSeconds) return {};
  const double overall = fraction / elapsed;
  const double span = seconds_between(samples_.front().first, samples_.back().first);
  double recent = overall;
  if (span >= kLeastSeconds) recent = (fraction - samples_.front().second) / span;
  const double fast = std::max(overall, recent);
  const double slow = std::max(std::min(overall, recent), overall * kSlowestRate);
  return Span{(1 - fraction) / fast * (1 - kRateSpread), (1 - fraction) / slow * (1 + kRateSpread)};
}

/// Seconds of the whole part: those that it took, or what its rate tells.
std::optional<double> TimeLeft::total_of(const Part& part, Moment now) const {
  const auto rest = part.is_done ? std::nullopt : projected(part, now);
  if (!rest) return part.took;
  return seconds_between(*part.began, now) + (rest->low + rest->high) / 2;
}

/// The ratio of the time that parts took to their estimates.
double TimeLeft::correction(Moment now) const {
  double took = 0;
  double estimated = 0;
  for (const Part& part : parts_) {
    const auto total = total_of(part, now);
    if (!total || !part.estimate || *part.estimate <= 0) continue;
    took += *total;
    estimated += *part.estimate;
  }
  if (estimated < kLeastSeconds) return 1;
  return std::clamp(took / estimated, 1 / kMostCorrection, kMostCorrection);
}

std::optional<Span> TimeLeft::left_of(const Part& part, Moment now) const {
  if (part.is_done) return Span{};
  if (const auto measured = projected(part, now)) return measured;
  std::optional<double> estimate = part.estimate;
  double spread = kEstimateSpread;
  if (estimate) *estimate *= correction(now);
  if (!estimate && part.name == "read-back") {
    // Without estimates, the time of the load tells how large the copy is.
    const Part* const load = find(parts_, "load");
    const auto total = load == nullptr ? std::nullopt : total_of(*load, now);
    if (total) estimate = *total * (1 - kLoadShare) / kLoadShare;
    spread = 2 * kEstimateSpread;
  }
  if (!estimate) return {};
  const double elapsed = part.began ? seconds_between(*part.began, now) : 0;
  return Span{std::max(*estimate * (1 - spread) - elapsed, 0.0),
              std::max(*estimate * (1 + spread) - elapsed, elapsed * spread)};
}

std::optional<Span> TimeLeft::left(Moment now) const {
  Span all;
  for (const Part& part : parts_) {
    const auto span = left_of(part, now);
    if (!span) return {};
    all.low += span->low;
    all.high += span->high;
  }
  return all;
}

std::optional<Span> TimeLeft::left_of(std::string_view name, Moment now) const {
  const Part* const part = find(parts_, name);
  return part == nullptr ? std::nullopt : left_of(*part, now);
}

Span span_of(const std::vector<StageEstimate>& estimates) {
  double sum = 0;
  for (const StageEstimate& each : estimates) sum += each.seconds;
  return {sum * (1 - kEstimateSpread), sum * (1 + kEstimateSpread)};
}

std::string clock_text(ClockTime time, ClockTime now) {
  const std::tm local = local_time(time);
  const std::tm today = local_time(now);
  const std::string clock = fmt::format("{:02}:{:02}", local.tm_hour, local.tm_min);
  if (local.tm_yday == today.tm_yday && local.tm_year == today.tm_year) return clock;
  return fmt::format("{} on {:04}-{:02}-{:02}", clock, local.tm_year + 1900, local.tm_mon + 1,
                     local.tm_mday);
}

DeadlineState judge_deadline(ClockTime finish_by, ClockTime now, const std::optional<Span>& left,
                             const TurningBack& back) {
  using Outlook = DeadlineState::Outlook;
  DeadlineState state;
  state.finish_by = finish_by;
  std::string end = "done at a time that is not known yet";
  if (left) {
    state.seconds_left_low = left->low;
    state.seconds_left_high = left->high;
    const ClockTime first = after(now, left->low);
    const ClockTime last = after(now, left->high);
    state.outlook = last <= finish_by    ? Outlook::makes_it
                    : first <= finish_by ? Outlook::close
                                         : Outlook::misses;
    end = fmt::format("done between {} and {}", clock_text(first, now), clock_text(last, now));
  } else if (now > finish_by) {
    state.outlook = Outlook::misses;
    end = "not done";
  }
  const std::string by = clock_text(finish_by, now);
  state.advice = state.outlook == Outlook::makes_it
                     ? fmt::format("{}, before {}", end, by)
                     : fmt::format("{}: {} {} be missed", end, by,
                                   state.outlook == Outlook::misses ? "will" : "may");
  if (!back.is_fenced && !back.how.empty()) {
    state.advice += "; this call has raised no fence yet: it can be stopped at any time";
  } else if (back.is_fenced && !back.seconds) {
    state.advice += fmt::format("; how long {} takes is not known", back.how);
  } else if (back.is_fenced) {
    state.turn_back_by = after(finish_by, -*back.seconds);
    const std::string takes = time_text(*back.seconds);
    state.advice +=
        *state.turn_back_by <= now
            ? fmt::format("; turning back ({}, about {}) does not end before it either", back.how,
                          takes)
            : fmt::format("; to turn back before it, begin {} by {}: that takes about {}{}",
                          back.how, clock_text(*state.turn_back_by, now), takes,
                          back.is_swapping ? ", since it compares both tables" : "");
  }
  return state;
}

std::string part_of(std::string_view command, const std::vector<std::string>& stages) {
  if (stages.empty()) return {};
  const bool is_inner = stages.size() > 1;
  if (stages.back() == "read-back") return "read-back";
  // A window's stage "copy" holds the stages of a copy.
  if (stages.back() == "copy") return is_inner || command == "copy" ? "load" : "copy";
  return is_inner ? std::string() : stages.back();
}

bool is_open(const std::vector<std::string>& stages, std::string_view stage) {
  return std::find(stages.begin(), stages.end(), stage) != stages.end();
}

JobDeadline::JobDeadline(const JobDescription& job, std::string_view command)
    : job_(job),
      finish_by_(*job.watch.finish_by),
      command_(command),
      left_(parts_of(command, job)),
      leaves_(job.partitions.value_or(kDefaultPartitions)) {}

void JobDeadline::set_estimates(std::vector<StageEstimate> estimates) {
  for (StageEstimate& each : estimates) {
    if (each.stage != "verify") continue;
    compare_seconds_ = each.seconds;
    const VerifyScope scope = job_.verify.scope.value_or(VerifyScope::quick);
    const bool reads_all = scope == VerifyScope::data || scope == VerifyScope::full;
    if (!reads_all) each.seconds *= kQuickVerifyShare;
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
  if (part == "load") epoch_began_ = now.steady;
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
  back.seconds = kUndoSeconds + kUndoSecondsPerLeaf * static_cast<double>(leaves_);
  if (is_swapping && compare_seconds_) *back.seconds += *compare_seconds_;
  if (is_swapping && !compare_seconds_) back.seconds.reset();
  return back;
}

DeadlineState JobDeadline::judge(const std::vector<std::string>& stages,
                                 const JobCounters& counters, TimePoint now) {
  const std::string part = part_of(command_, stages);
  if (counters.leaves.size() > 0) leaves_ = counters.leaves.size();
  if (const auto fraction = fraction_of(part, counters)) left_.progress(*fraction, now.steady);
  const std::uint64_t done = part == "load" ? counters.epochs_done.load() : epochs_done_;
  if (done > epochs_done_ && epoch_began_) {
    epoch_seconds_ =
        seconds_between(*epoch_began_, now.steady) / static_cast<double>(done - epochs_done_);
    epoch_began_ = now.steady;
  }
  epochs_done_ = done;
  return judge_deadline(finish_by_, now.clock, left_.left(now.steady),
                        turning_back(is_open(stages, "swap")));
}

Result<void> JobDeadline::may_begin(const std::vector<std::string>& stages, TimePoint now) const {
  if (!job_.watch.stop_at_deadline) return {};
  // Attaching takes almost no time.
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
  error.message = fmt::format("{} takes {} and cannot end by {}: it was not started", what,
                              span_text(*needed), clock_text(finish_by_, now.clock));
  return error;
}

JobDeadline::Stop JobDeadline::must_stop(const std::vector<std::string>& stages,
                                         TimePoint now) const {
  if (!job_.watch.stop_at_deadline || is_open(stages, "swap")) return Stop::none;
  if (now.clock >= finish_by_) return Stop::at_once;
  constexpr double kReserve = 1.1;
  const double lead = kStopSeconds + (is_open(stages, "copy") ? kReserve * epoch_seconds_ : 0);
  return after(now.clock, lead) >= finish_by_ ? Stop::soon : Stop::none;
}

Error JobDeadline::stopped(TimePoint now) const {
  const auto left = left_.left(now.steady);
  std::string message =
      fmt::format("stopped for the deadline, {}", clock_text(finish_by_, now.clock));
  if (left) message += fmt::format(": {} of work is left", span_text(*left));
  std::string hint = "run the same command again to resume it, with a new --finish-by";
  if (is_fenced_) {
    hint += fmt::format("; writes stay refused until then, or until {}", turning_back(false).how);
  }
  return interrupted("deadline", std::move(message), std::move(hint), job_.table);
}

}  // namespace pgfanout
