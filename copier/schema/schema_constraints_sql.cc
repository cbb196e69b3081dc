// Constraints in both directions, indexes, triggers, rules and extended statistics. Definitions
// leave out the object's own name, which is the detail: `head` is what the server prints before and
// with the name, cut off where the definition begins with it.
#include <fmt/format.h>

#include "copier/schema/schema_inventory.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

// NOT VALID stands last. A key whose index is not ready on every leaf holds nowhere for sure.
// A foreign key to a partitioned table has a copy for each of its partitions.
constexpr const char* kConstraintsSql = R"sql(
SELECT CASE c.contype WHEN 'p' THEN '{0}' END,
  CASE WHEN right(def.sql, 10) = ' NOT VALID'
    THEN left(def.sql, -10) ELSE def.sql END,
  quote_ident(c.conname),
  c.convalidated AND (c.contype NOT IN ('p', 'u', 'x') OR COALESCE(i.indisvalid, true))
FROM pg_constraint c
CROSS JOIN LATERAL (SELECT pg_get_constraintdef(c.oid) AS sql) def
LEFT JOIN pg_index i ON i.indexrelid = c.conindid
WHERE c.conrelid = $1::oid AND c.contype IN ('p', 'u', 'c', 'f', 'x') AND NOT EXISTS (
  SELECT 1 FROM pg_constraint up
  WHERE up.oid = c.conparentid AND up.conrelid = c.conrelid)
ORDER BY strpos('pucfx', c.contype::text), 2)sql";

constexpr const char* kInboundSql = R"sql(
SELECT NULL, format('FROM %I.%I: ', n.nspname, f.relname)
  || CASE WHEN right(def.sql, 10) = ' NOT VALID'
     THEN left(def.sql, -10) ELSE def.sql END,
  format('%I of %I.%I', c.conname, n.nspname, f.relname), c.convalidated
FROM pg_constraint c
CROSS JOIN LATERAL (SELECT pg_get_constraintdef(c.oid) AS sql) def
JOIN pg_class f ON f.oid = c.conrelid
JOIN pg_namespace n ON n.oid = f.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0
  AND c.confrelid IN (SELECT tree.oid FROM {0})
  AND c.conrelid NOT IN (SELECT tree.oid FROM {0})
ORDER BY 2)sql";

/// Without those behind a constraint of the table.
constexpr const char* kIndexesSql = R"sql(
SELECT NULL, CASE WHEN starts_with(def.sql, def.head)
    THEN format('CREATE %sINDEX ON %s', def.uniqueness,
      format('%I.%I', n.nspname, t.relname)
      || substr(def.sql, length(def.head) + 1))
    ELSE def.sql END,
  quote_ident(c.relname), i.indisvalid
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END AS uniqueness) u
CROSS JOIN LATERAL (SELECT pg_get_indexdef(i.indexrelid) AS sql, u.uniqueness,
  format('CREATE %sINDEX %I ON %s%I.%I', u.uniqueness, c.relname,
    CASE WHEN c.relkind = 'I' THEN 'ONLY ' ELSE '' END, n.nspname, t.relname) AS head) def
WHERE i.indrelid = $1::oid AND NOT EXISTS (
  SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid
  AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY 2)sql";

/// Indexes that leaves have by themselves, those behind keys included, as if they were the table's.
constexpr const char* kLeafIndexesSql = R"sql(
SELECT NULL, format('CREATE %sINDEX ON %s%s', def.uniqueness,
    (SELECT format('%I.%I', n.nspname, t.relname) FROM pg_class t
     JOIN pg_namespace n ON n.oid = t.relnamespace WHERE t.oid = $1::oid),
    substr(def.sql, length(def.head) + 1)),
  format('{1}%s of its %s leaves',
    count(DISTINCT i.indrelid), (SELECT count(*) FROM {0})),
  count(DISTINCT i.indrelid) FILTER (WHERE i.indisvalid)
    = (SELECT count(*) FROM {0})
