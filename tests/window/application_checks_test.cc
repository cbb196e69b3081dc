// How a statement that was tried after the swap is judged.
#include "copier/window/application_checks.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(AfterSwapCheck, AStatementThatMustTouchOneRow) {
  struct Case {
    const char* sqlstate;
    std::int64_t rows;
    bool may_be_turned;
    bool may_be_referred_to;
    Trial trial;
  };
  const Case cases[] = {
      {"", 1, false, false, Trial::right},        {"", 1, true, true, Trial::right},
      {"", 0, false, false, Trial::wrong},        {"", 0, true, false, Trial::unknown},
      {"", 2, false, false, Trial::wrong},        {"", 2, true, false, Trial::wrong},
      {"23505", 0, true, true, Trial::wrong},     {"23503", 0, false, false, Trial::wrong},
      {"23503", 0, false, true, Trial::referred}, {"23001", 0, false, true, Trial::referred},
      {"42501", 0, false, true, Trial::wrong},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(judge_one_row(each.sqlstate, each.rows, each.may_be_turned, each.may_be_referred_to),
              each.trial)
        << each.sqlstate << " " << each.rows << " " << each.may_be_turned << " "
        << each.may_be_referred_to;
  }
}

TEST(AfterSwapCheck, AStatementThatMustBeRefused) {
  EXPECT_EQ(judge_refusal("", "23514"), Trial::wrong);
  EXPECT_EQ(judge_refusal("23514", "23514"), Trial::right);
  EXPECT_EQ(judge_refusal("42501", "23514"), Trial::unknown);
}

TEST(AfterSwapCheck, WhatWasRefusedBeforeIsNotTheSwapsFault) {
  EXPECT_EQ(judge_one_row("42P10", 0, false, false, "42P10"), Trial::unknown);
  EXPECT_EQ(judge_one_row("42P10", 0, false, false, "55000"), Trial::wrong);
  EXPECT_EQ(judge_one_row("", 1, false, false, "55000"), Trial::right);
}

TEST(AfterSwapCheck, AnInsertAsARoleIsWrongIfItLostARight) {
  EXPECT_EQ(judge_as_role("", "", ""), Trial::right);
  EXPECT_EQ(judge_as_role("42501", "42501", ""), Trial::wrong);
  EXPECT_EQ(judge_as_role("42501", "42501", "42501"), Trial::unknown) << "it had none before";
  EXPECT_EQ(judge_as_role("42501", "", ""), Trial::unknown) << "a policy or a trigger refused it";
  EXPECT_EQ(judge_as_role("23505", "", ""), Trial::unknown);
}

}  // namespace
}  // namespace pgfanout
