#include "copier/schema/schema_comparison.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_deployment.h"

namespace pgfanout {
namespace {

// --- Which object of the source is which of the target ---

/// At least one of the two is set. They point into the lists that were paired.
struct SchemaPair {
  const SchemaObject* source = nullptr;
  const SchemaObject* target = nullptr;

  [[nodiscard]] const SchemaObject& any() const { return source != nullptr ? *source : *target; }
};

/// Whether its definition identifies the object.
bool is_named_by_definition(const SchemaObject& object) {
  return object.name == object.definition;
}

bool is_on_leaves_only(const SchemaObject& object) {
  return object.detail.starts_with(kOnLeavesOnly);
}

/// The alias of the only relation that a query reads: "t" of "FROM <table> t". Else empty.
std::string_view only_alias(std::string_view sql) {
  constexpr std::string_view kFrom = "FROM ";
  const std::size_t from = sql.find(kFrom);
  const bool is_only = from != std::string_view::npos &&
                       sql.find("JOIN ") == std::string_view::npos &&
                       sql.find(kFrom, from + 1) == std::string_view::npos;
  if (!is_only || !sql.substr(from + kFrom.size()).starts_with(kOwnTable)) return {};
  const std::string_view rest = sql.substr(from + kFrom.size() + kOwnTable.size());
  const std::size_t end = std::min(rest.find_first_of(",\n"), rest.size());
  const bool has_alias = end > 1 && rest.front() == ' ' && (end == rest.size() || rest[end] != ',');
  return has_alias ? rest.substr(1, end - 1) : std::string_view{};
}

bool is_in_name(char byte) {
  return continues_sql_name(byte) || byte == '"' || byte == '.';
}

/// Outside of literals.
std::string without_qualifiers(std::string_view sql) {
  const std::string table = fmt::format("{}.", kOwnTable);
  const std::string alias = fmt::format("{}.", only_alias(sql));
  std::string plain;
  bool is_literal = false;
  for (std::size_t at = 0; at < sql.size();) {
    const std::string_view rest = sql.substr(at);
    const bool begins = !is_literal && (at == 0 || !is_in_name(sql[at - 1]));
    if (begins && rest.starts_with(table)) {
      at += table.size();
    } else if (begins && alias.size() > 1 && rest.starts_with(alias)) {
      at += alias.size();
    } else {
      if (sql[at] == '\'') is_literal = !is_literal;
      plain += sql[at++];
    }
  }
  return plain;
}

/// Equal, but for a column's qualification by its table, which servers print differently.
bool is_same_sql(std::string_view left, std::string_view right) {
  return left == right || without_qualifiers(left) == without_qualifiers(right);
}

/// "(a, b)" of a key or index. Empty if there is none.
std::string_view column_list(std::string_view definition) {
  const std::size_t open = definition.find('(');
  const std::size_t end = end_of_list(definition);
  return end == std::string_view::npos ? std::string_view() : definition.substr(open, end - open);
}

/// Of a primary key, unique constraint or unique index.
bool is_key(std::string_view definition) {
  return definition.starts_with("PRIMARY KEY") || definition.starts_with("UNIQUE") ||
         definition.starts_with("CREATE UNIQUE INDEX");
}

/// `definition` of a key or unique index without `column` in its list of columns; unchanged if it
/// is not there, or if this is no such definition.
std::string without_key_column(const std::string& definition, const std::string& column) {
  if (!is_key(definition) || column.empty()) return definition;
  const std::string plain = without_item(definition, column);
  return plain != definition ? plain : without_item(definition, quoted_name(column));
}

using IsSame = std::function<bool(const SchemaObject&, const SchemaObject&)>;

bool has_same_name(const SchemaObject& source, const SchemaObject& target) {
  return is_same_sql(source.name, target.name);
}

bool is_same_object(const SchemaObject& source, const SchemaObject& target) {
  return has_same_name(source, target) && is_same_sql(source.definition, target.definition);
}

/// The same own name of two objects that their definitions identify.
bool has_same_detail(const SchemaObject& source, const SchemaObject& target) {
  return is_named_by_definition(source) && is_named_by_definition(target) &&
         !source.detail.empty() && source.detail == target.detail && !is_on_leaves_only(source);
}

class Pairing {
 public:
  Pairing(const std::vector<SchemaObject>& source, const std::vector<SchemaObject>& target)
      : target_(target), is_taken_(target.size(), false) {
    for (const SchemaObject& object : source) pairs_.push_back({&object, nullptr});
  }

