#include "copier/copy/target_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "copier/pg/transaction.h"
#include "copier/session/job_connections.h"

namespace pgfanout {
namespace {

Result<std::uint32_t> oid_of(Connection& connection, const std::string& qualified) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query("SELECT $1::regclass::oid", {qualified}));
  return row.oid(0, 0);
}

Result<void> create_and_journal(Connection& connection, CopyPlan& plan, JournalEntry entry,
                                const CopyProgress& progress) {
  Journal journal(connection);
  PGFANOUT_TRY(journal.prepare());
  if (plan.target.is_new) {
    for (const std::string& statement : plan.ddl.create) {
      PGFANOUT_TRY(connection.run(statement));
    }
    PGFANOUT_TRY_ASSIGN(const std::uint32_t parent, oid_of(connection, plan.target.qualified));
    entry.made.push_back({parent, plan.target.schema, plan.target.name});
    for (TargetLeaf& leaf : plan.target.leaves) {
      PGFANOUT_TRY_ASSIGN(leaf.oid, oid_of(connection, leaf.qualified));
      entry.made.push_back({leaf.oid, leaf.schema, leaf.name});
    }
    if (progress.checks_first) {
      for (const auto& checks : plan.ddl.checks) {
        for (const std::string& check : checks) PGFANOUT_TRY(connection.run(check));
      }
    }
  }
  PGFANOUT_TRY(journal.begin_job(entry));
  return CopyJournal(connection, entry.job).begin(progress, plan);
}

Result<std::unique_ptr<WriteChannel>> open_writer(const JobDescription& job,
                                                  const std::string& application_name) {
  PGFANOUT_TRY_ASSIGN(Connection connection,
                      connect_again(connect_options(job, target_dsn_of(job), application_name)));
  return make_write_channel(std::move(connection));
}

}  // namespace

Result<void> create_target(Connection& connection, CopyPlan& plan, const JournalEntry& entry,
                           const CopyProgress& progress) {
  return in_transaction(connection, {},
                        [&] { return create_and_journal(connection, plan, entry, progress); });
}

Result<std::vector<std::unique_ptr<WriteChannel>>> open_writers(const JobDescription& job,
                                                                const std::string& application_name,
                                                                std::uint32_t writers,
                                                                const Cancellation& cancellation) {
  constexpr std::size_t kSideBySide = 8;
  std::vector<std::unique_ptr<WriteChannel>> channels(writers);
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::optional<Error> failure;  // guarded by mutex
  const auto open_some = [&] {
    for (std::size_t at = next++; at < channels.size(); at = next++) {
      if (cancellation.is_set()) return;
      auto channel = open_writer(job, application_name);
      if (channel) {
        channels[at] = std::move(*channel);
        continue;
      }
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::move(channel).error();
      next = channels.size();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t at = 0; at < std::min(kSideBySide, channels.size()); ++at) {
    threads.emplace_back(open_some);
  }
  for (std::thread& thread : threads) thread.join();
  if (failure) return *std::move(failure);
  if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
  return channels;
}

std::vector<LaneTarget> lane_targets(const CopyPlan& plan, const CopyProgress& progress) {
  std::vector<LaneTarget> targets;
  targets.reserve(plan.target.leaves.size());
  for (std::size_t at = 0; at < plan.target.leaves.size(); ++at) {
    const TargetLeaf& leaf = plan.target.leaves[at];
    const bool is_whole = plan.target.is_new && progress.by_leaf && progress.leaves[at].epoch == 0;
    targets.push_back({leaf.qualified,
                       fmt::format("COPY {} {} FROM STDIN (FORMAT binary{})", leaf.qualified,
                                   plan.stream.written_columns, is_whole ? ", FREEZE" : ""),
                       is_whole ? "ONLY " + leaf.qualified : std::string()});
  }
  return targets;
}

Result<void> lock_leaves(Connection& connection, const CopyTarget& target) {
  std::string names;
  for (const TargetLeaf& leaf : target.leaves) {
    names += (names.empty() ? "ONLY " : ", ONLY ") + leaf.qualified;
  }
  auto locked = in_transaction(
      connection, {"BEGIN; SET LOCAL lock_timeout = '10s'", TransactionEnd::stay_open},
      [&] { return connection.run(fmt::format("LOCK TABLE {} IN SHARE MODE", names)); });
  if (locked || locked.error().sqlstate != "42501" || target.is_new) return locked;
  return connection.run("BEGIN");
}

Result<std::vector<LeafSize>> leaf_sizes(Connection& connection, const CopyTarget& target) {
  std::vector<LeafSize> sizes;
  for (const TargetLeaf& leaf : target.leaves) {
    PGFANOUT_TRY_ASSIGN(
        const Rows row,
        connection.query("SELECT pg_relation_size(c) / current_setting('block_size')::int,"
                         " pg_table_size(c) FROM (SELECT $1::regclass AS c) s",
                         {leaf.qualified}));
    sizes.push_back({static_cast<std::uint64_t>(row.integer(0, 0)),
                     static_cast<std::uint64_t>(row.integer(0, 1))});
  }
  return sizes;
}

Result<void> attach_leaves(Connection& connection, const TargetDdl& ddl,
                           const Cancellation& cancellation) {
  for (const auto& statements : ddl.attach) {
    if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
    for (const std::string& statement : statements) PGFANOUT_TRY(connection.run(statement));
  }
  for (const std::string& statement : ddl.finish) PGFANOUT_TRY(connection.run(statement));
  return {};
}

}  // namespace pgfanout
