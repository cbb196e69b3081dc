// Indexes, with the keys and exclusion constraints that stand on them: built leaf by leaf, adopted
// by the parent without another look at the rows.
#include <fmt/format.h>

#include <algorithm>

#include "copier/carry/carry_context.h"
#include "copier/carry/carry_index_catalog.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

constexpr const char* kWeakChoices =
    "accept it by this name, and it holds within each leaf only; or partition by a key that is "
    "computed from its columns; or enforce it elsewhere";

class IndexCarrier {
 public:
  IndexCarrier(CarryContext& context, const SourceIndex& index)
      : context_(context),
        index_(index),
        kind_(index.constraint == 0 ? "index" : "constraint"),
        name_(display_name(index.name)) {}

  Result<void> carry() {
    if (!index_.is_valid) {
      context_.note(Severity::warning, "index-invalid",
                    fmt::format("index {} is not valid: it is not carried over", name_),
                    "REINDEX or drop it before");
      return {};
    }
    if (const std::string missing = context_.missing_columns(index_.used_columns);
        !missing.empty()) {
      context_.leave_behind(kind_, name_, missing,
                            "map the column, or accept the loss by this name");
      return {};
    }
    if (index_.constraint_type == 'x') return carry_exclusion();
    if (index_.is_exclusion) {
      context_.leave_behind(kind_, name_, "a key WITHOUT OVERLAPS cannot be built leaf by leaf",
                            "accept the loss by this name, and add it after the swap");
      return {};
    }
    if (index_.is_unique && !may_be_unique()) return {};
    return build();
  }

 private:
  [[nodiscard]] std::vector<std::string> key_names() const {
    return context_.column_names(index_.key_columns);
  }

  [[nodiscard]] bool needs_key() const {
    const auto names = key_names();
    return index_.is_unique && context_.rules.by_columns && context_.request.key_column &&
           std::find(names.begin(), names.end(), *context_.request.key_column) == names.end();
  }

  bool may_be_unique() {
    if (context_.covers_key(key_names())) return true;
    return context_.leave_behind(
        kind_, name_,
        "uniqueness over the whole table cannot be kept: equal values may lie in different leaves, "
        "since the partition key is not computed from its columns",
        kWeakChoices);
  }

  [[nodiscard]] std::string tablespace(std::string_view words) const {
    if (index_.tablespace.empty() || !context_.request.same_database) return {};
    return fmt::format(" {} {}", words, index_.tablespace);
  }

  /// " USING btree (...) ..." with the key column where a unique index needs it.
  [[nodiscard]] std::string definition() const {
    std::string tail = context_.on_target(index_.tail);
    if (needs_key()) tail = with_item(tail, quoted_name(*context_.request.key_column));
    return tail + tablespace("TABLESPACE") + context_.on_target(index_.where);
  }

  [[nodiscard]] bool has_parent() const {
    return !index_.on_leaves_only && (!index_.is_unique || context_.rules.by_columns);
  }

  [[nodiscard]] std::string_view create() const {
    return index_.is_unique ? "CREATE UNIQUE INDEX" : "CREATE INDEX";
  }

