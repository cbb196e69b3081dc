#include "copier/copy/target_leaves.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "copier/base/lists.h"
#include "copier/base/stop.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/role_rights.h"
#include "copier/catalog/type_catalog.h"
#include "copier/pg/transaction.h"
#include "copier/session/job_connections.h"

namespace pgfanout {
namespace {

/// Parent and leaves, which were made in this transaction.
Result<void> note_made(Connection& connection, CopyTarget& target,
                       std::vector<MadeRelation>& made) {
  std::vector<std::string> names{target.qualified};
  append(names, parts_of(target.leaves, &TargetLeaf::qualified));
  PGFANOUT_TRY_ASSIGN(const Rows oids, query_each(connection, "name::regclass::oid", names));
  made.push_back({oids.oid(0, 0), target.schema, target.name});
  if (target.is_plain()) {
    target.leaves.front().oid = made.front().oid;
    return {};
  }
  for (TargetLeaf& leaf : target.leaves) {
    leaf.oid = oids.oid(static_cast<int>(made.size()), 0);
    made.push_back({leaf.oid, leaf.schema, leaf.name});
  }
  return {};
}

Result<void> create_and_journal(Connection& connection, CopyPlan& plan, JournalEntry entry,
                                const CopyProgress& progress) {
  Journal journal(connection);
  PGFANOUT_TRY(journal.prepare());
  if (plan.target.is_new) {
    for (const std::string& statement : plan.ddl.create) {
      PGFANOUT_TRY(connection.run(statement));
    }
    PGFANOUT_TRY(note_made(connection, plan.target, entry.made));
    PGFANOUT_TRY(add_checks(connection, plan));
  }
  PGFANOUT_TRY(journal.begin_job(entry));
  return CopyJournal(connection, entry.job).begin(progress, plan);
}

/// Of the leaves, quoted, in their order.
std::vector<std::vector<std::string>> names_by_server(const CopyTarget& target) {
  std::vector<std::vector<std::string>> names(target.servers.size());
  for (const TargetLeaf& leaf : target.leaves) names[leaf.server].push_back(leaf.qualified);
  return names;
}

std::size_t server_count(const std::vector<std::size_t>& server_of_lane) {
  if (server_of_lane.empty()) return 0;
  return *std::ranges::max_element(server_of_lane) + 1;
}

/// A right on the leaves is enough, and so is one on their parent. False: the role has neither, and
/// the transaction has no lock.
Result<bool> lock_on_server(Connection& session, const std::string& leaves,
                            const CopyTarget& target, LockAttempts attempts,
                            const Cancellation& cancellation) {
  // One wait: the application does not use the leaves yet, so nobody queues behind it.
  attempts.patience.each_lock = attempts.patience.in_all;
  attempts.conflict = LockConflict::writes;
  attempts.transaction.end = TransactionEnd::stay_open;
  for (const std::string& names : {leaves, target.qualified}) {
    auto locked = with_lock_attempts(session, attempts, cancellation, [&] {
      return session.run(fmt::format("LOCK TABLE {} IN SHARE MODE", names));
    });
    if (locked) return true;
    if (locked.error().sqlstate != "42501" || target.is_new) return std::move(locked).error();
  }
  PGFANOUT_TRY(session.run("BEGIN"));
  return false;
}

}  // namespace

Result<Rows> query_each(Connection& connection, std::string_view columns,
                        const std::vector<std::string>& names) {
  return connection.query(fmt::format("SELECT {} FROM unnest($1::text[]) WITH ORDINALITY"
                                      " AS n(name, place) ORDER BY place",
                                      columns),
                          {text_array(names)});
}

Result<void> LeafSessions::run(std::string_view sql) const {
  for (Connection* session : sessions_) PGFANOUT_TRY(session->run(sql));
  return {};
}

Result<void> add_checks(Connection& connection, const CopyPlan& plan) {
  PGFANOUT_TRY_ASSIGN(
      const Rows lacks,
      query_each(connection,
                 "NOT EXISTS (SELECT FROM pg_constraint c"
                 " WHERE c.conrelid = name::regclass AND c.contype IN ('c', 'f'))",
                 parts_of(plan.target.leaves, &TargetLeaf::qualified)));
  std::vector<std::string> missing;
  for (int leaf = 0; leaf < lacks.size(); ++leaf) {
    if (lacks.boolean(leaf, 0)) append(missing, plan.ddl.checks[static_cast<std::size_t>(leaf)]);
  }
  return missing.empty() ? Result<void>() : connection.run(joined(missing, "; "));
}

Result<void> create_target(Connection& connection, CopyPlan& plan, const JournalEntry& entry,
                           const CopyProgress& progress, const LockAttempts& attempts,
                           const Cancellation& cancellation) {
  return with_lock_attempts(connection, attempts, cancellation,
                            [&] { return create_and_journal(connection, plan, entry, progress); });
}

std::vector<std::size_t> share_channels(const std::vector<std::size_t>& server_of_lane,
                                        std::size_t count) {
  std::vector<std::size_t> lanes(server_count(server_of_lane));
  for (const std::size_t server : server_of_lane) ++lanes[server];
  std::vector<std::size_t> server_of_channel;
  std::vector<std::size_t> channels(lanes.size());
  const auto give_to = [&](std::size_t server) {
    ++channels[server];
    server_of_channel.push_back(server);
  };
  for (std::size_t server = 0; server < lanes.size(); ++server) {
    if (lanes[server] > 0) give_to(server);
  }
  std::vector<std::size_t> servers = server_of_channel;
  const auto has_fewer_lanes_each = [&](std::size_t a, std::size_t b) {
    return lanes[a] * channels[b] < lanes[b] * channels[a];
  };
  while (server_of_channel.size() < std::min(count, server_of_lane.size())) {
    give_to(*std::ranges::max_element(servers, has_fewer_lanes_each));
  }
  return server_of_channel;
}

std::vector<std::size_t> bind_lanes(const std::vector<std::size_t>& server_of_lane,
                                    const std::vector<std::size_t>& server_of_channel) {
  std::vector<std::vector<std::size_t>> channels(server_count(server_of_lane));
  for (std::size_t channel = 0; channel < server_of_channel.size(); ++channel) {
    channels[server_of_channel[channel]].push_back(channel);
  }
  std::vector<std::size_t> bound(channels.size());  // Lanes of a server that are bound already.
  std::vector<std::size_t> channel_of_lane;
  for (const std::size_t server : server_of_lane) {
    channel_of_lane.push_back(channels[server][bound[server]++ % channels[server].size()]);
  }
  return channel_of_lane;
}

Result<LaneChannels> open_writers(const CopyTarget& target, std::size_t count,
                                  const ConnectOptions& options, const Cancellation& cancellation) {
  constexpr std::size_t kSideBySide = 8;
  const std::vector<std::size_t> server_of_lane = parts_of(target.leaves, &TargetLeaf::server);
  const std::vector<std::size_t> server_of_channel = share_channels(server_of_lane, count);
  LaneChannels writers;
  writers.channel_of = bind_lanes(server_of_lane, server_of_channel);
  // COPY runs checks, domains, generated columns and, on leaves that exist, triggers.
  writers.begin = "BEGIN; SET LOCAL search_path = " + target.application_path;
  writers.channels.resize(server_of_channel.size());
  Stop stop(cancellation);
  std::atomic<std::size_t> next{0};
  const auto open_one = [&](std::size_t at) -> Result<void> {
    ConnectOptions to_server = options;
    to_server.dsn = target.servers[server_of_channel[at]].dsn;
    PGFANOUT_TRY_ASSIGN(Connection connection, connect_again(to_server));
    writers.channels[at] = make_write_channel(std::move(connection));
    return {};
  };
  const auto open_some = [&] {
    for (std::size_t at = next++; at < writers.channels.size() && !stop.is_set(); at = next++) {
      stop.guard("the opening of a writer", [&] { return open_one(at); });
    }
  };
  stop.guard("the opening of the writers", [&] {
    std::vector<std::jthread> threads;
    for (std::size_t at = 0; at < std::min(kSideBySide, writers.channels.size()); ++at) {
      threads.emplace_back(open_some);
    }
  });
  if (auto error = stop.error()) return *std::move(error);
  return writers;
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

Result<LeafLock> LeafLock::take(const LeafSessions& sessions, const CopyTarget& target,
                                const LockAttempts& attempts, const Cancellation& cancellation) {
  const auto names = names_by_server(target);
  LeafLock lock;
  for (std::size_t server = 0; server < names.size(); ++server) {
    Connection& session = *sessions.all()[server];
    lock.unlocked_.emplace_back();
    if (names[server].empty()) {
      PGFANOUT_TRY(session.run("BEGIN"));
      continue;
    }
    PGFANOUT_TRY_ASSIGN(const bool is_locked,
                        lock_on_server(session, "ONLY " + joined(names[server], ", ONLY "), target,
                                       attempts, cancellation));
    if (is_locked) continue;
    PGFANOUT_TRY_ASSIGN(lock.role_, current_role(session));
    PGFANOUT_TRY_ASSIGN(lock.unlocked_.back(), QuietServer::watch(session));
  }
  return lock;
}

std::optional<Issue> LeafLock::doubt(const LeafSessions& sessions, const CopyTarget& target) const {
  std::optional<Issue> issue;
  for (std::size_t server = 0; server < unlocked_.size(); ++server) {
    if (!unlocked_[server]) continue;
    const bool is_quiet = unlocked_[server]->has_stayed_quiet(*sessions.all()[server]);
    if (issue && is_quiet) continue;
    issue = {is_quiet ? Severity::info : Severity::critical, "target-not-locked",
             is_quiet ? "the role may not lock the target, but no transaction wrote on its server "
                        "while the rows were read back"
                      : "the role may not lock the target against writes, and its server was "
                        "written to while the rows were read back: they may have changed meanwhile",
             target.qualified,
             fmt::format("GRANT UPDATE ON {} TO {}, so that it may", target.qualified, role_)};
  }
  return issue;
}

Result<std::vector<LeafSize>> leaf_sizes(const LeafSessions& sessions, const CopyTarget& target) {
  constexpr const char* kSizes =
      "pg_relation_size(name::regclass) / current_setting('block_size')::int,"
      " pg_table_size(name::regclass)";
  const auto names = names_by_server(target);
  std::vector<LeafSize> sizes(target.leaves.size());
  for (std::size_t server = 0; server < names.size(); ++server) {
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        query_each(*sessions.all()[server], kSizes, names[server]));
    int row = 0;
    for (std::size_t leaf = 0; leaf < sizes.size(); ++leaf) {
      if (target.leaves[leaf].server != server) continue;
      read_row(rows, row++, sizes[leaf].blocks, sizes[leaf].total_bytes);
    }
  }
  return sizes;
}

Result<void> attach_leaves(Connection& connection, const TargetDdl& ddl, LockAttempts attempts,
                           const Cancellation& cancellation) {
  // The transaction keeps the locks under which the leaves were read back.
  attempts.in = AttemptIn::savepoint;
  const auto run_all = [&](const std::vector<std::string>& statements) {
    return with_lock_attempts(connection, attempts, cancellation,
                              [&] { return connection.run(joined(statements, "; ")); });
  };
  for (const auto& statements : ddl.attach) PGFANOUT_TRY(run_all(statements));
  return ddl.finish.empty() ? Result<void>() : run_all(ddl.finish);
}

}  // namespace pgfanout