  void match(const IsSame& is_same) {
    for (SchemaPair& pair : pairs_) {
      if (pair.target == nullptr) pair.target = take(*pair.source, is_same);
    }
  }

  std::vector<SchemaPair> finish() {
    for (std::size_t i = 0; i < target_.size(); ++i) {
      if (!is_taken_[i]) pairs_.push_back({nullptr, &target_[i]});
    }
    return std::move(pairs_);
  }

 private:
  const SchemaObject* take(const SchemaObject& source, const IsSame& is_same) {
    for (std::size_t i = 0; i < target_.size(); ++i) {
      if (is_taken_[i] || target_[i].kind != source.kind || !is_same(source, target_[i])) continue;
      is_taken_[i] = true;
      return &target_[i];
    }
    return nullptr;
  }

  const std::vector<SchemaObject>& target_;
  std::vector<bool> is_taken_;
  std::vector<SchemaPair> pairs_;
};

/// Every object of either side, once. `key_column` may have joined the target's keys.
std::vector<SchemaPair> pair_schemas(const std::vector<SchemaObject>& source,
                                     const std::vector<SchemaObject>& target,
                                     const std::string& key_column) {
  Pairing pairing(source, target);
  pairing.match(is_same_object);
  pairing.match(has_same_name);
  pairing.match([&](const SchemaObject& left, const SchemaObject& right) {
    return is_named_by_definition(left) &&
           is_same_sql(left.definition, without_key_column(right.definition, key_column));
  });
  pairing.match(has_same_detail);
  return pairing.finish();
}

constexpr std::string_view kGrantOption = " WITH GRANT OPTION";

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
  const auto has = [&](const std::string& wanted) { return contains(by, wanted); };
  const bool passes_on = item.ends_with(kGrantOption);
  const std::string privilege =
      passes_on ? item.substr(0, item.size() - kGrantOption.size()) : item;
  const std::string on_table = privilege.substr(0, privilege.find(" ("));
  for (const std::string& name : {privilege, on_table}) {
    if (has(name + std::string(kGrantOption)) || (!passes_on && has(name))) return true;
  }
  return false;
}

// --- The impact of a difference on the application ---

struct SchemaImpact {
  Severity severity = Severity::info;
  std::string text;
  /// Comes with a column that is missing and not meant to be: to be made though it is no gap of its
  /// own.
  bool belongs_to_missing_column = false;
};

SchemaImpact error(std::string text) {
  return {Severity::error, std::move(text)};
}
SchemaImpact warning(std::string text) {
  return {Severity::warning, std::move(text)};
}
SchemaImpact info(std::string text) {
  return {Severity::info, std::move(text)};
}

/// Definition of a column up to its collation.
std::string_view type_of(std::string_view definition) {
  return definition.substr(0, definition.find(" COLLATE "));
}

bool mentions(std::string_view sql, const std::set<std::string>& names) {
  const std::vector<SqlPiece> words = sql_words(sql);
  return std::ranges::any_of(
      words, [&](const SqlPiece& word) { return word.is_name() && names.contains(word.name); });
}

struct KindImpact {
  std::string_view kind;
  Severity severity;
  std::string_view text;
};

constexpr KindImpact kDifferent[] = {
    {"type", Severity::error,
     "values that the source's type accepts may be refused or sorted in another order"},
    {"default", Severity::warning, "inserts that leave the column out store another value"},
    {"constraint", Severity::error, "other rows are accepted or refused than before"},
    {"index", Severity::warning, "queries that use it may get slow"},
    {"trigger", Severity::error, "something else happens, or at another time"},
    {"rule", Severity::error, "statements are rewritten in another way"},
    {"function", Severity::warning, "its callers may compute something else"},
    {"partition", Severity::info, "the layout is what the migration changes"},
    {"policy", Severity::error, "roles see or write other rows than before"},
    {"view", Severity::warning, "its queries may give another result"},
    {"sequence", Severity::warning,
     "numbers are generated in another way, or the sequence is dropped with the table that owns "
     "it"},
    {"publication", Severity::warning, "subscribers get other changes than before"},
    {"statistics", Severity::warning, "the planner may misjudge queries on these columns"},
    {"storage option", Severity::warning, "rows are stored or maintained in another way"},
    {"replica identity", Severity::warning,
     "subscribers may refuse updates and deletes, or more is written to the log"},
    {"comment", Severity::warning, "it explains something else"},
    {"", Severity::warning, "the two are not the same"},
};

/// For kinds whose loss does not depend on the object.
constexpr KindImpact kMissing[] = {
    {"sequence", Severity::warning, "the column has no sequence"},
    {"statistics", Severity::warning, "the planner misjudges queries on these columns"},
    {"storage option", Severity::warning, "rows are stored or maintained in another way"},
    {"comment", Severity::warning, "its explanation is lost"},
    {"partition", Severity::info, "the layout is what the migration changes"},
    {"", Severity::warning, "the target does without it"},
};

/// The entry of that kind; the last one for a kind that has none.
template <std::size_t size>
SchemaImpact impact_of(const KindImpact (&table)[size], std::string_view kind) {
  const auto* entry = std::find_if(std::begin(table), std::end(table) - 1,
                                   [&](const KindImpact& at) { return at.kind == kind; });
  return {entry->severity, std::string(entry->text)};
}

/// Judges one pair at a time with a view of both sides, which must outlive it.
class SchemaJudge {
 public:
  SchemaJudge(const std::vector<SchemaObject>& source, const std::vector<SchemaObject>& target,
              const ExpectedDifferences& expected)
      : source_(source), target_(target), expected_(expected) {}

