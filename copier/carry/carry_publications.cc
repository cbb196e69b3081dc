// Publications that name the table: membership, column list and row filter go from the old table to
// the new one. Those of all tables or of a schema need nothing.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

constexpr int kFirstWithParts = 150000;

/// {1} and {2}: list and filter, which version 14 does not know.
constexpr const char* kPublicationsSql = R"sql(
SELECT p.pubname, p.pubviaroot,
  {1}, {2},
  (SELECT string_agg(DISTINCT d.refobjsubid::text, ' ')
   FROM pg_depend d
   WHERE d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid
   AND d.refclassid = 'pg_class'::regclass
   AND d.refobjid = r.prrelid AND d.refobjsubid > 0),
  p.pubupdate OR p.pubdelete, r.prrelid <> $1::oid,
  format('%I.%I', n.nspname, c.relname)
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
JOIN pg_class c ON c.oid = r.prrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.prrelid IN (SELECT tree.oid FROM {0}) ORDER BY p.pubname, 8)sql";

struct Member {
  std::string publication;
  bool via_root = false;
  std::string list;  ///< Numbers; empty: all columns.
  std::string filter;
  std::string used;  ///< By list and filter.
  bool sends_updates = false;
  bool is_leaf = false;
  std::string qualified;
};

std::string obstacle_of(const CarryContext& context, const Member& member) {
  if (std::string missing = context.missing_columns(member.used); !missing.empty()) return missing;
  if (!member.via_root) {
    return "it publishes under the names of leaves, which the subscribers do not have";
  }
  return {};
}

/// "{new} (a, b) WHERE (...)": updates need the primary key's columns in a list, also its new one.
std::string membership(const CarryContext& context, const Member& member) {
  std::string sql = "\001new\001";
  if (!member.list.empty()) {
    std::string columns = context.column_list(member.list);
    if (member.sends_updates && context.rules.by_columns && context.primary_key_changed) {
      columns += ", " + quoted_name(*context.request.key_column);
    }
    sql += fmt::format(" ({})", columns);
  }
  if (!member.filter.empty())
    sql += fmt::format(" WHERE ({})", context.on(member.filter, "\001new\001"));
  return sql;
}

std::string membership_of_old(const CarryContext& context, const Member& member) {
  std::string sql = "\001old\001";
  std::string columns;
  for (const int number : numbers_in(member.list)) {
    const ColumnFate* fate = context.columns.find(number);
    if (fate != nullptr) columns += (columns.empty() ? "" : ", ") + fate->source->quoted;
  }
  if (!columns.empty()) sql += fmt::format(" ({})", columns);
  if (!member.filter.empty()) sql += fmt::format(" WHERE ({})", member.filter);
  return sql;
}

void carry_member(CarryContext& context, const Member& member) {
  const std::string name = quoted_name(member.publication);
  if (member.is_leaf) {
    context.leave_behind("publication",
                         fmt::format("{} {}", display_name(member.publication), member.qualified),
                         "it names a partition, which is no part of the new table",
                         "publish the table itself, or accept the loss by this name");
    return;
  }
  const std::string obstacle = obstacle_of(context, member);
  if (!obstacle.empty() &&
      !context.leave_behind("publication", display_name(member.publication), obstacle,
                            "ALTER PUBLICATION ... SET (publish_via_partition_root = true), or "
                            "accept it by this name")) {
    return;
  }
  if (context.missing_columns(member.used).empty()) {
    CarriedMove move;
    move.what = fmt::format("publication {}", display_name(member.publication));
    move.forward = {
        fmt::format("ALTER PUBLICATION {} DROP TABLE \001old\001", name),
        fmt::format("ALTER PUBLICATION {} ADD TABLE {}", name, membership(context, member))};
    move.backward = {
        fmt::format("ALTER PUBLICATION {} DROP TABLE \001new\001", name),
        fmt::format("ALTER PUBLICATION {} ADD TABLE {}", name, membership_of_old(context, member))};
    context.plan.moves.push_back(std::move(move));
  }
  context.note(
      Severity::warning, "subscribers",
      fmt::format("publication {} goes over to the new table: subscribers stop at the first change "
                  "that they cannot apply{}",
                  display_name(member.publication),
                  context.request.key_column
                      ? fmt::format(", for example for want of column {}",
                                    display_name(*context.request.key_column))
                      : std::string()),
      "prepare their tables before the swap, and ALTER SUBSCRIPTION ... REFRESH PUBLICATION WITH "
      "(copy_data = false) after it");
}

}  // namespace

Result<void> carry_publications(CarryContext& context) {
  const bool has_parts = context.source.server_version() >= kFirstWithParts;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      context.read(fmt::format(kPublicationsSql, kSchemaTree,
                               has_parts ? "array_to_string(r.prattrs::int2[], ' ')" : "NULL",
                               has_parts ? "pg_get_expr(r.prqual, r.prrelid)" : "NULL")));
  for (int row = 0; row < rows.size(); ++row) {
    const Member member{rows.str(row, 0),     rows.boolean(row, 1), rows.str(row, 2),
                        rows.str(row, 3),     rows.str(row, 4),     rows.boolean(row, 5),
                        rows.boolean(row, 6), rows.str(row, 7)};
    if (!context.request.same_database) {
      context.note(Severity::info, "publication-stays",
                   fmt::format("publication {} is of the source's database, and stays there",
                               display_name(member.publication)));
      continue;
    }
    carry_member(context, member);
  }
  return {};
}

}  // namespace pgfanout
