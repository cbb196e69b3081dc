// Reads pieces of the source for a moment, as the copy will, and says from that how long the window
// takes.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "copier/key/page_sample.h"
#include "copier/pg/copy_out.h"
#include "copier/plan/server_limits.h"
#include "copier/preflight/calibration.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

/// Reading stops after this time, or sooner with a part of the table that says enough.
constexpr double kSeconds = 1.0;
constexpr double kEnoughOfTable = 0.05;
constexpr std::uint64_t kEnoughBytes = 32ULL << 20U;
/// Small, so that the end of one comes soon: a COPY is never broken off.
constexpr std::uint64_t kPieceBytes = 2ULL << 20U;
constexpr std::uint64_t kMostPieces = 2000;
constexpr std::uint32_t kUsualIndexJobs = 2;

/// The SELECT that reads a range, without expressions that change something when they are evaluated
/// (nextval).
std::string select_sql(const CopyPlan& plan, const SourceRange& range) {
  std::string list;
  for (const StreamColumn& column : plan.stream.columns) {
    if (column.source_sql.empty()) continue;
    list += list.empty() ? "" : ", ";
    list += column.is_volatile ? "NULL" : column.source_sql;
  }
  return RangeSelect{list, plan.source.leaves[range.leaf].qualified, range_condition(range)}.sql();
}

Result<void> read_piece(PreflightContext& context, const SourceRange& range) {
  const std::string sql =
      fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", select_sql(context.plan, range));
  PGFANOUT_TRY_ASSIGN(const auto stream, CopyOut::start(context.source, sql, context.cancellation));
  while (true) {
    PGFANOUT_TRY_ASSIGN(const std::optional<ByteView> message, stream->next());
    if (!message) return {};
  }
}

/// Heap and TOAST bytes a second over random pieces; 0 for an empty table.
Result<double> measure_read(PreflightContext& context) {
  std::mt19937_64 random(std::random_device{}());
  const auto begin = Clock::now();
  double seconds = 0;
  std::uint64_t bytes = 0;
  std::uint64_t table_bytes = 0;
  for (const Leaf& leaf : context.plan.source.leaves) table_bytes += leaf.total_bytes;
  const auto share = static_cast<std::uint64_t>(kEnoughOfTable * static_cast<double>(table_bytes));
  const std::uint64_t enough = std::max(kEnoughBytes, share);
  for (const SourceRange& piece :
       draw_pieces(context.plan.source, kPieceBytes, kMostPieces, random)) {
    PGFANOUT_TRY(read_piece(context, piece));
    bytes += piece.estimated_bytes;
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (seconds >= kSeconds || bytes > enough) break;
  }
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

/// {0}: leaves. Each index of the table, with all its leaves' parts.
constexpr const char* kIndexSizesSql =
    "SELECT m.amname, sum(pg_relation_size(c.oid))::int8"
    " FROM {0} JOIN pg_index i ON i.indrelid = leaf.oid JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_am m ON m.oid = c.relam LEFT JOIN pg_inherits h ON h.inhrelid = c.oid"
    " GROUP BY m.amname, COALESCE(h.inhparent, c.oid)";

Result<Workload> workload_of(PreflightContext& context) {
  const CopyPlan& plan = context.plan;
  const std::string oid = std::to_string(plan.source.oid);
  Workload workload;
  for (const Leaf& leaf : plan.source.leaves) workload.row_bytes += leaf.total_bytes;
  workload.rows = plan.source.estimated_rows;
  PGFANOUT_TRY_ASSIGN(const Rows indexes,
                      context.source.query(fmt::format(kIndexSizesSql, kSchemaLeaves), {oid}));
  for (int row = 0; row < indexes.size(); ++row) {
    workload.indexes.push_back(
        {indexes.str(row, 0), static_cast<std::uint64_t>(indexes.integer(row, 1))});
  }
  PGFANOUT_TRY_ASSIGN(const Rows keys,
                      context.source.query("SELECT count(*) FROM pg_constraint k"
                                           " WHERE k.conrelid = $1::oid AND k.contype = 'f'",
                                           {oid}));
  workload.foreign_keys = static_cast<std::uint64_t>(keys.integer(0, 0));
  workload.leaves = plan.target.leaves.size();
  workload.objects = static_cast<std::uint64_t>(locks_of_statement(
      static_cast<std::int64_t>(plan.target.leaves.size() + plan.source.leaves.size()),
      indexes.size()));
  workload.readers = plan.connections.readers;
  workload.index_jobs = context.job.window.index_jobs.value_or(kUsualIndexJobs);
  return workload;
}

}  // namespace

Result<void> check_times(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(Workload workload, workload_of(context));
  auto rate = measure_read(context);
  if (!rate) {
    if (rate.error().sqlstate.empty()) return std::move(rate).error();
    const RejectLimit& limit = context.job.reject_limit;
    const bool may_reject = limit.rows > 0 || limit.percent.value_or(0) > 0;
    context.add(may_reject ? Severity::warning : Severity::error, "row-fails",
                fmt::format("reading a piece of the source failed, as the copy would: {} ({})",
                            rate.error().message, rate.error().sqlstate),
                context.plan.source.qualified,
                "mend the row or the mapping, or set such rows aside with --reject-limit");
    return {};
  }
  workload.bytes_per_second = *rate;
  context.found.estimates = estimate_stages(workload);
  return {};
}

}  // namespace pgfanout
