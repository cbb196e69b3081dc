#include "copier/verify/table_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/timed_query.h"
#include "copier/catalog/type_catalog.h"
#include "copier/layout/known_key.h"
#include "copier/schema/sequence_positions.h"

namespace pgfanout {
namespace {

struct Reference {
  std::string name;
  bool is_validated = true;  ///< On the source, if that has it.
  std::string table;         ///< That is referenced, qualified.
  std::vector<std::string> columns;
  std::vector<std::string> referenced;
};

constexpr const char* kReferencesSql =
    "SELECT quote_ident(c.conname), c.confrelid::regclass::text,"
    " quote_ident(a.attname), quote_ident(f.attname), a.attname, c.convalidated, c.conname"
    " FROM pg_constraint c"
    " CROSS JOIN LATERAL ROWS FROM (unnest(c.conkey), unnest(c.confkey))"
    " WITH ORDINALITY AS k (own, other, n)"
    " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own"
    " JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = k.other"
    // One to the table itself has a copy for each of its partitions.
    " WHERE c.conrelid = $1 AND c.contype = 'f' AND NOT EXISTS (SELECT FROM pg_constraint up"
    " WHERE up.oid = c.conparentid AND up.conrelid = c.conrelid) ORDER BY c.conname, k.n";

/// Foreign keys of a table, over the columns that `target_column` gives for its own; those with a
/// column that has none are left out.
Result<std::vector<Reference>> references_of(
    Connection& connection, const Table& table, const std::set<std::string>& unvalidated,
    const std::function<std::string(const std::string&)>& target_column) {
  std::vector<Reference> references;
  if (table.has_heirs()) return references;  // They do not bind the heirs' rows.
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(kReferencesSql, {std::to_string(table.oid)}));
  std::set<std::string> incomplete;
  for (int row = 0; row < rows.size(); ++row) {
    if (references.empty() || references.back().name != rows.text(row, 0)) {
      references.push_back(
          {rows.str(row, 0),
           rows.boolean(row, 5) && !unvalidated.contains(display_name(rows.str(row, 6))),
           rows.str(row, 1),
           {},
           {}});
    }
    const std::string column = target_column(rows.str(row, 4));
    if (column.empty()) incomplete.insert(references.back().name);
    references.back().columns.push_back(column);
    references.back().referenced.push_back(rows.str(row, 3));
  }
  std::erase_if(references,
                [&](const Reference& reference) { return incomplete.contains(reference.name); });
  return references;
}

/// How many rows refer nowhere, by each of `references`, in one scan of the table: referenced
/// columns are unique, so a join doubles no row.
std::string orphans_sql(const Table& table, std::span<const Reference> references) {
  std::vector<std::string> counts;
  std::string joins;
  for (std::size_t number = 0; number < references.size(); ++number) {
    const Reference& reference = references[number];
    std::string given;
    std::vector<std::string> equal;
    for (std::size_t at = 0; at < reference.columns.size(); ++at) {
      given += fmt::format("t.{} IS NOT NULL AND ", reference.columns[at]);
      equal.push_back(
          fmt::format("r{}.{} = t.{}", number, reference.referenced[at], reference.columns[at]));
    }
    counts.push_back(fmt::format("count(*) FILTER (WHERE {}r{}.{} IS NULL)", given, number,
                                 reference.referenced.front()));
    joins += fmt::format(" LEFT JOIN {} AS r{} ON {}", reference.table, number,
                         fmt::join(equal, " AND "));
  }
  return fmt::format("SELECT {} FROM {} AS t{}", fmt::join(counts, ", "), table.qualified, joins);
}

/// All at once; one by one if a table among them may not be read.
Result<void> count_orphans(Connection& target, const Table& table,
                           std::span<const Reference> references, const IssueSink& report,
                           Looked& looked) {
  if (references.empty()) return {};
  PGFANOUT_TRY_ASSIGN(const auto rows, query_in_time(target, orphans_sql(table, references),
                                                     std::chrono::milliseconds(0)));
  if (!rows && references.size() > 1) {
    for (std::size_t at = 0; at < references.size(); ++at) {
      PGFANOUT_TRY(count_orphans(target, table, references.subspan(at, 1), report, looked));
    }
    return {};
  }
  if (!rows) {
    looked.hindrance = Issue{
        Severity::warning, "reference-not-checked",
        fmt::format("{} may not be read: references to it were not checked",
                    references.front().table),
        table.qualified,
        fmt::format("GRANT SELECT ON {} to the role that runs pgfanout", references.front().table)};
    report(*looked.hindrance);
    return {};
  }
  looked.objects += references.size();
  for (std::size_t at = 0; at < references.size(); ++at) {
    const std::int64_t orphans = rows->integer(0, static_cast<int>(at));
    if (orphans == 0) continue;
    const Reference& reference = references[at];
    report({reference.is_validated ? Severity::error : Severity::warning, "orphans",
            fmt::format("{} by ({}) to rows that {} does not have",
                        counted(static_cast<std::uint64_t>(orphans), "row refers", "rows refer"),
                        fmt::join(reference.columns, ", "), reference.table),
            table.qualified,
            reference.is_validated
                ? fmt::format("the foreign key {} could not be validated", reference.name)
                : fmt::format("the foreign key {} is not validated: correct these rows before "
                              "you validate it",
                              reference.name)});
  }
  return {};
}

/// Those whose table is there; the others are reported.
Result<std::vector<Reference>> with_table(Connection& target, const Table& table,
                                          std::vector<Reference> references,
                                          const IssueSink& report) {
  std::vector<Reference> present;
  for (Reference& reference : references) {
    PGFANOUT_TRY_ASSIGN(const Rows exists,
                        target.query("SELECT to_regclass($1) IS NOT NULL", {reference.table}));
    if (exists.boolean(0, 0)) {
      present.push_back(std::move(reference));
      continue;
    }
    report({Severity::warning, "reference-not-checked",
            fmt::format("{} is not in the target's database: references to it were not checked",
                        reference.table),
            table.qualified});
  }
  return present;
}

/// Whether a swap has put a table of that name in its place.
constexpr const char* kSwappedSql =
    "SELECT EXISTS (SELECT FROM pgfanout.job WHERE source_schema = $1 AND source_name = $2"
    " AND state IN ('swapped', 'cleaning up', 'cleaned up'))";

struct ObjectState {
  std::string name;        ///< Quoted.
  std::string definition;  ///< Without its validity.
  std::string relation;
  bool is_index = false;
  bool is_valid = false;
  std::string constraint;  ///< Its name unquoted; empty: an index.
};

/// Constraints that need validation, and indexes. {}: kIndexBody.
constexpr const char* kStatesSql = R"sql(
SELECT quote_ident(k.conname), regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''),
  k.conrelid::regclass::text, false, k.convalidated, k.conname::text FROM pg_constraint k
