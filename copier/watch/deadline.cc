#include "copier/watch/deadline.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

std::tm local_time(ClockTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm local{};
  localtime_r(&seconds, &local);
  return local;
}

std::string time_text(double seconds) {
  return amount_of_time(static_cast<std::int64_t>(std::ceil(seconds)));
}

}  // namespace

std::string clock_text(ClockTime time, ClockTime now) {
  const std::tm local = local_time(time);
  const std::tm today = local_time(now);
  const std::string clock = fmt::format("{:02}:{:02}", local.tm_hour, local.tm_min);
  if (local.tm_yday == today.tm_yday && local.tm_year == today.tm_year) return clock;
  return fmt::format("{} on {:04}-{:02}-{:02}", clock, local.tm_year + 1900, local.tm_mon + 1,
                     local.tm_mday);
}

std::string span_text(const Span& span) {
  const std::string low = time_text(span.low);
  const std::string high = time_text(span.high);
  return low == high ? low : low + " to " + high;
}

DeadlineState judge_deadline(ClockTime finish_by, ClockTime now, const std::optional<Span>& left,
                             const TurningBack& back) {
  using Outlook = DeadlineState::Outlook;
  DeadlineState state;
  state.finish_by = finish_by;
  const std::string by = clock_text(finish_by, now);
  std::string words;
  if (left) {
    state.seconds_left_low = left->low;
    state.seconds_left_high = left->high;
    const ClockTime first = after(now, left->low);
    const ClockTime last = after(now, left->high);
    state.outlook = last <= finish_by    ? Outlook::makes_it
                    : first <= finish_by ? Outlook::close
                                         : Outlook::misses;
    words = fmt::format("done between {} and {}", clock_text(first, now), clock_text(last, now));
  } else if (now > finish_by) {
    state.outlook = Outlook::misses;
    words = "not done";
  }
  switch (state.outlook) {
    case Outlook::unknown:
      state.advice = fmt::format("done at a time that is not known yet: {} may be missed", by);
      break;
    case Outlook::makes_it:
      state.advice = fmt::format("{}, before {}", words, by);
      break;
    case Outlook::close:
      state.advice = fmt::format("{}: {} may be missed", words, by);
      break;
    case Outlook::misses:
      state.advice = fmt::format("{}: {} will be missed", words, by);
      break;
  }
  if (!back.is_fenced) {
    state.advice += back.how.empty()
                        ? ""
                        : "; this call has raised no fence yet: it can be stopped at any time";
  } else if (back.seconds) {
    state.turn_back_by = after(finish_by, -*back.seconds);
    const bool is_over = *state.turn_back_by <= now;
    state.advice +=
        is_over ? fmt::format("; turning back ({}, about {}) does not end before it either",
                              back.how, time_text(*back.seconds))
                : fmt::format("; to be back by then, begin {} by {}, it takes about {}{}", back.how,
                              clock_text(*state.turn_back_by, now), time_text(*back.seconds),
                              back.is_swapping ? ", since it compares both tables" : "");
  } else {
    state.advice += fmt::format("; how long {} takes is not known", back.how);
  }
  return state;
}

}  // namespace pgfanout
