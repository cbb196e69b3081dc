// Whether a deadline is met, and until when turning back still ends before it.
#include "copier/watch/deadline.h"

#include <gtest/gtest.h>

#include <ctime>

namespace pgfanout {
namespace {

using Outlook = DeadlineState::Outlook;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

ClockTime clock_at(int day, int hour, int minute) {
  std::tm local{};
  local.tm_year = 126;
  local.tm_mon = 10;
  local.tm_mday = day;
  local.tm_hour = hour;
  local.tm_min = minute;
  local.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&local));
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(DeadlineTest, BestAndWorstCaseDecide) {
  const ClockTime now = clock_at(21, 3, 0);
  const ClockTime by = clock_at(21, 4, 0);
  const auto outlook = [&](double low, double high) {
    return judge_deadline(by, now, Span{low, high}, {}).outlook;
  };
  EXPECT_EQ(outlook(1800, 3600), Outlook::makes_it);
  EXPECT_EQ(outlook(1800, 3601), Outlook::close);
  EXPECT_EQ(outlook(3600, 7200), Outlook::close);
  EXPECT_EQ(outlook(3601, 7200), Outlook::misses);
  EXPECT_EQ(judge_deadline(by, now, {}, {}).outlook, Outlook::unknown);
  EXPECT_EQ(judge_deadline(by, by + seconds(1), {}, {}).outlook, Outlook::misses);
}

TEST(DeadlineTest, SaysWhenInWords) {
  const ClockTime now = clock_at(21, 3, 0);
  const auto state = judge_deadline(clock_at(21, 4, 0), now, Span{1800, 2700}, {});
  EXPECT_EQ(state.advice, "done between 03:30 and 03:45, before 04:00");
  EXPECT_TRUE(has(judge_deadline(clock_at(21, 4, 0), now, Span{1800, 5400}, {}).advice,
                  "04:00 may be missed"));
  EXPECT_TRUE(has(judge_deadline(clock_at(21, 4, 0), now, Span{4800, 5400}, {}).advice,
                  "04:00 will be missed"));
}

TEST(DeadlineTest, AnotherDayIsNamed) {
  EXPECT_EQ(clock_text(clock_at(22, 4, 0), clock_at(21, 22, 0)), "04:00 on 2026-11-22");
  EXPECT_EQ(clock_text(clock_at(21, 4, 5), clock_at(21, 3, 0)), "04:05");
}

TEST(DeadlineTest, TurningBackTakesItsTimeToo) {
  const ClockTime now = clock_at(21, 3, 0);
  const ClockTime by = clock_at(21, 4, 0);
  TurningBack back{true, false, 600, "'pgfanout rollback'"};
  auto state = judge_deadline(by, now, Span{4800, 5400}, back);
  ASSERT_TRUE(state.turn_back_by);
  EXPECT_EQ(*state.turn_back_by, by - minutes(10));
  EXPECT_TRUE(has(state.advice, "begin 'pgfanout rollback' by 03:50")) << state.advice;
  state = judge_deadline(by, clock_at(21, 3, 55), Span{4800, 5400}, back);
  EXPECT_TRUE(has(state.advice, "does not end before it either")) << state.advice;
  back.is_swapping = true;
  EXPECT_TRUE(has(judge_deadline(by, now, {}, back).advice, "compares both tables"));
  back.seconds.reset();
  EXPECT_FALSE(judge_deadline(by, now, {}, back).turn_back_by);
  back.is_fenced = false;
  EXPECT_TRUE(has(judge_deadline(by, now, {}, back).advice, "can be stopped at any time"));
}

}  // namespace
}  // namespace pgfanout
