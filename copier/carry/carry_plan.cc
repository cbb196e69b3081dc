#include "copier/carry/carry_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/application_path.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/mapping.h"
#include "copier/key/key_plan.h"

namespace pgfanout {
namespace {

/// One step for each leaf that has any of these.
void add_leaf_steps(CarryDraft& draft, const char* what, std::vector<std::string>& of_leaves,
                    std::vector<CarryStep>& steps) {
  for (std::size_t leaf = 0; leaf < of_leaves.size(); ++leaf) {
    if (of_leaves[leaf].empty()) continue;
    const std::string& table = draft.request.target_leaves[leaf];
    steps.push_back({fmt::format("{} {}", what, table), std::move(of_leaves[leaf]), table, 0, "",
                     false, false});
  }
}

/// Owners and grants come last: after those the role may no longer have the right to other steps.
void finish_attributes(CarryDraft& draft) {
  add_leaf_steps(draft, "attributes", draft.leaf_attributes, draft.plan.leaf_constraints);
  add_leaf_steps(draft, "access", draft.leaf_access, draft.plan.attributes);
  for (auto* steps : {&draft.last, &draft.grants}) {
    std::move(steps->begin(), steps->end(), std::back_inserter(draft.plan.attributes));
  }
}

const PlannedColumn* planned(const ColumnPlan& plan, std::string_view name) {
  const auto found = std::find_if(plan.columns.begin(), plan.columns.end(),
                                  [&](const PlannedColumn& at) { return at.column.name == name; });
  return found == plan.columns.end() ? nullptr : &*found;
}

bool differs(const Column& source, const Column& target) {
  return source.type_sql != target.type_sql || source.collation != target.collation;
}

/// The same name comes first: `id=nextval(...)` with `legacy_id=id` leaves an index on id with id.
ColumnMatch match_of(std::size_t at, const CarryRequest& request, const Mappings& mappings,
                     const ColumnPlan& plan) {
  const Column& column = request.source.columns[at];
  ColumnMatch match;
  match.source = &column;
  if (const PlannedColumn* same = planned(plan, column.name); same != nullptr) {
    match.target = column.name;
    match.is_changed = same->source_column != at || differs(column, same->column);
    return match;
  }
  if (request.key_column == column.name) {
    match.target = column.name;
    match.is_changed = column.type_sql != key_type_sql(request.key.result_type());
    return match;
  }
  for (const Mapping& mapping : mappings.entries) {
    if (mapping.renames != at || planned(plan, mapping.column) == nullptr) continue;
    match.target = mapping.column;
    return match;
  }
  return match;
}

/// Names that are taken in schema $1, without those of the target and of each object that depends
/// on it and that this job may have made.
constexpr const char* kTakenNamesSql = R"sql(
WITH RECURSIVE own(oid) AS (SELECT c.oid FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2 AND c.relname = $3
  UNION
  SELECT below.oid FROM own CROSS JOIN LATERAL (
    SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = own.oid
    UNION ALL SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = own.oid
    UNION ALL SELECT d.objid FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'i'
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = own.oid
    UNION ALL SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
      JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'm'
      WHERE d.classid = 'pg_rewrite'::regclass
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = own.oid
  ) below(oid))
SELECT 'relation', c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.oid NOT IN (SELECT own.oid FROM own)
UNION ALL SELECT 'relation', t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = $1 AND t.typrelid = 0 AND t.typelem = 0
UNION ALL SELECT 'statistics', s.stxname FROM pg_statistic_ext s
JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE n.nspname = $1 AND s.stxrelid NOT IN (SELECT own.oid FROM own))sql";

/// Of a source that is laid out by a key already: its key column becomes an ordinary one.
void note_key_that_stays(CarryDraft& draft) {
  if (draft.is_by_key() || !draft.laid_out_by || !draft.laid_out_by->column) return;
  const std::string& column = *draft.laid_out_by->column;
  const auto& needed = draft.request.partition_columns;
  if (draft.lacks(column) || std::find(needed.begin(), needed.end(), column) != needed.end()) {
    return;
  }
  const std::string name = display_name(column);
  draft.note(Severity::info, "key-stays",
             fmt::format("column {} stays, and so do its CHECK and its place in unique keys: they "
                         "are of the present layout, and the new one does not need them",
                         name),
             fmt::format("--skip {} leaves the column out, and unique keys and CHECK without it; "
                         "or drop it after the window",
                         name));
}

}  // namespace

