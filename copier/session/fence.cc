#include "copier/session/fence.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/role_rights.h"
#include "copier/catalog/type_catalog.h"

namespace pgfanout {
namespace {

constexpr const char* kRowTrigger = "pgfanout_fence";
constexpr const char* kOwnSchema = "made by pgfanout for the fence around a table";
constexpr const char* kTruncateTrigger = "pgfanout_fence_truncate";

// NOT NULL, identity and defaults are facts of the source only ($3): the job itself changes those
// of the target. A trigger's xmin changes whenever it is made, enabled or disabled.
// It begins behind kTableTree.
constexpr const char* kFactsSql = R"sql(),
fence(oid, xmin) AS (
  SELECT p.oid, p.xmin FROM pg_proc p
  WHERE p.proname = $2 AND p.pronamespace = (
    SELECT n.oid FROM pg_namespace n WHERE n.nspname = 'pgfanout'))
SELECT format('relation %s in file %s', c.oid, c.relfilenode)
  FROM tree JOIN pg_class c USING (oid)
UNION ALL SELECT format('columns of %s: %s', c.relation,
    CASE WHEN length(c.list) > 1000 THEN md5(c.list) ELSE c.list END)
  FROM (SELECT a.attrelid AS relation, string_agg(
    concat_ws(':', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod, CASE WHEN $3 THEN concat_ws(':', a.attnotnull, a.attidentity,
        a.attgenerated, md5(pg_get_expr(d.adbin, d.adrelid))) END), ' '
    ORDER BY a.attnum) AS list
  FROM tree JOIN pg_attribute a ON a.attrelid = tree.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  GROUP BY a.attrelid) c
UNION ALL SELECT format('trigger %s on %s of %s, %s', t.oid, t.tgrelid, t.xmin,
    CASE t.tgenabled WHEN 'A' THEN 'enabled always' ELSE 'not enabled always' END)
  FROM tree JOIN pg_trigger t ON t.tgrelid = tree.oid
  WHERE t.tgfoid IN (SELECT fence.oid FROM fence)
UNION ALL SELECT format('function %s of %s', fence.oid, fence.xmin) FROM fence UNION ALL )sql";

constexpr const char* kPlaceSql =
    "SELECT format('database %s of system %s', d.oid, s.system_identifier)"
    " FROM pg_database d, pg_control_system() s WHERE d.datname = current_database()";

constexpr const char* kTriggersSql = R"sql(
SELECT format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgparentid = 0 AND t.tgfoid = (
  SELECT p.oid FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
  WHERE s.nspname = 'pgfanout' AND p.proname = $1)
ORDER BY c.relkind = 'p' DESC, 1)sql";

constexpr const char* kFunctionSql = R"sql(
SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'pgfanout' AND p.proname = $1)sql";

/// Lets everything pass, at once: it needs no lock on the table, which dropping the triggers does.
constexpr const char* kOpenSql = R"sql(CREATE OR REPLACE FUNCTION pgfanout.{0}() RETURNS trigger
LANGUAGE plpgsql SET search_path = '' AS $fence$
BEGIN
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  RETURN NEW;
END $fence$)sql";

constexpr const char* kBodySql = R"sql(CREATE FUNCTION pgfanout.{0}() RETURNS trigger
LANGUAGE plpgsql SET search_path = '' AS $fence$
BEGIN
  IF pg_catalog.current_setting('pgfanout.job', true) = '{1}' THEN
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'writes to %.% are refused while pgfanout job {1} moves the table',
    TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'object_not_in_prerequisite_state',
    HINT = 'Wait until the job ends, or run its own command (pgfanout copy or pgfanout run) with --release.';
END $fence$)sql";

/// Partitions get the parent's from it.
bool has_row_trigger(const Table& table, const std::string& relation) {
  return relation == table.qualified || table.kind != 'p';
}

std::vector<std::string> fenced_relations(const Table& table) {
  std::vector<std::string> relations{table.qualified};
  for (const Leaf& leaf : table.leaves) {
    if (leaf.oid != table.oid) relations.push_back(leaf.qualified);
  }
  relations.insert(relations.end(), table.subpartitioned.begin(), table.subpartitioned.end());
  return relations;
}

}  // namespace

