#include "copier/watch/server_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "copier/base/amount.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_disk.h"

namespace pgfanout {
namespace {

constexpr std::chrono::seconds kBetweenAttempts{2};
/// A look must not disturb the job: it times out soon, and waits for no lock for long.
constexpr const char* kSetUp =
    "SET statement_timeout = '2s'; SET lock_timeout = '200ms'; SET default_transaction_read_only ="
    " on";
constexpr int kFirstWithCheckpointerView = 170000;

/// A base backup is no standby. A role without the right sees that there are rows, and no more.
constexpr const char* kReplicasSql =
    "SELECT COALESCE(NULLIF(r.application_name, ''), r.pid::text), r.state,"
    " pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8,"
    " pg_wal_lsn_diff(r.replay_lsn, '0/0')::int8,"
    " EXTRACT(epoch FROM COALESCE(r.replay_lag, '0'))::float8"
    " FROM pg_stat_replication r WHERE r.state IS DISTINCT FROM 'backup'";

}  // namespace

template <class T>
Result<T> ServerWatch::kept(Result<T> looked) {
  if (!looked) {
    problem_ = looked.error().message;
    connection_.reset();
  }
  return looked;
}

bool ServerWatch::is_ready(Moment now) {
  if (connection_ && connection_->is_open()) return true;
  if (tried_ && now - *tried_ < kBetweenAttempts) return false;
  tried_ = now;
  connection_.reset();
  auto opened = Connection::open(options_);
  if (!opened) {
    problem_ = opened.error().message;
    return false;
  }
  connection_.emplace(*std::move(opened));
  connection_->set_cancellation(&ending_);
  Result<void> ready = connection_->run(kSetUp);
  if (ready && !knows_ways_) ready = find_ways();
  return static_cast<bool>(kept(std::move(ready)));
}

Result<SessionLook> ServerWatch::sessions(ServerPart part) {
  if (!connection_) return interrupted("not-measured", problem_);
  return kept(look_at_sessions(*connection_, prefix_, part));
}

Result<ServerFacts> ServerWatch::facts() {
  if (!connection_) return interrupted("not-measured", problem_);
  return kept(read_server_facts(*connection_));
}

/// Once: what can be measured, and how.
Result<void> ServerWatch::find_ways() {
  PGFANOUT_TRY_ASSIGN(const ServerDisk disk, look_at_disk(*connection_, ""));
  if (disk.data) data_path_ = disk.data->path;
  if (disk.wal) wal_path_ = disk.wal->path;
  if (!disk.data) unmeasurable_[Measure::disk_free] = disk.unseen;
  std::error_code error;
  if (disk.data) {
    const auto space = std::filesystem::space(data_path_, error);
    if (!error) disk_size_ = static_cast<double>(space.capacity);
  }
  PGFANOUT_TRY_ASSIGN(host_, HostLook::open(*connection_, disk.data.has_value()));
  if (!host_->unmeasurable().empty()) {
    unmeasurable_[Measure::cpu] = host_->unmeasurable();
    unmeasurable_[Measure::memory] = host_->unmeasurable();
  }
  PGFANOUT_TRY_ASSIGN(const Rows replicas, connection_->query(kReplicasSql));
  PGFANOUT_TRY_ASSIGN(const Rows role, connection_->query("SELECT current_user"));
  for (int row = 0; row < replicas.size(); ++row) {
    if (!replicas.is_null(row, 1)) continue;
    unmeasurable_[Measure::replica_lag] =
        fmt::format("role {0} may not see the target's standbys: GRANT pg_monitor TO {0}",
                    quoted_name(role.text(0, 0)));
  }
  knows_ways_ = true;
  return {};
}

Reading ServerWatch::disk() {
  if (data_path_.empty()) return {{}, unmeasurable_[Measure::disk_free]};
  const auto data = room_at(data_path_);
  const auto wal = room_at(wal_path_);
  if (!data) return {{}, "this process may not look at " + data_path_};
  const bool is_wal = wal && wal->free_bytes < data->free_bytes;
  return {static_cast<double>(is_wal ? wal->free_bytes : data->free_bytes),
          is_wal ? wal_path_ : data_path_};
}

Result<Reading> ServerWatch::replica_lag(Moment now) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection_->query(kReplicasSql));
  Reading slowest{{}, "no standby is connected"};
  if (rows.size() > 0) wal_.note(now, rows.integer(0, 2));
  for (int row = 0; row < rows.size(); ++row) {
    if (rows.is_null(row, 3)) {
      if (!slowest.value) slowest.detail = "a standby does not say where it is";
      continue;
    }
    const std::int64_t behind = rows.integer(row, 2) - rows.integer(row, 3);
    double seconds = 0;
    if (behind > 0) {
      seconds = std::max(wal_.seconds_behind(now, rows.integer(row, 3)),
                         std::strtod(rows.str(row, 4).c_str(), nullptr));
    }
    if (slowest.value && seconds <= *slowest.value) continue;
    slowest = {seconds,
               fmt::format(
                   "{}, {} behind", rows.text(row, 0),
                   amount_of_bytes(static_cast<std::uint64_t>(std::max(behind, std::int64_t{0}))))};
  }
  return slowest;
}

Result<Reading> ServerWatch::checkpoints(Moment now) {
  const char* sql = connection_->server_version() >= kFirstWithCheckpointerView
                        ? "SELECT c.num_requested FROM pg_stat_checkpointer c"
                        : "SELECT b.checkpoints_req FROM pg_stat_bgwriter b";
  PGFANOUT_TRY_ASSIGN(const Rows row, connection_->query(sql));
  return Reading{static_cast<double>(requested_.note(now, row.integer(0, 0))),
                 "requested within the last minute"};
}

std::map<Measure, Reading> ServerWatch::look(Moment now) {
  std::map<Measure, Reading> readings;
  readings[Measure::disk_free] = disk();
  const auto missing = [&](Measure measure) {
    const auto why = unmeasurable_.find(measure);
    return Reading{{}, why == unmeasurable_.end() ? problem_ : why->second};
  };
  for (const Measure measure :
       {Measure::cpu, Measure::memory, Measure::replica_lag, Measure::checkpoints}) {
    readings[measure] = missing(measure);
  }
  if (!connection_ || !host_) return readings;
  const auto host = kept(host_->look(*connection_));
  if (!host) return readings;
  if (!unmeasurable_.contains(Measure::cpu)) {
    readings[Measure::cpu] = {host->cpu, ""};
    readings[Measure::memory] = {host->memory, ""};
  }
  if (!unmeasurable_.contains(Measure::replica_lag)) {
    auto lag = kept(replica_lag(now));
    if (!lag) return readings;
    readings[Measure::replica_lag] = *std::move(lag);
  }
  if (auto rate = kept(checkpoints(now))) readings[Measure::checkpoints] = *std::move(rate);
  return readings;
}

}  // namespace pgfanout
