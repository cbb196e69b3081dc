#include "copier/preflight/preflight.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

std::vector<Issue> issues_with(const std::vector<Severity>& severities) {
  std::vector<Issue> issues;
  for (const Severity severity : severities) issues.push_back({severity, "code", {}, {}, {}});
  return issues;
}

TEST(Preflight, WarningsLetTheWindowBegin) {
  EXPECT_FALSE(no_go_of({}, "hint", "public.t"));
  EXPECT_FALSE(no_go_of(issues_with({Severity::warning, Severity::info}), "hint", "public.t"));
}

TEST(Preflight, ErrorsAndWorseAreReasonsNotToBegin) {
  for (const Severity severity : {Severity::error, Severity::critical}) {
    const auto one = no_go_of(issues_with({Severity::info, severity}), "hint", "public.t");
    ASSERT_TRUE(one);
    EXPECT_EQ(one->code, "no-go");
    EXPECT_EQ(one->consequence, Consequence::refuse);
    EXPECT_EQ(one->message, "1 reason not to begin");
    EXPECT_EQ(one->where, "public.t");
    EXPECT_EQ(one->hint, "hint");
  }
  const auto two = no_go_of(issues_with({Severity::error, Severity::warning, Severity::critical}),
                            "hint", "public.t");
  ASSERT_TRUE(two);
  EXPECT_EQ(two->message, "2 reasons not to begin");
}

}  // namespace
}  // namespace pgfanout
