#include "copier/lifecycle/dry_run.h"

#include <fmt/format.h>

#include "copier/lifecycle/target_tables.h"

namespace pgfanout {
namespace {

void append(std::vector<std::string>& statements, const std::vector<std::string>& more) {
  statements.insert(statements.end(), more.begin(), more.end());
}

}  // namespace

std::vector<std::string> statements_of(const CopyPlan& plan, const std::vector<SourceRange>& ranges,
                                       bool locks_source) {
  std::vector<std::string> statements{"-- source: what is read stays as it is until the end"};
  if (locks_source) {
    statements.push_back(fmt::format("LOCK TABLE {} IN SHARE MODE", plan.source.qualified));
  }
  if (plan.create_target) {
    statements.push_back("-- target: tables");
    append(statements, plan.create_statements);
  }
  statements.push_back(
      fmt::format("-- source: {} ranges by {} readers", ranges.size(), plan.readers));
  for (const SourceRange& range : ranges) {
    statements.push_back(
        fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", source_select(plan, range)));
  }
  statements.push_back(
      fmt::format("-- target: {} leaves over {} connections", plan.leaves.size(), plan.writers));
  for (const LaneTarget& lane : lane_targets(plan)) {
    if (plan.create_target) statements.push_back("TRUNCATE ONLY " + lane.name);
    statements.push_back(lane.copy_sql);
    append(statements, lane.before_commit);
  }
  if (plan.create_target) {
    statements.push_back("-- target: after the read-back, in one transaction");
    for (const auto& attach : plan.attach_statements) append(statements, attach);
  }
  append(statements, plan.finish_statements);
  return statements;
}

}  // namespace pgfanout
