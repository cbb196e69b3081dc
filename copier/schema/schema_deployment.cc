#include "copier/schema/schema_deployment.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

using Statements = std::vector<std::string>;

/// `sql` behind its first words, if it begins with them.
std::string_view behind(std::string_view sql, std::string_view words) {
  return sql.starts_with(words) ? sql.substr(words.size()) : std::string_view();
}

class Deployment {
 public:
  Deployment(const SchemaFinding& gap, const SchemaObject& object, const SchemaObject* found,
             const std::vector<SchemaObject>& source, const std::vector<SchemaObject>& target,
             const ExpectedDifferences& expected)
      : gap_(gap),
        object_(object),
        found_(found),
        source_(source),
        target_(target),
        expected_(expected),
        table_(expected.target.empty() ? std::string(kOwnTable) : expected.target),
        definition_(with_placeholder(object.definition, std::string(kOwnTable), table_)) {}

  [[nodiscard]] Statements statements() const {
    Statements made = gap_.gap == "missing"     ? missing()
                      : gap_.gap == "not valid" ? not_valid()
                                                : different();
    for (std::string& each : made) {
      if (!each.starts_with("--")) each += ";";
    }
    return made;
  }

 private:
  [[nodiscard]] bool is(std::string_view kind) const { return object_.kind == kind; }
  [[nodiscard]] std::string column() const { return quoted_name(object_.name); }
  [[nodiscard]] std::string alter(std::string_view what) const {
    return fmt::format("ALTER TABLE {} {}", table_, what);
  }
  [[nodiscard]] Statements remark(std::string_view why) const {
    std::string text = fmt::format("-- {} {}: {}", gap_.kind, gap_.name, why);
    std::ranges::replace(text, '\n', ' ');
    return {text};
  }
  [[nodiscard]] Statements decide() const {
    return remark("a person has to decide; the source has " + definition_);
  }
  /// Storage belongs to leaves, where there are any.
  [[nodiscard]] Statements on_leaves(std::string_view what) const {
    if (expected_.leaves.empty()) return {alter(what)};
    Statements each;
    for (const std::string& leaf : expected_.leaves) {
      each.push_back(fmt::format("ALTER TABLE {} {}", leaf, what));
    }
    return each;
  }

  /// `sql` with the sequence that the column's default draws from.
  [[nodiscard]] std::string with_sequence(const std::string& sql) const {
    const SchemaObject* sequence = find_object(source_, "sequence", object_.name);
    if (sequence == nullptr) return sql;
    return with_placeholder(sql, "<sequence>", dollar_quoted(sequence->detail) + "::regclass");
  }
  [[nodiscard]] bool is_identity() const {
    const SchemaObject* value = find_object(source_, "default", object_.name);
    return value != nullptr && value->definition.ends_with("AS IDENTITY");
  }

  [[nodiscard]] Statements missing() const {
    if (is("column")) return column_with_default();
    if (is("default")) return default_of_column();
    if (is("not null")) {
      return {object_.is_valid ? alter(fmt::format("ALTER COLUMN {} SET NOT NULL", column()))
                               : alter(fmt::format("ADD NOT NULL {} NOT VALID", column()))};
    }
    if (is("sequence")) return sequence();
    if (is("type") || is("function")) return type_or_function();
    if (is("constraint")) return constraint();
    if (is("index")) return index(definition_);
    if (object_.can_be_disabled()) return event();
    if (is("statistics")) {
      return {fmt::format("CREATE STATISTICS {}{}", new_name("stat"),
                          behind(definition_, "CREATE STATISTICS"))};
    }
    if (is("view")) return view();
    if (is("publication")) {
      return remark(expected_.is_same_database ? "the swap carries it over"
                                               : "add the table to it: " + definition_);
    }
    return setting();
  }

  [[nodiscard]] Statements different() const {
    if (is("default")) return default_of_column();
    if (object_.can_be_disabled() && !object_.is_valid) {
      return {alter(fmt::format("DISABLE {} {}", is("rule") ? "RULE" : "TRIGGER", found_->detail))};
    }
    const bool is_setting = is("storage option") || is("owner") || is("privilege") ||
                            is("comment") || is("replica identity") ||
                            gap_.name == kRowSecurityName;
    return is_setting ? setting() : decide();
  }

