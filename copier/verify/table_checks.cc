#include "copier/verify/table_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "copier/base/counted.h"

namespace pgfanout {
namespace {

std::string oid_array(const Table& table) {
  std::string oids = fmt::format("{{{}", table.oid);
  for (const Leaf& leaf : table.leaves) oids += fmt::format(",{}", leaf.oid);
  return oids + "}";
}

/// Runs a statement within a savepoint, so that an error or a time-out ends it alone.
Result<std::optional<Rows>> try_query(Connection& connection, const std::string& sql,
                                      std::chrono::milliseconds patience) {
  PGFANOUT_TRY(connection.run(
      fmt::format("SAVEPOINT pgfanout_check; SET LOCAL statement_timeout = {}", patience.count())));
  auto rows = connection.query(sql);
  if (!rows) {
    if (!connection.is_open()) return std::move(rows).error();
    const bool is_harmless = rows.error().sqlstate == "57014" || rows.error().sqlstate == "42501";
    PGFANOUT_TRY(connection.run("ROLLBACK TO SAVEPOINT pgfanout_check"));
    if (!is_harmless) return std::move(rows).error();
    return std::optional<Rows>();
  }
  PGFANOUT_TRY(connection.run("SET LOCAL statement_timeout = 0; RELEASE SAVEPOINT pgfanout_check"));
  return std::optional<Rows>(std::move(*rows));
}

std::string column_list(const std::vector<std::string>& columns) {
  return fmt::format("{}", fmt::join(columns, ", "));
}

struct Reference {
  std::string name;
  std::string table;  ///< That is referenced, qualified.
  std::vector<std::string> columns;
  std::vector<std::string> referenced;
};

constexpr const char* kReferencesSql =
    "SELECT quote_ident(c.conname), c.confrelid::regclass::text,"
    " quote_ident(a.attname), quote_ident(f.attname), a.attname FROM pg_constraint c"
    " CROSS JOIN LATERAL ROWS FROM (unnest(c.conkey), unnest(c.confkey))"
    " WITH ORDINALITY AS k (own, other, n)"
    " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own"
    " JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = k.other"
    " WHERE c.conrelid = $1 AND c.contype = 'f' ORDER BY c.conname, k.n";

/// Foreign keys of a table, over the columns that `target_column` gives for its own; those with a
/// column that has none are left out.
Result<std::vector<Reference>> references_of(
    Connection& connection, const Table& table,
    const std::function<std::string(const std::string&)>& target_column) {
  std::vector<Reference> references;
  if (table.has_heirs()) return references;  // They do not bind the heirs' rows.
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(kReferencesSql, {std::to_string(table.oid)}));
  std::set<std::string> incomplete;
  for (int row = 0; row < rows.size(); ++row) {
    if (references.empty() || references.back().name != rows.text(row, 0)) {
      references.push_back({rows.str(row, 0), rows.str(row, 1), {}, {}});
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
  std::string counts;
  std::string joins;
  for (std::size_t number = 0; number < references.size(); ++number) {
    const Reference& reference = references[number];
    std::string given;
    std::string equal;
    for (std::size_t at = 0; at < reference.columns.size(); ++at) {
      given += fmt::format("t.{} IS NOT NULL AND ", reference.columns[at]);
      equal += fmt::format("{}r{}.{} = t.{}", at == 0 ? "" : " AND ", number,
                           reference.referenced[at], reference.columns[at]);
    }
    counts += fmt::format("{}count(*) FILTER (WHERE {}r{}.{} IS NULL)", number == 0 ? "" : ", ",
                          given, number, reference.referenced.front());
    joins += fmt::format(" LEFT JOIN {} AS r{} ON {}", reference.table, number, equal);
  }
  return fmt::format("SELECT {} FROM {} AS t{}", counts, table.qualified, joins);
}

/// All at once; one by one if a table among them may not be read.
Result<void> count_orphans(Connection& target, const Table& table,
                           std::span<const Reference> references, const IssueSink& report) {
  if (references.empty()) return {};
  PGFANOUT_TRY_ASSIGN(const auto rows, try_query(target, orphans_sql(table, references),
                                                 std::chrono::milliseconds(0)));
  if (!rows && references.size() > 1) {
    for (std::size_t at = 0; at < references.size(); ++at) {
      PGFANOUT_TRY(count_orphans(target, table, references.subspan(at, 1), report));
    }
    return {};
  }
  if (!rows) {
    report({Severity::warning, "reference-not-checked",
            fmt::format("{} may not be read: references to it were not checked",
                        references.front().table),
            table.qualified});
    return {};
  }
  for (std::size_t at = 0; at < references.size(); ++at) {
    const std::int64_t orphans = rows->integer(0, static_cast<int>(at));
    if (orphans == 0) continue;
    report({Severity::error, "orphans",
            fmt::format("{} by ({}) to rows that {} does not have",
                        counted(static_cast<std::uint64_t>(orphans), "row refers", "rows refer"),
                        column_list(references[at].columns), references[at].table),
            table.qualified, "the foreign key " + references[at].name + " could not be validated"});
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

}  // namespace

Result<void> check_validity(Connection& target, const Table& table, const IssueSink& report) {
  PGFANOUT_TRY_ASSIGN(
      const Rows constraints,
      target.query("SELECT quote_ident(conname), conrelid::regclass::text FROM pg_constraint"
                   " WHERE conrelid = ANY ($1::oid[]) AND NOT convalidated ORDER BY 2, 1",
                   {oid_array(table)}));
  for (int row = 0; row < constraints.size(); ++row) {
    report({Severity::error, "not-valid",
            fmt::format("constraint {} was never validated", constraints.text(row, 0)),
            constraints.str(row, 1), "ALTER TABLE ... VALIDATE CONSTRAINT"});
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows indexes,
      target.query("SELECT indexrelid::regclass::text, indrelid::regclass::text FROM pg_index"
                   " WHERE indrelid = ANY ($1::oid[])"
                   " AND NOT (indisvalid AND indisready) ORDER BY 1",
                   {oid_array(table)}));
  for (int row = 0; row < indexes.size(); ++row) {
    report({Severity::error, "not-valid",
            fmt::format("index {} is not valid", indexes.text(row, 0)), indexes.str(row, 1),
            "REINDEX INDEX, or attach what is missing"});
  }
  return {};
}

void check_bounds(const VerifyPlan& plan, std::uint32_t partitions, const IssueSink& report) {
  if (!plan.layout) return;
  const std::vector<std::string> missing = plan.layout->missing_leaves(partitions);
  if (missing.empty()) return;
  report({Severity::error, "leaf-missing",
          fmt::format("{} of {} keys have no partition, the first is {}", missing.size(),
                      partitions, missing.front()),
          plan.target.qualified, "create the partitions, or say how many there are: --partitions"});
}

Result<void> check_sequences(Connection& target, const Table& table,
                             std::chrono::milliseconds patience, const IssueSink& report) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      target.query(
          "SELECT quote_ident(a.attname), s.oid::regclass::text, q.seqincrement FROM pg_depend d"
          " JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
          " JOIN pg_sequence q ON q.seqrelid = s.oid"
          " JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
          " WHERE d.classid = 'pg_class'::regclass AND d.refobjid = $1"
          " UNION SELECT quote_ident(a.attname), s.oid::regclass::text, q.seqincrement"
          " FROM pg_attrdef f JOIN pg_depend d ON d.objid = f.oid"
          " AND d.classid = 'pg_attrdef'::regclass"
          " JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'"
          " JOIN pg_sequence q ON q.seqrelid = s.oid"
          " JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum"
          " WHERE f.adrelid = $1 ORDER BY 1",
          {std::to_string(table.oid)}));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string column = rows.str(row, 0);
    const std::string sequence = rows.str(row, 1);
    const bool is_rising = rows.integer(row, 2) > 0;
    PGFANOUT_TRY_ASSIGN(
        const auto ahead,
        try_query(target,
                  fmt::format("SELECT coalesce((CASE WHEN s.is_called THEN s.last_value + {} ELSE"
                              " s.last_value END) {} t.edge, true), t.edge FROM {} AS s,"
                              " (SELECT {}({}) AS edge FROM {}) AS t",
                              rows.text(row, 2), is_rising ? ">" : "<", sequence,
                              is_rising ? "max" : "min", column, table.qualified),
                  patience));
    if (!ahead) {
      report({Severity::info, "sequence-not-checked",
              fmt::format("whether sequence {} is ahead of column {} was not checked: it takes too "
                          "long or may not be read",
                          sequence, column),
              table.qualified, "an index on the column makes it quick"});
    } else if (!ahead->boolean(0, 0)) {
      report({Severity::error, "sequence-behind",
              fmt::format("sequence {} would give values that column {} holds already (up to {})",
                          sequence, column, ahead->text(0, 1)),
              table.qualified, "SELECT setval(...) past the data"});
    }
  }
  return {};
}

Result<void> check_required(Connection& target, const VerifyPlan& plan, const IssueSink& report) {
  std::vector<const Column*> open;
  for (const ComparedColumn& compared : plan.columns) {
    const Column* column = plan.target.find(compared.name);
    if (column == nullptr || column->is_not_null || !compared.source_column) continue;
    if (plan.source.columns[*compared.source_column].is_not_null) open.push_back(column);
  }
  if (open.empty()) return {};
  std::string counts;
  for (const Column* column : open) {
    counts += fmt::format("{}count(*) FILTER (WHERE {} IS NULL)", counts.empty() ? "" : ", ",
                          column->quoted);
  }
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
  return {};
}

Result<void> check_references(Connection& source, Connection& target, const VerifyPlan& plan,
                              const IssueSink& report) {
  PGFANOUT_TRY_ASSIGN(auto references,
                      references_of(target, plan.target, [&](const std::string& name) {
                        const Column* column = plan.target.find(name);
                        return column == nullptr ? std::string() : column->quoted;
                      }));
  PGFANOUT_TRY_ASSIGN(
      const auto of_source, references_of(source, plan.source, [&](const std::string& name) {
        for (const ComparedColumn& column : plan.columns) {
          if (column.source_column && plan.source.columns[*column.source_column].name == name) {
            return column.target_sql;
          }
        }
        return std::string();
      }));
  for (const Reference& reference : of_source) {
    const bool is_known =
        std::any_of(references.begin(), references.end(), [&](const Reference& known) {
          return known.table == reference.table && known.columns == reference.columns;
        });
    if (!is_known) references.push_back(reference);
  }
  PGFANOUT_TRY_ASSIGN(references, with_table(target, plan.target, std::move(references), report));
  return count_orphans(target, plan.target, references, report);
}

}  // namespace pgfanout
