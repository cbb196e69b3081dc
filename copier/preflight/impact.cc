// Impact on the application's statements after the swap, by the way in which later rows get their
// key.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "copier/catalog/relation_name.h"
#include "copier/preflight/impact_objects.h"
#include "copier/preflight/preflight.h"

namespace pgfanout {
namespace {

using Names = std::vector<std::string>;

void append(Names& to, Names from) {
  for (std::string& name : from) {
    if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(std::move(name));
  }
}

bool holds(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Looks at one table and lists what it finds; each step appends one kind of statement.
class ImpactFinder {
 public:
  ImpactFinder(const JobDescription& job, const CopyPlan& plan, const CarryPlan& carry,
               Connection& source)
      : plan_(plan), carry_(carry), source_(source) {
    is_checked_ = layout_kind_of(job).rules(job).checks_key;
    stores_key_ = plan.key.column.has_value();
    supplies_key_ = stores_key_ && !plan.key.is_generated;
    key_name_ = stores_key_ ? display_name(*plan.key.column) : "";
    for (const std::size_t used : plan.key.expression.used_columns()) {
      key_inputs_.push_back(plan.source.columns[used].name);
    }
  }

  Result<std::vector<Impact>> find() {
    PGFANOUT_TRY_ASSIGN(keys_, find_unique_keys(source_, plan_.source));
    PGFANOUT_TRY_ASSIGN(bound_, find_bound_objects(source_, plan_.source));
    PGFANOUT_TRY(look_at_inserts());
    PGFANOUT_TRY(look_at_updates());
    PGFANOUT_TRY(look_at_conflicts());
    look_at_uniqueness();
    PGFANOUT_TRY(look_at_inbound_keys());
    PGFANOUT_TRY(look_at_groups());
    look_at_pruning();
    PGFANOUT_TRY(look_at_prepared());
    look_at_columns();
    look_at_bound();
    PGFANOUT_TRY(look_at_leaf_names());
    return std::move(found_);
  }

 private:
  Result<void> look_at_inserts();
  Result<void> look_at_updates();
  Result<void> look_at_conflicts();
  void look_at_uniqueness();
  Result<void> look_at_inbound_keys();
  Result<void> look_at_groups();
  void look_at_pruning();
  Result<void> look_at_prepared();
  void look_at_columns();
  void look_at_bound();
  Result<void> look_at_leaf_names();

  void add(std::string what, Names objects, std::string advice) {
    found_.push_back({std::move(what), std::move(objects), std::move(advice)});
  }
  [[nodiscard]] std::string inputs_text() const {
    return fmt::format("{}", fmt::join(key_inputs_, ", "));
  }
  /// Whether the new layout takes the key away from the parent, or adds a column to it.
  [[nodiscard]] bool changes(const UniqueKey& key) const {
    const Names& needed = plan_.target.partition_columns;
    return needed.empty() ||
           !std::all_of(needed.begin(), needed.end(),
                        [&](const std::string& name) { return holds(key.columns, name); });
  }

  const CopyPlan& plan_;
  const CarryPlan& carry_;
  Connection& source_;
  bool is_checked_ = false;  ///< A wrong key is refused.
  bool stores_key_ = false;
  bool supplies_key_ = false;  ///< Whoever inserts has to.
  std::string key_name_;
  Names key_inputs_;
  std::vector<UniqueKey> keys_;
  BoundObjects bound_;
  std::vector<Impact> found_;
};

Result<void> ImpactFinder::look_at_inserts() {
  if (!supplies_key_) return {};
  PGFANOUT_TRY_ASSIGN(
      Names objects,
      find_by_text(source_, plan_.source, {R"((insert\s+into|merge\s+into|copy)\s+TABLE)", ""}));
  PGFANOUT_TRY_ASSIGN(Names paths, find_insert_paths(source_, plan_.source));
  append(objects, std::move(paths));
  const char* wrong_value = !plan_.target.is_new ? "the target decides about a wrong value"
                            : is_checked_        ? "a wrong value is refused"
                                                 : "nothing refuses a wrong value";
  add(fmt::format("inserts must supply {}; {}", key_name_, wrong_value), std::move(objects),
      fmt::format("add {} to the column list, with the value {}; an INSERT or COPY without it, or "
                  "without a column list, fails with \"no partition of relation found for row\"; a "
                  "view that takes inserts needs the column as well. --key-mode generated lets "
                  "inserts go on unchanged",
                  key_name_, plan_.key.sql_on_target));
  return {};
}

Result<void> ImpactFinder::look_at_updates() {
  if (!supplies_key_) return {};
  Names columns;
  for (const std::string& name : key_inputs_) columns.push_back(literal_pattern(name));
  PGFANOUT_TRY_ASSIGN(
      Names objects, find_by_text(source_, plan_.source,
                                  {R"(update\s+(only\s+)?TABLE|insert\s+into\s+TABLE.*do\s+update)",
                                   fmt::format(R"(\y({})\y"?\s*=)", fmt::join(columns, "|"))}));
  add(fmt::format("updates of {} must set {} too", inputs_text(), key_name_), std::move(objects),
      is_checked_ ? fmt::format("set {} = {} in the same statement; without it the CHECK refuses "
                                "the row",
                                key_name_, plan_.key.sql_on_target)
                  : fmt::format("set {} = {} in the same statement; without it the row stays in "
                                "the wrong leaf and is not found by its key",
                                key_name_, plan_.key.sql_on_target));
  return {};
}

Result<void> ImpactFinder::look_at_conflicts() {
  Names objects;
  for (const UniqueKey& key : keys_) {
    if (changes(key)) objects.push_back(key.text);
  }
  if (objects.empty()) return {};
  PGFANOUT_TRY_ASSIGN(
      Names functions,
      find_by_text(source_, plan_.source, {R"(insert\s+into\s+TABLE)", R"(on\s+conflict)"}));
  append(objects, std::move(functions));
  add("ON CONFLICT targets of today match no unique constraint", std::move(objects),
      supplies_key_
          ? fmt::format("add {} to the columns after ON CONFLICT; ON CONFLICT ON CONSTRAINT and ON "
                        "CONFLICT DO NOTHING without columns go on",
                        key_name_)
          : "a table listed by an expression has no unique constraint of its own: write ON "
            "CONFLICT "
            "DO NOTHING without columns, or insert into the leaf, or use --key-mode check");
  return {};
}

void ImpactFinder::look_at_uniqueness() {
  Names weaker;
  for (const UniqueKey& key : keys_) {
    const bool covers =
        std::all_of(key_inputs_.begin(), key_inputs_.end(),
                    [&](const std::string& name) { return holds(key.columns, name); });
    if (!covers && changes(key)) weaker.push_back(key.text);
  }
  if (weaker.empty()) return;
  add("uniqueness holds within one leaf only", std::move(weaker),
      fmt::format("two rows may have equal values in these columns if they differ in {}: make the "
                  "key from columns of every unique constraint, or make sure of it in the "
                  "application",
                  inputs_text()));
}

Result<void> ImpactFinder::look_at_inbound_keys() {
  PGFANOUT_TRY_ASSIGN(Names objects, find_inbound_keys(source_, plan_.source));
  if (objects.empty()) return {};
  add("foreign keys that refer to the table find no unique constraint", std::move(objects),
      supplies_key_ ? fmt::format("give the referring tables a column for {} and refer to the new "
                                  "key, or let the application or a trigger keep the reference",
                                  key_name_)
                    : "let the application or a trigger keep the reference, or use --key-mode "
                      "check and refer to the new key");
  return {};
}

Result<void> ImpactFinder::look_at_groups() {
  const auto& key = plan_.source.primary_key;
  if (key.empty() || (supplies_key_ && holds(key, *plan_.key.column))) return {};
  PGFANOUT_TRY_ASSIGN(Names objects, find_grouped_by_key(source_, plan_.source));
  add(fmt::format("GROUP BY {} no longer covers the other columns", fmt::join(key, ", ")),
      std::move(objects),
      supplies_key_
          ? fmt::format("add {} to GROUP BY, or name every column that is selected", key_name_)
          : "name every column that is selected in GROUP BY, or aggregate it");
  return {};
}

void ImpactFinder::look_at_pruning() {
  Names now;
  if (!plan_.source.partition_key.empty()) {
    now.push_back("partitioned today by " + plan_.source.partition_key);
  }
  Names columns;
  for (const std::string& name : plan_.target.partition_columns) {
    columns.push_back(display_name(name));
  }
  const std::string named = fmt::format("{}", fmt::join(columns, ", "));
  add(columns.empty() ? "only conditions on the whole key expression pick one leaf"
                      : fmt::format("only conditions on {} pick one leaf", named),
      std::move(now),
      fmt::format(
          "a query that names {} alone looks into all {} leaves: add the condition {} = ... "
          "with the value computed from the same parameters",
          inputs_text(), plan_.target.leaves.size(),
          columns.empty() ? plan_.key.sql_on_target : named));
}

Result<void> ImpactFinder::look_at_prepared() {
  const bool is_same = !stores_key_ && plan_.stream.columns.size() == plan_.source.columns.size() &&
                       std::all_of(plan_.stream.columns.begin(), plan_.stream.columns.end(),
                                   [&](const StreamColumn& column) {
                                     const Column* same = plan_.source.find(column.target_column);
                                     return same != nullptr && same->quoted == column.source_sql;
                                   });
  if (is_same) return {};
  PGFANOUT_TRY_ASSIGN(
      Names objects,
      find_by_text(
          source_, plan_.source,
          {R"(TABLE\s*%\s*rowtype|select\s+(\w+\.)?\*\s+(into\s+\S+\s+)?from\s+(only\s+)?TABLE)",
           ""}));
  add("a prepared SELECT * fails once in each session that was open at the swap",
      std::move(objects),
      "\"cached plan must not change result type\": let the application prepare it again or "
      "reconnect; code that reads columns by position meets the new ones");
  return {};
}

void ImpactFinder::look_at_columns() {
  Names changed;
  for (const StreamColumn& column : plan_.stream.columns) {
    const bool is_key = stores_key_ && column.target_column == *plan_.key.column;
    const Column* same = plan_.source.find(column.target_column);
    if (is_key && same == nullptr) {
      changed.push_back(fmt::format("{} is new{}", key_name_,
                                    plan_.key.is_generated ? " and cannot be written" : ""));
    } else if (!is_key && (same == nullptr || same->quoted != column.source_sql)) {
      changed.push_back(fmt::format("{} is {}{}", display_name(column.target_column),
                                    same == nullptr ? "new, from " : "made from ",
                                    column.source_sql));
    }
  }
  for (const Column& column : plan_.source.columns) {
    const bool stays = std::any_of(
        plan_.stream.columns.begin(), plan_.stream.columns.end(),
        [&](const StreamColumn& target) { return target.target_column == column.name; });
    if (!stays) changed.push_back(column.quoted + " does not reach the target");
  }
  if (changed.empty()) return;
  add("columns of the table change", std::move(changed),
      "statements that name them, or that rely on their order or type, must change with them");
}

void ImpactFinder::look_at_bound() {
  if (!bound_.views.empty()) {
    add("views show the columns that they have today", bound_.views,
        carry_.views.empty()
            ? "they read the old table until they are made anew"
            : "the swap points them at the new table; CREATE OR REPLACE VIEW adds new columns");
  }
  if (!bound_.functions.empty()) {
    add("functions are bound to the old table or its row type, and follow it", bound_.functions,
        "a BEGIN ATOMIC body goes on reading the backup: CREATE OR REPLACE it after the swap; one "
        "with the row type among its arguments or results must be dropped and made anew");
  }
  if (!bound_.others.empty()) {
    add("other objects are bound to the old table or its row type, and follow it", bound_.others,
        "make them anew on the new table after the swap; cleanup cannot drop the backup before");
  }
}

Result<void> ImpactFinder::look_at_leaf_names() {
  if (plan_.source.strategy == 0) return {};
  PGFANOUT_TRY_ASSIGN(Names objects, find_leaf_names(source_, plan_.source));
  append(objects, bound_.by_leaf);
  if (objects.empty()) return {};
  add("statements that name a leaf of today find no such table, or another one", std::move(objects),
      "name the table itself, or the new leaves");
  return {};
}

}  // namespace

Result<std::vector<Impact>> find_impact(const JobDescription& job, const CopyPlan& plan,
                                        const CarryPlan& carry, Connection& source) {
  return ImpactFinder(job, plan, carry, source).find();
}

}  // namespace pgfanout
