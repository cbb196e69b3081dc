#include "copier/plan/copy_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "copier/base/amount.h"
#include "copier/catalog/nextval_call.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/table_lookup.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/mapping.h"
#include "copier/columns/type_transport.h"
#include "copier/key/key_plan.h"
#include "copier/plan/connection_budget.h"
#include "copier/plan/new_target.h"
#include "copier/plan/plan_notes.h"
#include "copier/plan/source_fitness.h"
#include "copier/plan/stream_plan.h"
#include "copier/plan/target_fitness.h"
#include "copier/plan/target_obstacles.h"

namespace pgfanout {
namespace {

constexpr int kOldestServer = 140000;
constexpr std::uint32_t kMaxPartitions = 10000;

/// Makes one plan; a member is set by the step named in its comment.
class CopyPlanner {
 public:
  CopyPlanner(const JobDescription& job, Connection& source, Connection& target,
              const std::vector<std::uint32_t>& made)
      : job_(job), source_(source), target_(target), made_(made) {}

  Result<CopyPlan> make() {
    PGFANOUT_TRY(look_at_servers());
    PGFANOUT_TRY(look_at_source());
    PGFANOUT_TRY(find_target());
    PGFANOUT_TRY(plan_columns());
    PGFANOUT_TRY(plan_key());
    PGFANOUT_TRY(plan_target());
    PGFANOUT_TRY(plan_stream());
    PGFANOUT_TRY(plan_connections());
    PGFANOUT_TRY(plan_when_to_commit());
    PGFANOUT_TRY(add_notes(job_, target_, target_facts_, *plan_));
    return std::move(*plan_);
  }

 private:
  Result<void> look_at_servers();
  Result<void> look_at_source();
  Result<void> find_target();
  Result<void> plan_columns();
  Result<void> plan_key();
  Result<void> plan_target();
  Result<void> plan_stream();
  Result<void> plan_connections();
  Result<void> plan_when_to_commit();

  const JobDescription& job_;
  Connection& source_;
  Connection& target_;
  const std::vector<std::uint32_t>& made_;
  ServerFacts source_facts_;                // look_at_servers
  ServerFacts target_facts_;                // look_at_servers
  std::optional<CopyPlan> plan_;            // look_at_source
  std::optional<ExistingTarget> existing_;  // find_target
  ColumnPlan columns_;                      // plan_columns
  KeyCarriers carriers_;                    // plan_key
};

Result<void> check_version(const Connection& connection) {
  if (connection.server_version() >= kOldestServer) return {};
  return refused("server-too-old",
                 fmt::format("{} runs PostgreSQL {}; 14 is the oldest that is supported",
                             connection.description(), connection.server_version_text()),
                 "upgrade the server first");
}

Result<void> CopyPlanner::look_at_servers() {
  PGFANOUT_TRY(check_version(source_));
  PGFANOUT_TRY(check_version(target_));
  if (job_.partitions == 0 || job_.partitions > kMaxPartitions) {
    return refused("bad-partitions", fmt::format("{} partitions are not possible", job_.partitions),
                   fmt::format("use 1 to {}", kMaxPartitions), "--partitions");
  }
  PGFANOUT_TRY_ASSIGN(source_facts_, read_server_facts(source_));
  PGFANOUT_TRY_ASSIGN(target_facts_, read_server_facts(target_));
  if (target_facts_.is_in_recovery) {
    return refused("target-read-only",
                   fmt::format("the target's server {} is a standby", target_.description()),
                   "name its primary as the target", target_.description());
  }
  if (source_facts_.encoding != target_facts_.encoding) {
    return refused(
        "encoding-differs",
        fmt::format("the source's encoding is {}, the target's {}: the same text has "
                    "other bytes there, hence other keys",
                    source_facts_.encoding, target_facts_.encoding),
        fmt::format("create the target's database with ENCODING '{}'", source_facts_.encoding),
        target_.description());
  }
  return {};
}

Result<void> CopyPlanner::look_at_source() {
  PGFANOUT_TRY_ASSIGN(Table table, describe_table(source_, job_.table));
  PGFANOUT_TRY(check_source(source_, table, source_facts_));
  PGFANOUT_TRY_ASSIGN(KeyExpression key, compile_key(job_, table));
  PGFANOUT_TRY(check_key_functions(source_, key));
  plan_.emplace(std::move(key));
  plan_->source = std::move(table);
  plan_->same_database = is_same_database(source_facts_, target_facts_);
  plan_->target.servers = {{target_.description(), target_dsn_of(job_)}};
  return {};
}

Result<void> CopyPlanner::find_target() {
  PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(job_, plan_->source));
  plan_->target.schema = name.schema;
  plan_->target.name = name.name;
  PGFANOUT_TRY_ASSIGN(const Rows quoted, target_.query("SELECT format('%I.%I', $1::text, $2::text)",
                                                       {name.schema, name.name}));
  plan_->target.qualified = quoted.str(0, 0);
  PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(target_, name));
  const bool is_made = std::find(made_.begin(), made_.end(), found.oid) != made_.end();
  plan_->target.is_new = found.oid == 0 || is_made;
  if (plan_->target.is_new) return {};
  if (plan_->same_database && found.oid == plan_->source.oid) {
    return refused("same-table", "source and target are the same table",
                   "name another target with --into", plan_->target.qualified);
  }
  if (found.kind != 'r' && found.kind != 'p') {
    return refused(
        "name-taken",
        fmt::format("{} exists and is {}", plan_->target.qualified, kind_name(found.kind)),
        "drop or rename it, or choose another target with --into", plan_->target.qualified);
  }
  PGFANOUT_TRY_ASSIGN(existing_, examine_target(job_, plan_->source, target_, found.oid));
  for (const TargetLeaf& leaf : existing_->leaves) {
    for (const Leaf& origin : plan_->source.leaves) {
      if (plan_->same_database && origin.oid == leaf.oid) {
        return refused("same-table",
                       fmt::format("{} belongs to both source and target", leaf.qualified),
                       "name another target with --into", leaf.qualified);
      }
    }
  }
  return {};
}