WHERE k.conrelid = ANY ($1::oid[]) AND k.contype IN ('c', 'f', 'n')
UNION ALL SELECT i.indexrelid::regclass::text, {}, i.indrelid::regclass::text, true,
  i.indisvalid AND i.indisready, ''
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY ($1::oid[])
ORDER BY 4, 3, 1)sql";

Result<std::vector<ObjectState>> states_of(Connection& connection, const Table& table) {
  std::vector<std::uint32_t> oids{table.oid};
  append(oids, parts_of(table.leaves, &Leaf::oid));
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(fmt::format(kStatesSql, kIndexBody), {oid_array(oids)}));
  return read_rows<ObjectState>(rows, &ObjectState::name, &ObjectState::definition,
                                &ObjectState::relation, &ObjectState::is_index,
                                &ObjectState::is_valid, &ObjectState::constraint);
}

/// The source's object of that definition, else of that name; nullptr: it has none.
const ObjectState* same_object(const std::vector<ObjectState>& of_source,
                               const ObjectState& object) {
  const auto find = [&](std::string ObjectState::*part) {
    return find_where(of_source, [&](const ObjectState& each) {
      return each.is_index == object.is_index && each.*part == object.*part;
    });
  };
  const ObjectState* same = find(&ObjectState::definition);
  return same != nullptr ? same : find(&ObjectState::name);
}