Result<CarryColumns> CarryColumns::read(const CarryRequest& request, Connection& source) {
  PGFANOUT_TRY_ASSIGN(const Mappings mappings, read_mappings(request.job, source, request.source));
  PGFANOUT_TRY_ASSIGN(const ColumnPlan plan,
                      plan_new_columns(request.job, request.source, mappings));
  CarryColumns columns;
  for (std::size_t at = 0; at < request.source.columns.size(); ++at) {
    ColumnMatch match = match_of(at, request, mappings, plan);
    if (match.target && *match.target != match.source->name) {
      columns.renames_.emplace(match.source->name, *match.target);
    }
    columns.matches_.push_back(std::move(match));
  }
  for (const PlannedColumn& at : plan.columns) columns.targets_.push_back(at.column);
  if (request.key_column) {
    Column key;
    key.name = *request.key_column;
    key.quoted = quoted_name(key.name);
    key.type_sql = key_type_sql(request.key.result_type());
    key.is_not_null = true;
    if (plan.key_column) key.default_sql = plan.key_column->default_sql;
    columns.targets_.push_back(std::move(key));
  }
  for (const std::size_t index : request.key.used_columns()) {
    const ColumnMatch& match = columns.matches_[index];
    columns.key_inputs_.push_back(match.target.value_or(match.source->name));
  }
  return columns;
}

const ColumnMatch* CarryColumns::find(std::int64_t number) const {
  const auto found = std::find_if(matches_.begin(), matches_.end(), [&](const ColumnMatch& match) {
    return match.source->number == number;
  });
  return found == matches_.end() ? nullptr : &*found;
}

const Column* CarryColumns::target(std::string_view name) const {
  const auto found = std::find_if(targets_.begin(), targets_.end(),
                                  [&](const Column& column) { return column.name == name; });
  return found == targets_.end() ? nullptr : &*found;
}

Result<CarryNames> CarryNames::read(const CarryRequest& request, Connection& target) {
  CarryNames names(request, target);
  PGFANOUT_TRY(names.learn(request.target_schema));
  names.relations_.emplace(request.target_schema, request.target_name);
  for (const auto* leaves : {&request.leaf_names, &request.leaf_names_afterwards}) {
    for (const std::string& leaf : *leaves) names.relations_.emplace(request.target_schema, leaf);
  }
  return names;
}

Result<void> CarryNames::learn(std::string_view schema) {
  if (!known_schemas_.emplace(schema).second) return {};
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      target_->query(kTakenNamesSql, {std::string(schema), request_->target_schema,
                                                      request_->target_name}));
  for (int row = 0; row < rows.size(); ++row) {
    (rows.text(row, 0) == "statistics" ? statistics_ : relations_)
        .emplace(schema, rows.str(row, 1));
  }
  return {};
}

std::string CarryNames::take(Taken& taken, std::string_view schema, std::string_view stem,
                             std::string_view suffix) {
  std::string name = suffixed_name(stem, suffix);
  for (int number = 1; !taken.emplace(schema, name).second; ++number) {
    name = suffixed_name(stem, fmt::format("{}{}", suffix, number));
  }
  return name;
}

Result<std::string> CarryNames::until_swap(std::string_view schema, std::string_view afterwards) {
  PGFANOUT_TRY(learn(schema));
  return take(relations_, schema, afterwards, "_new");
}

Result<std::string> CarryNames::for_good(std::string_view schema, std::string_view wanted) {
  PGFANOUT_TRY(learn(schema));
  return take(relations_, schema, wanted, "");
}

Result<std::string> CarryNames::statistics_until_swap(std::string_view schema,
                                                      std::string_view afterwards) {
  PGFANOUT_TRY(learn(schema));
  return take(statistics_, schema, afterwards, "_new");
}

std::string CarryNames::leaf_index(std::size_t leaf, std::string_view table,
                                   std::string_view index) {
  const std::string& stem = request_->leaf_names_afterwards[leaf];
  const bool is_named_after_table =
      index.size() > table.size() + 1 && index.starts_with(table) && index[table.size()] == '_';
  std::string suffix =
      is_named_after_table ? std::string(index.substr(table.size())) : fmt::format("_{}", index);
  if (stem.size() + suffix.size() <= kMaxMadeNameBytes) {
    return take(relations_, request_->target_schema, stem + suffix, "");
  }
  // Too long: the index's own name tells indexes apart, the leaf's number tells leaves apart.
  const std::size_t digits = std::to_string(request_->leaf_names.size() - 1).size();
  return take(relations_, request_->target_schema, index, fmt::format("_p{:0{}}", leaf, digits));
}

std::string CarryDraft::on(std::string_view sql, std::string_view replacement) const {
  const std::string renamed = with_columns(
      without_own_name(sql, request.source.schema, request.source.name), columns.renames());
  return with_relation(renamed, {}, {}, replacement);
}

std::string CarryDraft::missing_columns(std::string_view numbers) const {
  std::vector<std::string> missing;
  for (const int number : numbers_in<int>(numbers)) {
    const ColumnMatch* match = columns.find(number);
    if (match != nullptr && !match->target) missing.push_back(display_name(match->source->name));
  }
  if (missing.empty()) return {};
  return fmt::format("the target has no column {}", fmt::join(missing, ", "));
}

std::vector<std::string> CarryDraft::column_names(std::string_view numbers) const {
  std::vector<std::string> found;
  for (const int number : numbers_in<int>(numbers)) {
    const ColumnMatch* match = columns.find(number);
    if (match != nullptr && match->target) found.push_back(*match->target);
  }
  return found;
}

