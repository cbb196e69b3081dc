// Settings of the servers and sessions, the links to them, the room for connections; policies that
// hide rows; and subscribers, which must be told which row was changed.
#include <fmt/format.h>

#include <algorithm>

#include "copier/base/amount.h"
#include "copier/base/counted.h"
#include "copier/base/shell_word.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/standbys.h"
#include "copier/pg/connect_hint.h"
#include "copier/pg/pooler.h"
#include "copier/plan/server_limits.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/session/job_connections.h"

namespace pgfanout {
namespace {

constexpr const char* kSettingsSql =
    "SELECT current_setting('fsync'), current_setting('full_page_writes'),"
    " current_setting('session_replication_role'), current_setting('temp_file_limit'),"
    " current_setting('synchronous_standby_names')";

}  // namespace

Result<void> check_target_settings(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows row, run.target.query(kSettingsSql));
  const std::string where = run.target.description();
  const auto add = [&](Severity severity, const char* code, std::string message, const char* hint) {
    run.add(severity, code, std::move(message), where, hint);
  };
  if (run.target_facts.zeroes_damaged_pages || run.target_facts.ignores_checksums) {
    add(Severity::error, "damaged-pages-hidden",
        fmt::format("{} is on: the read-back could miss damaged rows without an error",
                    run.target_facts.zeroes_damaged_pages ? "zero_damaged_pages"
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
        "turn it on, unless the file system is sure to write whole pages");
  }
  if (row.text(0, 2) == "replica") {
    add(Severity::error, "replica-role",
        "session_replication_role is replica: foreign keys and triggers would not be checked",
        "ALTER ROLE or ALTER DATABASE ... RESET session_replication_role");
  }
  if (row.text(0, 3) != "-1") {
    add(Severity::warning, "temp-file-limit",
        fmt::format("temp_file_limit is {}: an index that needs more to be sorted cannot be built",
                    row.text(0, 3)),
        "raise it for this role, or give index builds more maintenance_work_mem");
  }
  if (!row.text(0, 4).empty()) {
    add(Severity::info, "synchronous-standby",
        fmt::format("commits wait for standbys ({}), that of the swap while it holds its locks",
                    row.text(0, 4)),
        "keep them connected until the job has ended");
  }
  return {};
}

namespace {

void check_places(PreflightRun& run) {
  if (run.source_facts.is_in_recovery) {
    run.add(
        Severity::warning, "source-read-only",
        "the source's server is in recovery: the copy cannot keep writes from it, and is proven "
        "only if the standby replays none meanwhile",
        run.source.description(), "SELECT pg_wal_replay_pause() on the standby before the copy");
  }
  if (run.plan.same_database && run.plan.source.schema != run.plan.target.schema) {
    run.add(run.job.window.swap ? Severity::error : Severity::info, "two-schemas",
            "source and target are in different schemas: swap and its rollback need them in one",
            run.plan.target.qualified, "name a target in the source's schema with --into");
  }
  if (!run.plan.same_database) {
    run.add(run.job.window.swap ? Severity::error : Severity::info, "two-databases",
            "source and target are in different databases: swap and its rollback need them in "
            "one",
            run.plan.target.qualified,
            "run without the swap, and point the application at the target by other means");
  }
}

constexpr const char* kLinkSql =
    "SELECT inet_server_addr() IS NOT NULL, COALESCE(inet_server_addr() <<= '127.0.0.0/8'::inet"
    "  OR inet_server_addr() = '::1'::inet, false), EXISTS (SELECT 1 FROM pg_stat_ssl s"
    "  WHERE s.pid = pg_backend_pid() AND s.ssl) OR EXISTS (SELECT 1 FROM pg_stat_gssapi g"
    "  WHERE g.pid = pg_backend_pid() AND g.encrypted)";

Result<void> check_link(PreflightRun& run, Connection& connection, const char* side) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(kLinkSql));
  const bool is_tcp = row.boolean(0, 0);
  const bool is_loopback = row.boolean(0, 1);
  if (!is_tcp || row.boolean(0, 2)) return {};
  run.add(is_loopback ? Severity::info : Severity::warning, "not-encrypted",
          fmt::format(
              "the link to the {} is not encrypted{}", side,
              is_loopback ? "; its address is that of this host" : ": rows are sent unencrypted"),
          connection.description(),
          is_loopback ? "" : "add sslmode=verify-full (or require) to the connection string");
  return {};
}

/// Publications of changes to the table or one of its leaves; {1}: those of the schema.
constexpr const char* kPublishedSql =
    "SELECT quote_ident(p.pubname), p.pubupdate OR p.pubdelete, p.pubviaroot"
    " FROM pg_publication p WHERE p.puballtables"
    " OR EXISTS (SELECT 1 FROM pg_publication_rel r JOIN {0} ON tree.oid = r.prrelid"
    "  WHERE r.prpubid = p.oid) {1} ORDER BY 1";

