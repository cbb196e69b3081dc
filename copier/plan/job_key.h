// The key of a job: as the user states it; else as the job that filled the target, or one of the
// two tables, has it; else the default. A comparison has no default: a key that nobody stated and
// no table shows is not recomputed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct JobKey {
  std::string sql;     ///< Over the source's columns. Empty: not known, of a comparison only.
  std::string column;  ///< Of the target, as written or as in the catalog.
  std::uint32_t partitions = kDefaultPartitions;  ///< As stated, as the target has, or the default.
  LayoutRequest layout;                           ///< As stated, or as the target has it.
  std::optional<KeyMode> mode;  ///< As stated, as a converted table has it, or the default; of a
                                ///< comparison absent.
  /// The source is cut into these very leaves by this key, in this mode: there is nothing to do.
  bool is_present = false;
  /// By the user, in this call or when the job that filled the target began.
  bool is_stated = false;
  /// A source column of that name stores another key, which is known: it is not compared.
  bool replaces_other_key = false;
  /// The source column that stores its key under another name, and does not reach the target.
  std::vector<std::string> skip;
  std::vector<Issue> issues;
};

/// `target`: the table to be filled, if it exists and the job has not made it; else null.
/// `recorded`: the key of the job that is resumed, so that a layout is not settled again by rows;
/// else empty.
Result<JobKey> key_of_copy(const TableRequest& job, Connection& source_connection,
                           const Table& source, Connection& target_connection, const Table* target,
                           std::string_view recorded = {});

Result<JobKey> key_of_comparison(const TableRequest& tables, Connection& source_connection,
                                 const Table& source, Connection& target_connection,
                                 const Table& target);

/// The request with key, its column, its mode and the layout as settled.
template <class Request>
[[nodiscard]] Request with_key(Request request, const JobKey& key) {
  request.key = key.sql;
  request.key_column = key.column;
  request.layout = key.layout;
  if (key.mode) request.key_mode = key.mode;
  request.skip.insert(request.skip.end(), key.skip.begin(), key.skip.end());
  return request;
}

/// The same with the number of leaves: what the journal records.
template <class Request>
[[nodiscard]] Request as_recorded(Request request, const JobKey& key) {
  request.partitions = key.partitions;
  return with_key(std::move(request), key);
}

}  // namespace pgfanout