  [[nodiscard]] SchemaImpact missing(const SchemaObject& source) const {
    const std::string column = column_of(source);
    if (expected_.skipped_columns.contains(column)) return info("the job leaves the column out");
    if (mentions_skipped_column(source)) return info("is on a column that the job leaves out");
    const std::string& kind = source.kind;
    if (kind == "column") return error("statements that name the column fail");
    if (!column.empty() && find_object(target_, "column", column) == nullptr) {
      return {Severity::info, "comes with the column, which is missing", true};
    }
    if (kind == "not null") {
      if (!source.is_valid && has_check_of_null(source)) {
        return info("a check that is NOT VALID refuses NULL instead");
      }
      return capped(source, error("inserts that leave the column out would store NULL"));
    }
    if (kind == "default") return capped(source, missing_default(source));
    if (kind == "constraint") return missing_constraint(source);
    if (kind == "index") return missing_index(source);
    if (kind == "policy") return missing_policy(source);
    if (kind == "privilege") return missing_privileges(source, {});
    if (source.can_be_disabled()) {
      if (!source.is_valid) return info("it is disabled at the source");
      return error(fmt::format("what the {} does or refuses no longer happens", kind));
    }
    return missing_in_database(source);
  }

  [[nodiscard]] SchemaImpact different(const SchemaObject& source,
                                       const SchemaObject& target) const {
    if (source.kind == "default" && expected_.requested.contains(source.name)) {
      return info("as the job asks for");
    }
    if (source.kind == "column") return different_column(source, target);
    if (source.kind == "privilege") return missing_privileges(source, target.definition);
    if (source.kind == "owner") {
      return warning(fmt::format("only {} and its members may alter the table", target.definition));
    }
    const bool is_keys = source.kind == "constraint" || source.kind == "index";
    if (is_keys && is_key(source.definition)) return different_key(source, target);
    return capped(source, impact_of(kDifferent, source.kind));
  }

  [[nodiscard]] static SchemaImpact not_valid(const SchemaObject& target) {
    if (target.kind == "index") {
      return {target.definition.starts_with("CREATE UNIQUE") ? Severity::error : Severity::warning,
              "it is not ready on every leaf, and queries do not rely on it"};
    }
    if (target.can_be_disabled()) {
      return error("it is disabled: what it does or refuses no longer happens");
    }
    if (target.kind == "view") return warning("it holds no rows before a refresh");
    if (is_key(target.definition)) return error("it is not enforced on every leaf");
    return warning("rows that were there before were not checked");
  }

