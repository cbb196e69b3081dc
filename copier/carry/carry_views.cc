// Views and materialized views that read the source, or a materialized view that does. The swap
// binds plain ones to the new table by name: they keep their OID, grants and dependents.
// Materialized ones are created and filled beside the old ones. Views that read only other views
// stay.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

struct SourceView {
  std::uint32_t oid = 0;
  bool is_materialized = false;
  std::string schema;
  std::string name;
  std::string qualified;
  std::string query;    ///< As the server prints it.
  std::string options;  ///< "security_barrier='true'", or empty.
  std::string access_method;
  std::string tablespace;
  bool is_populated = true;
  std::string owner;
  std::string column_list;              ///< Quoted.
  std::vector<std::uint32_t> matviews;  ///< Replaced materialized views that it reads.
  bool reads_table = false;
  bool reads_leaf = false;
  std::string columns;  ///< Numbers of the source's columns that it reads.
  bool has_row_type = false;
  bool needs_primary_key = false;  ///< GROUP BY the key covers other columns.
  bool is_temporary = false;
  std::uint32_t rule = 0;  ///< OID of its pg_rewrite entry.
};

/// Materialized ones first, in the order in which they depend on each other; then the others,
/// oldest first. A view that calls a routine over the row type reads the table by it. {1}:
/// kRelationOptions; {2}: row_type_tables().
constexpr const char* kViewsSql = R"sql(
WITH RECURSIVE {2}, replaced(oid, depth) AS (
  SELECT tree.oid, 0 FROM {0}
  UNION
  SELECT r.ev_class, p.depth + 1 FROM replaced p
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass
    AND d.refobjid = p.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> p.oid
  JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'm'
), readers AS (
  SELECT r.ev_class AS oid, r.oid AS rule, max(p.depth) AS depth,
    bool_or(p.depth = 0 OR p.class = 'pg_proc'::regclass) AS reads_table,
    bool_or(p.depth = 0 AND p.oid <> $1::oid) AS reads_leaf,
    string_agg(DISTINCT p.oid::text, ' ') FILTER (WHERE p.depth > 0) AS matviews,
    string_agg(DISTINCT d.refobjsubid::text, ' ')
      FILTER (WHERE p.oid = $1::oid AND p.depth = 0 AND d.refobjsubid > 0) AS columns
  FROM (SELECT 'pg_class'::regclass AS class, x.oid, max(x.depth) AS depth FROM replaced x
      GROUP BY x.oid UNION ALL SELECT 'pg_proc'::regclass, f.oid, NULL FROM row_routine f) p
  JOIN pg_depend d ON d.refclassid = p.class
    AND d.refobjid = p.oid AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> p.oid AND r.rulename = '_RETURN'
  GROUP BY r.ev_class, r.oid)
SELECT c.oid, c.relkind = 'm', n.nspname, c.relname, c.oid::regclass::text,
  btrim(pg_get_viewdef(c.oid), E' ;\n'), {1}, quote_ident(am.amname), quote_ident(ts.spcname),
  c.relispopulated, pg_get_userbyid(c.relowner),
  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  w.matviews, w.reads_table, w.reads_leaf, w.columns,
  EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid OR t.typarray = a.atttypid
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND t.typrelid = $1::oid),
  EXISTS (SELECT FROM pg_depend d JOIN pg_constraint k ON k.oid = d.refobjid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = w.rule
    AND d.refclassid = 'pg_constraint'::regclass AND k.conrelid = $1::oid),
  c.relpersistence = 't', w.rule
FROM readers w JOIN pg_class c ON c.oid = w.oid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am am ON am.oid = c.relam LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
WHERE c.relkind IN ('v', 'm')
ORDER BY c.relkind = 'v', CASE c.relkind WHEN 'm' THEN w.depth END, c.oid)sql";

SourceView view_of(const Rows& rows, int row) {
  SourceView view;
  read_row(rows, row, view.oid, view.is_materialized, view.schema, view.name, view.qualified,
           view.query, view.options, view.access_method, view.tablespace, view.is_populated,
           view.owner, view.column_list, view.matviews, view.reads_table, view.reads_leaf,
           view.columns, view.has_row_type, view.needs_primary_key, view.is_temporary, view.rule);
  return view;
}

