// The decision about "more than 10 % faster", from given times.
#include "bench/insert/speedup.h"

#include <gtest/gtest.h>

#include <vector>

namespace pgfanout::bench {
namespace {

std::vector<TimePair> pairs_with(const std::vector<double>& ratios) {
  std::vector<TimePair> pairs;
  for (const double ratio : ratios) pairs.push_back({ratio * 2, 2});
  return pairs;
}

Decision decision_for(const std::vector<double>& ratios) {
  return decide(speedup_of(pairs_with(ratios)));
}

TEST(Speedup, MedianIsTheMiddle) {
  EXPECT_DOUBLE_EQ(median_of(std::vector<double>{3, 1, 2}), 2);
  EXPECT_DOUBLE_EQ(median_of(std::vector<double>{4, 1, 2, 3}), 2.5);
  EXPECT_DOUBLE_EQ(median_of(std::vector<double>{7}), 7);
}

TEST(Speedup, RatioIsThatOfTheMedians) {
  const std::vector<TimePair> pairs = {{10, 5}, {12, 4}, {14, 6}};
  const Speedup speedup = speedup_of(pairs);
  EXPECT_DOUBLE_EQ(speedup.ratio, 12.0 / 5.0);
  EXPECT_EQ(speedup.pairs, 3U);
}

TEST(Speedup, SixPairsAreTheLeastThatDecide) {
  EXPECT_EQ(decision_for({1.5, 1.5, 1.5, 1.5, 1.5}), Decision::not_decided);
  EXPECT_EQ(decision_for({1.5, 1.5, 1.5, 1.5, 1.5, 1.5}), Decision::yes);
  EXPECT_EQ(decision_for({1.0, 1.0, 1.0, 1.0, 1.0, 1.0}), Decision::no);
}

TEST(Speedup, SixPairsAreDecidedByTheirWholeRange) {
  EXPECT_EQ(decision_for({1.5, 1.5, 1.5, 1.5, 1.5, 1.09}), Decision::not_decided);
  EXPECT_EQ(decision_for({1.0, 1.0, 1.0, 1.0, 1.0, 1.11}), Decision::not_decided);
}

TEST(Speedup, NinePairsLeaveOneOutAtEachEnd) {
  // The sign test's 95 % interval of 9 values is from the second to the eighth.
  EXPECT_EQ(decision_for({0.5, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 9}), Decision::yes);
  EXPECT_EQ(decision_for({0.5, 1.0, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 9}), Decision::not_decided);
  const Speedup speedup = speedup_of(pairs_with({9, 8, 7, 6, 5, 4, 3, 2, 1}));
  EXPECT_DOUBLE_EQ(speedup.low, 2);
  EXPECT_DOUBLE_EQ(speedup.high, 8);
}

TEST(Speedup, TwentyPairsLeaveFiveOutAtEachEnd) {
  std::vector<double> ratios;
  for (int ratio = 1; ratio <= 20; ++ratio) ratios.push_back(ratio);
  const Speedup speedup = speedup_of(pairs_with(ratios));
  EXPECT_DOUBLE_EQ(speedup.low, 6);
  EXPECT_DOUBLE_EQ(speedup.high, 15);
}

TEST(Speedup, ASpreadThatTouchesTheLimitDecidesNothing) {
  Speedup speedup{1.2, 1.1, 1.3, 9, true};
  EXPECT_EQ(decide(speedup), Decision::not_decided);
  speedup = {1.0, 0.9, 1.1, 9, true};
  EXPECT_EQ(decide(speedup), Decision::not_decided);
}

TEST(Speedup, SpreadHoldsTheRatio) {
  // The ratio of medians need not lie among the middle ratios.
  const std::vector<TimePair> pairs = {{1, 10}, {2, 20}, {3, 30},   {40, 1},  {50, 2},
                                       {60, 3}, {70, 4}, {5, 50.0}, {6, 60.0}};
  const Speedup speedup = speedup_of(pairs);
  EXPECT_LE(speedup.low, speedup.ratio);
  EXPECT_GE(speedup.high, speedup.ratio);
}

TEST(Speedup, SentenceSaysTheAnswerFirst) {
  EXPECT_EQ(sentence_of({1.04, 0.99, 1.08, 9, true}),
            "no: 1.04 times as fast, 0.99 to 1.08 in 9 pairs");
  EXPECT_EQ(sentence_of({1.31, 1.22, 1.4, 9, true}),
            "yes: 1.31 times as fast, 1.22 to 1.40 in 9 pairs");
  EXPECT_EQ(
      sentence_of({1.2, 1.2, 1.2, 1, false}),
      "not decided: 1.20 times as fast, 1.20 to 1.20 in 1 pair (fewer than 6 decide nothing)");
}

}  // namespace
}  // namespace pgfanout::bench