  [[nodiscard]] SchemaImpact extra(const SchemaObject& target) const {
    const std::string& key = expected_.key_column;
    const bool is_keys =
        !key.empty() && (column_of(target) == key || target.name == key ||
                         (target.kind == "constraint" && mentions(target.definition, {key})));
    if (is_keys) {
      if (target.kind == "column" && find_object(target_, "default", key) == nullptr) {
        return info("part of the new layout: inserts must supply it");
      }
      return info("part of the new layout");
    }
    const bool may_be_requested = target.kind == "default" || target.kind == "not null" ||
                                  target.kind == "sequence" || target.kind == "index";
    if (may_be_requested && expected_.requested.contains(target.name)) {
      return info("the job asks for it");
    }
    if (target.kind == "not null" && find_object(target_, "default", target.name) == nullptr) {
      return info("inserts that leave the column out fail");
    }
    return info(target.kind == "constraint" ? "rows may be refused" : "the source has none");
  }

  /// Of two equal objects: each table has one of its own, which matters for counters.
  [[nodiscard]] static SchemaImpact equal(const SchemaObject& source, const SchemaObject& target) {
    if (source.kind != "sequence" || source.detail == target.detail) return {};
    return info("a sequence of its own: it needs the position of the source's");
  }

 private:
  /// A server before 18 has one in place of a NOT NULL that is NOT VALID.
  [[nodiscard]] bool has_check_of_null(const SchemaObject& source) const {
    const std::string check = fmt::format("CHECK (({} IS NOT NULL))", display_name(source.name));
    return std::ranges::any_of(target_, [&](const SchemaObject& each) {
      return each.kind == "constraint" && is_same_sql(each.definition, check);
    });
  }

  /// The column of a default, NOT NULL, sequence, comment or storage option; else empty.
  [[nodiscard]] std::string column_of(const SchemaObject& object) const {
    if (object.kind == "default" || object.kind == "not null" || object.kind == "sequence" ||
        object.kind == "column") {
      return object.name;
    }
    if (object.kind != "comment" && object.kind != "storage option") return {};
    // "COLUMN a" of a comment, "a STORAGE" of an option.
    for (const SchemaObject& column : source_) {
      if (column.kind != "column") continue;
      for (const std::string& written : {display_name(column.name), quoted_name(column.name)}) {
        if (object.name == "COLUMN " + written) return column.name;
        if (object.kind == "storage option" && object.name.starts_with(written + " ")) {
          return column.name;
        }
      }
    }
    return {};
  }

  [[nodiscard]] bool mentions_skipped_column(const SchemaObject& object) const {
    if (object.kind != "constraint" && object.kind != "index" && object.kind != "statistics") {
      return false;
    }
    // Without another table's list of columns.
    return mentions(object.definition.substr(0, object.definition.find(" REFERENCES ")),
                    expected_.skipped_columns);
  }

  /// Values that the job computes while copying are expected to follow other rules.
  [[nodiscard]] SchemaImpact capped(const SchemaObject& object, SchemaImpact impact) const {
    if (expected_.mapped_columns.contains(object.name) && impact.severity == Severity::error) {
      impact.severity = Severity::warning;
    }
    return impact;
  }

  [[nodiscard]] SchemaImpact missing_default(const SchemaObject& source) const {
    const bool fails = find_object(target_, "not null", source.name) != nullptr;
    const char* result = fails ? "inserts that leave the column out fail"
                               : "inserts that leave the column out would store NULL";
    if (source.definition.ends_with("AS IDENTITY")) {
      return error(fmt::format("the column gets no number by itself: {}", result));
    }
    if (source.definition.starts_with("GENERATED")) {
      return error(fmt::format("the column is no longer computed: {}", result));
    }
    return error(result);
  }

  [[nodiscard]] SchemaImpact missing_constraint(const SchemaObject& source) const {
    const std::string& definition = source.definition;
    if (definition.starts_with("FROM ")) {
      return warning(expected_.is_same_database
                         ? "keeps referencing the old table unless the swap carries it over"
                         : "rows that the other table references could be deleted");
    }
    if (definition.starts_with("CHECK")) {
      return error("rows that break the rule would be accepted");
    }
    if (definition.starts_with("FOREIGN KEY")) {
      return error("rows that reference nothing would be accepted, and its actions do not happen");
    }
    if (definition.starts_with("EXCLUDE")) return error("conflicting rows would be accepted");
    return missing_key(source);
  }