/// The sequence that a mapping draws from is of the source's database.
void drop_mapped_defaults(const Mappings& mappings, ColumnPlan& columns) {
  for (PlannedColumn& planned : columns.columns) {
    const Mapping* mapping = mappings.find(planned.column.name);
    if (mapping == nullptr || !nextval_literal(mapping->sql)) continue;
    planned.column.default_sql.clear();
    columns.issues.push_back(
        {Severity::warning, "default-left-out",
         fmt::format("column {} is filled by {} while copying, and gets no default: the sequence "
                     "is of the source's database",
                     planned.column.quoted, mapping->sql),
         planned.column.quoted,
         "give the column a sequence of its own after the copy, above the values that were given"});
  }
}

Result<void> CopyPlanner::plan_columns() {
  PGFANOUT_TRY_ASSIGN(const Mappings mappings, read_mappings(job_, source_, plan_->source));
  if (!existing_) {
    PGFANOUT_TRY_ASSIGN(columns_, plan_new_columns(job_, plan_->source, mappings));
    if (!plan_->same_database) drop_mapped_defaults(mappings, columns_);
    return {};
  }
  const Column* key_column =
      existing_->key_column ? &existing_->table.columns[*existing_->key_column] : nullptr;
  PGFANOUT_TRY_ASSIGN(
      columns_, plan_existing_columns(job_, plan_->source, mappings, existing_->table, key_column));
  return note_slow_defaults(target_, columns_);
}

Result<void> CopyPlanner::plan_key() {
  PGFANOUT_TRY_ASSIGN(carriers_, find_key_carriers(columns_, plan_->source, plan_->key.expression));
  plan_->key.sql_on_target = plan_->key.expression.qualified_sql(carriers_.target_names);
  if (columns_.key_column) plan_->key.column = columns_.key_column->name;
  if (existing_) {
    plan_->key.is_generated = existing_->key_is_generated;
    return check_list_expression(target_, *existing_, plan_->key.sql_on_target);
  }
  if (job_.key_mode != KeyMode::none)
    PGFANOUT_TRY(check_key_functions(target_, plan_->key.expression));
  const bool lists_by_expression =
      job_.key_mode == KeyMode::generated || job_.key_mode == KeyMode::expression;
  if (lists_by_expression && (carriers_.uses_generated || carriers_.uses_stored_key)) {
    return refused("key-mode",
                   "a table cannot be partitioned by an expression over a generated column or over "
                   "the key column itself",
                   "use --key-mode check, or make the key from other columns",
                   plan_->key.expression.sql());
  }
  if (columns_.key_column) {
    complete_key_column(*columns_.key_column, plan_->key.expression.result_type(),
                        job_.key_mode == KeyMode::generated ? plan_->key.sql_on_target : "");
  }
  plan_->key.is_generated = job_.key_mode == KeyMode::generated;
  return {};
}