/// Names and types of columns: of a view as it is, or of a query.
struct ViewColumns {
  std::vector<std::string> names;
  std::vector<std::string> types;  ///< OID and modifier.
  std::string error;               ///< Why the query cannot be run; empty: it can.
};

Result<ViewColumns> columns_of_view(CarryDraft& draft, std::uint32_t oid) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      draft.source.query("SELECT attname, atttypid, atttypmod FROM pg_attribute"
                                         " WHERE attrelid = $1::oid AND attnum > 0"
                                         " AND NOT attisdropped ORDER BY attnum",
                                         {std::to_string(oid)}));
  ViewColumns columns;
  for (int row = 0; row < rows.size(); ++row) {
    columns.names.push_back(rows.str(row, 0));
    columns.types.push_back(fmt::format("{} {}", rows.text(row, 1), rows.text(row, 2)));
  }
  return columns;
}

/// Describes queries as they will be once the target is in the source's place: over a stub of the
/// new table and of each view that is replaced.
class ViewProbe {
 public:
  explicit ViewProbe(CarryDraft& draft) : draft_(draft) {
    std::vector<std::string> list;
    for (const Column& column : draft.columns.targets()) {
      list.push_back(fmt::format("NULL::{}{}{} AS {}", column.type_sql,
                                 column.collation.empty() ? "" : " COLLATE ", column.collation,
                                 column.quoted));
    }
    with_ = fmt::format("WITH pgfanout_stub_0 AS (SELECT {})", fmt::join(list, ", "));
    stubs_.push_back({draft.request.source.schema, draft.request.source.name, "pgfanout_stub_0"});
  }

  /// Of a query that reads the source and earlier replaced views.
  Result<ViewColumns> ask(std::string_view query) {
    auto described = in_savepoint(draft_.source, [&] {
      return draft_.source.describe(
          fmt::format("{} SELECT * FROM ({}\n) AS pgfanout_view", with_, over_stubs(query)));
    });
    ViewColumns columns;
    if (!described) {
      Error error = std::move(described).error();
      if (error.sqlstate.empty() || error.consequence != Consequence::refuse) return error;
      columns.error = std::move(error.message);
      return columns;
    }
    for (const ResultColumn& column : *described) {
      columns.names.push_back(column.name);
      columns.types.push_back(fmt::format("{} {}", column.type_oid, column.type_modifier));
    }
    return columns;
  }

  /// From now on the view of that name has the columns of this query.
  void replace(const SourceView& view, std::string_view query) {
    const std::string name = fmt::format("pgfanout_stub_{}", stubs_.size());
    with_ += fmt::format(", {} ({}) AS ({})", name, view.column_list, over_stubs(query));
    stubs_.push_back({view.schema, view.name, name});
  }

 private:
  [[nodiscard]] std::string over_stubs(std::string_view query) const {
    std::string sql = draft_.on(query, stubs_.front().name);
    for (std::size_t at = 1; at < stubs_.size(); ++at) {
      sql = with_relation(sql, stubs_[at].schema, stubs_[at].relation, stubs_[at].name);
    }
    return sql;
  }

  struct Stub {
    std::string schema;
    std::string relation;
    std::string name;
  };
  CarryDraft& draft_;
  std::string with_;  ///< "WITH a AS (...), b AS (...)".
  std::vector<Stub> stubs_;
};

/// {}: kIndexBody.
constexpr const char* kMatviewIndexesSql = R"sql(
SELECT c.relname, i.indisunique, left(def.body, length(def.body) - length(def.condition)),
  def.condition, quote_ident(ts.spcname), i.indisclustered, obj_description(c.oid, 'pg_class')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace CROSS JOIN LATERAL (SELECT {} AS body,
  COALESCE(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), '') AS condition) def
WHERE i.indrelid = $1::oid AND i.indisvalid ORDER BY i.indexrelid)sql";