  [[nodiscard]] SchemaImpact missing_key(const SchemaObject& source) const {
    for (const SchemaObject& index : target_) {
      if (index.kind != "index" || !index.is_valid ||
          !index.definition.starts_with("CREATE UNIQUE INDEX")) {
        continue;
      }
      const std::string plain = without_key_column(index.definition, expected_.key_column);
      if (column_list(plain) != column_list(source.definition)) continue;
      return warning(
          is_on_leaves_only(index)
              ? "unique within each leaf only: ON CONFLICT and foreign keys find no key of the "
                "table"
              : "a unique index is there, but foreign keys and tools that need a key find none");
    }
    return error("duplicates would be accepted, and ON CONFLICT on these columns fails");
  }

  [[nodiscard]] SchemaImpact missing_index(const SchemaObject& source) const {
    if (!source.is_valid) return info("it is not valid at the source");
    if (find_object(target_, source.kind, source.name) != nullptr) {
      return info("the same as another index, which the target has");
    }
    if (source.definition.starts_with("CREATE UNIQUE")) {
      return error("duplicates would be accepted, and ON CONFLICT on these columns fails");
    }
    return warning("queries that use it get slow");
  }

  [[nodiscard]] static SchemaImpact missing_policy(const SchemaObject& source) {
    if (source.name == kRowSecurityName) {
      return error("every role that may read the table sees all of its rows");
    }
    return error(source.definition.starts_with("AS RESTRICTIVE")
                     ? "rows that the policy hides or refuses would be seen or accepted"
                     : "rows that the policy lets roles see or write are hidden or refused");
  }

  [[nodiscard]] SchemaImpact missing_privileges(const SchemaObject& source,
                                                std::string_view target_definition) const {
    std::vector<std::string> lost = lost_privileges(source.definition, target_definition);
    std::erase_if(
        lost, [&](const std::string& item) { return mentions(item, expected_.skipped_columns); });
    if (lost.empty()) return info("nothing is lost");
    const std::string text = fmt::format("{} can no longer {}",
                                         source.name == "PUBLIC" ? "roles" : "role " + source.name,
                                         fmt::join(lost, ", "));
    // Servers before 17 do not have it, so nobody can have it there.
    return lost == std::vector<std::string>{"MAINTAIN"} ? warning(text) : error(text);
  }

  /// Objects of the database around the table, and settings.
  [[nodiscard]] SchemaImpact missing_in_database(const SchemaObject& source) const {
    const std::string& kind = source.kind;
    const bool is_here = expected_.is_same_database;
    if (kind == "type" || kind == "function") {
      return is_here ? info("the database has it, but nothing of the target uses it")
                     : warning("nothing that needs it can be created before it");
    }
    if (kind == "view") {
      return warning(is_here ? "keeps reading the old table unless the swap carries it over"
                             : "queries on the view fail");
    }
    if (kind == "publication") {
      return warning(is_here ? "subscribers get no changes after the swap unless it carries it over"
                             : "subscribers get no changes");
    }
    return impact_of(kMissing, kind);
  }

  [[nodiscard]] SchemaImpact different_column(const SchemaObject& source,
                                              const SchemaObject& target) const {
    if (expected_.mapped_columns.contains(source.name)) {
      return info("the job makes the column's values while copying");
    }
    if (type_of(source.definition) == type_of(target.definition)) {
      return warning("order, comparison and uniqueness of values may change");
    }
    return error("values may be refused, rounded or compared in another way");
  }

  /// Every key must contain the partition key; that changes nothing where it follows from the key's
  /// other columns.
  [[nodiscard]] SchemaImpact different_key(const SchemaObject& source,
                                           const SchemaObject& target) const {
    const std::string& key = expected_.key_column;
    if (!is_same_sql(without_key_column(target.definition, key), source.definition)) {
      return error("duplicates would be accepted, or rows refused that were not before");
    }
    const std::string_view list = column_list(source.definition);
    const bool follows = std::ranges::all_of(
        expected_.key_inputs, [&](const std::string& input) { return mentions(list, {input}); });
    if (follows) {
      return info(fmt::format(
          "expected: {} follows from the key; ON CONFLICT and foreign keys have to name it too",
          key));
    }
    return warning(fmt::format("rows that differ in {} alone are no longer duplicates", key));
  }

