// Comments on the table, its columns and on what was carried over with it.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"

namespace pgfanout {
namespace {

/// Kind (a CarriedClass, or T and C for table and column), OID, column, text.
constexpr const char* kCommentsSql = R"sql(
SELECT o.kind, o.oid, o.part, d.description
FROM pg_description d JOIN (
  SELECT 'T' AS kind, 'pg_class'::regclass AS class, $1::oid AS oid,
    0 AS part
  UNION ALL SELECT 'C', 'pg_class'::regclass, a.attrelid, a.attnum
    FROM pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0
  UNION ALL SELECT 'c', 'pg_constraint'::regclass, c.oid, 0
    FROM pg_constraint c WHERE c.conrelid = $1::oid
  UNION ALL SELECT 'i', 'pg_class'::regclass, i.indexrelid, 0
    FROM pg_index i WHERE i.indrelid = $1::oid
  UNION ALL SELECT 't', 'pg_trigger'::regclass, t.oid, 0
    FROM pg_trigger t WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal
  UNION ALL SELECT 'p', 'pg_policy'::regclass, p.oid, 0
    FROM pg_policy p WHERE p.polrelid = $1::oid
  UNION ALL SELECT 'r', 'pg_rewrite'::regclass, r.oid, 0
    FROM pg_rewrite r WHERE r.ev_class = $1::oid
  UNION ALL SELECT 's', 'pg_statistic_ext'::regclass, s.oid, 0
    FROM pg_statistic_ext s WHERE s.stxrelid = $1::oid
) o ON d.classoid = o.class AND d.objoid = o.oid AND d.objsubid = o.part
ORDER BY o.kind, o.oid, o.part)sql";

std::vector<std::string> subjects_of(const CarryContext& context, const Rows& rows, int row) {
  const char kind = rows.text(row, 0).front();
  const std::string& table = context.request.target_qualified;
  if (kind == 'T') return {"TABLE " + table};
  if (kind == 'C') {
    const ColumnFate* fate = context.columns.find(static_cast<int>(rows.integer(row, 2)));
    if (fate == nullptr || !fate->target) return {};
    return {fmt::format("COLUMN {}.{}", table, quoted_name(*fate->target))};
  }
  const auto found = context.subjects.find({static_cast<CarriedClass>(kind), rows.oid(row, 1)});
  return found == context.subjects.end() ? std::vector<std::string>() : found->second;
}

/// A comment's text is the user's own, and may be long: its beginning tells which one it is.
void note_lost(CarryContext& context, std::string_view text) {
  constexpr std::size_t kShown = 40;
  context.note(Severity::warning, "comment-lost",
               fmt::format("a comment is not carried over, since what it is on is not, or is a NOT "
                           "NULL constraint: \"{}{}\"",
                           text.substr(0, kShown), text.size() > kShown ? "..." : ""),
               "write it again after the swap");
}

}  // namespace

Result<void> carry_comments(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kCommentsSql));
  for (int row = 0; row < rows.size(); ++row) {
    const std::vector<std::string> subjects = subjects_of(context, rows, row);
    if (subjects.empty()) note_lost(context, rows.text(row, 3));
    for (const std::string& subject : subjects) {
      context.add_attribute("comment " + subject,
                            fmt::format("COMMENT ON {} IS {}", subject,
                                        context.target.quote_literal(rows.text(row, 3))));
    }
  }
  return {};
}

}  // namespace pgfanout
