#include "copier/carry/carry_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "copier/carry/carry_context.h"

namespace pgfanout {
namespace {

/// One step for each leaf's attributes, then owners and grants: after those the role may no longer
/// have the right to the other steps.
void finish_attributes(CarryContext& context) {
  for (std::size_t leaf = 0; leaf < context.leaf_attributes.size(); ++leaf) {
    if (context.leaf_attributes[leaf].empty()) continue;
    const std::string& table = context.request.target_leaves[leaf];
    context.plan.attributes.push_back(
        {fmt::format("attributes {}", table), std::move(context.leaf_attributes[leaf]), table, 0});
  }
  for (auto* steps : {&context.last, &context.grants}) {
    std::move(steps->begin(), steps->end(), std::back_inserter(context.plan.attributes));
  }
}

}  // namespace

Result<CarryPlan> make_carry_plan(const CarryRequest& request, Connection& source,
                                  Connection& target) {
  PGFANOUT_TRY_ASSIGN(CarryColumns columns, CarryColumns::read(request, source));
  PGFANOUT_TRY_ASSIGN(CarryNames names, CarryNames::read(request, target));
  CarryContext context(request, source, target, std::move(columns), std::move(names));
  for (auto* part : {carry_indexes, carry_constraints, carry_foreign_keys, carry_behaviour,
                     carry_statistics, carry_identity, carry_sequences, carry_new_sequences,
                     carry_views, carry_publications, carry_inbound, carry_rebinds,
                     carry_key_function, carry_comments, carry_access, name_the_rest}) {
    PGFANOUT_TRY(part(context));
  }
  finish_attributes(context);
  if (!request.same_database) {
    context.plan.views.clear();
    context.plan.moves.clear();
  }
  return std::move(context.plan);
}

}  // namespace pgfanout