constexpr const char* kOfSchemaSql =
    "OR EXISTS (SELECT 1 FROM pg_publication_namespace s JOIN pg_class c"
    " ON c.relnamespace = s.pnnspid WHERE s.pnpubid = p.oid AND c.oid = $1::oid)";

/// Replica identities of the leaves, with how many have each.
constexpr const char* kIdentitySql =
    "SELECT c.relreplident, count(*) FROM {} JOIN pg_class c"
    " ON c.oid = leaf.oid GROUP BY 1 ORDER BY 2 DESC, 1";

struct Published {
  std::vector<std::string> by;  ///< Publications.
  bool changes = false;         ///< Updates or deletes too.
  bool as_root = false;         ///< All of them as changes of the parent.
};

Result<Published> find_published(PreflightRun& run) {
  const bool has_schemas = run.source.server_version() >= kFirstWithSchemaPublications;
  PGFANOUT_TRY_ASSIGN(const Rows rows, run.read(fmt::format(kPublishedSql, kTableTree,
                                                            has_schemas ? kOfSchemaSql : "")));
  Published published;
  published.as_root = rows.size() > 0;
  for (int row = 0; row < rows.size(); ++row) {
    published.by.push_back(rows.str(row, 0));
    published.changes = published.changes || rows.boolean(row, 1);
    published.as_root = published.as_root && rows.boolean(row, 2);
  }
  return published;
}

std::string identity_text(const Rows& rows) {
  std::string text;
  for (int row = 0; row < rows.size(); ++row) {
    const char kind = rows.text(row, 0).front();
    const char* name = kind == 'd'   ? "the primary key"
                       : kind == 'f' ? "the whole row (FULL)"
                       : kind == 'i' ? "an index"
                                     : "nothing";
    text += row == 0 ? "" : ", ";
    text += rows.size() == 1 ? name : fmt::format("{} ({} leaves)", name, rows.text(row, 1));
  }
  return text;
}

/// How a subscriber finds the row of a change, once the target has the source's name.
void note_new_identity(PreflightRun& run, const Published& published, bool is_default) {
  const CopyPlan& plan = run.plan;
  const bool has_parent_key = plan.key.column && !plan.key.is_generated;
  if (!published.as_root && !plan.target.is_plain()) {
    run.add(Severity::warning, "publishes-leaves",
            fmt::format("{} publishes changes under the names of leaves: a subscriber needs "
                        "the {} new ones before the swap",
                        some_of(published.by), plan.target.leaves.size()),
            plan.source.qualified,
            "create the same tables at the subscribers first, or set publish_via_partition_root");
  }
  if (!published.changes || !is_default) return;
  if (has_parent_key) {
    run.add(Severity::warning, "replica-identity",
            fmt::format("the replica identity gains {}: subscribers to {} find rows by the "
                        "primary key, and need the column in theirs",
                        display_name(*plan.key.column), some_of(published.by)),
            plan.source.qualified, "add the column and the key at the subscribers before the swap");
  } else if (plan.source.primary_key.empty()) {
    run.add(Severity::warning, "replica-identity",
            fmt::format("{} publishes updates or deletes of a table without a replica identity: "
                        "the server refuses them, before and after the swap",
                        some_of(published.by)),
            plan.source.qualified, "ALTER TABLE ... REPLICA IDENTITY FULL, or publish inserts");
  } else {
    run.add(Severity::warning, "replica-identity",
            fmt::format("a table listed by an expression has no primary key: for {} each leaf "
                        "needs REPLICA IDENTITY USING INDEX",
                        some_of(published.by)),
            plan.source.qualified, "set it on every leaf before the swap, or use --key-mode check");
  }
}

/// A pool that is too small would let the job wait in its middle, behind the fence.
void check_pool(PreflightRun& run) {
  const bool is_target = run.target.is_pooled();
  if (!is_target && !run.source.is_pooled()) return;
  const auto& [readers, writers] = run.plan.connections;
  // The copy has two sessions beside those of the window; a job that runs is watched already.
  const int held = run.job.dry_run ? 0 : 1;
  const int wanted = static_cast<int>(readers + writers + kControlSessions) - held;
  const std::string& dsn = is_target ? target_dsn_of(run.job) : run.job.source_dsn;
  const int given = backends_at_once(connect_options(run.job, dsn, "pgfanout/plan/pool"), wanted);
  run.add(given < wanted ? Severity::error : Severity::info, "pooler-room",
          fmt::format("the connection pooler in session mode gives {} more backends of the {} "
                      "that the job needs at once",
                      given, wanted),
          (is_target ? run.target : run.source).description(),
          given < wanted ? std::string(kNoBackendLeft) : "");
}

}  // namespace

/// Constraints, triggers, indexes and grants are each table's own, and after the swap the heirs
/// would still inherit from the backup.
void check_heirs(PreflightRun& run) {
  const Table& source = run.plan.source;
  if (!source.has_heirs()) return;
  run.add(Severity::error, "has-heirs",
          fmt::format("{} from {}: a window cannot replace them",
                      counted(source.leaves.size() - 1, "table inherits", "tables inherit"),
                      source.qualified),
          source.qualified,
          "use 'pgfanout copy' and 'pgfanout verify', which read all of them, create what the new "
          "table needs, and rename both tables yourself");
}

