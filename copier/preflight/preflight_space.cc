// Room on disk for the target and for the WAL that making it writes, and who keeps that WAL from
// being removed.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/base/amount.h"
#include "copier/preflight/estimates.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

std::uint64_t bytes_of(const Rows& rows, int row, int column) {
  std::uint64_t bytes = 0;
  read_field(rows, row, column, bytes);
  return bytes;
}

/// The leaves' tablespace, where they agree on one that the target's server has.
Result<std::string> target_tablespace(PreflightRun& run) {
  if (!is_same_server(run.source_facts, run.target_facts)) return std::string();
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      run.read(
          fmt::format("SELECT DISTINCT COALESCE(s.spcname, '') FROM {} JOIN pg_class c"
                      " ON c.oid = leaf.oid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace",
                      kTableLeaves)));
  return rows.size() == 1 ? rows.str(0, 0) : std::string();
}

constexpr const char* kWalSettingsSql =
    "SELECT sum(pg_size_bytes(current_setting(s.name)))"
    " FROM (VALUES ('max_wal_size'), ('wal_keep_size')) AS s(name)";

/// Of a job that is resumed, for what is still to be made.
Result<SpaceNeed> need_of(PreflightRun& run) {
  std::uint64_t row_bytes = 0;
  for (const Leaf& leaf : run.plan.source.leaves) row_bytes += leaf.total_bytes;
  PGFANOUT_TRY_ASSIGN(
      const Rows indexes,
      run.read(
          fmt::format("SELECT sum(pg_indexes_size(leaf.oid::regclass)) FROM {}", kTableLeaves)));
  std::uint64_t index_bytes = bytes_of(indexes, 0, 0);
  if (run.is_resumed) {
    std::vector<std::uint32_t> leaves;
    for (const TargetLeaf& leaf : run.plan.target.leaves) leaves.push_back(leaf.oid);
    PGFANOUT_TRY_ASSIGN(
        const Rows made,
        run.target.query(fmt::format("SELECT sum(pg_table_size(c.oid)), sum(pg_indexes_size(c.oid))"
                                     " FROM pg_class c WHERE c.oid IN (0{}{})",
                                     leaves.empty() ? "" : ", ", fmt::join(leaves, ", "))));
    row_bytes -= std::min(row_bytes, bytes_of(made, 0, 0));
    index_bytes -= std::min(index_bytes, bytes_of(made, 0, 1));
  }
  PGFANOUT_TRY_ASSIGN(const Rows limit, run.target.query(kWalSettingsSql));
  SpaceNeed need = space_need(row_bytes, index_bytes, run.target_facts.wal_level != "minimal",
                              bytes_of(limit, 0, 0));
  // Whatever is left to do writes some WAL: a segment.
  constexpr std::uint64_t kSegment = 16 << 20;
  if (run.is_resumed && need.wal < kSegment) need.wal = kSegment;
  return need;
}

/// Without slots that lost the WAL that they need, which keep nothing.
constexpr const char* kSlotsSql =
    "SELECT s.slot_name, s.active, s.slot_type,"
    " COALESCE(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::int8,"
    " (SELECT g.setting::int8 * 1048576 FROM pg_settings g"
    "  WHERE g.name = 'max_slot_wal_keep_size') FROM pg_replication_slots s"
    " WHERE s.restart_lsn IS NOT NULL AND s.wal_status IS DISTINCT FROM 'lost' ORDER BY 1";

Result<void> check_slots(PreflightRun& run, const SpaceNeed& need) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, run.target.query(kSlotsSql));
  for (int row = 0; row < rows.size(); ++row) {
    const std::uint64_t behind = bytes_of(rows, row, 3);
    const std::string wal = amount_of_bytes(need.wal);
    const std::int64_t limit = rows.integer(row, 4);
    const std::string slot =
        fmt::format("{} replication slot {}", rows.text(row, 2), rows.text(row, 0));
    if (limit >= 0 && static_cast<std::uint64_t>(limit) < behind + need.wal) {
      run.add(Severity::warning, "slot-limit",
              fmt::format("{} is {} behind and the job writes {} of WAL: beyond "
                          "max_slot_wal_keep_size ({}) it is lost",
                          slot, amount_of_bytes(behind), wal,
                          amount_of_bytes(static_cast<std::uint64_t>(limit))),
              run.target.description(),
              "raise max_slot_wal_keep_size for the window if the disk has room, and watch "
              "pg_replication_slots.safe_wal_size");
    } else if (!rows.boolean(row, 1)) {
      run.add(Severity::warning, "slot-inactive",
              fmt::format("{} is not in use and keeps {} of WAL; it will keep the {} of this "
                          "job as well",
                          slot, amount_of_bytes(behind), wal),
              run.target.description(),
              fmt::format("connect its consumer again, or drop it: SELECT "
                          "pg_drop_replication_slot('{}')",
                          rows.text(row, 0)));
    }
  }
  return {};
}

constexpr const char* kArchiverSql =
    "SELECT current_setting('archive_mode') <> 'off',"
    " COALESCE(a.last_failed_time > COALESCE(a.last_archived_time, '-infinity'), false),"
    " a.failed_count, COALESCE(a.last_failed_wal, ''),"
    " has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE') FROM pg_stat_archiver a";

Result<void> check_archiving(PreflightRun& run, const SpaceNeed& need) {
  PGFANOUT_TRY_ASSIGN(const Rows row, run.target.query(kArchiverSql));
  if (row.size() == 0 || !row.boolean(0, 0)) return {};
  std::string waiting;
  if (row.boolean(0, 4)) {
    PGFANOUT_TRY_ASSIGN(const Rows ready,
                        run.target.query("SELECT count(*) FROM pg_ls_archive_statusdir()"
                                         " f WHERE f.name LIKE '%.ready'"));
    waiting = fmt::format("; {} segments wait to be archived", ready.text(0, 0));
  }
  if (row.boolean(0, 1)) {
    run.add(Severity::warning, "archiving-fails",
            fmt::format("archiving fails ({} times, last for {}){}: none of the job's {} of "
                        "WAL can be removed",
                        row.text(0, 2), row.text(0, 3), waiting, amount_of_bytes(need.wal)),
            run.target.description(),
            "repair archive_command (the server's log says why) before the window");
    return {};
  }
  run.add(
      Severity::info, "archiving",
      fmt::format("the job's {} of WAL go to the archive{}", amount_of_bytes(need.wal), waiting),
      run.target.description());
  return {};
}

}  // namespace

Result<void> check_space(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const SpaceNeed need, need_of(run));
  if (run.is_resumed && need.rows + need.indexes == 0) return {};
  PGFANOUT_TRY_ASSIGN(const std::string tablespace, target_tablespace(run));
  PGFANOUT_TRY_ASSIGN(const ServerDisk disk, read_server_disk(run.target, tablespace));
  for (Issue& issue : judge_space(need, disk, run.target.description())) {
    run.found.issues.push_back(std::move(issue));
  }
  return {};
}

Result<void> check_wal_keepers(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const SpaceNeed need, need_of(run));
  if (need.wal == 0) return {};
  PGFANOUT_TRY(check_slots(run, need));
  return check_archiving(run, need);
}

}  // namespace pgfanout
