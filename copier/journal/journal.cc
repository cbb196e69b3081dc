#include "copier/journal/journal.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include <ctime>
#include <random>

#include "copier/base/crash_point.h"
#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/type_catalog.h"
#include "copier/pg/transaction.h"
#include "copier/plan/server_limits.h"

namespace pgfanout {
namespace {

// The tables, version by version.

constexpr const char* kVersion1 = R"sql(
CREATE TABLE IF NOT EXISTS pgfanout.journal_version (version integer PRIMARY KEY);
CREATE TABLE IF NOT EXISTS pgfanout.job (
  job text PRIMARY KEY,
  target_schema text NOT NULL,
  target_name text NOT NULL,
  source text NOT NULL,
  key text NOT NULL,
  state text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
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

// Stages and steps of a window, the fence, and the records of swap and rollback.
constexpr const char* kVersion2 = R"sql(
ALTER TABLE pgfanout.job
  DROP CONSTRAINT IF EXISTS job_state_check,
  ADD COLUMN command text NOT NULL DEFAULT 'copy',
  ADD COLUMN source_schema text,
  ADD COLUMN source_name text,
  ADD COLUMN source_oid oid,
  ADD COLUMN request text,
  ADD COLUMN key_sql_on_target text,
  ADD COLUMN key_column text,
  ADD COLUMN backup_name text,
  ADD COLUMN swapped_at timestamptz,
  ADD COLUMN keep_until timestamptz,
  ADD CONSTRAINT job_state_check CHECK (state IN
    ('open', 'loading', 'done', 'swapped', 'rolled back', 'cleaning up', 'cleaned up'));
CREATE TABLE pgfanout.stage (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  name text NOT NULL,
  status text NOT NULL CHECK (status IN ('running', 'ok', 'failed', 'interrupted')),
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  detail text NOT NULL DEFAULT '',
  is_waiting boolean NOT NULL DEFAULT false,
  confirmed_by text,
  confirmed_at timestamptz,
  PRIMARY KEY (job, name));
CREATE TABLE pgfanout.step (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  step text NOT NULL,
  done_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (job, step));
CREATE TABLE pgfanout.undo (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  phase text NOT NULL CHECK (phase IN ('swap', 'made')),
  number integer NOT NULL,
  sql text NOT NULL,
  PRIMARY KEY (job, phase, number));
CREATE TABLE pgfanout.fence (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  side text NOT NULL CHECK (side IN ('source', 'target', 'carry')),
  fact text NOT NULL,
  PRIMARY KEY (job, side, fact));
CREATE TABLE pgfanout.backup (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  number integer NOT NULL,
  kind text NOT NULL,
  relation oid NOT NULL,
  schema_name text NOT NULL,
  relation_name text NOT NULL,
  PRIMARY KEY (job, number));
)sql";

// The progress of a copy, from which it is resumed.
constexpr const char* kVersion3 = R"sql(
ALTER TABLE pgfanout.job
  ADD COLUMN commits text CHECK (commits IN
    ('by leaf', 'by epoch', 'by epoch, checked first')),
  ADD COLUMN is_fenced boolean NOT NULL DEFAULT true;
UPDATE pgfanout.job SET is_fenced = command = 'run';
ALTER TABLE pgfanout.undo
  DROP CONSTRAINT undo_phase_check,
  ADD CONSTRAINT undo_phase_check CHECK (phase IN ('swap', 'made', 'after'));
CREATE TABLE pgfanout.source_range (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  number integer NOT NULL,
  leaf oid NOT NULL,
  first_block bigint NOT NULL,
  end_block bigint,
  bytes bigint NOT NULL,
  epoch integer NOT NULL,
  PRIMARY KEY (job, number));
CREATE TABLE pgfanout.epoch (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  epoch integer NOT NULL,
  rows bigint NOT NULL,
  digest text NOT NULL,
  rejected_rows bigint NOT NULL,
  rejected_digest text NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (job, epoch));
CREATE TABLE pgfanout.leaf_load (
  job text NOT NULL REFERENCES pgfanout.job ON DELETE CASCADE,
  leaf integer NOT NULL,
  leaf_name text NOT NULL,
  epoch integer NOT NULL DEFAULT 0,
  rows bigint NOT NULL DEFAULT 0,
  digest text NOT NULL DEFAULT '00000000000000000000000000000000',
  bytes bigint NOT NULL DEFAULT 0,
  refused_rows bigint NOT NULL DEFAULT 0,
  refused_digest text NOT NULL DEFAULT '00000000000000000000000000000000',
  before_rows bigint NOT NULL DEFAULT 0,
  before_digest text NOT NULL DEFAULT '00000000000000000000000000000000',
  committed_at timestamptz,
  PRIMARY KEY (job, leaf));
)sql";

// Up to version 3 a request is lines "name value" and "name key=value". It writes line ends, equal
// signs in a key and backslashes as \n, \e and \\; JSON doubles the backslashes.
constexpr const char* kRequestOfVersion3 = R"sql((
  SELECT replace(replace(replace(
      jsonb_agg(array_remove(setting, NULL) ORDER BY number)::text,
      '\\\\', '\u005c'), '\\n', '\n'), '\\e', '=')
  FROM string_to_table(request, E'\n') WITH ORDINALITY AS lines (line, number),
    regexp_match(line,
      '^(?:(map|view) ([^=]*)=|(skip|accept|partitions|key [a-z]+) )(.*)$') AS setting
  WHERE setting IS NOT NULL))sql";