Result<void> check_tables(PreflightRun& run) {
  check_places(run);
  check_heirs(run);
  return {};
}

Result<std::optional<Issue>> judge_standbys(Connection& connection,
                                            const std::vector<std::string>& accept) {
  PGFANOUT_TRY_ASSIGN(const auto missing, find_missing_standbys(connection));
  if (!missing) return std::optional<Issue>();
  std::string options;
  for (const std::string& name : missing->absent) {
    const std::string accepted = std::string(kAcceptedStandby) + name;
    if (std::find(accept.begin(), accept.end(), accepted) != accept.end()) continue;
    options += " --accept " + shell_word(accepted);
  }
  const bool is_accepted = options.empty();
  return std::optional<Issue>(
      {is_accepted ? Severity::warning : Severity::error, "standby-missing",
       fmt::format(
           "{}: each commit of the job would wait, that of the swap while it holds its locks",
           text_of(*missing)),
       connection.description(),
       is_accepted ? fmt::format("accepted by the job; {}", kStandbyAdvice)
                   : fmt::format("{}; or go on all the same:{}", kStandbyAdvice, options)});
}

Result<void> check_standbys(PreflightRun& run) {
  std::vector<Connection*> servers = {&run.target};
  if (!is_same_server(run.source_facts, run.target_facts)) servers.push_back(&run.source);
  for (Connection* server : servers) {
    PGFANOUT_TRY_ASSIGN(auto issue, judge_standbys(*server, run.job.window.accept));
    if (issue) run.found.issues.push_back(*std::move(issue));
  }
  return {};
}

Result<void> check_links(PreflightRun& run) {
  PGFANOUT_TRY(check_link(run, run.source, "source"));
  if (run.plan.same_database) return {};
  return check_link(run, run.target, "target");
}

Result<void> check_connections(PreflightRun& run) {
  const CopyPlan& plan = run.plan;
  const auto leaves = static_cast<std::uint32_t>(plan.target.leaves.size());
  const std::uint32_t writers = std::max(plan.connections.writers, 1U);
  const std::uint32_t lanes_each = (leaves + writers - 1) / writers;
  std::string room =
      fmt::format("{} of {} connections are free for the job", free_connections(run.target_facts),
                  run.target_facts.max_connections);
  if (!is_same_server(run.source_facts, run.target_facts)) {
    room += fmt::format(" on the target's server, {} of {} on the source's",
                        free_connections(run.source_facts), run.source_facts.max_connections);
  }
  run.add(Severity::info, "connections",
          fmt::format("{}: {} readers, {} writers and {} more; the {} lanes {}", room,
                      plan.connections.readers, plan.connections.writers, kControlSessions, leaves,
                      lanes_each <= 1
                          ? std::string("have a connection each")
                          : fmt::format("share the writers, up to {} lanes each", lanes_each)),
          run.target.description());
  check_pool(run);
  const std::int64_t least = plan.connections.readers + writers + kControlSessions;
  if (run.is_resumed && free_connections(run.target_facts) < least) {
    run.add(Severity::error, "no-connections",
            fmt::format("{}; the job needs {} to go on", room, least), run.target.description(),
            "end other sessions, or raise max_connections");
  }
  return {};
}

Result<void> check_row_security(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(
      const Rows row,
      run.read("SELECT c.relrowsecurity, c.relforcerowsecurity, (SELECT count(*) FROM pg_policy p"
               " WHERE p.polrelid = c.oid) FROM pg_class c WHERE c.oid = $1::oid"));
  if (row.size() == 0 || !row.boolean(0, 0)) return {};
  run.add(Severity::info, "row-security",
          fmt::format("row-level security is on{} with {} {}: this role is exempt and "
                      "reads every row; until the swap the target must have it too",
                      row.boolean(0, 1) ? ", for the owner as well," : "", row.text(0, 2),
                      row.integer(0, 2) == 1 ? "policy" : "policies"),
          run.plan.source.qualified,
          "check that the plan carries over the policies and enables row-level security");
  return {};
}

Result<void> check_replication(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(const Rows identity, run.read(fmt::format(kIdentitySql, kTableLeaves)));
  PGFANOUT_TRY_ASSIGN(const Published published, find_published(run));
  const bool is_default = identity.size() > 0 && identity.text(0, 0) == "d";
  const std::string by =
      published.by.empty() ? "" : fmt::format(", published by {}", some_of(published.by));
  run.add(Severity::info, "replica-identity-now",
          fmt::format("subscribers identify changed rows by {}{}", identity_text(identity), by),
          run.plan.source.qualified);
  if (published.by.empty()) return {};
  note_new_identity(run, published, is_default);
  return {};
}

}  // namespace pgfanout
