#include "copier/preflight/space_need.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"

namespace pgfanout {
namespace {

/// Needed for certain, and needed at the most, on one file system.
struct Demand {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::string what;
};

Issue judge(const Demand& demand, const DiskRoom& room, const std::string& where) {
  const std::string message = fmt::format(
      "{} needed for {}; {} are free at {}",
      demand.most > demand.least
          ? fmt::format("{} to {}", amount_of_bytes(demand.least), amount_of_bytes(demand.most))
          : amount_of_bytes(demand.least),
      demand.what, amount_of_bytes(room.free_bytes), room.path);
  if (room.free_bytes < demand.least) {
    return {Severity::error, "disk-full", message, where, "make room, or add a volume"};
  }
  if (room.free_bytes < demand.most) {
    return {Severity::warning, "disk-tight",
            message + ": enough only as long as WAL is archived, sent and removed in time", where,
            "make room, or watch pg_wal while the job runs"};
  }
  return {Severity::info, "disk", message, where, {}};
}

}  // namespace

SpaceNeed space_need(std::uint64_t rows, std::uint64_t indexes, bool writes_wal,
                     std::uint64_t wal_limit) {
  SpaceNeed need{rows, indexes, 0, 0};
  if (!writes_wal) return need;
  // A row or an index entry is about as long in WAL as it is in its page.
  need.wal = rows + indexes;
  need.wal_kept = std::min(need.wal, wal_limit);
  return need;
}

std::vector<Issue> judge_space(const SpaceNeed& need, const ServerDisk& disk,
                               const std::string& where) {
  const std::uint64_t tables = need.rows + need.indexes;
  const std::string parts = fmt::format("the target ({} of rows, {} of indexes)",
                                        amount_of_bytes(need.rows), amount_of_bytes(need.indexes));
  if (!disk.data) {
    return {{Severity::warning, "disk-unseen",
             fmt::format("{} needed for {}, and up to {} for WAL; the free space could not be "
                         "seen: {}",
                         amount_of_bytes(tables), parts, amount_of_bytes(need.wal), disk.unseen),
             where,
             disk.data_path.empty() ? "look on the server: df on its data_directory"
                                    : fmt::format("look on the server: df {}", disk.data_path)}};
  }
  if (disk.wal && disk.wal->device != disk.data->device) {
    return {judge({tables, tables, parts}, *disk.data, where),
            judge({need.wal_kept, need.wal, "WAL"}, *disk.wal, where)};
  }
  std::vector<Issue> issues = {
      judge({tables + need.wal_kept, tables + need.wal,
             fmt::format("{} and {} of WAL", parts, amount_of_bytes(need.wal))},
            *disk.data, where)};
  if (!disk.wal && need.wal > 0) {
    issues.front().hint += issues.front().hint.empty() ? "" : "; ";
    issues.front().hint += "pg_wal could not be looked at and is taken to be on the same volume";
  }
  return issues;
}

}  // namespace pgfanout
