// SchemaJudge for objects that the target does not have.
#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_impact.h"

namespace pgfanout {
namespace {

SchemaImpact error(std::string text) {
  return {Severity::error, std::move(text)};
}
SchemaImpact warning(std::string text) {
  return {Severity::warning, std::move(text)};
}
SchemaImpact info(std::string text) {
  return {Severity::info, std::move(text)};
}

}  // namespace

SchemaJudge::SchemaJudge(const std::vector<SchemaObject>& source,
                         const std::vector<SchemaObject>& target, const SchemaContext& context)
    : source_(source), target_(target), context_(context) {}

const SchemaObject* SchemaJudge::find(const std::vector<SchemaObject>& side, std::string_view kind,
                                      std::string_view name) const {
  const auto found = std::find_if(side.begin(), side.end(), [&](const SchemaObject& object) {
    return object.kind == kind && object.name == name;
  });
  return found == side.end() ? nullptr : &*found;
}

std::string SchemaJudge::column_of(const SchemaObject& object) const {
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

bool SchemaJudge::mentions_skipped_column(const SchemaObject& object) const {
  if (object.kind != "constraint" && object.kind != "index" && object.kind != "statistics") {
    return false;
  }
  // Not what stands in another table's list of columns.
  const std::string own = object.definition.substr(0, object.definition.find(" REFERENCES "));
  const std::vector<SqlPiece> words = sql_words(own);
  return std::any_of(words.begin(), words.end(), [&](const SqlPiece& word) {
    return word.is_name() && context_.skipped_columns.contains(word.name);
  });
}

SchemaImpact SchemaJudge::missing(const SchemaObject& source) const {
  const std::string column = column_of(source);
  if (context_.skipped_columns.contains(column)) return info("the job leaves the column out");
  if (mentions_skipped_column(source)) return info("is on a column that the job leaves out");
  const std::string& kind = source.kind;
  if (kind == "column") return error("statements that name the column fail");
  if (!column.empty() && find(target_, "column", column) == nullptr) {
    return {Severity::info, "comes with the column, which is missing", true};
  }
  if (kind == "not null") {
    return capped(source, error("inserts that leave the column out would store NULL"));
  }
  if (kind == "default") return capped(source, missing_default(source));
  if (kind == "constraint") return missing_constraint(source);
  if (kind == "index") return missing_index(source);
  if (kind == "policy") return missing_policy(source);
  if (kind == "privilege") return missing_privileges(source, {});
  if (kind == "trigger" || kind == "rule") {
    if (!source.is_valid) return info("it is disabled at the source");
    return error(fmt::format("what the {} does or refuses no longer happens", kind));
  }
  return missing_in_database(source);
}

/// A value that is made while copying is expected to follow rules of its own.
SchemaImpact SchemaJudge::capped(const SchemaObject& object, SchemaImpact impact) const {
  if (context_.mapped_columns.contains(object.name) && impact.severity == Severity::error) {
    impact.severity = Severity::warning;
  }
  return impact;
}

SchemaImpact SchemaJudge::missing_default(const SchemaObject& source) const {
  const bool fails = find(target_, "not null", source.name) != nullptr;
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

SchemaImpact SchemaJudge::missing_constraint(const SchemaObject& source) const {
  const std::string& definition = source.definition;
  if (definition.starts_with("FROM ")) {
    if (context_.is_same_database) {
      return warning("goes on referencing the old table unless the swap carries it over");
    }
    return warning("rows that the other table references could be deleted");
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

SchemaImpact SchemaJudge::missing_key(const SchemaObject& source) const {
  for (const SchemaObject& index : target_) {
    if (index.kind != "index" || !index.is_valid ||
        !index.definition.starts_with("CREATE UNIQUE INDEX")) {
      continue;
    }
    const std::string plain = without_key_column(index.definition, context_.key_column);
    if (column_list(plain) != column_list(source.definition)) continue;
    if (is_on_leaves_only(index)) {
      return warning(
          "unique within each leaf only: ON CONFLICT and foreign keys find no key of the table");
    }
    return warning("a unique index is there, but foreign keys and tools that need a key find none");
  }
  return error("duplicates would be accepted, and ON CONFLICT on these columns fails");
}

SchemaImpact SchemaJudge::missing_index(const SchemaObject& source) const {
  if (!source.is_valid) return info("it is not valid at the source");
  if (find(target_, source.kind, source.name) != nullptr) {
    return info("the same as another index, which the target has");
  }
  if (source.definition.starts_with("CREATE UNIQUE")) {
    return error("duplicates would be accepted, and ON CONFLICT on these columns fails");
  }
  return warning("queries that use it get slow");
}

SchemaImpact SchemaJudge::missing_policy(const SchemaObject& source) const {
  if (source.name == kRowSecurityName) {
    return error("every role that may read the table sees all of its rows");
  }
  if (source.definition.starts_with("AS RESTRICTIVE")) {
    return error("rows that the policy hides or refuses would be seen or accepted");
  }
  return error("rows that the policy lets roles see or write are hidden or refused");
}

/// Objects of the database around the table, and settings.
SchemaImpact SchemaJudge::missing_in_database(const SchemaObject& source) const {
  const std::string& kind = source.kind;
  const bool is_here = context_.is_same_database;
  if (kind == "type" || kind == "function") {
    if (is_here) return info("the database has it, but nothing of the target uses it");
    return warning("nothing that needs it can be created before it");
  }
  if (kind == "view") {
    return warning(is_here ? "goes on reading the old table unless the swap carries it over"
                           : "queries on the view fail");
  }
  if (kind == "publication") {
    return warning(is_here ? "subscribers get no changes after the swap unless it carries it over"
                           : "subscribers get no changes");
  }
  if (kind == "sequence") return warning("nothing counts for the column");
  if (kind == "statistics") return warning("the planner misjudges queries on these columns");
  if (kind == "storage option") return warning("rows are stored or maintained in another way");
  if (kind == "comment") return warning("what it explains is lost");
  if (kind == "partition") return info("the layout is what the migration changes");
  return warning("the target does without it");
}

}  // namespace pgfanout