Error journal_error(Error error) {
  if (error.sqlstate != "42501") return error;
  error.code = "no-privilege";
  error.hint =
      "the journal lives in schema pgfanout of the target database: grant CREATE on the "
      "database, or let an administrator run CREATE SCHEMA pgfanout AUTHORIZATION <role>; if it "
      "is there already: GRANT USAGE, CREATE ON SCHEMA pgfanout, and SELECT, INSERT, UPDATE, "
      "DELETE on its tables";
  return error;
}

/// Dropping the parent drops all its partitions: all must be the job's own.
Result<void> check_partitions(Connection& connection, const JournalEntry& entry,
                              const MadeRelation& parent) {
  PGFANOUT_TRY_ASSIGN(
      const Rows strangers,
      connection.query("SELECT t.relid::text, format('ALTER TABLE %s DETACH PARTITION %s',"
                       " t.parentrelid::regclass, t.relid::regclass)"
                       " FROM pg_partition_tree($2::oid::regclass) t"
                       " WHERE t.level > 0 AND NOT EXISTS (SELECT 1 FROM pgfanout.made_relation m"
                       " WHERE m.job = $1 AND m.relation = t.relid) LIMIT 1",
                       {entry.job, std::to_string(parent.oid)}));
  if (strangers.size() == 0) return {};
  return refused("foreign-partition",
                 fmt::format("{}.{} has a partition that pgfanout did not make",
                             display_name(parent.schema), display_name(parent.name)),
                 strangers.str(0, 1) + ", then the same command", strangers.str(0, 0));
}

/// Of job `j`.
constexpr const char* kIsBeingUndone =
    "EXISTS (SELECT FROM pgfanout.stage s WHERE s.job = j.job AND s.name = 'undo'"
    " AND s.status <> 'ok')";

/// Relations of job $1 that exist under their names, or any if $2; the parent last. The locks that
/// dropping each takes: on itself, and on every object that goes with it.
constexpr const char* kMadeSql = R"sql(
WITH RECURSIVE made AS (SELECT m.relation, m.schema_name, m.relation_name, c.relkind
  FROM pgfanout.made_relation m JOIN pg_class c ON c.oid = m.relation
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE m.job = $1
  AND ($2 OR n.nspname = m.schema_name AND c.relname = m.relation_name)),
part(root, class, oid) AS (
  SELECT made.relation, 'pg_class'::regclass::oid, made.relation FROM made WHERE relkind <> 'p'
  UNION SELECT part.root, d.classid, d.objid FROM part JOIN pg_depend d
    ON d.refclassid = part.class AND d.refobjid = part.oid AND d.deptype <> 'n')
SELECT relation, schema_name, relation_name, relkind = 'p',
  (SELECT count(*) FROM part WHERE part.root = relation)
FROM made ORDER BY relkind = 'p', relation_name)sql";

/// Foreign keys between tables that job $1 made: while they are there, no leaf can be dropped.
constexpr const char* kOwnKeysSql =
    "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)"
    " FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0"
    " AND k.conrelid IN (SELECT m.relation FROM pgfanout.made_relation m WHERE m.job = $1)"
    " AND k.confrelid IN (SELECT m.relation FROM pgfanout.made_relation m WHERE m.job = $1)"
    " ORDER BY k.oid";

/// From here on nothing resumes the job's copy or its steps.
Result<void> forget_progress(Connection& connection, const JournalEntry& entry) {
  PGFANOUT_TRY(connection.run(
      "UPDATE pgfanout.job SET rows = NULL, digest = NULL, commits = NULL WHERE job = $1",
      {entry.job}));
  for (const char* table : {"step", "undo", "source_range", "epoch", "leaf_load"}) {
    PGFANOUT_TRY(
        connection.run(fmt::format("DELETE FROM pgfanout.{} WHERE job = $1", table), {entry.job}));
  }
  return {};
}