/// Of a target's object that is not valid; absent where the source's is not valid either.
std::optional<Issue> issue_of(const ObjectState& object, const ObjectState* of_source) {
  if (of_source != nullptr && !of_source->is_valid) return std::nullopt;
  if (object.is_index) {
    return Issue{Severity::error, "not-valid", fmt::format("index {} is not valid", object.name),
                 object.relation, "REINDEX INDEX, or attach what is missing"};
  }
  return Issue{of_source != nullptr ? Severity::error : Severity::warning, "not-valid",
               fmt::format("constraint {} was never validated{}", object.name,
                           of_source != nullptr ? "" : "; the source has none like it"),
               object.relation,
               fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", object.relation, object.name)};
}

/// Of the column that becomes `target_column`; empty: none.
std::string source_column_of(const VerifyPlan& plan, std::string_view target_column) {
  for (const ComparedColumn& compared : plan.columns) {
    if (compared.name == target_column && compared.source_column) {
      return plan.source.columns[*compared.source_column].name;
    }
  }
  return {};
}

}  // namespace

Result<LookedAtStates> check_states_of(Connection& source, Connection& target,
                                       const VerifyPlan& plan,
                                       const std::set<std::string>& unvalidated,
                                       const IssueSink& of_constraints,
                                       const IssueSink& of_indexes) {
  PGFANOUT_TRY_ASSIGN(const auto of_source, states_of(source, plan.source));
  PGFANOUT_TRY_ASSIGN(const auto of_target, states_of(target, plan.target));
  LookedAtStates looked;
  for (const ObjectState& object : of_target) {
    ++(object.is_index ? looked.indexes : looked.constraints).objects;
    if (object.is_valid || unvalidated.contains(display_name(object.constraint))) continue;
    auto issue = issue_of(object, same_object(of_source, object));
    if (issue) (object.is_index ? of_indexes : of_constraints)(*std::move(issue));
  }
  return looked;
}

void check_bounds(const VerifyPlan& plan, const IssueSink& report) {
  if (!plan.layout) return;
  const std::vector<std::string> missing = plan.layout->missing_leaves(plan.wanted_keys);
  if (missing.empty()) return;
  report({Severity::error, "leaf-missing",
          fmt::format("{} of {} keys have no partition, the first is {}", missing.size(),
                      plan.wanted_keys, missing.front()),
          plan.target.qualified, "create the partitions, or say how many there are: --partitions"});
}

Result<Looked> check_sequences(Connection& source, Connection& target, const VerifyPlan& plan,
                               std::chrono::milliseconds patience, const IssueSink& report) {
  Looked looked;
  PGFANOUT_TRY_ASSIGN(const auto positions, read_sequence_positions(target, plan.target, patience));
  std::optional<std::vector<SequencePosition>> of_source;
  for (const SequencePosition& position : positions) {
    const std::string column = display_name(position.column);
    if (!position.is_known) {
      looked.hindrance =
          Issue{Severity::info, "sequence-not-checked",
                fmt::format("whether sequence {} is ahead of column {} was not checked: it takes "
                            "too long or may not be read",
                            position.sequence, column),
                plan.target.qualified, "an index on the column makes it quick"};
      report(*looked.hindrance);
    } else {
      ++looked.objects;
    }
    if (!position.is_behind) continue;
    if (!of_source) {
      PGFANOUT_TRY_ASSIGN(of_source, read_sequence_positions(source, plan.source, patience));
    }
    const std::string origin = source_column_of(plan, position.column);
    const bool is_as_before = std::ranges::any_of(*of_source, [&](const SequencePosition& each) {
      return each.column == origin && each.is_behind;
    });
    report({is_as_before ? Severity::warning : Severity::error, "sequence-behind",
            fmt::format("sequence {} would give values that column {} holds already (up to {}){}",
                        position.sequence, column, position.edge,
                        is_as_before ? ", as it would on the source" : ""),
            plan.target.qualified,
            fmt::format("SELECT setval({}, {})", target.quote_literal(position.sequence),
                        position.edge)});
  }
  return looked;
}

