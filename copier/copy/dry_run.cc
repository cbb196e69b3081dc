#include "copier/copy/dry_run.h"

#include <fmt/format.h>

#include "copier/copy/target_leaves.h"

namespace pgfanout {
namespace {

void append(std::vector<std::string>& statements, const std::vector<std::string>& more) {
  statements.insert(statements.end(), more.begin(), more.end());
}

}  // namespace

std::vector<std::string> statements_of(const CopyPlan& plan, const CopyProgress& progress,
                                       const std::vector<std::string>& fence, bool locks_source) {
  const std::vector<SourceRange>& ranges = progress.ranges;
  std::vector<std::string> statements{"-- source: what is read stays as it is until the end"};
  append(statements, fence);
  if (locks_source) {
    statements.push_back(fmt::format("LOCK TABLE {} IN SHARE MODE", plan.source.qualified));
  }
  if (plan.target.is_new) {
    statements.push_back("-- target: tables");
    append(statements, plan.ddl.create);
  }
  statements.push_back(
      fmt::format("-- source: {} ranges by {} readers", ranges.size(), plan.connections.readers));
  for (const SourceRange& range : ranges) {
    statements.push_back(fmt::format("COPY ({}) TO STDOUT (FORMAT binary)",
                                     source_select(plan.stream, plan.source, range).sql()));
  }
  statements.push_back(fmt::format("-- target: {} leaves over {} connections",
                                   plan.target.leaves.size(), plan.connections.writers));
  if (!progress.by_leaf) {
    statements.push_back(
        fmt::format("-- target: each leaf commits {} times, with its row in pgfanout.leaf_load",
                    progress.last_epoch()));
  }
  const std::vector<LaneTarget> lanes = lane_targets(plan, progress);
  for (std::size_t leaf = 0; leaf < lanes.size(); ++leaf) {
    if (!lanes[leaf].truncate.empty()) statements.push_back("TRUNCATE " + lanes[leaf].truncate);
    statements.push_back(lanes[leaf].copy_sql);
    if (plan.target.is_new) append(statements, plan.ddl.checks[leaf]);
  }
  if (plan.target.is_new) {
    statements.push_back("-- target: after the read-back, in one transaction");
    for (const auto& attach : plan.ddl.attach) append(statements, attach);
  }
  append(statements, plan.ddl.finish);
  return statements;
}

}  // namespace pgfanout
