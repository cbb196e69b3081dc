// Rows of the source without a parent: a foreign key that the catalog calls valid may have them,
// where rows came past its triggers (session_replication_role, ALTER TABLE ... DISABLE TRIGGER).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/base/counted.h"
#include "copier/carry/references.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/timed_query.h"
#include "copier/pg/transaction.h"
#include "copier/preflight/preflight_checks.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kReferencePages = 2000;
constexpr std::chrono::milliseconds kSampleTime{2000};

/// The source's expression for a column of the target; empty: it cannot be asked for (nextval).
std::string source_value(const CopyPlan& plan, const std::string& target_column) {
  for (const StreamColumn& column : plan.stream.columns) {
    if (quoted_name(column.target_column) != target_column) continue;
    return column.is_volatile ? std::string() : column.source_sql;
  }
  return {};
}

/// All rows of the source, or those of pages drawn at random. Without keys: they cannot be asked
/// for.
ReferringRows rows_of(const PreflightRun& run, const CarriedReference& reference, bool is_whole) {
  const Table& source = run.plan.source;
  ReferringRows rows;
  rows.identity = identity_sql(run.source, source.primary_key);
  std::string parents;
  for (const CarriedReference::Pair& pair : reference.pairs) {
    rows.keys.push_back(source_value(run.plan, pair.target));
    const std::string parent =
        reference.is_to_itself ? source_value(run.plan, pair.parent) : std::string("-");
    if (rows.keys.back().empty() || parent.empty()) return {};
    if (!reference.is_to_itself) continue;
    rows.parent_keys.push_back(fmt::format("c{}", rows.parent_keys.size()));
    parents +=
        fmt::format("{}{} AS {}", parents.empty() ? "" : ", ", parent, rows.parent_keys.back());
  }
  if (reference.is_to_itself) {
    rows.parents = fmt::format("(SELECT {} FROM {})", parents, source.qualified);
  }
  std::uint64_t pages = 0;
  for (const Leaf& leaf : source.leaves) pages += leaf.blocks;
  const double percent = 100.0 * kReferencePages / static_cast<double>(pages + 1);
  const bool is_all = is_whole || percent >= 100;
  rows.from = source.qualified;
  if (!is_all) rows.from += fmt::format(" TABLESAMPLE SYSTEM ({:.6f})", percent);
  return rows;
}

void add_not_checked(PreflightRun& run, const CarriedReference& reference, const std::string& why,
                     const std::string& hint) {
  run.add(run.job.window.check_references ? Severity::error : Severity::info,
          "reference-not-checked",
          fmt::format("foreign key {} was not checked for rows without a parent: {}",
                      reference.name, why),
          run.plan.source.qualified, hint);
}

/// Each way is an instruction: mend, accept, set aside.
Result<std::string> ways_out(PreflightRun& run, const CarriedReference& reference) {
  const std::string& source = run.plan.source.qualified;
  ReferringRows all = rows_of(run, reference, true);
  all.place = "tableoid";
  all.identity = "ctid";
  PGFANOUT_TRY_ASSIGN(const std::string beside, columns_beside(run.source, reference));
  std::string ways;
  if (!reference.is_to_itself) {
    ways = fmt::format("insert the parents{}: {}; or ", beside_text(beside),
                       insert_parents_sql(reference, all));
  }
  const bool can_be_null =
      std::any_of(reference.pairs.begin(), reference.pairs.end(),
                  [](const CarriedReference::Pair& pair) { return pair.is_nullable; });
  const std::string condition = orphans_condition_sql(reference, all);
  ways += fmt::format("delete the rows: DELETE FROM {} WHERE {}", source, condition);
  if (can_be_null) {
    std::vector<std::string> nulls;
    for (const CarriedReference::Pair& pair : reference.pairs) {
      if (pair.is_nullable) nulls.push_back(pair.source + " = NULL");
    }
    ways += fmt::format("; or clear the reference: UPDATE {} SET {} WHERE {}", source,
                        fmt::join(nulls, ", "), condition);
  }
  ways += fmt::format("; or carry the key over as NOT VALID: --accept '{}'",
                      orphans_accepted_as(reference.name));
  if (!reference.is_to_itself) ways += "; or set the rows aside: --reject-limit N";
  return ways;
}

