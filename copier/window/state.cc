#include "copier/window/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <thread>

#include "copier/base/lists.h"
#include "copier/catalog/application_path.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/type_catalog.h"
#include "copier/journal/reject_table.h"
#include "copier/journal/target_claim.h"
#include "copier/key/key_plan.h"
#include "copier/layout/layout.h"
#include "copier/session/job_connections.h"

namespace pgfanout {
namespace {

/// Schema and name alone. What else describe_table() reads waits for locks, and a swap whose commit
/// waits for a standby holds them.
Result<Table> name_of_table(Connection& connection, const std::string& written) {
  PGFANOUT_TRY_ASSIGN(const RelationName name, parse_relation_name(written));
  PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(connection, name));
  const bool is_table = found.kind == 'p' || found.kind == 'r';
  if (!is_table || found.persistence == 't' || found.is_system) {
    return describe_table(connection, written);
  }
  PGFANOUT_TRY_ASSIGN(const Rows row,
                      connection.query("SELECT n.nspname, c.relname FROM pg_class c"
                                       " JOIN pg_namespace n"
                                       " ON n.oid = c.relnamespace WHERE c.oid = $1",
                                       {std::to_string(found.oid)}));
  if (row.size() == 0) return describe_table(connection, written);
  Table table;
  table.schema = row.str(0, 0);
  table.name = row.str(0, 1);
  return table;
}

}  // namespace

Result<WindowState> WindowState::open(const JobDescription& job, const Cancellation& cancellation,
                                      IssueSink report, bool may_share_backend) {
  const bool claims = static_cast<bool>(report);
  WindowState state(job, cancellation, std::move(report));
  const auto connect = [&](const std::string& dsn, std::string_view role) {
    ConnectOptions options = connect_options(job, dsn, fmt::format("pgfanout/window/{}", role),
                                             claims ? nullptr : &cancellation);
    options.may_share_backend = may_share_backend;
    return Connection::open(options);
  };
  PGFANOUT_TRY_ASSIGN(state.source_, connect(job.source_dsn, "source"));
  PGFANOUT_TRY_ASSIGN(state.target_, connect(target_dsn_of(job), "target"));
  PGFANOUT_TRY_ASSIGN(const ServerFacts source, read_server_facts(*state.source_));
  PGFANOUT_TRY_ASSIGN(const ServerFacts target, read_server_facts(*state.target_));
  PGFANOUT_TRY_ASSIGN(const Table table, name_of_table(*state.source_, job.table));
  state.same_connection_ = is_same_database(source, target);
  if (state.same_connection_) state.source_.reset();
  PGFANOUT_TRY_ASSIGN(state.target_name_, target_name_of(job, table));
  PGFANOUT_TRY_ASSIGN(
      state.target_qualified_,
      qualified_name(*state.target_, state.target_name_.schema, state.target_name_.name));
  if (claims) {
    PGFANOUT_TRY(claim_target(*state.target_, state.target_name_, cancellation, state.report_));
  }
  PGFANOUT_TRY(state.read_entry());
  if (state.entry_) PGFANOUT_TRY(state.take_job(state.entry_->job));
  if (!state.entry_ || !claims) return state;
  // A server does not notice during an index build that its client is gone.
  const std::vector<int> own = {state.source().backend_pid(), state.target().backend_pid()};
  for (Connection* connection : {&state.source(), &state.target()}) {
    PGFANOUT_TRY(end_orphans(*connection, {state.job_id_, "", own}, cancellation, state.report_));
  }
  return state;
}

Result<void> WindowState::read_entry() {
  PGFANOUT_TRY_ASSIGN(entry_, Journal(*target_).find(target_name_.schema, target_name_.name));
  return {};
}

Result<void> WindowState::raise_fence(const std::string& side, const Table& table) {
  const Fence raised = fence(side);
  Connection& connection = connection_of(side);
  PGFANOUT_TRY(raised.raise(connection, table, patience(), *cancellation_));
  PGFANOUT_TRY_ASSIGN(const auto facts, raised.facts(connection, table.oid));
  return journal().set_fence(side, facts);
}

Result<void> WindowState::lower_fence(const std::string& side) {
  return fence(side).lower(connection_of(side), patience(), *cancellation_);
}

Result<bool> WindowState::stands(const std::string& side) {
  return fence(side).stands(connection_of(side));
}

Result<std::string> qualified_name(Connection& connection, const std::string& schema,
                                   const std::string& name) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT format('%I.%I', $1::text, $2::text)", {schema, name}));
  return rows.str(0, 0);
}

