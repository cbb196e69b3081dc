// Which columns travel as the image that they have on disk, and which are computed on their way.
#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"
#include "copier/catalog/relation_name.h"
#include "copier/pg/connection.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

/// The source's column that `sql` is, if it is no more than that.
const Column* plain_column(const Table& source, const std::string& sql) {
  const auto found = std::find_if(source.columns.begin(), source.columns.end(),
                                  [&](const Column& column) { return column.quoted == sql; });
  return found == source.columns.end() ? nullptr : &*found;
}

Result<std::string> type_name(Connection& connection, const ResultColumn& column) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query("SELECT format_type($1::oid, $2::int4)",
                                                       {std::to_string(column.type_oid),
                                                        std::to_string(column.type_modifier)}));
  return row.str(0, 0);
}

struct Travel {
  std::size_t images = 0;             ///< Columns whose bytes are copied.
  std::vector<std::string> computed;  ///< "meta jsonb from (meta)::jsonb".
  std::vector<std::string> unused;    ///< Source columns that no target column is made from alone.
};

Result<Travel> look_at_columns(PreflightContext& context) {
  const CopyPlan& plan = context.plan;
  Travel travel;
  std::vector<const Column*> taken;
  for (const StreamColumn& column : plan.stream.columns) {
    if (column.source_sql.empty()) continue;
    if (const Column* origin = plain_column(plan.source, column.source_sql)) {
      ++travel.images;
      taken.push_back(origin);
      continue;
    }
    PGFANOUT_TRY_ASSIGN(const std::vector<ResultColumn> described,
                        context.source.describe(fmt::format(
                            "SELECT {} FROM ONLY {}", column.source_sql, plan.source.qualified)));
    PGFANOUT_TRY_ASSIGN(const std::string type, type_name(context.source, described.front()));
    travel.computed.push_back(
        fmt::format("{} {} from {}", display_name(column.target_column), type, column.source_sql));
  }
  for (const Column& column : plan.source.columns) {
    if (std::find(taken.begin(), taken.end(), &column) == taken.end()) {
      travel.unused.push_back(column.quoted);
    }
  }
  return travel;
}

}  // namespace

Result<void> check_columns(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(const Travel travel, look_at_columns(context));
  const std::string& where = context.plan.source.qualified;
  context.add(Severity::info, "columns",
              fmt::format("{} columns have the same type on both sides and travel as they are{}",
                          travel.images,
                          context.plan.stream.read_layout.oid_patches.empty()
                              ? ""
                              : "; arrays of local types get the target's OIDs on the way"),
              where);
  for (const std::string& column : travel.computed) {
    context.add(Severity::info, "column-computed",
                fmt::format("a target column is computed by the source's server: {}", column),
                where,
                "a row for which that fails stops the job, or is set aside within its limit");
  }
  if (!travel.unused.empty()) {
    context.add(Severity::info, "column-unused",
                fmt::format("source columns that do not reach the target as they are: {}",
                            some_of(travel.unused, 10)),
                where, "see that their values are either in other columns or not needed");
  }
  return {};
}

}  // namespace pgfanout
