// The order of a swap's renames and of what takes it back.
#include "copier/window/swap_script.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using Lines = std::vector<std::string>;

SwapNames names() {
  return {"public", "t", "t_new", "20260102_030405", {{"t_new_p0", "t_p0"}, {"other", "other"}},
          {}};
}

CarryPlan carry() {
  CarryPlan plan;
  plan.names.push_back({"INDEX", "public", "t_new_pkey", "t_pkey"});
  plan.moves.push_back({"a",
                        {"A \001new\001 \001old\001"},
                        {"back of A on \001old\001"},
                        {"after A \001new\001"},
                        {"last of A"}});
  plan.moves.push_back({"b", {"B"}, {"back of B"}, {}, {"last of B"}});
  plan.views.push_back({"public.v", "CREATE v", "RESTORE v"});
  return plan;
}

TEST(SwapScript, NamesChangeHandsAndAllOfItIsTakenBackInReverse) {
  const auto script =
      make_swap_script(names(), carry(),
                       {{"TABLE", 1, "public", "t", true}, {"INDEX", 2, "public", "t_pkey", true}});
  ASSERT_TRUE(script) << script.error().message;
  EXPECT_EQ(script->backup_name, "t_backup_20260102_030405");
  EXPECT_EQ(script->forward,
            (Lines{R"(ALTER INDEX "public"."t_pkey" RENAME TO "t_pkey_backup_20260102_030405")",
                   R"(ALTER TABLE "public"."t" RENAME TO "t_backup_20260102_030405")",
                   R"(ALTER TABLE "public"."t_new" RENAME TO "t")",
                   R"(ALTER TABLE "public"."t_new_p0" RENAME TO "t_p0")",
                   R"(ALTER INDEX "public"."t_new_pkey" RENAME TO "t_pkey")",
                   R"(A "public"."t" "public"."t_backup_20260102_030405")", "B", "CREATE v"}));
  EXPECT_EQ(script->backward,
            (Lines{"back of B", R"(back of A on "public"."t_backup_20260102_030405")",
                   R"(ALTER INDEX "public"."t_pkey" RENAME TO "t_new_pkey")",
                   R"(ALTER TABLE "public"."t_p0" RENAME TO "t_new_p0")",
                   R"(ALTER TABLE "public"."t" RENAME TO "t_new")",
                   R"(ALTER TABLE "public"."t_backup_20260102_030405" RENAME TO "t")",
                   R"(ALTER INDEX "public"."t_pkey_backup_20260102_030405" RENAME TO "t_pkey")",
                   "RESTORE v", "last of B", "last of A"}));
  EXPECT_EQ(script->after, Lines{R"(after A "public"."t")"});
}

TEST(SwapScript, NameOfAStrangerIsRefused) {
  const auto script = make_swap_script(names(), carry(), {{"VIEW", 9, "public", "t_p0", false}});
  ASSERT_FALSE(script);
  EXPECT_EQ(script.error().code, "name-taken");
  EXPECT_EQ(script.error().where, "VIEW public.t_p0");
}

TEST(SwapScript, EveryTakenNameIsToldWithItsHolderAndACure) {
  CarryPlan twice = carry();
  twice.names.push_back({"SEQUENCE", "public", "t_new_s", "t_p0"});
  twice.names.push_back({"STATISTICS", "public", "s_new", "other"});
  const auto taken = taken_names(names(), twice,
                                 {{"DOMAIN", 9, "public", "other", false},
                                  {"INDEX", 3, "public", "t_p0", true},
                                  {"FOREIGN TABLE", 8, "public", "t_\"pkey", false}});
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].code, "name-taken");
  EXPECT_EQ(taken[0].severity, Severity::error);
  EXPECT_EQ(taken[0].message,
            "the swap needs the name public.t_p0 for a table, and sequence "
            "public.t_p0, which the new table takes over, has it too");
  EXPECT_NE(taken[0].hint.find(R"(ALTER SEQUENCE "public"."t_p0" RENAME TO)"), std::string::npos);
  EXPECT_EQ(taken[1].where, "FOREIGN TABLE public.t_\"pkey");
  EXPECT_NE(taken[1].hint.find(R"(ALTER FOREIGN TABLE "public"."t_""pkey" RENAME TO)"),
            std::string::npos);
  EXPECT_FALSE(make_swap_script(names(), twice, {}));
}

TEST(SwapScript, OwnNamesAreNotInTheWay) {
  SwapNames same = names();
  same.leaves = {{"t_p0", "t_p0"}};
  const auto script = make_swap_script(same, CarryPlan(), {{"TABLE", 5, "public", "t_p0", false}});
  ASSERT_TRUE(script) << script.error().message;
  EXPECT_EQ(script->forward.size(), 2U);
}

TEST(SwapScript, LongNamesStayApart) {
  SwapNames long_names = names();
  long_names.source = std::string(63, 'x');
  const std::string backup = backup_name_of(long_names);
  EXPECT_LE(backup.size(), 63U);
  EXPECT_NE(backup, long_names.source);
  EXPECT_TRUE(backup.ends_with("_backup_20260102_030405"));
}

}  // namespace
}  // namespace pgfanout
