#include "copier/watch/server_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "copier/base/amount.h"
#include "copier/catalog/server_facts.h"

namespace pgfanout {
namespace {

/// Measuring must not disturb the job: statements time out soon, and wait for no lock for long.
constexpr const char* kSetUp =
    "SET statement_timeout = '2s'; SET lock_timeout = '200ms'; SET default_transaction_read_only ="
    " on";
/// A base backup is no standby. A role without the right sees rows with NULL.
constexpr const char* kReplicasSql =
    "SELECT COALESCE(NULLIF(r.application_name, ''), r.pid::text), r.state,"
    " pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8,"
    " pg_wal_lsn_diff(r.replay_lsn, '0/0')::int8,"
    " EXTRACT(epoch FROM COALESCE(r.replay_lag, '0'))::float8"
    " FROM pg_stat_replication r WHERE r.state IS DISTINCT FROM 'backup'";

/// Segments whose mark says that they are still to be archived.
constexpr const char* kReadySql =
    "SELECT count(*) * pg_size_bytes(current_setting('wal_segment_size')), count(*),"
    " COALESCE(min(f.name), '') FROM pg_ls_archive_statusdir() f WHERE f.name LIKE '%.ready'";

}  // namespace

void WalHistory::note(Moment now, std::int64_t position) {
  if (!ends_.empty() && position <= ends_.back().second) return;
  constexpr std::size_t kMostEnds = 7200;  // Two hours, a sample a second.
  ends_.emplace_back(now, position);
  if (ends_.size() > kMostEnds) ends_.pop_front();
}

double WalHistory::seconds_behind(Moment now, std::int64_t replayed) const {
  for (const auto& [when, position] : ends_) {
    if (position > replayed) return std::chrono::duration<double>(now - when).count();
  }
  return 0;
}

std::int64_t LastMinute::note(Moment now, std::int64_t counter) {
  if (!counts_.empty() && counter < counts_.back().second) counts_.clear();
  counts_.emplace_back(now, counter);
  while (now - counts_.front().first > std::chrono::minutes(1)) counts_.pop_front();
  return counter - counts_.front().second;
}

/// A failed answer is noted, and closes the connection.
template <class T>
Result<T> ServerWatch::or_close(Result<T> answer) {
  if (!answer) {
    problem_ = answer.error().message;
    connection_.reset();
  }
  return answer;
}

bool ServerWatch::is_ready(Moment now) {
  constexpr std::chrono::seconds kBetweenAttempts{2};
  if (connection_ && connection_->is_open()) return true;
  if (ending_.is_set()) return false;
  if (tried_ && now - *tried_ < kBetweenAttempts) return false;
  tried_ = now;
  connection_.reset();
  auto opened = Connection::open(options_);
  if (!opened) {
    problem_ = opened.error().message;
    return false;
  }
  connection_.emplace(*std::move(opened));
  Result<void> ready = connection_->run(kSetUp);
  if (ready && !knows_ways_) ready = find_ways();
  return static_cast<bool>(or_close(std::move(ready)));
}

Result<JobSessions> ServerWatch::sessions(const std::string& side) {
  if (!connection_) return interrupted("not-measured", problem_);
  return or_close(read_job_sessions(*connection_, prefix_, side));
}

Result<ServerFacts> ServerWatch::facts() {
  if (!connection_) return interrupted("not-measured", problem_);
  return or_close(read_server_facts(*connection_));
}

/// Finds out, once, what can be measured and how.
Result<void> ServerWatch::find_ways() {
  PGFANOUT_TRY_ASSIGN(const ServerDisk disk, read_server_disk(*connection_, ""));
  if (disk.data) data_path_ = disk.data->path;
  if (disk.wal) wal_path_ = disk.wal->path;
  if (!disk.data) unmeasurable_[Measure::disk_free] = disk.unseen;
  std::error_code error;
  if (disk.data) {
    const auto space = std::filesystem::space(data_path_, error);
    if (!error) disk_size_ = static_cast<double>(space.capacity);
  }
  PGFANOUT_TRY_ASSIGN(host_, HostMeter::open(*connection_, disk.data.has_value()));
  if (!host_->unmeasurable().empty()) {
    unmeasurable_[Measure::cpu] = host_->unmeasurable();
    unmeasurable_[Measure::memory] = host_->unmeasurable();
  }
  PGFANOUT_TRY_ASSIGN(const Rows replicas, connection_->query(kReplicasSql));
  PGFANOUT_TRY_ASSIGN(
      const Rows role,
      connection_->query("SELECT quote_ident(current_user),"
                         " current_setting('archive_mode') <> 'off' AND NOT pg_is_in_recovery(),"
                         " has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE')"));
  for (int row = 0; row < replicas.size(); ++row) {
    if (!replicas.is_null(row, 1)) continue;
    unmeasurable_[Measure::replica_lag] = fmt::format(
        "role {0} may not see the target's standbys: GRANT pg_monitor TO {0}", role.text(0, 0));
  }
  archives_ = role.boolean(0, 1);
  if (archives_ && !role.boolean(0, 2)) {
    unmeasurable_[Measure::wal_waiting] =
        fmt::format("role {0} may not see which WAL waits to be archived: GRANT pg_monitor TO {0}",
                    role.text(0, 0));
  }
  knows_ways_ = true;
  return {};
}

Reading ServerWatch::disk() {
  if (data_path_.empty()) return {{}, unmeasurable_[Measure::disk_free]};
  const auto data = read_disk_room(data_path_);
  const auto wal = read_disk_room(wal_path_);
  if (!data) return {{}, "this process may not read " + data_path_};
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
      if (!slowest.value) slowest.detail = "a standby does not report its position";
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
  constexpr int kFirstWithCheckpointerView = 170000;
  const char* sql = connection_->server_version() >= kFirstWithCheckpointerView
                        ? "SELECT c.num_requested FROM pg_stat_checkpointer c"
                        : "SELECT b.checkpoints_req FROM pg_stat_bgwriter b";
  PGFANOUT_TRY_ASSIGN(const Rows row, connection_->query(sql));
  return Reading{static_cast<double>(requested_.note(now, row.integer(0, 0))),
                 "requested within the last minute"};
}

/// The folder may hold many files: it is looked at every few seconds.
Result<Reading> ServerWatch::wal_waiting(Moment now) {
  constexpr std::chrono::seconds kBetween{5};
  if (!archives_) return Reading{{}, "archive_mode is off"};
  if (wal_waiting_read_ && now - *wal_waiting_read_ < kBetween) return wal_waiting_;
  PGFANOUT_TRY_ASSIGN(const Rows ready, connection_->query(kReadySql));
  wal_waiting_read_ = now;
  wal_waiting_ = {static_cast<double>(ready.integer(0, 0)), ""};
  if (ready.integer(0, 1) > 0) {
    wal_waiting_.detail =
        fmt::format("{} segments, the oldest is {}", ready.text(0, 1), ready.text(0, 2));
  }
  return wal_waiting_;
}

std::map<Measure, Reading> ServerWatch::measure(Moment now) {
  std::map<Measure, Reading> readings;
  readings[Measure::disk_free] = disk();
  const auto missing = [&](Measure measure) {
    const auto why = unmeasurable_.find(measure);
    return Reading{{}, why == unmeasurable_.end() ? problem_ : why->second};
  };
  for (const Measure measure : {Measure::cpu, Measure::memory, Measure::replica_lag,
                                Measure::checkpoints, Measure::wal_waiting}) {
    readings[measure] = missing(measure);
  }
  if (!connection_ || !host_) return readings;
  const auto host = or_close(host_->sample(*connection_));
  if (host && !unmeasurable_.contains(Measure::cpu)) {
    readings[Measure::cpu] = {host->cpu, ""};
    readings[Measure::memory] = {host->memory, ""};
  }
  const auto take = [&](Measure measure, Result<Reading> (ServerWatch::*way)(Moment)) {
    if (!connection_ || unmeasurable_.contains(measure)) return;
    if (auto reading = or_close((this->*way)(now))) readings[measure] = *std::move(reading);
  };
  take(Measure::replica_lag, &ServerWatch::replica_lag);
  take(Measure::wal_waiting, &ServerWatch::wal_waiting);
  take(Measure::checkpoints, &ServerWatch::checkpoints);
  return readings;
}

}  // namespace pgfanout