Result<void> CopyPlanner::plan_target() {
  if (existing_) {
    plan_->target.leaves = std::move(existing_->leaves);
    for (Issue& issue : existing_->issues) plan_->issues.push_back(std::move(issue));
  } else {
    bool inputs_are_not_null = true;
    for (const std::size_t index : plan_->key.expression.used_columns()) {
      inputs_are_not_null =
          inputs_are_not_null && is_not_null(columns_, carriers_.target_names[index]);
    }
    PGFANOUT_TRY(plan_new_target({job_, columns_, inputs_are_not_null,
                                  is_same_server(source_facts_, target_facts_), !made_.empty()},
                                 source_, target_, *plan_));
    PGFANOUT_TRY_ASSIGN(std::vector<Issue> issues, note_not_carried(source_, plan_->source));
    for (Issue& issue : issues) plan_->issues.push_back(std::move(issue));
  }
  std::vector<ListBound> bounds;
  for (const TargetLeaf& leaf : plan_->target.leaves) bounds.push_back(leaf.bound);
  plan_->target.leaf_map = LeafMap(bounds);
  return {};
}

Result<void> CopyPlanner::plan_stream() {
  plan_->stream = make_stream(columns_, carriers_, plan_->source, plan_->key.is_generated);
  PGFANOUT_TRY_ASSIGN(plan_->stream.read_layout.oid_patches,
                      plan_transport(source_, target_, columns_, plan_->same_database));
  for (Issue& issue : columns_.issues) plan_->issues.push_back(std::move(issue));
  return {};
}

Result<void> CopyPlanner::plan_connections() {
  ConnectionWish wish;
  wish.readers = job_.readers;
  wish.writers = job_.writers;
  wish.leaves = static_cast<std::uint32_t>(plan_->target.leaves.size());
  wish.cores = std::thread::hardware_concurrency();
  PGFANOUT_TRY_ASSIGN(plan_->connections, share_connections(source_facts_, target_facts_, wish));
  return {};
}

Result<void> CopyPlanner::plan_when_to_commit() {
  std::uint64_t bytes = 0;
  for (const Leaf& leaf : plan_->source.leaves) bytes += leaf.total_bytes;
  PGFANOUT_TRY_ASSIGN(plan_->commits, plan_commits(job_, bytes, plan_->source.estimated_rows));
  if (!made_.empty()) return {};  // The journal's epochs count.
  const CommitPlan& commits = plan_->commits;
  plan_->issues.push_back(
      {Severity::info,
       "commits",
       commits.by_leaf
           ? "each leaf is committed as a whole, frozen, " + commits.reason +
                 "; an interrupted copy begins anew"
           : fmt::format("each {} or so of the source are committed together, {}; an interruption "
                         "repeats that much at most",
                         amount_of_bytes(commits.epoch_bytes), commits.reason),
       plan_->target.qualified,
       {}});
  return {};
}

}  // namespace

std::vector<SourceRange> ranges_of(const CopyPlan& plan) {
  std::vector<LeafSize> sizes;
  for (const Leaf& leaf : plan.source.leaves) sizes.push_back({leaf.blocks, leaf.total_bytes});
  return cut_epochs(sizes, plan.connections.readers, plan.commits);
}

Result<RelationName> target_name_of(const JobDescription& job, const Table& source) {
  if (job.into.empty()) return RelationName{source.schema, suffixed_name(source.name, "_new")};
  PGFANOUT_TRY_ASSIGN(RelationName name, parse_relation_name(job.into));
  if (name.schema.empty()) name.schema = source.schema;
  if (name.name.size() > kMaxNameBytes) {
    return refused("name-too-long",
                   fmt::format("the target's name has {} bytes; {} are possible", name.name.size(),
                               kMaxNameBytes),
                   "choose a shorter one", job.into);
  }
  return name;
}

Result<CopyPlan> make_copy_plan(const JobDescription& job, Connection& source, Connection& target,
                                const std::vector<std::uint32_t>& made) {
  return CopyPlanner(job, source, target, made).make();
}

}  // namespace pgfanout