Result<void> WindowState::take_job(const std::string& job_id) {
  job_id_ = job_id;
  for (const auto& [connection, role] : {std::pair(source_ ? &*source_ : nullptr, "source"),
                                         std::pair(target_ ? &*target_ : nullptr, "target")}) {
    if (connection == nullptr) continue;
    const std::string name = fmt::format("pgfanout/{}/{}", job_id, role);
    PGFANOUT_TRY(connection->run(fmt::format("SET application_name = {}; {}",
                                             connection->quote_literal(name),
                                             pass_fence_sql(*connection, job_id))));
  }
  return {};
}

Result<Connection> WindowState::connect_target(std::string_view role,
                                               const Cancellation* stop) const {
  PGFANOUT_TRY_ASSIGN(
      Connection connection,
      connect_again(connect_options(*job_, target_dsn_of(*job_),
                                    fmt::format("pgfanout/{}/{}", job_id_, role), stop)));
  PGFANOUT_TRY(connection.run(pass_fence_sql(connection, job_id_)));
  return connection;
}

Result<Table> WindowState::source_table() {
  const bool is_swapped = entry_ && (entry_->state == "swapped" || entry_->state == "cleaning up");
  const bool is_under_way = entry_ && (!entry_->is_over() || is_swapped);
  const bool is_recorded = is_under_way && entry_->source_oid != 0;
  auto found = is_recorded ? describe_table(source(), entry_->source_oid)
                           : describe_table(source(), job_->table);
  if (!found && is_recorded && found.error().code == "no-such-table") {
    if (is_swapped) {
      return refused("backup-gone",
                     fmt::format("somebody dropped the backup {}", entry_->backup_name),
                     "restore from a backup of the server", job_->table);
    }
    return refused(
        "source-gone",
        fmt::format("somebody dropped the table that job {} was moving; a table of its"
                    " name is another one",
                    entry_->job),
        "'pgfanout rollback' ends the job, unless its copy has rows that are nowhere else",
        job_->table);
  }
  PGFANOUT_TRY_ASSIGN(Table table, std::move(found));
  PGFANOUT_TRY_ASSIGN(table.application, find_application_path(source(), table, job_->search_path));
  return table;
}

Result<std::string> WindowState::application_path() {
  PGFANOUT_TRY_ASSIGN(const Table source, source_table());
  if (same_connection_) return source.application.sql;
  PGFANOUT_TRY_ASSIGN(const ApplicationPath path,
                      find_application_path(target(), source.application, job_->search_path));
  return path.sql;
}

Result<std::uint32_t> find_made_table(Connection& target, const JournalEntry& entry) {
  const auto made = std::ranges::find_if(entry.made, [&](const MadeRelation& relation) {
    return relation.schema == entry.target_schema && relation.name == entry.target_name;
  });
  if (made == entry.made.end()) return 0U;
  PGFANOUT_TRY_ASSIGN(const Rows found,
                      target.query("SELECT oid FROM pg_class WHERE oid = $1 AND relkind IN ('p', 'r')",
                                   {std::to_string(made->oid)}));
  return found.size() == 0 ? 0U : made->oid;
}

Result<Table> WindowState::target_table() {
  PGFANOUT_TRY_ASSIGN(const std::uint32_t oid,
                      entry_ ? find_made_table(*target_, *entry_) : Result<std::uint32_t>(0U));
  if (oid != 0) return describe_table(*target_, oid);
  if (entry_ && entry_->state == "swapped") {
    return refused("target-gone",
                   fmt::format("somebody dropped the table that job {} put in place", entry_->job),
                   "copy the rows from the backup " +
                       quoted_name(entry_->source_schema, entry_->backup_name) +
                       ", which are those from before the swap",
                   job_->table);
  }
  return refused(
      "target-gone", "the table that the job made no longer exists",
      "start over with 'pgfanout run --restart', or end the job with 'pgfanout rollback'",
      target_qualified_);
}

LockPatience WindowState::patience() const {
  return {std::chrono::milliseconds(500), job_->lock_timeout, lock_waits_};
}

namespace {

/// `target`: with schema, name, qualified; `leaves`: with qualified and name.
template <class Target, class Leaves>
CarryRequest make_request(const JobDescription& job, const Table& source, const Target& target,
                          const Leaves& leaves, const Layout& layout, const KeyExpression& key) {
  CarryRequest request{job, source, target.schema, target.name, target.qualified, {}, {}, {}, key,
                       {},  {},     false,         false};
  for (const auto& leaf : leaves) {
    request.target_leaves.push_back(leaf.qualified);
    request.leaf_names.push_back(leaf.name);
  }
  for (const auto& [now, then] :
       leaf_renames(layout, request.leaf_names, target.name, source.name, job.target.leaf_name)) {
    request.leaf_names_afterwards.push_back(then);
  }
  return request;
}

}  // namespace

