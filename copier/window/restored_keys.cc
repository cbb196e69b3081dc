#include "copier/window/restored_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/counted.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kMostNamed = 10;

/// Of one of the key's constraints: the table that it refers to, conditions and row as SQL text
/// over rows `c` and `p`; for all of them the statements that validate them; and where leaves have
/// it, since this server allows none on a partitioned table, the one that gives it to the parent.
constexpr const char* kKeySql = R"sql(
WITH keys AS (SELECT k.* FROM pg_constraint k WHERE k.contype = 'f' AND k.conname = $2
  AND NOT k.convalidated AND k.conrelid IN (
    SELECT $1::oid UNION SELECT t.relid FROM pg_partition_tree($1::oid::regclass) t)),
pairs AS (SELECT a.attname AS own, f.attname AS other, u.n, k.confmatchtype = 'f' AS is_full
  FROM (SELECT * FROM keys ORDER BY oid LIMIT 1) k
  CROSS JOIN LATERAL ROWS FROM (unnest(k.conkey), unnest(k.confkey))
    WITH ORDINALITY AS u(own, other, n)
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own
  JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = u.other),
shown AS (SELECT a.attname, u.n FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey)
    WITH ORDINALITY AS u(number, n)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
  WHERE i.indrelid = $1::oid AND i.indisprimary
  UNION ALL SELECT own, 100 + n FROM pairs)
SELECT $1::oid::regclass::text, (SELECT k.confrelid::regclass::text FROM keys k LIMIT 1),
  (SELECT string_agg(format('p.%I = c.%I', other, own), ' AND ' ORDER BY n) FROM pairs),
  (SELECT CASE WHEN bool_or(is_full) THEN string_agg(format('c.%I IS NOT NULL', own), ' OR ')
    ELSE string_agg(format('c.%I IS NOT NULL', own), ' AND ') END FROM pairs),
  (SELECT string_agg(format('%L || c.%I', quote_ident(attname) || '=', attname), ', ' ORDER BY n)
   FROM (SELECT attname, min(n) AS n FROM shown GROUP BY attname) s),
  (SELECT string_agg(format('ALTER TABLE %s VALIDATE CONSTRAINT %I', k.conrelid::regclass,
    k.conname), '; ' ORDER BY k.conrelid::regclass::text) FROM keys k WHERE k.conparentid = 0),
  (SELECT format('; ALTER TABLE %s ADD CONSTRAINT %I %s', $1::oid::regclass, k.conname,
    regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''))
   FROM keys k WHERE NOT EXISTS (SELECT FROM keys p WHERE p.conrelid = $1::oid) LIMIT 1))sql";

Result<void> add_unvalidated(Connection& connection, const KeyAddition& key,
                             std::vector<UnvalidatedKey>& unvalidated) {
  PGFANOUT_TRY_ASSIGN(const Rows table,
                      connection.query("SELECT c.oid, c.relkind = 'p' FROM pg_class c"
                                       " WHERE c.oid = $1::text::regclass",
                                       {key.table}));
  const bool is_on_leaves =
      table.boolean(0, 1) && connection.server_version() < kFirstWithUnvalidatedParents;
  std::vector<std::string> tables{key.table};
  if (is_on_leaves) {
    PGFANOUT_TRY_ASSIGN(const Rows leaves,
                        connection.query("SELECT t.relid::regclass::text FROM"
                                         " pg_partition_tree($1::oid::regclass) t WHERE t.isleaf",
                                         {table.str(0, 0)}));
    tables = leaves.column(0);
  }
  for (const std::string& each : tables) {
    PGFANOUT_TRY(connection.run(fmt::format("ALTER TABLE {} {} NOT VALID", each, key.addition)));
  }
  unvalidated.push_back({table.oid(0, 0), key.name});
  return {};
}

}  // namespace

std::optional<KeyAddition> key_addition(const std::string& sql) {
  constexpr std::string_view kBefore = "ALTER TABLE ";
  if (!sql.starts_with(kBefore)) return std::nullopt;
  const std::vector<SqlPiece> pieces = sql_pieces(sql);
  const auto add = std::find_if(pieces.begin(), pieces.end(), [](const SqlPiece& piece) {
    return piece.kind == SqlPieceKind::name && piece.text == "ADD";
  });
  KeyAddition key;
  for (auto piece = pieces.begin(); piece != pieces.end(); ++piece) {
    (piece < add ? key.table : key.addition) += piece->text;
  }
  std::vector<SqlPiece> words = sql_words(key.addition);
  if (words.size() < 4 || words[1].name != "constraint" || words[3].name != "foreign") {
    return std::nullopt;
  }
  key.table = key.table.substr(kBefore.size(), key.table.size() - kBefore.size() - 1);
  key.name = words[2].name;
  return key;
}

Result<void> run_undo(Connection& connection, const std::string& sql,
                      std::vector<UnvalidatedKey>& unvalidated) {
  constexpr const char* kUndefinedObject = "42704";
  const auto key = key_addition(sql);
  const bool is_comment = sql.starts_with("COMMENT ON CONSTRAINT ") && !unvalidated.empty();
  if (!key && !is_comment) return connection.run(sql);
  PGFANOUT_TRY(connection.run("SAVEPOINT pgfanout_key"));
  auto done = connection.run(sql);
  // The leaves have the key, and the parent has not.
  if (!done && is_comment && done.error().sqlstate == kUndefinedObject) {
    return connection.run("ROLLBACK TO SAVEPOINT pgfanout_key");
  }
  if (!done && key && done.error().sqlstate == "23503") {
    PGFANOUT_TRY(connection.run("ROLLBACK TO SAVEPOINT pgfanout_key"));
    done = add_unvalidated(connection, *key, unvalidated);
  }
  if (!done) return done;
  return connection.run("RELEASE SAVEPOINT pgfanout_key");
}

Result<Issue> issue_of(Connection& connection, const UnvalidatedKey& key, std::string code) {
  PGFANOUT_TRY_ASSIGN(const Rows facts,
                      connection.query(kKeySql, {std::to_string(key.table_oid), key.name}));
  const std::string table = facts.str(0, 0);
  const std::string referenced = facts.str(0, 1);
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(fmt::format(
          "SELECT count(*) OVER (), concat_ws(' ', {}) FROM {} c WHERE ({}) AND NOT EXISTS"
          " (SELECT FROM {} p WHERE {}) ORDER BY 2 LIMIT {}",
          facts.str(0, 4), table, facts.str(0, 3), referenced, facts.str(0, 2), kMostNamed)));
  const auto count = static_cast<std::uint64_t>(rows.size() == 0 ? 0 : rows.integer(0, 0));
  return Issue{
      Severity::warning, std::move(code),
      fmt::format("foreign key {} of {} is back, but NOT VALID: {} to rows that {} does not have: "
                  "{}{}",
                  display_name(key.name), table, counted(count, "row refers", "rows refer"),
                  referenced, fmt::join(rows.column(1), "; "), count > kMostNamed ? "; ..." : ""),
      table, "correct or delete them, then validate it: " + facts.str(0, 5) + facts.str(0, 6)};
}

}  // namespace pgfanout