constexpr const char* kMatviewColumnsSql = R"sql(
SELECT a.attname, COALESCE(a.attstattarget, -1), d.description FROM pg_attribute a
LEFT JOIN pg_description d ON d.objoid = a.attrelid AND d.objsubid = a.attnum
  AND d.classoid = 'pg_class'::regclass
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)sql";

class Matview {
 public:
  Matview(CarryDraft& draft, const SourceView& view, const std::string& until_swap)
      : draft_(draft),
        view_(view),
        until_swap_(until_swap),
        made_(quoted_name(view.schema, until_swap)),
        shown_(shown(view.schema, view.name)),
        oid_(std::to_string(view.oid)) {}

  /// `query` reads the target.
  Result<void> carry(const std::string& query, bool has_own_columns) {
    create(query, has_own_columns);
    PGFANOUT_TRY(index());
    fill();
    PGFANOUT_TRY(describe(has_own_columns));
    return hand_over();
  }

 private:
  void create(const std::string& query, bool has_own_columns) {
    std::string sql = fmt::format("CREATE MATERIALIZED VIEW {}", made_);
    if (!has_own_columns) sql += fmt::format(" ({})", view_.column_list);
    if (!view_.access_method.empty()) sql += " USING " + view_.access_method;
    if (!view_.options.empty()) sql += fmt::format(" WITH ({})", view_.options);
    if (!view_.tablespace.empty()) sql += " TABLESPACE " + view_.tablespace;
    sql += fmt::format(" AS\n{}\nWITH NO DATA", query);
    draft_.add_attribute("materialized view " + shown_, std::move(sql));
    draft_.plan.attributes.back().undo = "DROP MATERIALIZED VIEW " + made_;
    draft_.plan.names.push_back({"MATERIALIZED VIEW", view_.schema, until_swap_, view_.name});
  }

  /// The query and the indexes were understood as they are written; now their functions run.
  void fill() {
    if (!view_.is_populated) return;
    draft_.plan.attributes.push_back({"rows of materialized view " + shown_,
                                      "REFRESH MATERIALIZED VIEW " + made_, "", 0, "", true});
  }

  Result<void> index() {
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        draft_.source.query(fmt::format(kMatviewIndexesSql, kIndexBody), {oid_}));
    for (int row = 0; row < rows.size(); ++row) {
      PGFANOUT_TRY_ASSIGN(const std::string name,
                          draft_.names.until_swap(view_.schema, rows.text(row, 0)));
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
                           quoted_name(name), draft_.quoted(rows.text(row, 6)));
      }
      draft_.add_attribute(fmt::format("index {} {}", shown_, display_name(rows.text(row, 0))),
                           std::move(sql));
      draft_.plan.names.push_back({"INDEX", view_.schema, name, rows.str(row, 0)});
    }
    return {};
  }

  /// Comments, planner settings; `has_own_columns`: those of the old one may not be there.
  Result<void> describe(bool has_own_columns) {
    std::vector<std::string> statements;
    PGFANOUT_TRY_ASSIGN(const Rows comment,
                        draft_.source.query("SELECT obj_description($1, 'pg_class')", {oid_}));
    if (!comment.is_null(0, 0)) {
      statements.push_back(fmt::format("COMMENT ON MATERIALIZED VIEW {} IS {}", made_,
                                       draft_.quoted(comment.text(0, 0))));
    }
    PGFANOUT_TRY_ASSIGN(const Rows columns, draft_.source.query(kMatviewColumnsSql, {oid_}));
    for (int row = 0; !has_own_columns && row < columns.size(); ++row) {
      const std::string column = quoted_name(columns.text(row, 0));
      if (columns.integer(row, 1) >= 0) {
        statements.push_back(
            fmt::format("ALTER MATERIALIZED VIEW {} ALTER COLUMN {} SET STATISTICS {}", made_,
                        column, columns.text(row, 1)));
      }
      if (columns.is_null(row, 2)) continue;
      statements.push_back(fmt::format("COMMENT ON COLUMN {}.{} IS {}", made_, column,
                                       draft_.quoted(columns.text(row, 2))));
    }
    if (!statements.empty()) {
      draft_.add_attribute("comments on materialized view " + shown_,
                           fmt::format("{}", fmt::join(statements, ";\n")));
    }
    return {};
  }

  Result<void> hand_over() {
    std::string sql =
        fmt::format("ALTER MATERIALIZED VIEW {} OWNER TO {}", made_, quoted_name(view_.owner));
    PGFANOUT_TRY_ASSIGN(const std::string revoke,
                        revoke_defaults(draft_, "TABLE", view_.schema, made_));
    if (!revoke.empty()) sql = fmt::format("{};\n{}", revoke, sql);
    PGFANOUT_TRY_ASSIGN(const std::string grants,
                        grants_of(draft_, {view_.oid, "TABLE", made_, false}));
    if (!grants.empty()) sql += ";\n" + grants;
    draft_.last.push_back({fmt::format("owner of materialized view {}", shown_), std::move(sql)});
    return {};
  }

  CarryDraft& draft_;
  const SourceView& view_;
  const std::string& until_swap_;
  const std::string made_;
  const std::string shown_;
  const std::string oid_;
};

