#include "copier/watch/time_left.h"

#include <algorithm>

namespace pgfanout {
namespace {

/// The rate of late, beside that since the part began.
constexpr std::chrono::seconds kOfLate{20};
/// Before this much is done a rate says nothing.
constexpr double kLeastFraction = 0.02;
constexpr double kLeastSeconds = 1.0;
/// Estimates are not believed to be further off than this.
constexpr double kMostCorrection = 5.0;
/// A part that stands still has no end in sight; some number must stand for that.
constexpr double kSlowestRate = 0.05;

double seconds_between(TimeLeft::Moment from, TimeLeft::Moment to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

TimeLeft::TimeLeft(std::vector<std::string> parts) {
  for (std::string& name : parts) parts_.push_back({std::move(name), {}, {}, {}, false});
}

TimeLeft::Part* TimeLeft::find(std::string_view name) {
  const auto found = std::find_if(parts_.begin(), parts_.end(),
                                  [&](const Part& part) { return part.name == name; });
  return found == parts_.end() ? nullptr : &*found;
}

const TimeLeft::Part* TimeLeft::find(std::string_view name) const {
  const auto found = std::find_if(parts_.begin(), parts_.end(),
                                  [&](const Part& part) { return part.name == name; });
  return found == parts_.end() ? nullptr : &*found;
}

void TimeLeft::set_estimates(const std::vector<StageEstimate>& estimates) {
  for (const StageEstimate& each : estimates) {
    if (each.stage == "copy") {
      if (Part* load = find("load")) load->estimate = each.seconds * kLoadShare;
      if (Part* back = find("read-back")) back->estimate = each.seconds * (1 - kLoadShare);
    } else if (Part* part = find(each.stage)) {
      part->estimate = each.seconds;
    }
  }
}

void TimeLeft::begin(std::string_view name, Moment now) {
  Part* const part = find(name);
  if (part == nullptr) return;
  // The parts before it were done in an earlier call.
  for (Part* earlier = parts_.data(); earlier != part; ++earlier) earlier->is_done = true;
  part->began = now;
  part->is_done = false;
  samples_.clear();
}

void TimeLeft::progress(double fraction, Moment now) {
  // Work that was lost and begins again.
  if (!samples_.empty() && fraction < samples_.back().second) samples_.clear();
  samples_.emplace_back(now, std::clamp(fraction, 0.0, 1.0));
  while (samples_.size() > 2 && now - samples_.front().first > kOfLate) samples_.pop_front();
}

void TimeLeft::end(std::string_view name, Moment now) {
  Part* const part = find(name);
  if (part == nullptr) return;
  part->is_done = true;
  if (part->began) part->took = seconds_between(*part->began, now);
  samples_.clear();
}

/// From the rate since it began and that of late.
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

/// The ratio of the time that parts took to their estimates.
double TimeLeft::correction(Moment now) const {
  double took = 0;
  double estimated = 0;
  for (const Part& part : parts_) {
    if (!part.estimate || *part.estimate <= 0) continue;
    std::optional<double> took_now = part.took;
    if (!part.is_done) {
      if (const auto rest = projected(part, now)) {
        took_now = seconds_between(*part.began, now) + (rest->low + rest->high) / 2;
      }
    }
    if (!took_now) continue;
    took += *took_now;
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
    // Of a copy without estimates, the load says how large it is.
    const Part* const load = find("load");
    const auto rest = load == nullptr ? std::nullopt : projected(*load, now);
    std::optional<double> whole = load == nullptr ? std::nullopt : load->took;
    if (rest && !whole) whole = seconds_between(*load->began, now) + (rest->low + rest->high) / 2;
    if (whole) estimate = *whole * (1 - kLoadShare) / kLoadShare;
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
  const Part* const part = find(name);
  if (part == nullptr) return {};
  return left_of(*part, now);
}

std::optional<double> TimeLeft::estimate_of(std::string_view name) const {
  const Part* const part = find(name);
  return part == nullptr ? std::nullopt : part->estimate;
}

Span span_of(const std::vector<StageEstimate>& estimates) {
  double sum = 0;
  for (const StageEstimate& each : estimates) sum += each.seconds;
  return {sum * (1 - TimeLeft::kEstimateSpread), sum * (1 + TimeLeft::kEstimateSpread)};
}

}  // namespace pgfanout
