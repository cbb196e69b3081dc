#include "copier/carry/carry_matview.h"

#include <fmt/format.h>

#include "copier/carry/carry_grants.h"
#include "copier/catalog/relation_name.h"

namespace pgfanout {
namespace {

constexpr const char* kMatviewIndexesSql = R"sql(
SELECT c.relname, i.indisunique,
  left(def.body, length(def.body) - length(def.condition)),
  def.condition, quote_ident(ts.spcname), i.indisclustered,
  obj_description(c.oid, 'pg_class')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
CROSS JOIN LATERAL (SELECT substr(pg_get_indexdef(i.indexrelid),
    1 + length(format('CREATE %sINDEX %I ON %I.%I',
      CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname, n.nspname, t.relname)))
    AS body,
  COALESCE(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), '') AS condition) def
WHERE i.indrelid = $1::oid AND i.indisvalid ORDER BY i.indexrelid)sql";

constexpr const char* kColumnsSql = R"sql(
SELECT a.attname, COALESCE(a.attstattarget, -1), d.description FROM pg_attribute a
LEFT JOIN pg_description d ON d.objoid = a.attrelid AND d.objsubid = a.attnum
  AND d.classoid = 'pg_class'::regclass
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)sql";

class Matview {
 public:
  Matview(CarryContext& context, const SourceView& view, const std::string& until_swap)
      : context_(context),
        view_(view),
        until_swap_(until_swap),
        made_(quoted_name(view.schema, until_swap)),
        shown_(shown(view.schema, view.name)),
        oid_(std::to_string(view.oid)) {}

  void create(const std::string& query, bool has_own_columns) {
    std::string sql = fmt::format("CREATE MATERIALIZED VIEW {}", made_);
    if (!has_own_columns) sql += fmt::format(" ({})", view_.column_list);
    if (!view_.access_method.empty()) sql += " USING " + view_.access_method;
    if (!view_.options.empty()) sql += fmt::format(" WITH ({})", view_.options);
    if (!view_.tablespace.empty()) sql += " TABLESPACE " + view_.tablespace;
    sql += fmt::format(" AS\n{}\nWITH {}DATA", query, view_.is_populated ? "" : "NO ");
    context_.add_attribute("materialized view " + shown_, std::move(sql));
    context_.plan.attributes.back().undo = "DROP MATERIALIZED VIEW " + made_;
    context_.plan.names.push_back({"MATERIALIZED VIEW", view_.schema, until_swap_, view_.name});
  }

  Result<void> index() {
    PGFANOUT_TRY_ASSIGN(const Rows rows, context_.source.query(kMatviewIndexesSql, {oid_}));
    for (int row = 0; row < rows.size(); ++row) {
      PGFANOUT_TRY_ASSIGN(const std::string name,
                          context_.names.until_swap(view_.schema, rows.text(row, 0)));
      std::string sql =
          fmt::format("CREATE {}INDEX {} ON {}{}{}{}", rows.boolean(row, 1) ? "UNIQUE " : "",
                      quoted_name(name), made_, rows.text(row, 2),
                      rows.is_null(row, 4) ? "" : fmt::format(" TABLESPACE {}", rows.text(row, 4)),
                      rows.text(row, 3));
      if (rows.boolean(row, 5)) {
        sql += fmt::format(";\nALTER MATERIALIZED VIEW {} CLUSTER ON {}", made_, quoted_name(name));
      }
      if (!rows.is_null(row, 6)) {
        sql += fmt::format(";\nCOMMENT ON INDEX {}.{} IS {}", quoted_name(view_.schema),
                           quoted_name(name), context_.target.quote_literal(rows.text(row, 6)));
      }
      context_.add_attribute(fmt::format("index {} {}", shown_, display_name(rows.text(row, 0))),
                             std::move(sql));
      context_.plan.names.push_back({"INDEX", view_.schema, name, rows.str(row, 0)});
    }
    return {};
  }

  /// Comments, planner settings; `has_own_columns`: those of the old one may not be there.
  Result<void> describe(bool has_own_columns) {
    std::string sql;
    const auto add = [&](std::string statement) {
      sql += (sql.empty() ? "" : ";\n") + std::move(statement);
    };
    PGFANOUT_TRY_ASSIGN(const Rows comment,
                        context_.source.query("SELECT obj_description($1, 'pg_class')", {oid_}));
    if (!comment.is_null(0, 0)) {
      add(fmt::format("COMMENT ON MATERIALIZED VIEW {} IS {}", made_,
                      context_.target.quote_literal(comment.text(0, 0))));
    }
    PGFANOUT_TRY_ASSIGN(const Rows columns, context_.source.query(kColumnsSql, {oid_}));
    for (int row = 0; !has_own_columns && row < columns.size(); ++row) {
      const std::string column = quoted_name(columns.text(row, 0));
      if (columns.integer(row, 1) >= 0) {
        add(fmt::format("ALTER MATERIALIZED VIEW {} ALTER COLUMN {} SET STATISTICS {}", made_,
                        column, columns.text(row, 1)));
      }
      if (columns.is_null(row, 2)) continue;
      add(fmt::format("COMMENT ON COLUMN {}.{} IS {}", made_, column,
                      context_.target.quote_literal(columns.text(row, 2))));
    }
    if (!sql.empty()) {
      context_.add_attribute("comments on materialized view " + shown_, std::move(sql));
    }
    return {};
  }

  Result<void> hand_over() {
    std::string sql =
        fmt::format("ALTER MATERIALIZED VIEW {} OWNER TO {}", made_, quoted_name(view_.owner));
    PGFANOUT_TRY_ASSIGN(const std::string grantees, default_grantees(context_, 'r', view_.schema));
    if (!grantees.empty()) sql = fmt::format("REVOKE ALL ON {} FROM {};\n{}", made_, grantees, sql);
    PGFANOUT_TRY_ASSIGN(const std::string grants,
                        grants_of(context_, {view_.oid, "TABLE", made_, false}));
    if (!grants.empty()) sql += ";\n" + grants;
    context_.last.push_back(
        {fmt::format("owner of materialized view {}", shown_), std::move(sql), {}, 0});
    return {};
  }

 private:
  CarryContext& context_;
  const SourceView& view_;
  const std::string& until_swap_;
  const std::string made_;
  const std::string shown_;
  const std::string oid_;
};

}  // namespace

Result<void> carry_matview(CarryContext& context, const SourceView& view,
                           const std::string& until_swap, const std::string& query,
                           bool has_own_columns) {
  Matview matview(context, view, until_swap);
  matview.create(query, has_own_columns);
  PGFANOUT_TRY(matview.index());
  PGFANOUT_TRY(matview.describe(has_own_columns));
  return matview.hand_over();
}

}  // namespace pgfanout
