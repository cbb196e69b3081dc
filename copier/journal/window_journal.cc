#include "copier/journal/window_journal.h"

#include <fmt/format.h>

#include "copier/catalog/type_catalog.h"

namespace pgfanout {
namespace {

const char* phase_name(UndoPhase phase) {
  return phase == UndoPhase::swap ? "swap" : phase == UndoPhase::made ? "made" : "after";
}

}  // namespace

Result<std::vector<StageRecord>> WindowJournal::stages() {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection_.query("SELECT name, status,"
                        " to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"'),"
                        " round(EXTRACT(epoch FROM COALESCE(finished_at,"
                        " clock_timestamp()) - started_at)::numeric * 1000)"
                        "::int8, detail, is_waiting, confirmed_by,"
                        " to_char(confirmed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"')"
                        " FROM pgfanout.stage WHERE job = $1 ORDER BY started_at",
                        {job_}));
  std::vector<StageRecord> stages;
  for (int row = 0; row < rows.size(); ++row) {
    stages.push_back({rows.str(row, 0), rows.str(row, 1), rows.str(row, 2),
                      static_cast<double>(rows.integer(row, 3)) / 1000.0, rows.str(row, 4),
                      rows.boolean(row, 5), rows.str(row, 6), rows.str(row, 7)});
  }
  return stages;
}

/// $1 of `sql` is the job.
Result<void> WindowJournal::run(std::string_view sql, std::vector<Parameter> parameters) {
  parameters.insert(parameters.begin(), job_);
  return connection_.run(sql, parameters);
}

/// The same; the first column of the result.
Result<std::vector<std::string>> WindowJournal::texts(std::string_view sql,
                                                      std::vector<Parameter> parameters) {
  parameters.insert(parameters.begin(), job_);
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection_.query(sql, parameters));
  return rows.column(0);
}

Result<void> WindowJournal::begin_stage(const std::string& stage) {
  return run(
      "INSERT INTO pgfanout.stage (job, name, status) VALUES ($1, $2, 'running')"
      " ON CONFLICT (job, name) DO UPDATE SET status = 'running', detail = '', finished_at = NULL,"
      " started_at = clock_timestamp(), is_waiting = false, confirmed_by = NULL,"
      " confirmed_at = NULL",
      {stage});
}

Result<void> WindowJournal::end_stage(const std::string& stage, const std::string& status,
                                      const std::string& detail) {
  return run(
      "UPDATE pgfanout.stage SET status = $3, detail = $4,"
      " finished_at = clock_timestamp() WHERE job = $1 AND name = $2",
      {stage, status, detail});
}

Result<void> WindowJournal::record_stage(const std::string& stage, double seconds,
                                         const std::string& detail) {
  PGFANOUT_TRY(begin_stage(stage));
  PGFANOUT_TRY(end_stage(stage, "ok", detail));
  return run(
      "UPDATE pgfanout.stage SET started_at = finished_at - make_interval("
      "secs => $3::float8) WHERE job = $1 AND name = $2",
      {stage, std::to_string(seconds)});
}

Result<void> WindowJournal::set_waiting(const std::string& stage) {
  return run("UPDATE pgfanout.stage SET is_waiting = true WHERE job = $1 AND name = $2", {stage});
}

Result<void> WindowJournal::confirm(const std::string& stage) {
  return run(
      "UPDATE pgfanout.stage SET is_waiting = false,"
      " confirmed_at = clock_timestamp(), confirmed_by = session_user || ' from '"
      " || COALESCE(host(inet_client_addr()), 'the server''s host') WHERE job = $1 AND name = $2",
      {stage});
}

Result<std::vector<std::string>> WindowJournal::steps_done() {
  return texts("SELECT step FROM pgfanout.step WHERE job = $1");
}