std::string CarryDraft::column_list(std::string_view numbers) const {
  std::vector<std::string> names_of = column_names(numbers);
  for (std::string& name : names_of) name = quoted_name(name);
  return fmt::format("{}", fmt::join(names_of, ", "));
}

bool CarryDraft::covers_key(const std::vector<std::string>& target_columns) const {
  const auto has = [&](const std::string& name) {
    return std::find(target_columns.begin(), target_columns.end(), name) != target_columns.end();
  };
  if (request.key_column && has(*request.key_column)) return true;
  return std::all_of(columns.key_inputs().begin(), columns.key_inputs().end(), has);
}

bool CarryDraft::is_unique(std::string_view numbers) const {
  std::vector<std::string> wanted = column_names(numbers);
  std::sort(wanted.begin(), wanted.end());
  return std::any_of(parent_keys.begin(), parent_keys.end(), [&](std::vector<std::string> key) {
    std::sort(key.begin(), key.end());
    return key == wanted;
  });
}

bool CarryDraft::leave_behind(std::string kind, std::string name, std::string reason,
                              std::string choices) {
  const std::string accepted = fmt::format("{} {}", kind, name);
  const auto& list = request.job.window.accept;
  const bool is_accepted = std::find(list.begin(), list.end(), accepted) != list.end();
  plan.not_carried.push_back(
      {std::move(kind), std::move(name), std::move(reason), std::move(choices), is_accepted});
  return is_accepted;
}

void CarryDraft::note(Severity severity, std::string code, std::string message, std::string hint) {
  plan.issues.push_back(
      {severity, std::move(code), std::move(message), request.source.qualified, std::move(hint)});
}

Result<Rows> CarryDraft::read_for_user_code(std::string_view sql,
                                            const std::vector<Parameter>& parameters) {
  return print_under(source, request.source.application.sql, sql, parameters);
}

void CarryDraft::add_of_leaf(std::vector<std::string>& to, std::size_t leaf,
                             std::string_view sql) const {
  to.resize(request.target_leaves.size());
  to[leaf].append(to[leaf].empty() ? "" : ";\n").append(sql);
}

void CarryDraft::add_leaf_clause(std::size_t leaf, std::string_view clause) {
  leaf_clauses.resize(request.target_leaves.size());
  leaf_clauses[leaf].append(leaf_clauses[leaf].empty() ? "" : ",\n  ").append(clause);
}

void CarryDraft::alter_leaf(std::size_t leaf, std::string_view clause) {
  add_of_leaf(leaf_attributes, leaf,
              fmt::format("ALTER TABLE {} {}", request.target_leaves[leaf], clause));
}

void CarryDraft::alter_leaves(std::string_view clause) {
  for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) alter_leaf(leaf, clause);
}

std::string CarryDraft::in_target_schema(std::string_view name) const {
  return quoted_name(request.target_schema, name);
}

Result<bool> CarryDraft::has_role(const std::string& role) {
  if (request.same_database) return true;
  const auto known = roles_.find(role);
  if (known != roles_.end()) return known->second;
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      target.query("SELECT 1 FROM pg_roles WHERE rolname = $1", {role}));
  return roles_.emplace(role, rows.size() > 0).first->second;
}

std::string shown(std::string_view schema, std::string_view name) {
  return fmt::format("{}.{}", display_name(schema), display_name(name));
}

std::string columns_used(std::string_view catalog, std::string_view object,
                         std::string_view relation) {
  return fmt::format(R"sql((SELECT string_agg(DISTINCT d.refobjsubid::text, ' ') FROM pg_depend d
  WHERE d.classid = '{}'::regclass AND d.objid = {} AND d.refclassid = 'pg_class'::regclass
  AND d.refobjid = {} AND d.refobjsubid > 0))sql",
                     catalog, object, relation);
}

Result<CarryPlan> make_carry_plan(const CarryRequest& request, Connection& source,
                                  Connection& target) {
  PGFANOUT_TRY_ASSIGN(CarryColumns columns, CarryColumns::read(request, source));
  PGFANOUT_TRY_ASSIGN(CarryNames names, CarryNames::read(request, target));
  CarryDraft draft(request, source, target, std::move(columns), std::move(names));
  PGFANOUT_TRY_ASSIGN(TableKey key,
                      find_table_key(source, request.source,
                                     request.key_column.value_or(std::string(kDefaultKeyColumn))));
  if (key.known && key.known->layout) draft.laid_out_by = std::move(key.known);
  for (auto* part :
       {find_row_type_users, carry_indexes, carry_checks, carry_foreign_keys, carry_behaviour,
        carry_statistics, carry_identity, carry_sequences, carry_new_sequences, carry_routines,
        carry_views, carry_publications, carry_inbound, carry_referrers, carry_key_function,
        carry_comments, carry_access, name_the_rest}) {
    PGFANOUT_TRY(part(draft));
  }
  finish_attributes(draft);
  note_key_that_stays(draft);
  if (!request.same_database) {
    draft.plan.views.clear();
    draft.plan.moves.clear();
    draft.plan.routines.clear();
  }
  return std::move(draft.plan);
}

}  // namespace pgfanout