  [[nodiscard]] Statements not_valid() const {
    if (object_.can_be_disabled()) {
      return {alter(fmt::format("ENABLE {} {}", is("rule") ? "RULE" : "TRIGGER", found_->detail))};
    }
    const bool is_key =
        found_->definition.starts_with("PRIMARY KEY") || found_->definition.starts_with("UNIQUE");
    if (is("constraint") && !is_key) {
      return {alter("VALIDATE CONSTRAINT " + found_->detail)};
    }
    if (is("view")) return {"REFRESH MATERIALIZED VIEW " + found_->detail};
    return remark("REINDEX it, or attach to it what leaves lack");
  }

  /// The expression of a computed column can only be given when it is made. A column that numbers
  /// itself cannot be added to a table with partitions before version 17.
  [[nodiscard]] Statements column_with_default() const {
    const SchemaObject* value = find_object(source_, "default", object_.name);
    const bool is_apart = is_identity() && !expected_.leaves.empty();
    Statements made = {alter(
        fmt::format("ADD COLUMN {} {}{}", column(), definition_,
                    value == nullptr || is_apart ? "" : " " + with_sequence(value->definition)))};
    if (is_apart) {
      made.push_back(alter(fmt::format("ALTER COLUMN {} SET NOT NULL", column())));
      made.push_back(alter(fmt::format("ALTER COLUMN {} ADD {}", column(), value->definition)));
    }
    return made;
  }

  [[nodiscard]] Statements default_of_column() const {
    if (find_object(target_, "column", object_.name) == nullptr) return {};
    const std::string sql = with_sequence(definition_);
    const std::string of_column = "ALTER COLUMN " + column();
    if (sql.ends_with("AS IDENTITY")) {
      const bool has_one = found_ != nullptr && found_->definition.ends_with("AS IDENTITY");
      if (has_one) {
        return {alter(
            fmt::format("{} SET {}", of_column,
                        sql.substr(0, sql.size() - std::string_view(" AS IDENTITY").size())))};
      }
      return {alter(of_column + " SET NOT NULL"), alter(fmt::format("{} ADD {}", of_column, sql))};
    }
    if (!sql.starts_with("DEFAULT ")) {
      return remark("a column that exists cannot become " + sql);
    }
    Statements made = {alter(fmt::format("{} SET {}", of_column, sql))};
    const SchemaObject* sequence = find_object(source_, "sequence", object_.name);
    const bool is_owner = sequence != nullptr && !expected_.is_same_database &&
                          sequence->definition.find("OWNED BY NONE") == std::string::npos;
    if (is_owner) {
      made.push_back(
          fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}", sequence->detail, table_, column()));
    }
    return made;
  }

  [[nodiscard]] Statements sequence() const {
    if (is_identity()) return {};
    if (expected_.is_same_database) return remark("the column's default names " + object_.detail);
    return {fmt::format("CREATE SEQUENCE IF NOT EXISTS {} {}", object_.detail,
                        definition_.substr(0, definition_.find(" OWNED BY ")))};
  }

  [[nodiscard]] Statements type_or_function() const {
    if (const auto extension = behind(definition_, "of extension "); !extension.empty()) {
      return {fmt::format("CREATE EXTENSION IF NOT EXISTS {}", extension)};
    }
    if (definition_.starts_with("CREATE ")) return {definition_};
    if (definition_.starts_with("ENUM ")) {
      return {fmt::format("CREATE TYPE {} AS {}", object_.name, definition_)};
    }
    if (const auto rest = behind(definition_, "DOMAIN "); !rest.empty()) {
      return {fmt::format("CREATE DOMAIN {} {}", object_.name, rest)};
    }
    if (const auto rest = behind(definition_, "COMPOSITE "); !rest.empty()) {
      return {fmt::format("CREATE TYPE {} AS {}", object_.name, rest)};
    }
    if (const auto rest = behind(definition_, "RANGE OF "); !rest.empty()) {
      return {fmt::format("CREATE TYPE {} AS RANGE (SUBTYPE = {})", object_.name, rest)};
    }
    return decide();
  }

