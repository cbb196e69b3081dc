// Sequences that the job's mappings draw from: the new column keeps counting there, so the swap
// makes it the sequence's owner.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_expression.h"

namespace pgfanout {
namespace {

/// $1: the source. Whether a table may own it, whether one does, and which roles may insert into
/// the source but not draw from the sequence.
constexpr const char* kSequenceSql = R"sql(
SELECT s.oid, format('%I.%I', n.nspname, s.relname),
  s.relowner = t.relowner AND s.relnamespace = t.relnamespace,
  EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = s.oid
    AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    AND d.refclassid = 'pg_class'::regclass),
  (SELECT string_agg(DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC'
      ELSE quote_ident(pg_get_userbyid(g.grantee)) END, ', ')
   FROM (SELECT t.relacl AS acl UNION ALL SELECT a.attacl FROM pg_attribute a
     WHERE a.attrelid = t.oid AND a.attnum > 0) acls
   CROSS JOIN LATERAL aclexplode(acls.acl) g
   WHERE g.privilege_type = 'INSERT' AND g.grantee <> s.relowner
     AND CASE g.grantee WHEN 0
       THEN NOT has_sequence_privilege('public', s.oid, 'USAGE, UPDATE')
       ELSE NOT has_sequence_privilege(g.grantee, s.oid, 'USAGE, UPDATE') END)
FROM pg_class t, pg_class s
JOIN pg_namespace n ON n.oid = s.relnamespace
WHERE t.oid = $1::oid AND s.relkind = 'S'
  AND s.oid = to_regclass({})::oid)sql";

void hand_over(CarryContext& context, const Column& column, const Rows& found) {
  const std::string sequence = found.str(0, 1);
  if (!found.is_null(0, 4)) {
    context.note(
        Severity::warning, "sequence-usage",
        fmt::format("column {} is filled from sequence {}, which roles that may insert today may "
                    "not use: {}",
                    column.quoted, sequence, found.text(0, 4)),
        fmt::format("GRANT USAGE ON SEQUENCE {} TO {}", sequence, found.text(0, 4)));
  }
  if (found.boolean(0, 3)) return;
  if (!found.boolean(0, 2)) {
    context.note(Severity::info, "sequence-alone",
                 fmt::format("sequence {} fills column {} and belongs to no table: it has another "
                             "owner or another schema than the table",
                             sequence, column.quoted));
    return;
  }
  context.plan.moves.push_back({fmt::format("sequence {}", sequence),
                                {fmt::format("ALTER SEQUENCE {} OWNED BY \001new\001.{}", sequence,
                                             quoted_name(column.name))},
                                {fmt::format("ALTER SEQUENCE {} OWNED BY NONE", sequence)},
                                {}});
}

}  // namespace

Result<void> carry_new_sequences(CarryContext& context) {
  if (!context.request.same_database) return {};
  for (const Column& column : context.columns.targets()) {
    const auto literal = nextval_literal(column.default_sql);
    if (!literal) continue;
    // A sequence that fills the source's own column already is carried with the other sequences.
    const Column* same = context.request.source.find(column.name);
    if (same != nullptr && same->default_sql == column.default_sql) continue;
    PGFANOUT_TRY_ASSIGN(const Rows found,
                        context.read(fmt::format(kSequenceSql, fmt::format("{}::text", *literal))));
    if (found.size() == 1) hand_over(context, column, found);
  }
  return {};
}

}  // namespace pgfanout
