#include "copier/lifecycle/journal.h"

#include <fmt/format.h>

#include <charconv>

namespace pgfanout {
namespace {

constexpr const char* kTables = R"sql(
CREATE SCHEMA IF NOT EXISTS pgfanout;
CREATE TABLE IF NOT EXISTS pgfanout.journal_version (version integer PRIMARY KEY);
CREATE TABLE IF NOT EXISTS pgfanout.job (
  job text PRIMARY KEY,
  target_schema text NOT NULL,
  target_name text NOT NULL,
  source text NOT NULL,
  key text NOT NULL,
  state text NOT NULL CHECK (state IN ('loading', 'done')),
  started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  finished_at timestamptz,
  rows bigint,
  digest text);
CREATE TABLE IF NOT EXISTS pgfanout.made_relation (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  relation oid NOT NULL,
  schema_name text NOT NULL,
  relation_name text NOT NULL,
  PRIMARY KEY (job, relation));
)sql";

Error journal_error(Error error) {
  if (error.sqlstate == "42501") {
    error.code = "no-privilege";
    error.hint =
        "the journal lives in schema pgfanout of the target database: grant CREATE on the "
        "database, or let an administrator run CREATE SCHEMA pgfanout AUTHORIZATION <role>";
  }
  return error;
}

}  // namespace

Result<void> Journal::claim(const std::string& target_schema, const std::string& target_name) {
  const std::string target = fmt::format("pgfanout {} {}", target_schema, target_name);
  PGFANOUT_TRY_ASSIGN(
      const Rows taken,
      connection_.query("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", {target}));
  if (taken.boolean(0, 0)) return {};
  PGFANOUT_TRY_ASSIGN(
      const Rows holder,
      connection_.query("SELECT a.pid, a.application_name, coalesce(host(a.client_addr), 'local'),"
                        " date_trunc('second', a.backend_start)::text"
                        " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                        " WHERE l.locktype = 'advisory' AND l.granted AND l.database ="
                        " (SELECT oid FROM pg_database WHERE datname = current_database())"
                        " AND ((l.classid::bigint << 32) | l.objid::bigint) ="
                        " hashtextextended($1, 0) AND l.objsubid = 1",
                        {target}));
  std::string who = "another job";
  if (holder.size() > 0) {
    who = fmt::format("{} (backend {}, from {}, since {})", holder.text(0, 1), holder.text(0, 0),
                      holder.text(0, 2), holder.text(0, 3));
  }
  return refused("target-in-use", fmt::format("{} is at work on this target", who),
                 "wait for it to end, or stop it",
                 fmt::format("{}.{}", target_schema, target_name));
}

Result<std::optional<JournalEntry>> Journal::find(const std::string& target_schema,
                                                  const std::string& target_name) {
  PGFANOUT_TRY_ASSIGN(const Rows exists,
                      connection_.query("SELECT to_regclass('pgfanout.job') IS NOT NULL AND"
                                        " to_regclass('pgfanout.journal_version') IS NOT NULL"));
  if (!exists.boolean(0, 0)) return std::optional<JournalEntry>();
  auto version = connection_.query("SELECT max(version) FROM pgfanout.journal_version");
  if (!version) return journal_error(std::move(version).error());
  if (version->integer(0, 0) > kVersion) {
    return refused("journal-newer",
                   fmt::format("the journal in the target database has version {}, this program "
                               "knows {}",
                               version->integer(0, 0), kVersion),
                   "use the version of pgfanout that began the job");
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection_.query("SELECT job, source, key, state, date_trunc('second', started_at)::text"
                        " FROM pgfanout.job WHERE target_schema = $1 AND target_name = $2"
                        " ORDER BY started_at DESC LIMIT 1",
                        {target_schema, target_name}));
  if (rows.size() == 0) return std::optional<JournalEntry>();
  JournalEntry entry{rows.str(0, 0), target_schema,  target_name,    rows.str(0, 1),
                     rows.str(0, 2), rows.str(0, 3), rows.str(0, 4), {}};
  PGFANOUT_TRY_ASSIGN(const Rows made,
                      connection_.query("SELECT relation, schema_name, relation_name"
                                        " FROM pgfanout.made_relation WHERE job = $1",
                                        {entry.job}));
  for (int row = 0; row < made.size(); ++row) {
    entry.made.push_back({made.oid(row, 0), made.str(row, 1), made.str(row, 2)});
  }
  return std::optional<JournalEntry>(std::move(entry));
}