/// The objects that keep relations $1 from being dropped, for people.
constexpr const char* kInTheWaySql =
    "SELECT string_agg(DISTINCT format('%s, on %s', CASE WHEN r.oid IS NULL"
    " THEN pg_describe_object(d.classid, d.objid, 0)"
    " ELSE pg_describe_object('pg_class'::regclass, r.ev_class, 0) END, d.refobjid::regclass), '; "
    "')"
    " FROM pg_depend d LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass"
    "  AND r.oid = d.objid WHERE d.refclassid = 'pg_class'::regclass AND d.deptype = 'n'"
    " AND d.refobjid = ANY ($1::oid[])";

Result<void> drop_step(Connection& connection, const JournalEntry& entry, const DropStep& step,
                       bool is_first) {
  std::string dropped;
  for (const MadeRelation& relation : step.relations) {
    dropped += fmt::format("{}{}", dropped.empty() ? "{" : ",", relation.oid);
  }
  dropped += dropped.empty() ? "{}" : "}";
  auto done =
      in_transaction(connection, {"BEGIN; SET LOCAL lock_timeout = '5s'"}, [&]() -> Result<void> {
        if (step.is_parent) {
          PGFANOUT_TRY(
              connection.run("LOCK TABLE ONLY " + quoted_name(step.relations.front().schema,
                                                              step.relations.front().name)));
          PGFANOUT_TRY(check_partitions(connection, entry, step.relations.front()));
        }
        for (const std::string& sql : step.statements) PGFANOUT_TRY(connection.run(sql));
        PGFANOUT_TRY(
            connection.run("DELETE FROM pgfanout.made_relation WHERE job = $1"
                           " AND relation = ANY ($2::oid[])",
                           {entry.job, dropped}));
        return is_first ? forget_progress(connection, entry) : Result<void>();
      });
  if (done || done.error().sqlstate != "2BP01" || step.relations.empty()) return done;
  PGFANOUT_TRY_ASSIGN(const Rows others, connection.query(kInTheWaySql, {dropped}));
  return refused("depended-on",
                 "other objects depend on tables that the job made: " + others.str(0, 0),
                 "drop or change them, then run the same command again",
                 quoted_name(entry.target_schema, entry.target_name));
}

}  // namespace

Result<int> journal_version(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows exists,
                      connection.query("SELECT to_regclass('pgfanout.job') IS NOT NULL AND"
                                       " to_regclass('pgfanout.journal_version') IS NOT NULL"));
  if (!exists.boolean(0, 0)) return 0;
  auto version = connection.query("SELECT max(version) FROM pgfanout.journal_version");
  if (!version) return journal_error(std::move(version).error());
  const int found = static_cast<int>(version->integer(0, 0));
  if (found <= kJournalVersion) return found;
  return refused("journal-newer",
                 fmt::format("the journal in the target database has version {}, this program "
                             "knows {}",
                             found, kJournalVersion),
                 "use the version of pgfanout that began the job");
}

std::string new_job_id() {
  std::random_device device;
  return fmt::format("{:%Y%m%dT%H%M%S}-{:04x}", fmt::gmtime(std::time(nullptr)),
                     device() & 0xFFFFU);
}

Result<std::optional<JournalEntry>> Journal::find(const std::string& target_schema,
                                                  const std::string& target_name) {
  PGFANOUT_TRY_ASSIGN(auto entries, find_where("target_schema = $1 AND target_name = $2"
                                               " ORDER BY started_at DESC LIMIT 1",
                                               {target_schema, target_name}));
  if (entries.empty()) return std::optional<JournalEntry>();
  return std::optional<JournalEntry>(std::move(entries.front()));
}

Result<std::vector<JournalEntry>> Journal::find_swapped(const std::string& target_schema,
                                                        const std::string& target_name) {
  return find_where(
      "target_schema = $1 AND target_name = $2 AND state IN ('swapped', 'cleaning up')"
      " ORDER BY started_at",
      {target_schema, target_name});
}