std::vector<std::string> Fence::raise_statements(const Table& table) const {
  const std::string function = quoted_name(function_name());
  std::vector<std::string> statements{fmt::format(kBodySql, function, job_)};
  for (const std::string& relation : fenced_relations(table)) {
    if (has_row_trigger(table, relation)) {
      statements.push_back(
          fmt::format("CREATE TRIGGER {} BEFORE INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW"
                      " EXECUTE FUNCTION pgfanout.{}()",
                      kRowTrigger, relation, function));
    }
    statements.push_back(
        fmt::format("CREATE TRIGGER {} BEFORE TRUNCATE ON {} FOR EACH STATEMENT"
                    " EXECUTE FUNCTION pgfanout.{}()",
                    kTruncateTrigger, relation, function));
    // Before version 15 this does not reach the partitions' copies by itself.
    statements.push_back(
        fmt::format("ALTER TABLE {0} ENABLE ALWAYS TRIGGER {1}, ENABLE ALWAYS TRIGGER {2}",
                    relation, kRowTrigger, kTruncateTrigger));
  }
  return statements;
}

std::vector<std::string> Fence::lower_statements(const Table& table) const {
  std::vector<std::string> statements;
  for (const std::string& relation : fenced_relations(table)) {
    if (has_row_trigger(table, relation)) {
      statements.push_back(fmt::format("DROP TRIGGER {} ON {}", kRowTrigger, relation));
    }
    statements.push_back(fmt::format("DROP TRIGGER {} ON {}", kTruncateTrigger, relation));
  }
  statements.push_back(fmt::format("DROP FUNCTION pgfanout.{}()", quoted_name(function_name())));
  return statements;
}

Result<void> Fence::check_free(Connection& connection, const Table& table) const {
  PGFANOUT_TRY_ASSIGN(const bool is_up, stands(connection));
  if (is_up) return {};
  PGFANOUT_TRY_ASSIGN(std::vector<std::string> others, fences_on(connection, table));
  std::erase(others, side_ + " " + job_);
  if (others.empty()) return {};
  const std::string& other = others.front();
  return refused("fenced-already",
                 fmt::format("job {} has a fence around this table: one job at a time",
                             other.substr(other.find(' ') + 1)),
                 "wait until that job ends, or run its own command with --release",
                 table.qualified);
}