  const std::vector<SchemaObject>& source_;
  const std::vector<SchemaObject>& target_;
  const ExpectedDifferences& expected_;
};

// --- The comparison ---

/// The order in which objects can be made. Kinds of constraints have ranks of their own.
constexpr std::string_view kOrder[] = {
    "type",        "function",         "sequence",   "column",  "default",    "not null",
    "partition",   "storage option",   "check",      "index",   "key",        "foreign key",
    "inbound key", "replica identity", "statistics", "trigger", "rule",       "policy",
    "owner",       "privilege",        "comment",    "view",    "publication"};

std::string_view step_of(const SchemaObject& object) {
  if (object.kind != "constraint") return object.kind;
  if (object.definition.starts_with("CHECK")) return "check";
  if (object.definition.starts_with("FOREIGN KEY")) return "foreign key";
  if (object.definition.starts_with("FROM ")) return "inbound key";
  return "key";
}

std::ptrdiff_t rank_of(const SchemaObject& object) {
  return std::ranges::find(kOrder, step_of(object)) - std::begin(kOrder);
}

bool is_before(const SchemaPair& left, const SchemaPair& right) {
  return rank_of(left.any()) < rank_of(right.any());
}

std::string name_of(const SchemaObject& object) {
  const bool has_own_name = is_named_by_definition(object) && !object.detail.empty();
  return has_own_name && !is_on_leaves_only(object) ? object.detail : object.name;
}

std::string text_of(const SchemaObject* object) {
  if (object == nullptr) return {};
  std::string text = object->definition;
  if (!object->is_valid) text += " (not valid)";
  if (!object->detail.empty() && object->detail != name_of(*object)) {
    text += fmt::format(" [{}]", object->detail);
  }
  return text;
}

/// Fills gap, impact and severity. Returns whether something is to be made.
bool judge(const SchemaJudge& judge, const SchemaPair& pair, SchemaFinding& row) {
  SchemaImpact impact;
  if (pair.target == nullptr) {
    row.gap = "missing";
    impact = judge.missing(*pair.source);
  } else if (pair.source == nullptr) {
    row.gap = "extra";
    impact = judge.extra(*pair.target);
  } else if (!is_same_sql(pair.source->definition, pair.target->definition)) {
    row.gap = "different";
    impact = judge.different(*pair.source, *pair.target);
  } else if (pair.source->is_valid && !pair.target->is_valid) {
    row.gap = "not valid";
    impact = judge.not_valid(*pair.target);
  } else if (!pair.source->is_valid && pair.target->is_valid && pair.source->can_be_disabled()) {
    row.gap = "different";
    impact = error("it is enabled, and is disabled at the source");
  } else {
    row.gap = "none";
    impact = judge.equal(*pair.source, *pair.target);
  }
  row.severity = impact.severity;
  row.impact = std::move(impact.text);
  return row.severity != Severity::info || impact.belongs_to_missing_column;
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

SchemaComparison compare_schemas(const std::vector<SchemaObject>& source,
                                 const std::vector<SchemaObject>& target,
                                 const ExpectedDifferences& expected) {
  const SchemaJudge judges(source, target, expected);
  std::vector<SchemaPair> pairs = pair_schemas(source, target, expected.key_column);
  std::ranges::stable_sort(pairs, is_before);
  SchemaComparison comparison;
  for (const SchemaPair& pair : pairs) {
    SchemaFinding row;
    row.kind = pair.any().kind;
    row.name = name_of(pair.any());
    row.source = text_of(pair.source);
    row.target = text_of(pair.target);
    const bool is_to_be_made = judge(judges, pair, row);
    if (is_to_be_made && pair.source != nullptr) {
      append(comparison.deployment_order,
             deployment_sql(row, *pair.source, pair.target, source, target, expected));
    }
    comparison.rows.push_back(std::move(row));
  }
  return comparison;
}

}  // namespace pgfanout
