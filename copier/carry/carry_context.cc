#include "copier/carry/carry_context.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {

std::string CarryContext::on(std::string_view sql, std::string_view replacement) const {
  const Table& table = request.source;
  const std::string renamed =
      with_columns(without_own_name(sql, table.schema, table.name), columns.renames());
  return with_relation(renamed, {}, {}, replacement);
}

std::string CarryContext::on_target(std::string_view sql) const {
  return on(sql, request.target_qualified);
}

std::string CarryContext::missing_columns(std::string_view numbers) const {
  std::string missing;
  for (const int number : numbers_in(numbers)) {
    const ColumnFate* fate = columns.find(number);
    if (fate == nullptr || fate->target) continue;
    missing += (missing.empty() ? "" : ", ") + display_name(fate->source->name);
  }
  return missing.empty() ? missing : fmt::format("the target has no column {}", missing);
}

std::vector<std::string> CarryContext::column_names(std::string_view numbers) const {
  std::vector<std::string> found;
  for (const int number : numbers_in(numbers)) {
    const ColumnFate* fate = columns.find(number);
    if (fate != nullptr && fate->target) found.push_back(*fate->target);
  }
  return found;
}

std::string CarryContext::column_list(std::string_view numbers) const {
  std::string list;
  for (const std::string& name : column_names(numbers)) {
    list += (list.empty() ? "" : ", ") + quoted_name(name);
  }
  return list;
}

bool CarryContext::covers_key(const std::vector<std::string>& target_columns) const {
  const auto has = [&](const std::string& name) {
    return std::find(target_columns.begin(), target_columns.end(), name) != target_columns.end();
  };
  if (request.key_column && has(*request.key_column)) return true;
  return std::all_of(columns.key_inputs().begin(), columns.key_inputs().end(), has);
}

bool CarryContext::leave_behind(std::string kind, std::string name, std::string reason,
                                std::string choices) {
  const std::string accepted = fmt::format("{} {}", kind, name);
  const auto& list = request.job.window.accept;
  const bool is_accepted = std::find(list.begin(), list.end(), accepted) != list.end();
  plan.not_carried.push_back(
      {std::move(kind), std::move(name), std::move(reason), std::move(choices), is_accepted});
  return is_accepted;
}

void CarryContext::note(Severity severity, std::string code, std::string message,
                        std::string hint) {
  plan.issues.push_back(
      {severity, std::move(code), std::move(message), request.source.qualified, std::move(hint)});
}

void CarryContext::add_leaf_attribute(std::size_t leaf, std::string_view sql) {
  leaf_attributes.resize(request.target_leaves.size());
  std::string& all = leaf_attributes[leaf];
  if (!all.empty()) all += ";\n";
  all += sql;
}

void CarryContext::add_leaf_clause(std::size_t leaf, std::string_view clause) {
  leaf_clauses.resize(request.target_leaves.size());
  std::string& all = leaf_clauses[leaf];
  if (!all.empty()) all += ",\n  ";
  all += clause;
}

std::string CarryContext::in_target_schema(std::string_view name) const {
  return quoted_name(request.target_schema, name);
}

Result<bool> CarryContext::has_role(const std::string& role) {
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

}  // namespace pgfanout