Result<std::vector<JournalEntry>> Journal::find_where(const std::string& condition,
                                                      const std::vector<Parameter>& parameters) {
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(connection_));
  std::vector<JournalEntry> entries;
  if (version == 0) return entries;
  // A journal of version 1 knows copies only.
  const std::string copy = "'copy', '', '', 0, '', '', NULL, '', ''";
  const std::string window = fmt::format(
      "command, source_schema, source_name, source_oid, {}, key_sql_on_target,"
      " key_column, backup_name, to_char(keep_until AT TIME ZONE 'UTC',"
      " 'YYYY-MM-DD HH24:MI \"UTC\"')",
      version < 4 ? kRequestOfVersion3 : "request");
  const char* progress = version < 3 ? "command = 'run', false" : "is_fenced, commits IS NOT NULL";
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection_.query(
          fmt::format("SELECT job, source, key, state,"
                      " date_trunc('second', started_at)::text, rows, digest, {},"
                      " target_schema, target_name, {},"
                      " date_trunc('second', finished_at)::text, {}"
                      " FROM pgfanout.job j WHERE {}",
                      version == 1 ? copy : window, version == 1 ? "false, false" : progress,
                      version == 1 ? "false" : kIsBeingUndone, condition),
          parameters));
  for (int row = 0; row < rows.size(); ++row) {
    JournalEntry entry;
    entry.job = rows.str(row, 0);
    entry.source = rows.str(row, 1);
    entry.key = rows.str(row, 2);
    entry.state = rows.str(row, 3);
    entry.started_at = rows.str(row, 4);
    entry.rows = static_cast<std::uint64_t>(rows.integer(row, 5));
    entry.digest = rows.str(row, 6);
    entry.command = rows.str(row, 7);
    entry.source_schema = rows.str(row, 8);
    entry.source_name = rows.str(row, 9);
    entry.source_oid = rows.oid(row, 10);
    entry.request = rows.str(row, 11);
    entry.key_sql_on_target = rows.str(row, 12);
    if (!rows.is_null(row, 13)) entry.key_column = rows.str(row, 13);
    entry.backup_name = rows.str(row, 14);
    entry.keep_until = rows.str(row, 15);
    entry.target_schema = rows.str(row, 16);
    entry.target_name = rows.str(row, 17);
    entry.is_fenced = rows.boolean(row, 18);
    entry.has_progress = rows.boolean(row, 19);
    entry.finished_at = rows.str(row, 20);
    entry.is_being_undone = rows.boolean(row, 21);
    PGFANOUT_TRY_ASSIGN(const Rows made,
                        connection_.query("SELECT relation, schema_name, relation_name"
                                          " FROM pgfanout.made_relation WHERE job = $1",
                                          {entry.job}));
    entry.made = read_rows<MadeRelation>(made, &MadeRelation::oid, &MadeRelation::schema,
                                         &MadeRelation::name);
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<void> Journal::bring_up_to_date() {
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(connection_));
  if (version == kJournalVersion) return {};
  return in_transaction(connection_, {}, [this] { return prepare(); });
}

Result<void> Journal::prepare() {
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(connection_));
  if (version == kJournalVersion) return {};
  std::string sql;
  if (version == 0) {
    // CREATE SCHEMA IF NOT EXISTS needs the privilege even if there is nothing to create.
    PGFANOUT_TRY_ASSIGN(const Rows schema,
                        connection_.query("SELECT 1 FROM pg_namespace WHERE nspname = 'pgfanout'"));
    if (schema.size() == 0) sql = "CREATE SCHEMA pgfanout;";
    sql += kVersion1;
  }
  if (version < 2) sql += kVersion2;
  if (version < 3) sql += kVersion3;
  sql += fmt::format(
      "UPDATE pgfanout.job SET request = {};"
      " DELETE FROM pgfanout.journal_version;"
      " INSERT INTO pgfanout.journal_version VALUES ({})",
      kRequestOfVersion3, kJournalVersion);
  auto done = connection_.run(sql);
  return done ? Result<void>() : journal_error(std::move(done).error());
}

Result<void> Journal::begin_job(const JournalEntry& entry) {
  auto inserted = connection_.run(
      "INSERT INTO pgfanout.job (job, target_schema, target_name, source, key, state, command,"
      " source_schema, source_name, source_oid, request, key_sql_on_target, key_column, is_fenced)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
      " ON CONFLICT (job) DO UPDATE SET source = EXCLUDED.source, key = EXCLUDED.key,"
      " state = EXCLUDED.state",
      {entry.job, entry.target_schema, entry.target_name, entry.source, entry.key, entry.state,
       entry.command, entry.source_schema, entry.source_name, std::to_string(entry.source_oid),
       entry.request, entry.key_sql_on_target, entry.key_column,
       entry.is_fenced ? "true" : "false"});
  if (!inserted) return journal_error(std::move(inserted).error());
  return add_made(entry.job, entry.made);
}

