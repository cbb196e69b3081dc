// Check constraints: on each loaded leaf in one scan, then on the parent, which merges with them.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

constexpr const char* kChecksSql = R"sql(
SELECT c.oid, c.conname, pg_get_constraintdef(c.oid), c.connoinherit,
  array_to_string(c.conkey, ' ')
FROM pg_constraint c
WHERE c.conrelid = $1::oid AND c.contype = 'c' ORDER BY c.conname)sql";

void carry_check(CarryContext& context, std::uint32_t oid, const std::string& name,
                 const std::string& definition) {
  const CarryRequest& request = context.request;
  const std::string clause =
      fmt::format("ADD CONSTRAINT {} {}", quoted_name(name), context.on_target(definition));
  for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
    context.add_leaf_clause(leaf, clause);
  }
  context.plan.parent_constraints.push_back(
      {fmt::format("constraint {} {}", request.target_qualified, display_name(name)),
       fmt::format("ALTER TABLE {} {}", request.target_qualified, clause),
       {},
       0});
  context.record(CarriedClass::constraint, oid,
                 fmt::format("CONSTRAINT {} ON {}", quoted_name(name), request.target_qualified));
}

/// An earlier job's check of the key: the target has its own, over the new key.
bool is_key_check(const CarryContext& context, const std::string& name) {
  const CarryRequest& request = context.request;
  return context.rules.checks_key && request.key_column &&
         name == suffixed_name(*request.key_column, "_check");
}

}  // namespace

Result<void> carry_constraints(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kChecksSql));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string name = rows.str(row, 1);
    if (is_key_check(context, name)) {
      context.note(Severity::info, "key-check-replaced",
                   fmt::format("check constraint {} is replaced by the one on the new key",
                               display_name(name)));
      continue;
    }
    if (const std::string missing = context.missing_columns(rows.text(row, 4)); !missing.empty()) {
      context.leave_behind("constraint", display_name(name), missing,
                           "map the column, or accept the loss by this name");
      continue;
    }
    std::string definition = rows.str(row, 2);
    constexpr std::string_view kNoInherit = " NO INHERIT";
    if (const auto at = definition.rfind(kNoInherit);
        rows.boolean(row, 3) && at != std::string::npos) {
      definition.erase(at, kNoInherit.size());
      context.note(Severity::info, "check-inherited",
                   fmt::format("check constraint {} loses NO INHERIT: a partitioned table holds "
                               "its rows in leaves",
                               display_name(name)));
    }
    carry_check(context, rows.oid(row, 0), name, definition);
  }
  std::vector<CarryStep> steps;
  for (std::size_t leaf = 0; leaf < context.leaf_clauses.size(); ++leaf) {
    const std::string& table = context.request.target_leaves[leaf];
    steps.push_back({fmt::format("constraints {}", table),
                     fmt::format("ALTER TABLE {}\n  {}", table, context.leaf_clauses[leaf]), table,
                     0});
  }
  // Keys and checks first: exclusion constraints build their indexes alone.
  auto& all = context.plan.leaf_constraints;
  all.insert(all.begin(), std::make_move_iterator(steps.begin()),
             std::make_move_iterator(steps.end()));
  return {};
}

}  // namespace pgfanout