Result<void> Journal::prepare() {
  // CREATE SCHEMA IF NOT EXISTS asks for the privilege even if there is nothing to create.
  PGFANOUT_TRY_ASSIGN(
      const Rows exists,
      connection_.query("SELECT to_regclass('pgfanout.made_relation') IS NOT NULL"));
  if (exists.boolean(0, 0)) return {};
  const std::string schema_exists = "SELECT 1 FROM pg_namespace WHERE nspname = 'pgfanout'";
  PGFANOUT_TRY_ASSIGN(const Rows schema, connection_.query(schema_exists));
  std::string tables = kTables;
  if (schema.size() > 0) tables.erase(0, tables.find(';') + 1);
  auto created = connection_.run(
      fmt::format("{} INSERT INTO pgfanout.journal_version VALUES ({}) ON CONFLICT DO NOTHING",
                  tables, kVersion));
  if (!created) return journal_error(std::move(created).error());
  return {};
}

Result<void> Journal::begin_job(const JournalEntry& entry) {
  auto inserted = connection_.query(
      "INSERT INTO pgfanout.job (job, target_schema, target_name, source, key, state)"
      " VALUES ($1, $2, $3, $4, $5, 'loading')",
      {entry.job, entry.target_schema, entry.target_name, entry.source, entry.key});
  if (!inserted) return journal_error(std::move(inserted).error());
  for (const MadeRelation& relation : entry.made) PGFANOUT_TRY(add_made(entry.job, relation));
  return {};
}

Result<void> Journal::add_made(const std::string& job, const MadeRelation& relation) {
  PGFANOUT_TRY(
      connection_.query("INSERT INTO pgfanout.made_relation VALUES ($1, $2, $3, $4)",
                        {job, std::to_string(relation.oid), relation.schema, relation.name}));
  return {};
}

Result<void> Journal::finish_job(const std::string& job, std::uint64_t rows,
                                 const std::string& digest) {
  PGFANOUT_TRY_ASSIGN(const Rows updated,
                      connection_.query("UPDATE pgfanout.job SET state = 'done', rows = $2,"
                                        " digest = $3, finished_at = clock_timestamp()"
                                        " WHERE job = $1",
                                        {job, std::to_string(rows), digest}));
  if (updated.affected() != 1) {
    return interrupted("journal-lost", "the job's row in pgfanout.job is gone",
                       "run again with --restart");
  }
  return {};
}

Result<void> Journal::forget(const std::string& job) {
  PGFANOUT_TRY(connection_.query("DELETE FROM pgfanout.job WHERE job = $1", {job}));
  return {};
}

namespace {

Result<void> drop_in_transaction(Connection& connection, const JournalEntry& entry) {
  std::string parent;
  for (const MadeRelation& relation : entry.made) {
    PGFANOUT_TRY_ASSIGN(
        const Rows found,
        connection.query("SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = "
                         "c.relnamespace WHERE c.oid = $1 AND n.nspname = $2 AND c.relname = $3",
                         {std::to_string(relation.oid), relation.schema, relation.name}));
    if (found.size() == 0) continue;
    const std::string qualified = connection.quote_identifier(relation.schema) + "." +
                                  connection.quote_identifier(relation.name);
    if (found.text(0, 0) == "p") {
      parent = qualified;
      continue;
    }
    PGFANOUT_TRY(connection.run("DROP TABLE " + qualified));
  }
  if (!parent.empty()) {
    PGFANOUT_TRY_ASSIGN(const Rows others,
                        connection.query("SELECT inhrelid::regclass::text FROM pg_inherits WHERE "
                                         "inhparent = $1::regclass LIMIT 1",
                                         {parent}));
    if (others.size() > 0) {
      return refused("foreign-partition",
                     fmt::format("{} has a partition that pgfanout did not make", parent),
                     "detach it first", others.str(0, 0));
    }
    PGFANOUT_TRY(connection.run("DROP TABLE " + parent));
  }
  Journal journal(connection);
  return journal.forget(entry.job);
}

}  // namespace

Result<void> drop_made(Connection& connection, const JournalEntry& entry) {
  PGFANOUT_TRY(connection.run("BEGIN; SET LOCAL lock_timeout = '5s'"));
  auto dropped = drop_in_transaction(connection, entry);
  if (!dropped) {
    if (connection.is_open()) PGFANOUT_TRY(connection.run("ROLLBACK"));
    return std::move(dropped).error();
  }
  return connection.run("COMMIT");
}

}  // namespace pgfanout