Result<void> Journal::add_made(const std::string& job, const std::vector<MadeRelation>& relations) {
  return connection_.run(
      "INSERT INTO pgfanout.made_relation SELECT $1, m.* FROM"
      " ROWS FROM (unnest($2::oid[]), unnest($3::text[]), unnest($4::text[])) AS m",
      {job, oid_array(parts_of(relations, &MadeRelation::oid)),
       text_array(parts_of(relations, &MadeRelation::schema)),
       text_array(parts_of(relations, &MadeRelation::name))});
}

/// `parameters`: the job, then those of `assignments`, $2 and so on.
Result<void> Journal::update_job(std::string_view assignments,
                                 const std::vector<Parameter>& parameters) {
  PGFANOUT_TRY_ASSIGN(
      const Rows updated,
      connection_.query(fmt::format("UPDATE pgfanout.job SET {} WHERE job = $1", assignments),
                        parameters));
  if (updated.affected() == 1) return {};
  return interrupted("journal-lost", "the job's row in pgfanout.job is gone",
                     "restore schema pgfanout of the target's database, or start over with"
                     " --restart");
}

Result<void> Journal::finish_job(const std::string& job, const std::string& state,
                                 std::uint64_t rows, const std::string& digest) {
  return update_job("state = $2, rows = $3, digest = $4, finished_at = clock_timestamp()",
                    {job, state, std::to_string(rows), digest});
}

Result<void> Journal::set_state(const std::string& job, const std::string& state) {
  return update_job("state = $2", {job, state});
}

Result<void> Journal::set_request(const std::string& job, const std::string& request) {
  return update_job("request = $2", {job, request});
}

Result<void> Journal::set_unfenced(const std::string& job) {
  return connection_.run("UPDATE pgfanout.job SET is_fenced = false WHERE job = $1", {job});
}

Result<std::vector<DropStep>> drop_steps(Connection& connection, const JournalEntry& entry,
                                         bool is_swapped) {
  std::vector<DropStep> steps(1);
  PGFANOUT_TRY_ASSIGN(const int version, journal_version(connection));
  if (version >= 2) {
    PGFANOUT_TRY_ASSIGN(const Rows undo,
                        connection.query("SELECT sql FROM pgfanout.undo WHERE job = $1"
                                         " AND phase = 'made' ORDER BY number DESC",
                                         {entry.job}));
    steps.front().statements = undo.column(0);
  }
  PGFANOUT_TRY_ASSIGN(const Rows keys, connection.query(kOwnKeysSql, {entry.job}));
  for (std::string& sql : keys.column(0)) steps.front().statements.push_back(std::move(sql));
  PGFANOUT_TRY_ASSIGN(const Rows made,
                      connection.query(kMadeSql, {entry.job, is_swapped ? "true" : "false"}));
  PGFANOUT_TRY_ASSIGN(const std::int64_t free_slots, read_free_locks(connection));
  std::vector<std::int64_t> locks;
  int leaves = 0;
  for (int row = 0; row < made.size(); ++row) {
    locks.push_back(made.integer(row, 4));
    if (!made.boolean(row, 3)) ++leaves;
  }
  for (int row = 0; row < made.size();) {
    // A parent is dropped alone: without its leaves it needs few locks.
    const auto left = std::span(locks).subspan(static_cast<std::size_t>(row));
    const int end = row < leaves
                        ? std::min(leaves, row + static_cast<int>(drop_batch(left, free_slots)))
                        : row + 1;
    DropStep step;
    step.is_parent = row >= leaves;
    std::string tables;
    for (; row < end; ++row) {
      step.relations.push_back({made.oid(row, 0), made.str(row, 1), made.str(row, 2)});
      if (step.is_parent) PGFANOUT_TRY(check_partitions(connection, entry, step.relations.back()));
      tables += (tables.empty() ? "" : ", ") + quoted_name(made.str(row, 1), made.str(row, 2));
    }
    step.statements.push_back("DROP TABLE " + tables);
    steps.push_back(std::move(step));
  }
  return steps;
}

Result<void> drop_made(Connection& connection, const JournalEntry& entry, JournalRemains remains) {
  PGFANOUT_TRY(Journal(connection).bring_up_to_date());
  PGFANOUT_TRY_ASSIGN(const std::vector<DropStep> steps, drop_steps(connection, entry));
  for (const DropStep& step : steps) {
    PGFANOUT_TRY(drop_step(connection, entry, step, &step == &steps.front()));
    if (&step == &steps.back()) {
      crash_point("tables-dropped");
    } else {
      crash_point("tables-dropping");
    }
  }
  const bool keeps_job = remains == JournalRemains::job;
  return connection.run(
      fmt::format("DELETE FROM pgfanout.{} WHERE job = $1", keeps_job ? "made_relation" : "job"),
      {entry.job});
}

}  // namespace pgfanout
