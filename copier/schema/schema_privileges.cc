// SchemaJudge for privileges: which grants of one list the other does not cover.
#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_impact.h"

namespace pgfanout {
namespace {

constexpr std::string_view kGrantOption = " WITH GRANT OPTION";
/// Unknown to servers before 17, so that nobody can have it there.
constexpr std::string_view kMaintain = "MAINTAIN";

/// Cut at commas outside of quoted names.
std::vector<std::string> items_of(std::string_view list) {
  std::vector<std::string> items;
  std::string item;
  bool is_quoted = false;
  for (const char byte : list) {
    if (byte == '"') is_quoted = !is_quoted;
    if (byte == ',' && !is_quoted) {
      items.push_back(std::move(item));
      item.clear();
    } else if (byte != ' ' || is_quoted || !item.empty()) {
      item += byte;
    }
  }
  if (!item.empty()) items.push_back(std::move(item));
  return items;
}

/// A privilege on the table covers that on each column, the right to pass it on covers having it.
bool is_covered(const std::string& item, const std::vector<std::string>& by) {
  const auto has = [&](const std::string& wanted) {
    return std::find(by.begin(), by.end(), wanted) != by.end();
  };
  const bool passes_on = item.ends_with(kGrantOption);
  const std::string privilege =
      passes_on ? item.substr(0, item.size() - kGrantOption.size()) : item;
  const std::string on_table = privilege.substr(0, privilege.find(" ("));
  for (const std::string& name : {privilege, on_table}) {
    if (has(name + std::string(kGrantOption)) || (!passes_on && has(name))) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> lost_privileges(std::string_view source, std::string_view target) {
  const std::vector<std::string> granted = items_of(target);
  std::vector<std::string> lost;
  for (std::string& item : items_of(source)) {
    if (!is_covered(item, granted)) lost.push_back(std::move(item));
  }
  return lost;
}

SchemaImpact SchemaJudge::missing_privileges(const SchemaObject& source,
                                             std::string_view target_definition) const {
  std::string lost;
  bool is_error = false;
  for (const std::string& item : lost_privileges(source.definition, target_definition)) {
    const std::vector<SqlPiece> words = sql_words(item);
    const bool is_skipped = std::any_of(words.begin(), words.end(), [&](const SqlPiece& word) {
      return word.is_name() && context_.skipped_columns.contains(word.name);
    });
    if (is_skipped) continue;
    lost += (lost.empty() ? "" : ", ") + item;
    is_error = is_error || item != kMaintain;
  }
  if (lost.empty()) return {Severity::info, "nothing is lost"};
  const std::string text = source.name == "PUBLIC"
                               ? fmt::format("roles can no longer {}", lost)
                               : fmt::format("role {} can no longer {}", source.name, lost);
  return {is_error ? Severity::error : Severity::warning, text};
}

}  // namespace pgfanout