FROM {0} JOIN pg_index i ON i.indrelid = leaf.oid
JOIN pg_class c ON c.oid = i.indexrelid AND NOT c.relispartition
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END AS uniqueness) u
CROSS JOIN LATERAL (SELECT pg_get_indexdef(i.indexrelid) AS sql, u.uniqueness,
  format('CREATE %sINDEX %I ON %I.%I', u.uniqueness, c.relname, n.nspname, t.relname)
  AS head) def
WHERE leaf.oid <> $1::oid
GROUP BY 2 ORDER BY 2)sql";

// Copies of a parent's trigger belong to the parent. A disabled one does nothing. The fence of a
// job goes with the job.
constexpr const char* kTriggersSql = R"sql(
SELECT NULL, CASE WHEN starts_with(def.sql, def.head)
    THEN def.command || substr(def.sql, length(def.head) + 1)
    ELSE def.sql END
  || CASE t.tgenabled WHEN 'A' THEN ' ENABLE ALWAYS' WHEN 'R' THEN ' ENABLE REPLICA' ELSE '' END,
  quote_ident(t.tgname), t.tgenabled <> 'D'
FROM pg_trigger t
CROSS JOIN LATERAL (SELECT CASE WHEN t.tgconstraint <> 0
  THEN 'CREATE CONSTRAINT TRIGGER' ELSE 'CREATE TRIGGER' END AS command) k
CROSS JOIN LATERAL (SELECT pg_get_triggerdef(t.oid) AS sql, k.command,
  format('%s %I', k.command, t.tgname) AS head) def
WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgparentid = 0
  AND NOT (starts_with(t.tgname, 'pgfanout_fence') AND EXISTS (
    SELECT FROM pg_proc p WHERE p.oid = t.tgfoid
      AND p.pronamespace = to_regnamespace('pgfanout')))
ORDER BY 2)sql";

constexpr const char* kRulesSql = R"sql(
SELECT NULL, CASE WHEN starts_with(def.sql, def.head)
    THEN 'CREATE RULE' || substr(def.sql, length(def.head) + 1)
    ELSE def.sql END
  || CASE r.ev_enabled WHEN 'A' THEN ' ENABLE ALWAYS' WHEN 'R' THEN ' ENABLE REPLICA' ELSE '' END,
  quote_ident(r.rulename), r.ev_enabled <> 'D'
FROM pg_rewrite r
CROSS JOIN LATERAL (SELECT pg_get_ruledef(r.oid) AS sql,
  format('CREATE RULE %I', r.rulename) AS head) def
WHERE r.ev_class = $1::oid AND r.rulename <> '_RETURN'
ORDER BY 2)sql";

constexpr const char* kStatisticsSql = R"sql(
SELECT NULL, CASE WHEN starts_with(def.sql, def.head)
    THEN 'CREATE STATISTICS' || substr(def.sql, length(def.head) + 1)
    ELSE def.sql END,
  format('%I.%I', n.nspname, s.stxname), true
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
CROSS JOIN LATERAL (SELECT pg_get_statisticsobjdef(s.oid) AS sql,
  format('CREATE STATISTICS %I.%I', n.nspname, s.stxname) AS head) def
WHERE s.stxrelid = $1::oid
ORDER BY 2)sql";

}  // namespace

std::vector<SchemaQuery> constraint_queries() {
  return {{"constraint", fmt::format(kConstraintsSql, kPrimaryKeyName)},
          {"constraint", fmt::format(kInboundSql, kSchemaTree)},
          {"index", kIndexesSql},
          {"index", fmt::format(kLeafIndexesSql, kSchemaLeaves, kOnLeavesOnly)},
          {"trigger", kTriggersSql},
          {"rule", kRulesSql},
          {"statistics", kStatisticsSql}};
}

}  // namespace pgfanout