std::string WindowJournal::mark_step_sql(const std::string& step, const std::string& undo) const {
  const std::string job = connection_.quote_literal(job_);
  std::string sql = fmt::format("INSERT INTO pgfanout.step (job, step) VALUES ({}, {})", job,
                                connection_.quote_literal(step));
  if (!undo.empty()) {
    sql += fmt::format(
        "; INSERT INTO pgfanout.undo SELECT {0}, 'made', COALESCE(max(number), 0) + 1,"
        " {1} FROM pgfanout.undo WHERE job = {0} AND phase = 'made'",
        job, connection_.quote_literal(undo));
  }
  return sql;
}

Result<void> WindowJournal::set_fence(const std::string& side,
                                      const std::vector<std::string>& facts) {
  PGFANOUT_TRY(run("DELETE FROM pgfanout.fence WHERE job = $1 AND side = $2", {side}));
  // All of them or none: a part would look like a table that has changed.
  return run("INSERT INTO pgfanout.fence SELECT $1, $2, unnest($3::text[])",
             {side, text_array(facts)});
}

Result<std::vector<std::string>> WindowJournal::fence(const std::string& side) {
  return texts(
      "SELECT fact FROM pgfanout.fence WHERE job = $1 AND side = $2"
      " ORDER BY fact COLLATE \"C\"",
      {side});
}

Result<void> WindowJournal::add_undo(UndoPhase phase, const std::vector<std::string>& statements) {
  return run(
      "INSERT INTO pgfanout.undo SELECT $1, $2, u.number + (SELECT COALESCE(max(o.number), 0)"
      " FROM pgfanout.undo o WHERE o.job = $1 AND o.phase = $2), u.sql"
      " FROM unnest($3::text[]) WITH ORDINALITY AS u(sql, number)",
      {phase_name(phase), text_array(statements)});
}

Result<void> WindowJournal::set_after(const std::vector<std::string>& statements) {
  return add_undo(UndoPhase::after, {statements.rbegin(), statements.rend()});
}

Result<void> WindowJournal::strike_after(const std::string& sql) {
  return run("DELETE FROM pgfanout.undo WHERE job = $1 AND phase = 'after' AND sql = $2", {sql});
}

Result<std::vector<std::string>> WindowJournal::undo(UndoPhase phase) {
  return texts("SELECT sql FROM pgfanout.undo WHERE job = $1 AND phase = $2 ORDER BY number DESC",
               {phase_name(phase)});
}

Result<void> WindowJournal::set_swapped(const std::string& backup_name,
                                        std::uint32_t retention_days,
                                        const std::vector<BackupRelation>& backup) {
  PGFANOUT_TRY(
      run("UPDATE pgfanout.job SET state = 'swapped', backup_name = $2,"
          " swapped_at = clock_timestamp(), keep_until = clock_timestamp()"
          " + make_interval(days => $3::int4) WHERE job = $1",
          {backup_name, std::to_string(retention_days)}));
  int number = 0;
  for (const BackupRelation& relation : backup) {
    PGFANOUT_TRY(run("INSERT INTO pgfanout.backup VALUES ($1, $2, $3, $4, $5, $6)",
                     {std::to_string(++number), relation.kind, std::to_string(relation.oid),
                      relation.schema, relation.name}));
  }
  return {};
}

Result<std::vector<BackupRelation>> WindowJournal::backup() {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection_.query("SELECT kind, relation, schema_name, relation_name FROM pgfanout.backup"
                        " WHERE job = $1 ORDER BY number",
                        {job_}));
  std::vector<BackupRelation> backup;
  for (int row = 0; row < rows.size(); ++row) {
    backup.push_back({rows.str(row, 0), rows.oid(row, 1), rows.str(row, 2), rows.str(row, 3)});
  }
  return backup;
}

Result<void> WindowJournal::clear_swap() {
  PGFANOUT_TRY(run("DELETE FROM pgfanout.undo WHERE job = $1 AND phase IN ('swap', 'after')"));
  PGFANOUT_TRY(run("DELETE FROM pgfanout.backup WHERE job = $1"));
  return run(
      "UPDATE pgfanout.job SET backup_name = NULL, swapped_at = NULL, keep_until = NULL"
      " WHERE job = $1");
}

}  // namespace pgfanout
