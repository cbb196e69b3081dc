#include "copier/journal/journal_tables.h"

#include <fmt/format.h>

#include <string>

namespace pgfanout {
namespace {

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

// Stages and steps of a window, the fence, and what swap and rollback need.
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

// How far a copy has come: what resumes it.
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

// Up to version 3 a request is lines "name value" and "name key=value"; of line ends, equal signs
// in a key and backslashes it has \n, \e and \\, which its JSON has with one backslash more.
constexpr const char* kRequestOfVersion3 = R"sql((
  SELECT replace(replace(replace(
      jsonb_agg(array_remove(setting, NULL) ORDER BY number)::text,
      '\\\\', '\u005c'), '\\n', '\n'), '\\e', '=')
  FROM string_to_table(request, E'\n') WITH ORDINALITY AS lines (line, number),
    regexp_match(line,
      '^(?:(map|view) ([^=]*)=|(skip|accept|partitions|key [a-z]+) )(.*)$') AS setting
  WHERE setting IS NOT NULL))sql";

Error journal_error(Error error) {
  if (error.sqlstate == "42501") {
    error.code = "no-privilege";
    error.hint =
        "the journal lives in schema pgfanout of the target database: grant CREATE on the "
        "database, or let an administrator run CREATE SCHEMA pgfanout AUTHORIZATION <role>; if it "
        "is there already: GRANT USAGE, CREATE ON SCHEMA pgfanout, and SELECT, INSERT, UPDATE, "
        "DELETE on its tables";
  }
  return error;
}

Result<void> run(Connection& connection, const std::string& sql) {
  auto done = connection.run(sql);
  if (!done) return journal_error(std::move(done).error());
  return {};
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

std::string request_sql(int version) {
  return version < 4 ? kRequestOfVersion3 : "request";
}

Result<void> prepare_journal(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(int version, journal_version(connection));
  if (version == kJournalVersion) return {};
  if (version == 0) {
    // CREATE SCHEMA IF NOT EXISTS asks for the privilege even if there is nothing to create.
    PGFANOUT_TRY_ASSIGN(const Rows schema, connection.query("SELECT 1 FROM pg_namespace"
                                                            " WHERE nspname = 'pgfanout'"));
    if (schema.size() == 0) PGFANOUT_TRY(run(connection, "CREATE SCHEMA pgfanout"));
    PGFANOUT_TRY(run(connection, kVersion1));
  }
  if (version < 2) PGFANOUT_TRY(run(connection, kVersion2));
  if (version < 3) PGFANOUT_TRY(run(connection, kVersion3));
  PGFANOUT_TRY(run(connection, "UPDATE pgfanout.job SET request = " + request_sql(3)));
  return run(connection, fmt::format("DELETE FROM pgfanout.journal_version;"
                                     "INSERT INTO pgfanout.journal_version VALUES ({})",
                                     kJournalVersion));
}

}  // namespace pgfanout
