// How a changed definition of the source is seen.
#include "copier/window/state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>

namespace pgfanout {
namespace {

CarryPlan plan_with_one_of_each() {
  CarryPlan plan;
  for (auto* steps : {&plan.leaf_indexes, &plan.parent_indexes, &plan.leaf_constraints,
                      &plan.parent_constraints, &plan.attributes}) {
    steps->push_back({"id", "sql", "leaf"});
  }
  plan.names.push_back({"INDEX", "public", "i_new", "i"});
  plan.views.push_back({"public.v", "create", "restore"});
  plan.moves.push_back({"publication p", {"forward"}, {"backward"}, {}});
  plan.not_carried.push_back({"index", "lost", "", "", true});
  return plan;
}

TEST(WindowState, EachPartOfTheDefinitionHasItsFact) {
  const std::vector<std::string> before = facts_of(plan_with_one_of_each());
  EXPECT_EQ(facts_of(plan_with_one_of_each()), before);
  const std::vector<std::function<void(CarryPlan&)>> changes = {
      [](CarryPlan& plan) { plan.leaf_indexes[0].sql = "other"; },
      [](CarryPlan& plan) { plan.parent_indexes[0].id = "other"; },
      [](CarryPlan& plan) { plan.leaf_constraints.clear(); },
      [](CarryPlan& plan) {
        plan.parent_constraints.push_back({"more", "sql", ""});
      },
      [](CarryPlan& plan) { plan.attributes[0].sql = "other"; },
      [](CarryPlan& plan) { plan.names[0].afterwards = "other"; },
      [](CarryPlan& plan) { plan.views[0].create = "other"; },
      [](CarryPlan& plan) { plan.views[0].restore = "other"; },
      [](CarryPlan& plan) { plan.moves[0].what = "other"; },
      [](CarryPlan& plan) { plan.not_carried[0].name = "other"; },
  };
  for (std::size_t at = 0; at < changes.size(); ++at) {
    CarryPlan plan = plan_with_one_of_each();
    changes[at](plan);
    const std::vector<std::string> after = facts_of(plan);
    std::vector<std::string> gone;
    std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                        std::back_inserter(gone));
    EXPECT_EQ(gone.size(), 1U) << "change " << at;
  }
}

TEST(WindowState, WhatMayDifferBetweenTwoLooksIsNoFact) {
  CarryPlan plan = plan_with_one_of_each();
  const std::vector<std::string> before = facts_of(plan);
  plan.leaf_indexes[0].bytes = 7;
  plan.names[0].until_swap = "i_new1";
  plan.issues.push_back({});
  EXPECT_EQ(facts_of(plan), before);
}

}  // namespace
}  // namespace pgfanout
