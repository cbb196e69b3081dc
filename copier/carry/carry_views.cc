// Views that read the table. Plain ones are bound to the new table by name, in the swap, and keep
// their OID, grants and dependents. Materialized ones are made and filled beside the old ones.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "copier/carry/carry_context.h"
#include "copier/carry/carry_matview.h"
#include "copier/carry/carry_view_catalog.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

class ViewCarrier {
 public:
  explicit ViewCarrier(CarryContext& context) : context_(context), probe_(context) {}

  Result<void> carry(const std::vector<SourceView>& views) {
    for (const SourceView& view : views) PGFANOUT_TRY(carry(view));
    for (const auto& [name, query] : context_.request.job.window.views) {
      if (used_.contains(name)) continue;
      context_.note(Severity::warning, "unused-view",
                    fmt::format("the job file defines view {}, which does not read the table, or "
                                "reads it through another view",
                                name),
                    "take it out of the job file, or correct its name");
    }
    return {};
  }

 private:
  static const char* kind_of(const SourceView& view) {
    return view.is_materialized ? "materialized view" : "view";
  }

  /// The person's definition, if the job file has one.
  const std::string* own_query(const SourceView& view) {
    for (const auto& [written, query] : context_.request.job.window.views) {
      const auto name = parse_relation_name(written);
      if (!name || name->name != view.name) continue;
      const std::string& schema =
          name->schema.empty() ? context_.request.source.schema : name->schema;
      if (schema != view.schema) continue;
      used_.insert(written);
      return &query;
    }
    return nullptr;
  }

  [[nodiscard]] bool is_bound(const SourceView& view) const {
    return view.reads_table || std::any_of(view.matviews.begin(), view.matviews.end(),
                                           [&](std::uint32_t oid) { return made_.contains(oid); });
  }

  /// Whether the query means the same columns of the same types as today.
  [[nodiscard]] bool is_unchanged(const SourceView& view) const {
    for (const int number : numbers_in(view.columns)) {
      const ColumnFate* fate = context_.columns.find(number);
      if (fate != nullptr && (fate->is_changed || fate->target != fate->source->name)) return false;
    }
    return std::none_of(view.matviews.begin(), view.matviews.end(),
                        [&](std::uint32_t oid) { return changed_.contains(oid); });
  }

  Result<void> carry(const SourceView& view) {
    if (!is_bound(view)) return {};
    if (view.is_temporary) {
      context_.note(
          Severity::warning, "temporary-view",
          fmt::format("temporary view {} of some session reads the table", display_name(view.name)),
          "it goes on reading the old one: have that session end");
      return {};
    }
    const std::string* own = own_query(view);
    std::string query = own == nullptr ? view.query : person_query(*own);
    PGFANOUT_TRY_ASSIGN(const std::string obstacle, find_obstacle(view, query, own != nullptr));
    if (!obstacle.empty()) {
      context_.leave_behind(
          kind_of(view), shown(view.schema, view.name), obstacle,
          "give a new definition in the job file's views, drop it before and create it anew after "
          "the swap, or accept by this name that it goes on reading the old table");
      return {};
    }
    return view.is_materialized ? carry_materialized(view, query, own != nullptr)
                                : carry_plain(view, query, own != nullptr);
  }

  /// With the table's name of today in it, as if the server had printed it.
  [[nodiscard]] std::string person_query(std::string_view text) const {
    std::string query = with_placeholder(text, "{table}", context_.request.source.qualified);
    while (!query.empty() && std::string_view(" \t\r\n;").find(query.back()) != std::string::npos) {
      query.pop_back();
    }
    return query;
  }

  Result<std::string> find_obstacle(const SourceView& view, const std::string& query, bool is_own) {
    if (!context_.request.same_database) {
      return std::string("the target is in another database");
    }
    if (!is_own) {
      if (view.reads_leaf) return std::string("it reads a partition of the table by its name");
      if (view.has_row_type) return std::string("it has a column of the table's row type");
      if (view.needs_primary_key && context_.primary_key_changed) {
        return std::string(
            "its GROUP BY relies on the primary key, which does not cover the other columns any "
            "more");
      }
      if (std::string missing = context_.missing_columns(view.columns); !missing.empty()) {
        return missing;
      }
      if (is_unchanged(view)) return std::string();
    }
    PGFANOUT_TRY_ASSIGN(const ViewProbe::Answer answer, probe_.ask(query));
    if (!answer.error.empty()) {
      return fmt::format("its query cannot be run on the target: {}", answer.error);
    }
    PGFANOUT_TRY_ASSIGN(const ViewProbe::Answer today, columns_of_view(context_, view.oid));
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
                        context_.names.until_swap(view.schema, view.name));
    std::string on_target =
        is_own ? with_relation(query, context_.request.source.schema, context_.request.source.name,
                               context_.request.target_qualified)
               : context_.on_target(query);
    for (const auto& [oid, made] : made_) {
      on_target = with_relation(on_target, made.schema, made.name, made.until_swap);
    }
    PGFANOUT_TRY(carry_matview(context_, view, until_swap, on_target, is_own));
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
    // After the swap the table has its name of today again, and so have materialized views.
    context_.plan.views.push_back(
        {view.qualified,
         statement(is_own ? query : context_.on(query, context_.request.source.qualified)),
         statement(view.query)});
    return {};
  }

  struct Made {
    std::string schema;
    std::string name;
    std::string until_swap;  ///< Qualified, quoted.
  };
  CarryContext& context_;
  ViewProbe probe_;
  std::map<std::uint32_t, Made> made_;  ///< Materialized views, by the OID of the old one.
  std::set<std::uint32_t> changed_;     ///< Of those, the ones whose columns differ.
  std::set<std::string> used_;          ///< Definitions of the job file.
};

}  // namespace

Result<void> carry_views(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const std::vector<SourceView> views, read_source_views(context));
  return ViewCarrier(context).carry(views);
}

}  // namespace pgfanout
