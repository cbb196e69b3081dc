// Owner, privileges, row security, comments and replica identity.
#include <fmt/format.h>

#include "copier/schema/schema_inventory.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

constexpr const char* kOwnerSql = R"sql(
SELECT 'owner', quote_ident(pg_get_userbyid(c.relowner)), NULL, true
FROM pg_class c WHERE c.oid = $1::oid)sql";

// The owner may always MAINTAIN, which servers before 17 do not write down.
constexpr const char* kPrivilegesSql = R"sql(
SELECT CASE g.grantee WHEN 0 THEN 'PUBLIC'
    ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
  string_agg(DISTINCT g.item, ', ' ORDER BY g.item), NULL, true
FROM (
  SELECT x.grantee, x.privilege_type
    || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS item
  FROM pg_class c CROSS JOIN LATERAL aclexplode(
    COALESCE(c.relacl, acldefault('r', c.relowner))) x
  WHERE c.oid = $1::oid
    AND NOT (x.grantee = c.relowner AND x.privilege_type = 'MAINTAIN')
  UNION ALL
  SELECT x.grantee, format('%s (%I)', x.privilege_type, a.attname)
    || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
  FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
  WHERE a.attrelid = $1::oid AND NOT a.attisdropped) g
GROUP BY g.grantee ORDER BY 1)sql";

constexpr const char* kRowSecuritySql = R"sql(
SELECT '{0}', CASE WHEN c.relrowsecurity THEN 'ENABLED' ELSE 'DISABLED' END
  || CASE WHEN c.relforcerowsecurity THEN ', FORCED' ELSE '' END, NULL, true
FROM pg_class c
WHERE c.oid = $1::oid AND (c.relrowsecurity OR c.relforcerowsecurity))sql";

constexpr const char* kPoliciesSql = R"sql(
SELECT quote_ident(p.polname), format('AS %s FOR %s TO %s',
    CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
    CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
      WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
    (SELECT string_agg(CASE r.oid WHEN 0 THEN 'PUBLIC'
        ELSE quote_ident(pg_get_userbyid(r.oid)) END, ', '
        ORDER BY pg_get_userbyid(r.oid))
     FROM unnest(p.polroles) r(oid)))
  || COALESCE(format(' USING (%s)',
     NULLIF(pg_get_expr(p.polqual, p.polrelid), '')), '')
  || COALESCE(format(' WITH CHECK (%s)',
     NULLIF(pg_get_expr(p.polwithcheck, p.polrelid), '')), ''),
  NULL, true
FROM pg_policy p WHERE p.polrelid = $1::oid ORDER BY 1)sql";

// Names of constraints, indexes and triggers may differ: their comments are known by their text.
constexpr const char* kCommentsSql = R"sql(
SELECT o.name, d.description, o.detail, true
FROM pg_description d JOIN (
  SELECT 'pg_class'::regclass AS class, $1::oid AS oid, 0 AS part,
    'TABLE' AS name, NULL AS detail
  UNION ALL SELECT 'pg_class'::regclass, a.attrelid, a.attnum,
    'COLUMN ' || quote_ident(a.attname), NULL
    FROM pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0
  UNION ALL SELECT 'pg_constraint'::regclass, c.oid, 0, NULL,
    'on constraint ' || quote_ident(c.conname)
    FROM pg_constraint c WHERE c.conrelid = $1::oid
  UNION ALL SELECT 'pg_class'::regclass, c.oid, 0, NULL,
    'on index ' || quote_ident(c.relname)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = $1::oid
  UNION ALL SELECT 'pg_trigger'::regclass, t.oid, 0, NULL,
    'on trigger ' || quote_ident(t.tgname)
    FROM pg_trigger t WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal
  UNION ALL SELECT 'pg_policy'::regclass, p.oid, 0, NULL,
    'on policy ' || quote_ident(p.polname)
    FROM pg_policy p WHERE p.polrelid = $1::oid
  UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, 0, NULL,
    'on statistics ' || quote_ident(s.stxname)
    FROM pg_statistic_ext s WHERE s.stxrelid = $1::oid
) o ON d.classoid = o.class AND d.objoid = o.oid AND d.objsubid = o.part
ORDER BY 1, 2)sql";

// The WAL identifies rows by the leaves' setting, not by that of their parent.
constexpr const char* kReplicaIdentitySql = R"sql(
SELECT 'REPLICA IDENTITY', string_agg(DISTINCT
  CASE c.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'
    ELSE format('USING INDEX (%s)',
      (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
       FROM pg_index i
       CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY
         k(number, place)
       JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
       WHERE i.indrelid = c.oid AND i.indisreplident AND k.place <= i.indnkeyatts)) END,
  ' or '), NULL, true
FROM {0} JOIN pg_class c ON c.oid = leaf.oid
HAVING count(*) > 0)sql";

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