Result<void> Fence::raise(Connection& connection, const Table& table, const LockPatience& patience,
                          const Cancellation& cancellation) const {
  PGFANOUT_TRY_ASSIGN(const bool is_up, stands(connection));
  if (is_up) return {};
  PGFANOUT_TRY(check_free(connection, table));
  PGFANOUT_TRY_ASSIGN(const bool is_open, is_there(connection));
  LockAttempts attempts;
  attempts.patience = patience;
  attempts.relations.push_back(table.oid);
  for (const Leaf& leaf : table.leaves) attempts.relations.push_back(leaf.oid);
  attempts.conflict = LockConflict::writes;
  auto raised = with_lock_attempts(connection, attempts, cancellation, [&]() -> Result<void> {
    PGFANOUT_TRY_ASSIGN(const Rows schema, connection.query("SELECT 1 FROM pg_namespace"
                                                            " WHERE nspname = 'pgfanout'"));
    if (schema.size() == 0) {
      PGFANOUT_TRY(
          connection.run(fmt::format("CREATE SCHEMA pgfanout; COMMENT ON SCHEMA pgfanout"
                                     " IS '{}'",
                                     kOwnSchema)));
    }
    // One statement locks all partitions first: no deadlock with writers.
    PGFANOUT_TRY(
        connection.run(fmt::format("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.qualified)));
    // A table may have come to inherit from it before the lock.
    PGFANOUT_TRY_ASSIGN(const Table locked, describe_table(connection, table.oid));
    std::vector<std::string> statements = raise_statements(locked);
    for (std::string& sql : statements) {
      constexpr std::string_view kCreate = "CREATE ";
      if (is_open && sql.starts_with(kCreate)) sql.insert(kCreate.size(), "OR REPLACE ");
    }
    return connection.run(joined(statements, "; "));
  });
  if (raised) return {};
  Error error = std::move(raised).error();
  if (error.where.empty()) error.where = table.qualified;
  if (error.sqlstate == "42501") {
    error.code = "cannot-fence";
    error.hint =
        "run it as the table's owner, and GRANT CREATE on the database, or on schema pgfanout if "
        "that exists: the fence against writes needs both";
    if (auto owner = hint_for_owner(connection, table); owner && !owner->empty()) {
      error.hint = *std::move(owner);
    }
  }
  return error;
}

Result<std::vector<std::string>> Fence::facts(Connection& connection,
                                              std::uint32_t table_oid) const {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(fmt::format("WITH tree(oid) AS (SELECT tree.oid FROM {}{}{}",
                                                   kTableTree, kFactsSql, kPlaceSql),
                                       {std::to_string(table_oid), function_name(),
                                        side_ == "source" ? "true" : "false"}));
  std::vector<std::string> facts = rows.column(0);
  std::sort(facts.begin(), facts.end());
  return facts;
}

Result<bool> Fence::stands(Connection& connection) const {
  PGFANOUT_TRY_ASSIGN(
      const Rows function,
      connection.query(std::string(kFunctionSql) + " AND p.prosrc LIKE '%RAISE EXCEPTION%'",
                       {function_name()}));
  return function.size() > 0;
}

Result<bool> Fence::is_there(Connection& connection) const {
  PGFANOUT_TRY_ASSIGN(const Rows function, connection.query(kFunctionSql, {function_name()}));
  return function.size() > 0;
}

Result<std::vector<std::string>> Fence::lower_statements(Connection& connection) const {
  PGFANOUT_TRY_ASSIGN(const bool is_up, is_there(connection));
  if (!is_up) return std::vector<std::string>();
  PGFANOUT_TRY_ASSIGN(const Rows triggers, connection.query(kTriggersSql, {function_name()}));
  std::vector<std::string> statements = triggers.column(0);
  statements.push_back(fmt::format("DROP FUNCTION pgfanout.{}()", quoted_name(function_name())));
  return statements;
}

Result<void> Fence::lower(Connection& connection, const LockPatience& patience,
                          const Cancellation& cancellation) const {
  PGFANOUT_TRY_ASSIGN(const bool is_up, is_there(connection));
  if (!is_up) return {};
  PGFANOUT_TRY(connection.run(fmt::format(kOpenSql, quoted_name(function_name()))));
  LockAttempts attempts;
  attempts.patience = patience;
  PGFANOUT_TRY_ASSIGN(const Rows fenced,
                      connection.query(fmt::format("SELECT t.tgrelid FROM pg_trigger t"
                                                   " WHERE t.tgfoid = ({})",
                                                   kFunctionSql),
                                       {function_name()}));
  for (int row = 0; row < fenced.size(); ++row) attempts.relations.push_back(fenced.oid(row, 0));
  const auto lower_all = [&]() -> Result<void> {
    PGFANOUT_TRY_ASSIGN(const auto statements, lower_statements(connection));
    return statements.empty() ? Result<void>() : connection.run(joined(statements, "; "));
  };
  PGFANOUT_TRY(with_lock_attempts(connection, attempts, cancellation, lower_all));
  // A schema that was made for fences is dropped with the last of them.
  PGFANOUT_TRY_ASSIGN(
      const Rows rest,
      connection.query("SELECT 1 FROM pg_namespace n WHERE n.nspname = 'pgfanout'"
                       " AND NOT EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = n.oid)"
                       " AND NOT EXISTS (SELECT 1 FROM pg_proc p WHERE p.pronamespace = n.oid)"
                       " AND pg_has_role(n.nspowner, 'USAGE')"
                       " AND obj_description(n.oid, 'pg_namespace') = $1",
                       {kOwnSchema}));
  // If the schema holds other objects, DROP SCHEMA fails and it stays.
  if (rest.size() > 0 && !connection.run("DROP SCHEMA pgfanout") && !connection.is_open()) {
    return interrupted("connection-lost", "the connection to the server was lost",
                       "run the same command again");
  }
  return {};
}

std::string pass_fence_sql(const Connection& connection, const std::string& job) {
  return "SET pgfanout.job = " + connection.quote_literal(job);
}

Result<std::string> fence_place(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(kPlaceSql));
  return rows.str(0, 0);
}

Result<std::vector<std::string>> fences_on(Connection& connection, const Table& table) {
  std::vector<std::uint32_t> oids{table.oid};
  for (const Leaf& leaf : table.leaves) oids.push_back(leaf.oid);
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT DISTINCT split_part(p.proname, '_', 2) || ' '"
                       " || split_part(p.proname, '_', 3)"
                       " FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
                       " JOIN pg_namespace n ON n.oid = p.pronamespace"
                       " WHERE t.tgrelid = ANY ($1::oid[]) AND n.nspname = 'pgfanout'"
                       " AND starts_with(p.proname, 'fence_') ORDER BY 1",
                       {oid_array(oids)}));
  return rows.column(0);
}

std::string broken_facts(const std::vector<std::string>& then,
                         const std::vector<std::string>& now) {
  std::vector<std::string> gone;
  std::vector<std::string> added;
  std::set_difference(then.begin(), then.end(), now.begin(), now.end(), std::back_inserter(gone));
  std::set_difference(now.begin(), now.end(), then.begin(), then.end(), std::back_inserter(added));
  if (gone.empty() && added.empty()) return "";
  const auto some = [](std::vector<std::string> facts) -> std::string {
    constexpr std::size_t kMost = 3;
    if (facts.empty()) return "nothing";
    facts.resize(std::min(facts.size(), kMost));
    return fmt::format("{}", fmt::join(facts, "; "));
  };
  return fmt::format("was: {}; is: {}", some(gone), some(added));
}

}  // namespace pgfanout