class ViewCarrier {
 public:
  explicit ViewCarrier(CarryDraft& draft) : draft_(draft), probe_(draft) {}

  Result<void> carry(const std::vector<SourceView>& views) {
    for (const SourceView& view : views) PGFANOUT_TRY(carry(view));
    for (const auto& [name, query] : draft_.request.job.window.views) {
      if (used_.contains(name)) continue;
      draft_.note(Severity::warning, "unused-view",
                  fmt::format("the job file defines view {}, which does not read the table, or "
                              "reads it through another view",
                              name),
                  "remove it from the job file, or correct its name");
    }
    return {};
  }

 private:
  /// The job file's definition, if it has one.
  const std::string* own_query(const SourceView& view) {
    for (const auto& [written, query] : draft_.request.job.window.views) {
      const auto name = parse_relation_name(written);
      if (!name || name->name != view.name) continue;
      const std::string& schema =
          name->schema.empty() ? draft_.request.source.schema : name->schema;
      if (schema != view.schema) continue;
      used_.insert(written);
      return &query;
    }
    return nullptr;
  }

  /// Whether the query reads the same columns with the same types as before.
  [[nodiscard]] bool is_unchanged(const SourceView& view) const {
    for (const int number : numbers_in<int>(view.columns)) {
      const ColumnMatch* match = draft_.columns.find(number);
      if (match != nullptr && (match->is_changed || match->target != match->source->name))
        return false;
    }
    return std::none_of(view.matviews.begin(), view.matviews.end(),
                        [&](std::uint32_t oid) { return changed_.contains(oid); });
  }

  Result<void> carry(const SourceView& view) {
    const bool is_bound =
        view.reads_table || std::any_of(view.matviews.begin(), view.matviews.end(),
                                        [&](std::uint32_t oid) { return made_.contains(oid); });
    if (!is_bound) return {};
    if (view.is_temporary) {
      draft_.note(Severity::warning, "temporary-view",
                  fmt::format("temporary view {} of another session reads the table",
                              display_name(view.name)),
                  "end that session: its view will read the old table");
      return {};
    }
    const std::string* own = own_query(view);
    std::string query = own == nullptr ? view.query : person_query(*own);
    PGFANOUT_TRY_ASSIGN(const std::string obstacle, find_obstacle(view, query, own != nullptr));
    if (!obstacle.empty()) {
      draft_.leave_behind(
          view.is_materialized ? "materialized view" : "view", shown(view.schema, view.name),
          obstacle,
          "define it in the job file's views, drop it before the swap and create it again after "
          "it, or accept by this name that it keeps reading the old table");
      return {};
    }
    return view.is_materialized ? carry_materialized(view, query, own != nullptr)
                                : carry_plain(view, query, own != nullptr);
  }