  /// Every unique key of a partitioned table contains the columns that it is partitioned by.
  [[nodiscard]] std::string with_partition_columns(std::string sql) const {
    const std::size_t end = end_of_list(sql);
    const std::size_t open = sql.find('(');
    if (end == std::string::npos) return sql;
    const std::vector<SqlPiece> words = sql_words(std::string_view(sql).substr(open, end - open));
    for (const std::string& column : expected_.partition_columns) {
      const bool is_there = std::ranges::any_of(
          words, [&](const SqlPiece& word) { return word.is_name() && word.name == column; });
      if (!is_there) sql = with_item(sql, quoted_name(column));
    }
    return sql;
  }
  /// Then keys are possible on leaves only.
  [[nodiscard]] bool is_by_expression() const { return contains(expected_.partition_columns, ""); }

  [[nodiscard]] Statements constraint() const {
    const bool is_check = definition_.starts_with("CHECK");
    const bool refers = definition_.starts_with("FOREIGN KEY");
    if (definition_.starts_with("FROM ")) {
      return remark(expected_.is_same_database
                        ? "the swap carries it over, or the plan says why not"
                        : "of another table: " + definition_);
    }
    if (is_check || refers) {
      const bool has_name = !object_.detail.starts_with(kOnLeavesOnly);
      const std::string add =
          fmt::format("ADD {}{}{}", has_name ? "CONSTRAINT " + object_.detail + " " : "",
                      definition_, object_.is_valid ? "" : " NOT VALID");
      const bool refers_to_itself =
          object_.definition.find(fmt::format("REFERENCES {}", kOwnTable)) != std::string::npos;
      // A key of the target may not be without the key column.
      if (refers_to_itself && !expected_.key_column.empty()) {
        return remark("it refers to the table itself: " + definition_);
      }
      // A partitioned table has none that is NOT VALID before version 18.
      if (refers && !object_.is_valid) return on_leaves(add);
      return {alter(add)};
    }
    if (definition_.starts_with("EXCLUDE")) {
      return expected_.leaves.empty() ? Statements{alter("ADD " + definition_)} : decide();
    }
    if (is_by_expression()) {
      return index(fmt::format("CREATE UNIQUE INDEX ON {} {}", table_,
                               definition_.substr(definition_.find('('))));
    }
    return {alter("ADD " + with_partition_columns(definition_))};
  }

  /// Without its name, which the source's index may have.
  [[nodiscard]] Statements index(const std::string& sql) const {
    const bool is_unique = sql.starts_with("CREATE UNIQUE");
    if (!is_unique || expected_.partition_columns.empty()) return {sql};
    if (!is_by_expression()) return {with_partition_columns(sql)};
    Statements each;
    const std::string on_table = fmt::format(" ON {} ", table_);
    for (const std::string& leaf : expected_.leaves) {
      each.push_back(with_placeholder(sql, on_table, fmt::format(" ON {} ", leaf)));
    }
    return each;
  }

  /// A trigger or a rule.
  [[nodiscard]] Statements event() const {
    std::string sql = definition_;
    std::string state;
    for (const std::string_view each : {" ENABLE ALWAYS", " ENABLE REPLICA"}) {
      if (!sql.ends_with(each)) continue;
      state = each.substr(1);
      sql.resize(sql.size() - each.size());
    }
    for (const std::string_view words :
         {"CREATE CONSTRAINT TRIGGER", "CREATE TRIGGER", "CREATE RULE"}) {
      if (sql.starts_with(words)) sql.insert(words.size(), " " + object_.detail);
    }
    if (sql.ends_with(';')) sql.pop_back();
    Statements made = {sql};
    if (!state.empty()) {
      made.push_back(
          alter(fmt::format("{} {} {}", state, is("rule") ? "RULE" : "TRIGGER", object_.detail)));
    }
    return made;
  }

  [[nodiscard]] Statements view() const {
    if (expected_.is_same_database) return remark("the swap carries it over");
    std::string sql = definition_;
    for (const std::string_view words : {"MATERIALIZED VIEW", "VIEW"}) {
      if (!sql.starts_with(words)) continue;
      sql.insert(words.size(), " " + object_.detail);
      return {"CREATE " + sql};
    }
    return decide();
  }