Result<void> tell_orphans(PreflightRun& run, const CarriedReference& reference, const Rows& found,
                          bool is_whole) {
  const auto orphans = static_cast<std::uint64_t>(found.integer(0, 1));
  const std::string rows =
      is_whole ? counted(orphans, "row has", "rows have")
               : fmt::format("{} of {} sampled rows have", orphans, found.integer(0, 0));
  const std::string message =
      fmt::format("{} no parent in {} by foreign key {}: {}{}", rows, reference.table,
                  reference.name, found.text(0, 2), orphans > 5 ? "; ..." : "");
  const std::string& where = run.plan.source.qualified;
  if (reference.is_accepted) {
    run.add(Severity::warning, "orphans", message, where,
            "accepted by the job: the key is carried over as NOT VALID");
    return {};
  }
  if (!reference.is_to_itself && run.unless_rejected(orphans) == Severity::warning) {
    run.add(Severity::warning, "orphans", message, where,
            "as --reject-limit allows, the copy sets such rows aside");
    return {};
  }
  PGFANOUT_TRY_ASSIGN(const std::string ways, ways_out(run, reference));
  run.add(Severity::error, "orphans", message, where, ways);
  return {};
}

Result<void> check_reference(PreflightRun& run, const CarriedReference& reference) {
  const bool is_whole = run.job.window.check_references;
  const ReferringRows rows = rows_of(run, reference, is_whole);
  if (rows.keys.empty() || reference.is_over_period) {
    add_not_checked(run, reference,
                    reference.is_over_period ? "it is over a PERIOD"
                                             : "its values are made while the rows are copied",
                    "check it yourself");
    return {};
  }
  const std::string sql = orphans_sql(reference, rows, !is_whole);
  const bool is_mapped = std::any_of(reference.pairs.begin(), reference.pairs.end(),
                                     [](const auto& pair) { return pair.is_changed; });
  const auto ask = [&] {
    return query_in_time(run.source, sql, is_whole ? std::chrono::milliseconds(0) : kSampleTime);
  };
  const auto found =
      is_mapped ? with_search_path(run.source, run.plan.source.application.sql, ask) : ask();
  if (run.cancellation.is_set()) return {};
  if (!found && !run.source.is_open()) return found.error();
  if (!found) {
    add_not_checked(run, reference, found.error().message, "check it yourself");
    return {};
  }
  if (!*found) {
    add_not_checked(
        run, reference,
        fmt::format("{} may not be read, or the sample takes more than 2 s", reference.table),
        fmt::format("GRANT SELECT ON {} TO {}; --check-references takes its time", reference.table,
                    run.source_role));
    return {};
  }
  if ((*found)->integer(0, 1) > 0) return tell_orphans(run, reference, **found, is_whole);
  if (is_whole) {
    run.add(Severity::info, "references-checked",
            fmt::format("every row has its parent by foreign key {}", reference.name),
            run.plan.source.qualified);
  }
  return {};
}

}  // namespace

/// Between two databases the parents are elsewhere: check_rules() tries the sample there.
Result<void> check_parents(PreflightRun& run) {
  const std::vector<CarriedReference>& references = run.carry.references;
  if (!run.plan.target.is_new || references.empty()) return {};
  if (!run.plan.same_database) {
    if (!run.job.window.check_references) return {};
    for (const CarriedReference& each : references) {
      add_not_checked(run, each, "its parents are in another database", "leave --check-references");
    }
    return {};
  }
  for (const CarriedReference& each : references) PGFANOUT_TRY(check_reference(run, each));
  return {};
}

}  // namespace pgfanout
