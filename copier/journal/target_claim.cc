#include "copier/journal/target_claim.h"

#include <fmt/format.h>

#include <optional>

#include "copier/base/pause.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kHolderSql = R"sql(
SELECT l.pid, a.application_name, COALESCE(host(a.client_addr), 'the server''s host'),
  date_trunc('second', a.backend_start), a.state,
  COALESCE(a.wait_event_type || '/' || a.wait_event, ''), a.query_start
FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended($1, 0))sql";

Result<std::optional<ClaimHolder>> find_holder(Connection& connection, const std::string& claim) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kHolderSql, {claim}));
  if (rows.size() == 0) return std::optional<ClaimHolder>();
  return std::optional<ClaimHolder>({rows.str(0, 0), rows.str(0, 1), rows.str(0, 2), rows.str(0, 3),
                                     rows.str(0, 4), rows.str(0, 5), rows.str(0, 6)});
}

std::string text_of(const ClaimHolder& holder) {
  std::string doing = holder.state.empty() ? "state unknown to this role" : holder.state;
  if (!holder.wait_event.empty()) doing += ", waits for " + holder.wait_event;
  return fmt::format("{} (backend {}, client on {}, since {}, {})", holder.application, holder.pid,
                     holder.host, holder.since, doing);
}

Error in_use(const ClaimHolder& holder, HolderClient client, const RelationName& target) {
  const std::string end = fmt::format("SELECT pg_terminate_backend({})", holder.pid);
  const std::string where = fmt::format("{}.{}", target.schema, target.name);
  if (client == HolderClient::is_there) {
    return refused("target-in-use", "this target is in use by " + text_of(holder),
                   "wait for it to end, or stop it there; if its process is stopped or its host is "
                   "lost: " +
                       end,
                   where);
  }
  return interrupted(
      "target-in-use",
      "this target is still held by the session of a command that may be gone: " + text_of(holder),
      "run the same command again in a moment; if that session does not end: " + end, where);
}

}  // namespace

HolderClient client_of(const ClaimHolder& first, const ClaimHolder& now) {
  const bool is_ours = now.application.starts_with("pgfanout/");
  const bool waits_for_client =
      now.state.starts_with("idle") || now.wait_event == "Client/ClientRead";
  const bool sent_another = now.query_start != first.query_start;
  return !is_ours || waits_for_client || sent_another ? HolderClient::is_there
                                                      : HolderClient::may_be_gone;
}

Result<void> claim_target(Connection& connection, const RelationName& target,
                          const Cancellation& cancellation, const IssueSink& report,
                          const ClaimPatience& patience) {
  const std::string claim = fmt::format("pgfanout {} {}", target.schema, target.name);
  Backoff pauses(std::chrono::milliseconds(5), std::chrono::milliseconds(100));
  std::optional<ClaimHolder> first;
  auto seen = Clock::now();
  bool has_told = false;
  while (true) {
    PGFANOUT_TRY_ASSIGN(
        const Rows taken,
        connection.query("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", {claim}));
    if (taken.boolean(0, 0)) return {};
    if (cancellation.is_set()) return cancelled();
    PGFANOUT_TRY_ASSIGN(const auto now, find_holder(connection, claim));
    if (now && (!first || first->pid != now->pid)) {
      first = now;
      seen = Clock::now();
    }
    const auto waited = Clock::now() - seen;
    if (now && waited >= patience.if_there) {
      const HolderClient client = client_of(*first, *now);
      if (client == HolderClient::is_there || waited >= patience.if_gone) {
        return in_use(*now, client, target);
      }
      if (!std::exchange(has_told, true)) {
        report(
            {Severity::info, "waiting-for-session",
             "waiting up to " +
                 std::to_string(
                     std::chrono::duration_cast<std::chrono::seconds>(patience.if_gone).count()) +
                 " s for the session of an earlier command to end: " + text_of(*now),
             fmt::format("{}.{}", target.schema, target.name)});
      }
    }
    pause_unless(cancellation, pauses.next());
  }
}

}  // namespace pgfanout