  /// With the table's present name, as if the server had printed it.
  [[nodiscard]] std::string person_query(std::string_view text) const {
    std::string query = with_placeholder(text, "{table}", draft_.request.source.qualified);
    while (!query.empty() && std::string_view(" \t\r\n;").find(query.back()) != std::string::npos) {
      query.pop_back();
    }
    return query;
  }

  Result<std::string> find_obstacle(const SourceView& view, const std::string& query, bool is_own) {
    if (!draft_.request.same_database) {
      return std::string("the target is in another database");
    }
    if (!is_own) {
      if (view.reads_leaf) return std::string("it reads a partition of the table by its name");
      if (view.has_row_type) return std::string("it has a column of the table's row type");
      if (view.needs_primary_key && draft_.primary_key_changed) {
        return std::string(
            "its GROUP BY relies on the primary key, which no longer covers the other columns");
      }
      if (std::string missing = draft_.missing_columns(view.columns); !missing.empty()) {
        return missing;
      }
      if (view.is_materialized) {
        std::string calls = draft_.row_type_obstacle(CarriedClass::rule, view.rule);
        if (!calls.empty()) return calls;
      }
      if (is_unchanged(view)) return std::string();
    }
    PGFANOUT_TRY_ASSIGN(const ViewColumns answer, probe_.ask(query));
    if (!answer.error.empty()) {
      return fmt::format("its query cannot be run on the target: {}", answer.error);
    }
    PGFANOUT_TRY_ASSIGN(const ViewColumns today, columns_of_view(draft_, view.oid));
    const bool is_same = answer.types == today.types && (!is_own || answer.names == today.names);
    if (view.is_materialized) {
      if (!is_same) changed_.insert(view.oid);
      return std::string();
    }
    if (is_same) return std::string();
    return std::string(
        "its columns would change in number, name or type, which CREATE OR REPLACE VIEW cannot do "
        "and a rollback could not undo");
  }

  Result<void> carry_materialized(const SourceView& view, const std::string& query, bool is_own) {
    PGFANOUT_TRY_ASSIGN(const std::string until_swap,
                        draft_.names.until_swap(view.schema, view.name));
    std::string on_target = is_own ? with_relation(query, draft_.request.source.schema,
                                                   draft_.request.source.name, draft_.table)
                                   : draft_.on_target(query);
    for (const auto& [oid, made] : made_) {
      on_target = with_relation(on_target, made.schema, made.name, made.until_swap);
    }
    PGFANOUT_TRY(Matview(draft_, view, until_swap).carry(on_target, is_own));
    probe_.replace(view, query);
    made_[view.oid] = {view.schema, view.name, quoted_name(view.schema, until_swap)};
    return {};
  }

  Result<void> carry_plain(const SourceView& view, const std::string& query, bool is_own) {
    const std::string options =
        view.options.empty() ? std::string() : fmt::format(" WITH ({})", view.options);
    const auto statement = [&](const std::string& sql) {
      return fmt::format("CREATE OR REPLACE VIEW {} ({}){} AS\n{}", view.qualified,
                         view.column_list, options, sql);
    };
    // After the swap the new table and the new materialized views have the present names.
    draft_.plan.views.push_back(
        {view.qualified,
         statement(is_own ? query : draft_.on(query, draft_.request.source.qualified)),
         statement(view.query)});
    return {};
  }

  struct Made {
    std::string schema;
    std::string name;
    std::string until_swap;  ///< Qualified, quoted.
  };
  CarryDraft& draft_;
  ViewProbe probe_;
  std::map<std::uint32_t, Made> made_;  ///< Materialized views, by the OID of the old one.
  std::set<std::uint32_t> changed_;     ///< Of those, the ones whose columns differ.
  std::set<std::string> used_;          ///< Definitions of the job file.
};

}  // namespace

Result<void> carry_views(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      draft.read(fmt::format(kViewsSql, kTableTree, kRelationOptions, row_type_tables())));
  std::vector<SourceView> views;
  for (int row = 0; row < rows.size(); ++row) views.push_back(view_of(rows, row));
  return ViewCarrier(draft).carry(views);
}

}  // namespace pgfanout