  /// Statements that may be repeated.
  [[nodiscard]] Statements setting() const {
    if (is("owner")) return {alter("OWNER TO " + definition_)};
    if (is("privilege")) return grants();
    if (is("comment")) return comment();
    if (is("storage option")) return storage();
    if (is("replica identity")) {
      return definition_.starts_with("USING") ? decide()
                                              : on_leaves("REPLICA IDENTITY " + definition_);
    }
    if (gap_.name == kRowSecurityName) {
      Statements made;
      if (definition_.starts_with("ENABLED")) made.push_back(alter("ENABLE ROW LEVEL SECURITY"));
      if (definition_.ends_with("FORCED")) made.push_back(alter("FORCE ROW LEVEL SECURITY"));
      return made;
    }
    if (is("policy")) {
      return {fmt::format("CREATE POLICY {} ON {} {}", object_.name, table_, definition_)};
    }
    return decide();
  }

  [[nodiscard]] Statements grants() const {
    constexpr std::string_view kOption = " WITH GRANT OPTION";
    Statements made;
    for (std::string item :
         lost_privileges(definition_, found_ == nullptr ? "" : found_->definition)) {
      const bool passes_on = item.ends_with(kOption);
      if (passes_on) item.resize(item.size() - kOption.size());
      made.push_back(fmt::format("GRANT {} ON {} TO {}{}", item, table_, object_.name,
                                 passes_on ? kOption : ""));
    }
    return made;
  }

  [[nodiscard]] Statements comment() const {
    const std::string text = dollar_quoted(object_.definition);
    if (object_.name == "TABLE") return {fmt::format("COMMENT ON TABLE {} IS {}", table_, text)};
    if (const auto column = behind(object_.name, "COLUMN "); !column.empty()) {
      return {fmt::format("COMMENT ON COLUMN {}.{} IS {}", table_, column, text)};
    }
    return remark(object_.detail + ": " + object_.definition);
  }

  [[nodiscard]] Statements storage() const {
    const std::string& name = object_.name;
    const bool is_on_some =
        definition_.find(" or ") != std::string::npos || definition_.ends_with(" on some leaves");
    if (is_on_some) return decide();
    const std::size_t blank = name.rfind(' ');
    if (name == "TABLESPACE" || name == "ACCESS METHOD") {
      return on_leaves(fmt::format("SET {} {}", name, definition_));
    }
    if (name == "PERSISTENCE") return on_leaves("SET " + definition_);
    if (blank == std::string::npos)
      return on_leaves(fmt::format("SET ({} = {})", name, definition_));
    const std::string option = name.substr(blank + 1);
    const bool is_parameter = option.starts_with("n_distinct");
    return {alter(fmt::format("ALTER COLUMN {} SET {}", name.substr(0, blank),
                              is_parameter ? fmt::format("({} = {})", option, definition_)
                                           : fmt::format("{} {}", option, definition_)))};
  }

  /// In the target's schema, made of its name.
  [[nodiscard]] std::string new_name(std::string_view what) const {
    std::size_t number = 1;
    for (const SchemaObject& each : source_) {
      if (&each == &object_) break;
      if (each.kind == object_.kind) ++number;
    }
    return quoted_name(expected_.target_schema,
                       suffixed_name(expected_.target_name, fmt::format("_{}_{}", what, number)));
  }

  const SchemaFinding& gap_;
  const SchemaObject& object_;
  const SchemaObject* found_;
  const std::vector<SchemaObject>& source_;
  const std::vector<SchemaObject>& target_;
  const ExpectedDifferences& expected_;
  const std::string table_;
  const std::string definition_;  ///< Of the source's object, for the target.
};

}  // namespace

std::vector<std::string> deployment_sql(const SchemaFinding& gap, const SchemaObject& object,
                                        const SchemaObject* found,
                                        const std::vector<SchemaObject>& source,
                                        const std::vector<SchemaObject>& target,
                                        const ExpectedDifferences& expected) {
  return Deployment(gap, object, found, source, target, expected).statements();
}

}  // namespace pgfanout
