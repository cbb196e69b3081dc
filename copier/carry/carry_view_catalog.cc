#include "copier/carry/carry_view_catalog.h"

#include <fmt/format.h>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/pg/transaction.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

constexpr const char* kViewsSql = R"sql(
WITH RECURSIVE replaced(oid, depth) AS (
  SELECT tree.oid, 0 FROM {0}
  UNION
  SELECT r.ev_class, p.depth + 1 FROM replaced p
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass
    AND d.refobjid = p.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> p.oid
  JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'm'
), readers AS (
  SELECT r.ev_class AS oid, r.oid AS rule, max(p.depth) AS depth,
    bool_or(p.depth = 0) AS reads_table,
    bool_or(p.depth = 0 AND p.oid <> $1::oid) AS reads_leaf,
    string_agg(DISTINCT p.oid::text, ' ') FILTER (WHERE p.depth > 0)
      AS matviews,
    string_agg(DISTINCT d.refobjsubid::text, ' ')
      FILTER (WHERE p.oid = $1::oid AND d.refobjsubid > 0) AS columns
  FROM (SELECT x.oid, max(x.depth) AS depth FROM replaced x GROUP BY x.oid) p
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass
    AND d.refobjid = p.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> p.oid
    AND r.rulename = '_RETURN'
  GROUP BY r.ev_class, r.oid)
SELECT c.oid, c.relkind = 'm', n.nspname, c.relname, format('%I.%I', n.nspname, c.relname),
  btrim(pg_get_viewdef(c.oid), E' ;\n'),
  (SELECT string_agg(format('%s=%L', split_part(o, '=', 1),
     substr(o, strpos(o, '=') + 1)), ', ')
   FROM unnest(c.reloptions) o),
  quote_ident(am.amname), quote_ident(ts.spcname), c.relispopulated,
  pg_get_userbyid(c.relowner),
  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  w.matviews, w.reads_table, w.reads_leaf, w.columns,
  EXISTS (SELECT 1 FROM pg_attribute a JOIN pg_type t
    ON t.oid = a.atttypid OR t.typarray = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND t.typrelid = $1::oid),
  EXISTS (SELECT 1 FROM pg_depend d JOIN pg_constraint k ON k.oid = d.refobjid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = w.rule
    AND d.refclassid = 'pg_constraint'::regclass
    AND k.conrelid = $1::oid),
  c.relpersistence = 't'
FROM readers w JOIN pg_class c ON c.oid = w.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am am ON am.oid = c.relam
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
WHERE c.relkind IN ('v', 'm')
ORDER BY c.relkind = 'v', CASE c.relkind WHEN 'm' THEN w.depth END, c.oid)sql";

SourceView view_of(const Rows& rows, int row) {
  SourceView view;
  view.oid = rows.oid(row, 0);
  view.is_materialized = rows.boolean(row, 1);
  view.schema = rows.str(row, 2);
  view.name = rows.str(row, 3);
  view.qualified = rows.str(row, 4);
  view.query = rows.str(row, 5);
  view.options = rows.str(row, 6);
  view.access_method = rows.str(row, 7);
  view.tablespace = rows.str(row, 8);
  view.is_populated = rows.boolean(row, 9);
  view.owner = rows.str(row, 10);
  view.column_list = rows.str(row, 11);
  for (const int oid : numbers_in(rows.text(row, 12))) {
    view.matviews.push_back(static_cast<std::uint32_t>(oid));
  }
  view.reads_table = rows.boolean(row, 13);
  view.reads_leaf = rows.boolean(row, 14);
  view.columns = rows.str(row, 15);
  view.has_row_type = rows.boolean(row, 16);
  view.needs_primary_key = rows.boolean(row, 17);
  view.is_temporary = rows.boolean(row, 18);
  return view;
}

}  // namespace

Result<std::vector<SourceView>> read_source_views(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(fmt::format(kViewsSql, kSchemaTree)));
  std::vector<SourceView> views;
  views.reserve(static_cast<std::size_t>(rows.size()));
  for (int row = 0; row < rows.size(); ++row) views.push_back(view_of(rows, row));
  return views;
}

ViewProbe::ViewProbe(CarryContext& context) : context_(context) {
  std::string list;
  for (const Column& column : context.columns.targets()) {
    list +=
        fmt::format("{}NULL::{}{}{} AS {}", list.empty() ? "" : ", ", column.type_sql,
                    column.collation.empty() ? "" : " COLLATE ", column.collation, column.quoted);
  }
  with_ = fmt::format("WITH pgfanout_stub_0 AS (SELECT {})", list);
  const Table& table = context.request.source;
  stubs_.push_back({table.schema, table.name, "pgfanout_stub_0"});
}

std::string ViewProbe::over_stubs(std::string_view query) const {
  std::string sql = context_.on(query, stubs_.front().name);
  for (std::size_t at = 1; at < stubs_.size(); ++at) {
    sql = with_relation(sql, stubs_[at].schema, stubs_[at].relation, stubs_[at].name);
  }
  return sql;
}

void ViewProbe::replace(const SourceView& view, std::string_view query) {
  const std::string name = fmt::format("pgfanout_stub_{}", stubs_.size());
  with_ += fmt::format(", {} ({}) AS ({})", name, view.column_list, over_stubs(query));
  stubs_.push_back({view.schema, view.name, name});
}

Result<ViewProbe::Answer> ViewProbe::ask(std::string_view query) {
  auto described = in_savepoint(context_.source, [&] {
    return context_.source.describe(
        fmt::format("{} SELECT * FROM ({}\n) AS pgfanout_view", with_, over_stubs(query)));
  });
  Answer answer;
  if (!described) {
    Error error = std::move(described).error();
    if (error.sqlstate.empty() || error.consequence != Consequence::refuse) return error;
    answer.error = std::move(error.message);
    return answer;
  }
  for (const ResultColumn& column : *described) {
    answer.names.push_back(column.name);
    answer.types.push_back(fmt::format("{} {}", column.type_oid, column.type_modifier));
  }
  return answer;
}

Result<ViewProbe::Answer> columns_of_view(CarryContext& context, std::uint32_t oid) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      context.source.query("SELECT attname, atttypid, atttypmod FROM pg_attribute"
                                           " WHERE attrelid = $1::oid AND attnum > 0"
                                           " AND NOT attisdropped ORDER BY attnum",
                                           {std::to_string(oid)}));
  ViewProbe::Answer answer;
  for (int row = 0; row < rows.size(); ++row) {
    answer.names.push_back(rows.str(row, 0));
    answer.types.push_back(fmt::format("{} {}", rows.text(row, 1), rows.text(row, 2)));
  }
  return answer;
}

}  // namespace pgfanout