Result<Looked> check_required(Connection& target, const VerifyPlan& plan, const IssueSink& report) {
  Looked looked;
  std::vector<const Column*> open;
  for (const ComparedColumn& compared : plan.columns) {
    const Column* column = plan.target.find(compared.name);
    if (column == nullptr || !compared.source_column) continue;
    if (!plan.source.columns[*compared.source_column].is_not_null) continue;
    ++looked.objects;
    if (!column->is_not_null) open.push_back(column);
  }
  if (open.empty()) return looked;
  const std::string counts = joined(open, ", ", [](const Column* column) {
    return fmt::format("count(*) FILTER (WHERE {} IS NULL)", column->quoted);
  });
  PGFANOUT_TRY_ASSIGN(const Rows rows, target.query(fmt::format("SELECT {} FROM {}", counts,
                                                                plan.target.qualified)));
  for (std::size_t at = 0; at < open.size(); ++at) {
    const auto nulls = rows.integer(0, static_cast<int>(at));
    if (nulls == 0) continue;
    report({Severity::error, "null-required",
            fmt::format("column {} is NOT NULL in the source and NULL in {} of the target",
                        open[at]->quoted, rows_text(static_cast<std::uint64_t>(nulls))),
            plan.target.qualified});
  }
  return looked;
}

Result<Looked> check_references(Connection& source, Connection& target, const VerifyPlan& plan,
                                const std::set<std::string>& unvalidated, const IssueSink& report) {
  PGFANOUT_TRY_ASSIGN(auto references,
                      references_of(target, plan.target, unvalidated, [&](const std::string& name) {
                        const Column* column = plan.target.find(name);
                        return column == nullptr ? std::string() : column->quoted;
                      }));
  PGFANOUT_TRY_ASSIGN(
      const auto of_source,
      references_of(source, plan.source, unvalidated, [&](const std::string& name) {
        const ComparedColumn* column = find_where(plan.columns, [&](const ComparedColumn& each) {
          return each.source_column && plan.source.columns[*each.source_column].name == name;
        });
        return column == nullptr ? std::string() : column->target_sql;
      }));
  for (const Reference& reference : of_source) {
    const auto known = std::ranges::find_if(references, [&](const Reference& each) {
      return each.table == reference.table && each.columns == reference.columns;
    });
    if (known == references.end()) {
      references.push_back(reference);
    } else {
      known->is_validated = reference.is_validated;
    }
  }
  PGFANOUT_TRY_ASSIGN(references, with_table(target, plan.target, std::move(references), report));
  Looked looked;
  PGFANOUT_TRY(count_orphans(target, plan.target, references, report, looked));
  return looked;
}

Result<std::optional<std::string>> find_key_function(Connection& target, const VerifyPlan& plan) {
  using Found = std::optional<std::string>;
  const auto& listed = plan.target.partition_columns;
  const bool is_supplied = plan.key_column && !plan.key_is_generated && listed.size() == 1 &&
                           listed.front() == *plan.key_column;
  if (!is_supplied) return Found();
  PGFANOUT_TRY_ASSIGN(
      const Rows functions,
      target.query("SELECT p.oid::regprocedure::text FROM pg_proc p CROSS JOIN LATERAL"
                   " (SELECT format('.%I %s', $1::text, $2::text) AS tail) d"
                   " WHERE p.pronamespace = to_regnamespace(quote_ident($3))"
                   " AND right(obj_description(p.oid, 'pg_proc'), length(d.tail)) = d.tail"
                   " ORDER BY 1",
                   {plan.target.name, std::string(kKeyFunctionPurpose), plan.target.schema}));
  if (functions.size() > 0) return Found(functions.str(0, 0));
  PGFANOUT_TRY_ASSIGN(
      const Rows readable,
      target.query("SELECT FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid"
                   " WHERE n.nspname = 'pgfanout' AND c.relname = 'job'"
                   " AND has_schema_privilege(n.oid, 'USAGE')"
                   " AND has_table_privilege(c.oid, 'SELECT')"));
  if (readable.size() == 0) return Found();
  PGFANOUT_TRY_ASSIGN(const Rows swapped,
                      target.query(kSwappedSql, {plan.target.schema, plan.target.name}));
  return swapped.boolean(0, 0) ? Found("") : Found();
}

}  // namespace pgfanout
