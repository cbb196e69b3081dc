// Owner, privileges, row security, comments and replica identity.
#include <fmt/format.h>

#include "copier/schema/schema_inventory.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

constexpr const char* kOwnerSql = R"sql(
SELECT 'owner', pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), NULL, true
FROM pg_catalog.pg_class c WHERE c.oid = $1::pg_catalog.oid)sql";

// The owner may always MAINTAIN, which servers before 17 do not write down.
constexpr const char* kPrivilegesSql = R"sql(
SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC'
    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END,
  pg_catalog.string_agg(DISTINCT g.item, ', ' ORDER BY g.item), NULL, true
FROM (
  SELECT x.grantee, x.privilege_type
    || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS item
  FROM pg_catalog.pg_class c CROSS JOIN LATERAL pg_catalog.aclexplode(
    COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner))) x
  WHERE c.oid = $1::pg_catalog.oid
    AND NOT (x.grantee = c.relowner AND x.privilege_type = 'MAINTAIN')
  UNION ALL
  SELECT x.grantee, pg_catalog.format('%s (%I)', x.privilege_type, a.attname)
    || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
  FROM pg_catalog.pg_attribute a CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) x
  WHERE a.attrelid = $1::pg_catalog.oid AND NOT a.attisdropped) g
GROUP BY g.grantee ORDER BY 1)sql";

constexpr const char* kRowSecuritySql = R"sql(
SELECT '{0}', CASE WHEN c.relrowsecurity THEN 'ENABLED' ELSE 'DISABLED' END
  || CASE WHEN c.relforcerowsecurity THEN ', FORCED' ELSE '' END, NULL, true
FROM pg_catalog.pg_class c
WHERE c.oid = $1::pg_catalog.oid AND (c.relrowsecurity OR c.relforcerowsecurity))sql";

constexpr const char* kPoliciesSql = R"sql(
SELECT pg_catalog.quote_ident(p.polname), pg_catalog.format('AS %s FOR %s TO %s',
    CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
      WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
    (SELECT pg_catalog.string_agg(CASE r.oid WHEN 0 THEN 'PUBLIC'
        ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(r.oid)) END, ', '
        ORDER BY pg_catalog.pg_get_userbyid(r.oid))
     FROM pg_catalog.unnest(p.polroles) r(oid)))
  || COALESCE(pg_catalog.format(' USING (%s)',
     NULLIF(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '')), '')
  || COALESCE(pg_catalog.format(' WITH CHECK (%s)',
     NULLIF(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), '')), ''),
  NULL, true
FROM pg_catalog.pg_policy p WHERE p.polrelid = $1::pg_catalog.oid ORDER BY 1)sql";

// Names of constraints, indexes and triggers may differ: their comments are known by their text.
constexpr const char* kCommentsSql = R"sql(
SELECT o.name, d.description, o.detail, true
FROM pg_catalog.pg_description d JOIN (
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS class, $1::pg_catalog.oid AS oid, 0 AS part,
    'TABLE' AS name, NULL AS detail
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, a.attrelid, a.attnum,
    'COLUMN ' || pg_catalog.quote_ident(a.attname), NULL
    FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0
  UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid, 0, NULL,
    'on constraint ' || pg_catalog.quote_ident(c.conname)
    FROM pg_catalog.pg_constraint c WHERE c.conrelid = $1::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0, NULL,
    'on index ' || pg_catalog.quote_ident(c.relname)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = $1::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, 0, NULL,
    'on trigger ' || pg_catalog.quote_ident(t.tgname)
    FROM pg_catalog.pg_trigger t WHERE t.tgrelid = $1::pg_catalog.oid AND NOT t.tgisinternal
  UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, 0, NULL,
    'on policy ' || pg_catalog.quote_ident(p.polname)
    FROM pg_catalog.pg_policy p WHERE p.polrelid = $1::pg_catalog.oid
  UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, 0, NULL,
    'on statistics ' || pg_catalog.quote_ident(s.stxname)
    FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = $1::pg_catalog.oid
) o ON d.classoid = o.class AND d.objoid = o.oid AND d.objsubid = o.part
ORDER BY 1, 2)sql";

// The WAL identifies rows by the leaves' setting, not by that of their parent.
constexpr const char* kReplicaIdentitySql = R"sql(
SELECT 'REPLICA IDENTITY', pg_catalog.string_agg(DISTINCT
  CASE c.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'
    ELSE pg_catalog.format('USING INDEX (%s)',
      (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY k.place)
       FROM pg_catalog.pg_index i
       CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY
         k(number, place)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
       WHERE i.indrelid = c.oid AND i.indisreplident AND k.place <= i.indnkeyatts)) END,
  ' or '), NULL, true
FROM {0} JOIN pg_catalog.pg_class c ON c.oid = leaf.oid
HAVING pg_catalog.count(*) > 0)sql";

}  // namespace

std::vector<SchemaQuery> access_queries() {
  return {{"policy", fmt::format(kRowSecuritySql, kRowSecurityName), false},
          {"policy", kPoliciesSql},
          {"owner", kOwnerSql, false},
          {"privilege", kPrivilegesSql, false},
          {"comment", kCommentsSql, false},
          {"replica identity", fmt::format(kReplicaIdentitySql, kSchemaLeaves), false}};
}

}  // namespace pgfanout