  Result<void> build() {
    carried_.source_oid = index_.oid;
    carried_.columns = key_names();
    if (needs_key()) carried_.columns.push_back(*context_.request.key_column);
    carried_.may_identify = may_identify();
    const std::string sql = definition();
    const CarryRequest& request = context_.request;
    for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
      carried_.on_leaves.push_back(context_.names.leaf_index(leaf, index_.table, index_.name));
      context_.plan.leaf_indexes.push_back(
          {fmt::format("index {} {}", request.target_leaves[leaf], name_),
           fmt::format("{} {} ON {}{}", create(), quoted_name(carried_.on_leaves.back()),
                       request.target_leaves[leaf], sql),
           request.target_leaves[leaf], 0});
    }
    if (index_.constraint != 0) constrain_leaves();
    if (index_.constraint_type == 'p') {
      context_.primary_key_changed = needs_key() || !has_parent();
    }
    note_change();
    if (has_parent()) PGFANOUT_TRY(build_parent(sql));
    record();
    context_.indexes.push_back(std::move(carried_));
    return {};
  }

  void note_change() {
    if (!index_.is_unique || index_.on_leaves_only) return;
    if (needs_key()) {
      context_.note(Severity::info, "key-extended",
                    fmt::format("{} {} gains the column {}: ON CONFLICT must name it", kind_, name_,
                                display_name(*context_.request.key_column)));
    } else if (!has_parent()) {
      context_.note(
          Severity::info, "key-per-leaf",
          fmt::format("{} {} stands on each leaf, not on their parent: ON CONFLICT cannot "
                      "name its columns",
                      kind_, name_));
    }
  }

  [[nodiscard]] bool may_identify() const {
    const bool is_plain = index_.is_unique && index_.where.empty() && !index_.has_expressions &&
                          index_.constraint_suffix.empty();
    return is_plain && std::all_of(carried_.columns.begin(), carried_.columns.end(),
                                   [&](const std::string& name) {
                                     const Column* column = context_.columns.target(name);
                                     return column != nullptr && column->is_not_null;
                                   });
  }

  [[nodiscard]] std::string_view key_words() const {
    return index_.constraint_type == 'p' ? "PRIMARY KEY" : "UNIQUE";
  }

  void constrain_leaves() {
    for (std::size_t leaf = 0; leaf < carried_.on_leaves.size(); ++leaf) {
      const std::string name = quoted_name(carried_.on_leaves[leaf]);
      context_.add_leaf_clause(leaf, fmt::format("ADD CONSTRAINT {0} {1} USING INDEX {0}{2}", name,
                                                 key_words(), index_.constraint_suffix));
    }
  }

  Result<void> build_parent(const std::string& sql) {
    const CarryRequest& request = context_.request;
    PGFANOUT_TRY_ASSIGN(carried_.on_parent,
                        context_.names.until_swap(request.target_schema, index_.name));
    auto& steps =
        index_.constraint == 0 ? context_.plan.parent_indexes : context_.plan.parent_constraints;
    if (index_.constraint != 0) {
      add_parent_key(steps);
    } else {
      steps.push_back({fmt::format("index {} {}", request.target_qualified, name_),
                       fmt::format("{} {} ON ONLY {}{}", create(), quoted_name(carried_.on_parent),
                                   request.target_qualified, sql),
                       {},
                       0});
    }
    for (std::size_t leaf = 0; leaf < carried_.on_leaves.size(); ++leaf) {
      steps.push_back({fmt::format("attach {} {}", request.target_leaves[leaf], name_),
                       fmt::format("ALTER INDEX {} ATTACH PARTITION {}",
                                   context_.in_target_schema(carried_.on_parent),
                                   context_.in_target_schema(carried_.on_leaves[leaf])),
                       request.target_leaves[leaf], 0});
    }
    context_.plan.names.push_back(
        {"INDEX", request.target_schema, carried_.on_parent, index_.name});
    if (index_.is_unique && index_.where.empty() && !index_.has_expressions) {
      context_.parent_keys.push_back(carried_.columns);
    }
    return {};
  }

  void add_parent_key(std::vector<CarryStep>& steps) {
    const CarryRequest& request = context_.request;
    std::string columns;
    std::string sql;
    for (const std::string& name : carried_.columns) {
      columns += (columns.empty() ? "" : ", ") + quoted_name(name);
      const Column* column = context_.columns.target(name);
      if (index_.constraint_type != 'p' || column == nullptr || column->is_not_null) continue;
      sql += fmt::format("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL;\n", request.target_qualified,
                         column->quoted);
    }
    const std::string included = context_.column_list(index_.include_columns);
    sql += fmt::format("ALTER TABLE ONLY {} ADD CONSTRAINT {} {}{} ({}){}{}{}{}",
                       request.target_qualified, quoted_name(carried_.on_parent), key_words(),
                       index_.nulls_not_distinct ? " NULLS NOT DISTINCT" : "", columns,
                       included.empty() ? "" : fmt::format(" INCLUDE ({})", included),
                       index_.options.empty() ? "" : fmt::format(" WITH ({})", index_.options),
                       tablespace("USING INDEX TABLESPACE"), index_.constraint_suffix);
    steps.push_back(
        {fmt::format("constraint {} {}", request.target_qualified, name_), std::move(sql), {}, 0});
  }

  void record() {
    const CarryRequest& request = context_.request;
    const auto add = [&](const std::string& index, const std::string& table) {
      context_.record(CarriedClass::index, index_.oid, "INDEX " + context_.in_target_schema(index));
      if (index_.constraint == 0) return;
      context_.record(CarriedClass::constraint, index_.constraint,
                      fmt::format("CONSTRAINT {} ON {}", quoted_name(index), table));
    };
    if (has_parent()) return add(carried_.on_parent, request.target_qualified);
    for (std::size_t leaf = 0; leaf < carried_.on_leaves.size(); ++leaf) {
      add(carried_.on_leaves[leaf], request.target_leaves[leaf]);
    }
  }

  Result<void> carry_exclusion() {
    const bool holds = context_.covers_key(context_.column_names(index_.equality_columns));
    if (!holds &&
        !context_.leave_behind(
            kind_, name_,
            "rows that exclude each other may lie in different leaves, since the columns that the "
            "partition key is computed from are not all compared by = in it",
            kWeakChoices)) {
      return {};
    }
    carried_.source_oid = index_.oid;
    const CarryRequest& request = context_.request;
    const std::string where =
        index_.where.empty()
            ? ""
            : fmt::format(" WHERE ({})", context_.on_target(index_.where.substr(7)));
    for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
      carried_.on_leaves.push_back(context_.names.leaf_index(leaf, index_.table, index_.name));
      context_.plan.leaf_constraints.push_back(
          {fmt::format("exclusion {} {}", request.target_leaves[leaf], name_),
           fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}{}{}{}", request.target_leaves[leaf],
                       quoted_name(carried_.on_leaves.back()),
                       context_.on_target(index_.constraint_sql),

                       tablespace("USING INDEX TABLESPACE"), where, index_.constraint_suffix),
           request.target_leaves[leaf], 0});
    }
    context_.note(Severity::info, "exclusion-per-leaf",
                  fmt::format("exclusion constraint {} stands on each leaf, not on their parent: "
                              "a leaf that is added later needs its own",
                              name_));
    for (std::size_t leaf = 0; leaf < carried_.on_leaves.size(); ++leaf) {
      const std::string& index = carried_.on_leaves[leaf];
      context_.record(CarriedClass::index, index_.oid, "INDEX " + context_.in_target_schema(index));
      context_.record(
          CarriedClass::constraint, index_.constraint,
          fmt::format("CONSTRAINT {} ON {}", quoted_name(index), request.target_leaves[leaf]));
    }
    context_.indexes.push_back(std::move(carried_));
    return {};
  }

  CarryContext& context_;
  const SourceIndex& index_;
  const std::string kind_;
  const std::string name_;
  CarriedIndex carried_;
};

}  // namespace

Result<void> carry_indexes(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const SourceIndexes found,
                      read_source_indexes(context.source, context.request.source));
  for (const SourceIndex& index : found.carried) {
    PGFANOUT_TRY(IndexCarrier(context, index).carry());
  }
  for (const std::string& some : found.on_some_leaves) {
    context.note(Severity::warning, "leaf-object",
                 fmt::format("index {} of the source is not carried over", some),
                 "create it on the table if the application needs it");
  }
  return {};
}

}  // namespace pgfanout
