// Settings of the servers and of the sessions, the links to them, and the room for connections.
#include <fmt/format.h>

#include <algorithm>

#include "copier/plan/server_limits.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

constexpr const char* kSettingsSql =
    "SELECT current_setting('fsync'), current_setting('full_page_writes'),"
    " current_setting('session_replication_role'), current_setting('temp_file_limit'),"
    " current_setting('synchronous_standby_names')";

/// Settings of the server that rows are written to.
Result<void> check_target_settings(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows row, context.target.query(kSettingsSql));
  const std::string where = context.target.description();
  const auto add = [&](Severity severity, const char* code, std::string message, const char* hint) {
    context.add(severity, code, std::move(message), where, hint);
  };
  if (context.target_facts.zeroes_damaged_pages || context.target_facts.ignores_checksums) {
    add(Severity::error, "damaged-pages-hidden",
        fmt::format("{} is on: what is read back could lack damaged rows in silence",
                    context.target_facts.zeroes_damaged_pages ? "zero_damaged_pages"
                                                              : "ignore_checksum_failure"),
        "turn it off");
  }
  if (row.text(0, 0) == "off") {
    add(Severity::warning, "not-durable",
        "fsync is off: after a crash of the server's host the target, and every other table, may "
        "be damaged",
        "turn fsync on before the window");
  }
  if (row.text(0, 1) == "off") {
    add(Severity::warning, "not-durable",
        "full_page_writes is off: a crash in the middle of a write may leave torn pages",
        "turn it on, unless the file system writes whole pages for certain");
  }
  if (row.text(0, 2) == "replica") {
    add(Severity::error, "replica-role",
        "session_replication_role is replica: foreign keys and triggers would not be checked",
        "ALTER ROLE or ALTER DATABASE ... RESET session_replication_role");
  }
  if (row.text(0, 3) != "-1") {
    add(Severity::warning, "temp-file-limit",
        fmt::format("temp_file_limit is {}: a leaf whose index needs more to be sorted cannot be "
                    "indexed",
                    row.text(0, 3)),
        "raise it for this role, or give index builds more maintenance_work_mem");
  }
  if (!row.text(0, 4).empty()) {
    add(Severity::info, "synchronous-standby",
        fmt::format("commits wait for standbys ({}): one that is away stops the job, and the swap "
                    "while it holds its locks",
                    row.text(0, 4)),
        "see that they are connected when the window begins");
  }
  return {};
}

void check_source_role(PreflightContext& context) {
  if (context.source_facts.is_in_recovery) {
    context.add(context.if_changed(), "source-read-only",
                "the source's server is a standby: it can be read, but neither fenced nor swapped",
                context.source.description(),
                "name its primary as the source, or copy with --assume-quiet");
  }
  if (!context.plan.same_database) {
    context.add(context.job.window.swap ? Severity::error : Severity::info, "two-databases",
                "source and target are in different databases: swap and its rollback need them in "
                "one",
                context.plan.target.qualified,
                "run without the swap, and point the application at the target by other means");
  }
}

constexpr const char* kLinkSql =
    "SELECT inet_server_addr() IS NOT NULL, COALESCE(inet_server_addr() <<= '127.0.0.0/8'::inet"
    "  OR inet_server_addr() = '::1'::inet, false), EXISTS (SELECT 1 FROM pg_stat_ssl s"
    "  WHERE s.pid = pg_backend_pid() AND s.ssl) OR EXISTS (SELECT 1 FROM pg_stat_gssapi g"
    "  WHERE g.pid = pg_backend_pid() AND g.encrypted)";

Result<void> check_link(PreflightContext& context, Connection& connection, const char* side) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(kLinkSql));
  const bool is_tcp = row.boolean(0, 0);
  const bool is_loopback = row.boolean(0, 1);
  if (!is_tcp || row.boolean(0, 2)) return {};
  context.add(is_loopback ? Severity::info : Severity::warning, "not-encrypted",
              fmt::format("the link to the {} is not encrypted{}", side,
                          is_loopback ? "; by its address it does not leave the host"
                                      : ": rows travel in the clear"),
              connection.description(),
              is_loopback ? "" : "add sslmode=verify-full (or require) to the connection string");
  return {};
}

}  // namespace

Result<void> check_settings(PreflightContext& context) {
  check_source_role(context);
  return check_target_settings(context);
}

Result<void> check_links(PreflightContext& context) {
  PGFANOUT_TRY(check_link(context, context.source, "source"));
  if (context.plan.same_database) return {};
  return check_link(context, context.target, "target");
}

Result<void> check_connections(PreflightContext& context) {
  const CopyPlan& plan = context.plan;
  const auto leaves = static_cast<std::uint32_t>(plan.target.leaves.size());
  const std::uint32_t writers = std::max(plan.connections.writers, 1U);
  const std::uint32_t lanes_each = (leaves + writers - 1) / writers;
  std::string room =
      fmt::format("{} of {} connections are free for the job",
                  free_connections(context.target_facts), context.target_facts.max_connections);
  if (!is_same_server(context.source_facts, context.target_facts)) {
    room +=
        fmt::format(" on the target's server, {} of {} on the source's",
                    free_connections(context.source_facts), context.source_facts.max_connections);
  }
  context.add(
      Severity::info, "connections",
      fmt::format("{}: {} readers, {} writers and {} more; the {} lanes {}", room,
                  plan.connections.readers, plan.connections.writers, kControlSessions, leaves,
                  lanes_each <= 1
                      ? std::string("have a connection each")
                      : fmt::format("share the writers, up to {} lanes each", lanes_each)),
      context.target.description());
  return {};
}

}  // namespace pgfanout
