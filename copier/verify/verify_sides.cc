#include "copier/verify/verify_sides.h"

#include <fmt/format.h>

#include "copier/base/lists.h"
#include "copier/session/fence.h"
#include "copier/session/job_connections.h"

namespace pgfanout {
SideLocks locks_for(bool is_same_database, bool assume_quiet, bool is_repair) {
  if (is_repair) return {TableLock::against_writes, TableLock::against_rewrites};
  if (is_same_database) return {TableLock::against_rewrites, TableLock::against_rewrites};
  const TableLock lock = assume_quiet ? TableLock::none : TableLock::against_writes;
  return {lock, lock};
}

Result<Connection> VerifySides::connect(Side side, std::string_view role) const {
  const Endpoints& endpoints = input_.endpoints;
  const std::string& dsn = side == Side::source ? endpoints.source_dsn : target_dsn_of(endpoints);
  PGFANOUT_TRY_ASSIGN(
      Connection connection,
      Connection::open(connect_options(
          endpoints, dsn, fmt::format("pgfanout/{}/{}", input_.job_id, role), &cancellation_)));
  if (input_.is_in_window) {
    PGFANOUT_TRY(connection.run(pass_fence_sql(connection, input_.job_id)));
  }
  return connection;
}

Result<void> VerifySides::open(std::optional<VerifyPlan>& plan) {
  const RowRequest& rows = input_.rows;
  PGFANOUT_TRY_ASSIGN(Connection source, connect(Side::source, "source"));
  PGFANOUT_TRY_ASSIGN(Connection target, connect(Side::target, "target"));
  const bool reads_rows = input_.request.scope != VerifyScope::schema;
  PGFANOUT_TRY_ASSIGN(plan, make_verify_plan(input_.tables, rows, source, target, reads_rows));
  source_version_ = source.server_version_text();
  target_version_ = target.server_version_text();
  const SideLocks locks = locks_for(plan->same_database, rows.assume_quiet, input_.request.repair);
  std::vector<LockedTable> first = {{&plan->source, locks.source}};
  if (plan->same_database) first.push_back({&plan->target, locks.target});
  LockPatience patience;
  patience.in_all = rows.lock_timeout;
  PGFANOUT_TRY_ASSIGN(source_,
                      SourceSession::open(std::move(source), first, patience, cancellation_));
  if (!plan->same_database) {
    PGFANOUT_TRY_ASSIGN(
        target_, SourceSession::open(std::move(target), {{&plan->target, locks.target}}, patience,
                                     cancellation_));
  }
  // Again, under the locks.
  PGFANOUT_TRY_ASSIGN(plan, make_verify_plan(input_.tables, rows, connection(Side::source),
                                             connection(Side::target), reads_rows));
  source_ranges_ = cut_ranges_for(plan->source.leaf_sizes(), plan->readers);
  target_ranges_ = cut_ranges_for(plan->target.leaf_sizes(), plan->readers);
  bytes_ = sum_of(source_ranges_, &SourceRange::estimated_bytes) +
           sum_of(target_ranges_, &SourceRange::estimated_bytes);
  return {};
}

Result<std::vector<std::unique_ptr<RangeSource>>> VerifySides::open_sources(const VerifyPlan& plan,
                                                                            Side side) {
  return make_server_sources(
      plan.readers, [this, side] { return connect(side, "reader"); },
      session(side).reader_begin(false, table_of(plan, side).application.sql),
      [&plan, side](const SourceRange& range) { return verify_select(plan, side, range); },
      cancellation_);
}

Result<Connection> VerifySides::join_snapshot(Side side) const {
  PGFANOUT_TRY_ASSIGN(Connection connection, connect(side, "lookup"));
  PGFANOUT_TRY(connection.run(session(side).reader_begin(false, "''")));
  return connection;
}

Result<Connection> VerifySides::open_reader(const VerifyPlan& plan, Side side) const {
  PGFANOUT_TRY_ASSIGN(Connection connection, connect(side, "reader"));
  PGFANOUT_TRY(
      connection.run(session(side).reader_begin(false, table_of(plan, side).application.sql)));
  return connection;
}

void VerifySides::keep_target_leaves(const std::vector<bool>& leaves) {
  std::erase_if(target_ranges_, [&](const SourceRange& range) { return !leaves[range.leaf]; });
}

Result<BothSides> VerifySides::streams(const VerifyPlan& plan) {
  PGFANOUT_TRY_ASSIGN(auto source, open_sources(plan, Side::source));
  PGFANOUT_TRY_ASSIGN(auto target, open_sources(plan, Side::target));
  return BothSides{plan,
                   {source_ranges_, std::move(source)},
                   {target_ranges_, std::move(target)},
                   input_.rows.memory_bytes,
                   &pace_};
}

bool VerifySides::close_and_check_unchanged() {
  const bool source = source_->close_and_check_unchanged();
  const bool target = !target_ || target_->close_and_check_unchanged();
  return source && target;
}

}  // namespace pgfanout