Result<std::vector<std::string>> own_leaf_names(const Table& table, const KeyExpression& key,
                                                std::string_view pattern) {
  std::vector<std::string> names;
  const LayoutKind& kind = layout_kind_of(table);
  const auto of_columns = kind.key_of(table);
  if (!of_columns || (of_columns->empty() && !kind.key_count(table))) return names;
  PGFANOUT_TRY_ASSIGN(const KeyExpression own,
                      of_columns->empty()
                          ? Result<KeyExpression>(key)
                          : KeyExpression::compile(*of_columns, key_columns_of(table)));
  PGFANOUT_TRY_ASSIGN(const std::vector<Leaf> leaves, kind.leaves_in_order(table));
  PGFANOUT_TRY_ASSIGN(const LayoutPointer layout, kind.layout_of(leaves, own));
  for (std::uint32_t leaf = 0; leaf < leaves.size(); ++leaf) {
    const bool has_keys = layout->leaf_key(leaf).has_value();
    const bool is_ours = leaves[leaf].name == layout->leaf_name(table.name, leaf, {}) ||
                         (has_keys && !pattern.empty() &&
                          leaves[leaf].name == layout->leaf_name(table.name, leaf, pattern));
    if (is_ours && leaves[leaf].schema == table.schema) names.push_back(leaves[leaf].name);
  }
  return names;
}

CarryRequest carry_request_of(const JobDescription& job, const CopyPlan& plan) {
  CarryRequest request = make_request(job, plan.source, plan.target, plan.target.leaves,
                                      *plan.target.layout, plan.key.expression);
  request.key_sql_on_target = plan.key.sql_on_target;
  request.key_column = plan.key.column;
  request.partition_columns = plan.target.partition_columns;
  request.same_database = plan.same_database;
  request.sets_aside = plan.commits.sets_aside;
  return request;
}

Result<MadeTarget> examine_made_target(WindowState& state, Table source) {
  const JobDescription& job = state.job();
  MadeTarget made;
  made.source = std::move(source);
  PGFANOUT_TRY_ASSIGN(made.target, state.target_table());
  TableRequest tables = job;
  tables.key = state.entry()->key;
  PGFANOUT_TRY_ASSIGN(made.key, compile_key(tables, made.source));
  const LayoutKind& kind = layout_kind_of(made.target, &*made.key);
  PGFANOUT_TRY_ASSIGN(const std::vector<Leaf> leaves, kind.leaves_in_order(made.target));
  PGFANOUT_TRY_ASSIGN(const LayoutPointer layout, kind.layout_of(leaves, *made.key));
  CarryRequest request = make_request(job, made.source, made.target, leaves, *layout, *made.key);
  request.key_sql_on_target = state.entry()->key_sql_on_target;
  request.key_column = state.entry()->key_column;
  request.partition_columns = made.target.partition_columns;
  request.same_database = state.same_database();
  made.names = {made.source.schema, made.source.name, made.target.name, {}, {}, {}};
  for (std::size_t at = 0; at < leaves.size() && made.target.kind == 'p'; ++at) {
    made.names.leaves.emplace_back(leaves[at].name, request.leaf_names_afterwards[at]);
  }
  PGFANOUT_TRY_ASSIGN(made.names.given_up,
                      own_leaf_names(made.source, *made.key, job.target.leaf_name));
  // The table of rows that the copy set aside is renamed with the target.
  for (const MadeRelation& relation : state.entry()->made) {
    if (relation.name != reject_table_name(made.target.name)) continue;
    made.names.leaves.emplace_back(relation.name, reject_table_name(made.source.name));
    request.sets_aside = true;
  }
  PGFANOUT_TRY_ASSIGN(made.carry, make_carry_plan(request, state.source(), state.target()));
  std::map<std::string, std::uint64_t> bytes;
  for (const Leaf& leaf : made.target.leaves) bytes[leaf.qualified] = leaf.total_bytes;
  for (auto* steps : {&made.carry.leaf_indexes, &made.carry.leaf_constraints}) {
    for (CarryStep& step : *steps) step.bytes = bytes[step.leaf];
  }
  return made;
}

}  // namespace pgfanout
