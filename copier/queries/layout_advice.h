// Advice on the layout: how many leaves the application's queries read in the layout that the job
// asks for, and in others that the table could have. Pure functions over the queries' plans.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/queries/query_plan.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// Columns that a query compares with constants, wherever it reads the table.
struct PinnedColumns {
  std::set<std::string> equal;   ///< By =, or IS NULL.
  std::set<std::string> listed;  ///< By IN.
  std::set<std::string> ranged;  ///< By <, <=, > or >=.
};
/// `relations`: "schema.name" of the table and its leaves. Absent: the query does not read them.
[[nodiscard]] std::optional<PinnedColumns> pinned_columns(const QueryPlan& plan,
                                                          const std::set<std::string>& relations);

/// The name of the default layout.
inline constexpr const char* kByKey = "LIST by the key";

struct LayoutQuery {
  std::string name;
  double calls = 1;
  PinnedColumns pinned;
  bool gives_key = false;  ///< In the form that the application will use in the new layout.
};

/// A layout that the table could have.
struct LayoutCandidate {
  std::string name;                  ///< As PARTITION BY has it.
  char strategy = 0;                 ///< As in pg_partitioned_table; 0: one table.
  std::vector<std::string> columns;  ///< Of the source; empty: by a key that it does not store.
  std::uint32_t leaves = 0;          ///< 0: as many as the interval makes.
  std::string changes;               ///< For the asked one. Others: by changes_of().
};

struct LayoutFacts {
  std::vector<Column> columns;
  std::vector<std::string> primary_key;
  std::vector<std::vector<std::string>> references;  ///< Columns that inbound foreign keys name.
  std::map<std::string, double> distinct;  ///< Number of a column's values, where it is known.
  LayoutCandidate asked;
  LayoutCandidate present;
};

/// "1", "some" or "all": the leaves that the query reads there.
[[nodiscard]] std::string leaves_read(const LayoutQuery& query, const LayoutCandidate& layout);

/// The consequences of a partitioning by those columns of the table for its inserts, its primary
/// key and foreign keys to it. None: a plain table.
[[nodiscard]] std::string changes_of(const LayoutFacts& facts,
                                     const std::vector<std::string>& columns);

/// The asked layout, the present one, HASH by the column that most calls compare by =, and RANGE by
/// the date or time that most calls bound. At most one is better than the asked one: if its calls
/// read less than half of what they would read there.
[[nodiscard]] std::vector<LayoutOption> layout_options(const LayoutFacts& facts,
                                                       const std::vector<LayoutQuery>& queries);

/// In words; absent: no layout is better. `are_known`: the queries are the application's.
[[nodiscard]] std::optional<Issue> layout_advice(const std::vector<LayoutOption>& options,
                                                 bool are_known, const std::string& table);

}  // namespace pgfanout
