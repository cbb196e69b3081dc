#include "copier/window/new_rows.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/catalog/relation_name.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

/// Triggers and rules fired when the application wrote to the live table, and foreign keys are
/// validated when the old table gets them back. A role that may not set this continues with them in
/// force.
Result<void> disable_triggers(Connection& connection) {
  constexpr const char* kNoRight = "42501";
  auto done = connection.run("SET session_replication_role = replica");
  if (!done && (done.error().sqlstate != kNoRight || !connection.is_open())) return done;
  return {};
}

/// Rows that one statement reads or writes: of one leaf of each side, and changed in the same
/// columns.
struct Batch {
  std::vector<std::string> old_places;
  std::vector<std::string> new_places;
};
struct BatchKey {
  std::string kind;
  std::uint32_t old_leaf = 0;
  std::uint32_t new_leaf = 0;
  std::vector<std::string> columns;
  std::size_t number = 0;
  friend auto operator<=>(const BatchKey&, const BatchKey&) = default;
};
constexpr std::size_t kRowsOfABatch = 1000;

std::map<BatchKey, Batch> batches_of(const FoundDifferences& found) {
  std::map<BatchKey, Batch> batches;
  std::map<BatchKey, std::size_t> counts;
  for (const FoundDifference& difference : found.rows) {
    BatchKey key{difference.named.kind, 0, 0, difference.named.columns, 0};
    if (key.kind == "misplaced") continue;  // Of the same content.
    if (difference.source) key.old_leaf = difference.source->address.leaf;
    if (difference.target) key.new_leaf = difference.target->address.leaf;
    key.number = counts[key]++ / kRowsOfABatch;
    Batch& batch = batches[key];
    if (difference.source) batch.old_places.push_back(difference.source->address.ctid);
    if (difference.target) batch.new_places.push_back(difference.target->address.ctid);
  }
  return batches;
}

std::string tids(const std::vector<std::string>& places) {
  return fmt::format("'{{\"{}\"}}'::pg_catalog.tid[]", fmt::join(places, "\",\""));
}

std::string in_places(const std::vector<std::string>& places) {
  return fmt::format("ctid OPERATOR(pg_catalog.=) ANY ({})", tids(places));
}

/// Runs a statement that must touch that many rows.
Result<void> touch(Connection& connection, const std::string& sql, std::size_t rows,
                   const Cancellation& cancellation) {
  if (cancellation.is_set()) return cancelled();
  PGFANOUT_TRY_ASSIGN(const Rows done, connection.query(sql));
  if (done.affected() == static_cast<std::int64_t>(rows)) return {};
  return interrupted("row-changed", "a row was changed since it was compared: nothing was written",
                     "call rollback again");
}

Result<void> check_all_are_named(const FoundDifferences& found, const Table& live) {
  if (found.rows.size() >= found.counts.total()) return {};
  return refused("too-many-differences",
                 fmt::format("{} written since the swap, {} of them named: all must be",
                             counted(found.counts.total(), "row was", "rows were"),
                             with_commas(found.rows.size())),
                 fmt::format("--max-differences {}", found.counts.total()), live.qualified);
}

/// The columns of the old table that a change of these columns of the live table changes.
std::pair<std::string, std::string> changes_of(const WayBack& way,
                                               const std::vector<std::string>& changed) {
  std::string names;
  std::string values;
  for (const WayBack::Value& value : way.values) {
    const bool is_changed =
        std::any_of(value.inputs.begin(), value.inputs.end(), [&](const std::string& input) {
          return std::find(changed.begin(), changed.end(), input) != changed.end();
        });
    if (!is_changed) continue;
    names += (names.empty() ? "" : ", ") + value.old_column;
    values += (values.empty() ? "" : ", ") + value.sql;
  }
  return {names, values};
}

Result<void> apply_batch(Connection& connection, const VerifyPlan& plan, const WayBack& way,
                         const BatchKey& key, const Batch& batch,
                         const Cancellation& cancellation) {
  if (key.kind == "missing") {
    return touch(
        connection,
        fmt::format("DELETE FROM ONLY {} WHERE {}", plan.source.leaves[key.old_leaf].qualified,
                    in_places(batch.old_places)),
        batch.old_places.size(), cancellation);
  }
  const std::string& live_leaf = plan.target.leaves[key.new_leaf].qualified;
  if (key.kind == "changed") {
    const auto [names, values] = changes_of(way, key.columns);
    if (names.empty()) return {};
    // The old table's own columns are out of reach within the inner SELECT: the live table has a
    // column for every name in it.
    return touch(connection,
                 fmt::format("UPDATE {} AS pgfanout_old SET ({}) = (SELECT {} FROM ONLY {} WHERE"
                             " ctid OPERATOR(pg_catalog.=) pgfanout_pair.new_place)"
                             " FROM ROWS FROM (pg_catalog.unnest({}), pg_catalog.unnest({}))"
                             " AS pgfanout_pair(old_place, new_place)"
                             " WHERE pgfanout_old.tableoid OPERATOR(pg_catalog.=) {}"
                             " AND pgfanout_old.{} AND pgfanout_old.ctid OPERATOR(pg_catalog.=)"
                             " pgfanout_pair.old_place",
                             plan.source.qualified, names, values, live_leaf,
                             tids(batch.old_places), tids(batch.new_places),
                             plan.source.leaves[key.old_leaf].oid, in_places(batch.old_places)),
                 batch.old_places.size(), cancellation);
  }
  std::string names;
  std::string values;
  for (const WayBack::Value& value : way.values) {
    if (value.sql.empty()) continue;
    names += (names.empty() ? "" : ", ") + value.old_column;
    values += (values.empty() ? "" : ", ") + value.sql;
  }
  return touch(
      connection,
      fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ONLY {}"
                  " WHERE {}",
                  plan.source.qualified, names, values, live_leaf, in_places(batch.new_places)),
      batch.new_places.size(), cancellation);
}

/// Old rows first: they make room for new ones.
constexpr std::string_view kKindsInOrder[] = {"missing", "changed", "extra"};

template <class Work>
Result<void> for_each_batch(const FoundDifferences& found, Work work) {
  const auto batches = batches_of(found);
  for (const std::string_view kind : kKindsInOrder) {
    for (const auto& [key, batch] : batches) {
      if (key.kind == kind) PGFANOUT_TRY(work(key, batch));
    }
  }
  return {};
}

}  // namespace

std::string text_of(const NewRowsOutcome& rows) {
  return fmt::format("{} inserted, {} updated, {} deleted", rows.inserted, rows.updated,
                     rows.deleted);
}

NewRowsOutcome outcome_of(const Differences& differences, std::string fate) {
  return {std::move(fate), differences.extra, differences.changed, differences.missing, {}};
}

Result<void> apply_new_rows(Connection& connection, const VerifyPlan& plan,
                            const FoundDifferences& found, const WayBack& way,
                            const std::function<Result<void>()>& record,
                            const Cancellation& cancellation) {
  PGFANOUT_TRY(check_all_are_named(found, plan.target));
  PGFANOUT_TRY(disable_triggers(connection));
  const auto apply_all = [&]() -> Result<void> {
    PGFANOUT_TRY(for_each_batch(found, [&](const BatchKey& key, const Batch& batch) {
      return apply_batch(connection, plan, way, key, batch, cancellation);
    }));
    // Deferred triggers would otherwise run in the COMMIT, under the empty path.
    return connection.run("SET CONSTRAINTS ALL IMMEDIATE");
  };
  const auto apply_and_record = [&]() -> Result<void> {
    PGFANOUT_TRY(record());
    return with_search_path(connection, plan.source.application.sql, apply_all);
  };
  auto applied =
      in_transaction(connection, {"BEGIN; SET LOCAL lock_timeout = '10s'"}, apply_and_record);
  if (!applied && applied.error().sqlstate.starts_with("23")) {
    Error error = std::move(applied).error();
    error.code = "cannot-keep";
    error.message =
        "the old table does not allow a row that was written since the swap; none was "
        "applied: " +
        error.message;
    error.hint =
        "save the rows in a table by --save-new-rows, or correct the row in the live table";
    return error;
  }
  PGFANOUT_TRY(std::move(applied));
  crash_point("new-rows-applied");
  return {};
}

Result<std::string> save_new_rows(Connection& connection, const VerifyPlan& plan,
                                  const FoundDifferences& found, const std::string& stamp,
                                  const Cancellation& cancellation) {
  PGFANOUT_TRY(check_all_are_named(found, plan.target));
  const Table& live = plan.target;
  PGFANOUT_TRY_ASSIGN(
      const Rows name,
      connection.query("SELECT format('%I.%I', $1::text, $2::text)",
                       {live.schema, suffixed_name(live.name, "_new_rows_" + stamp)}));
  const std::string table = name.str(0, 0);
  std::string names;
  std::string old_values;
  for (const Column& column : live.columns) {
    names += ", " + column.quoted;
    const auto known =
        std::find_if(plan.columns.begin(), plan.columns.end(),
                     [&](const ComparedColumn& each) { return each.name == column.name; });
    old_values += known == plan.columns.end() ? ", NULL" : ", " + known->source_sql;
  }
  const auto save_batch = [&](const BatchKey& key, const Batch& batch) {
    const bool is_gone = key.kind == "missing";
    const std::vector<std::string>& places = is_gone ? batch.old_places : batch.new_places;
    const Leaf& leaf = is_gone ? plan.source.leaves[key.old_leaf] : live.leaves[key.new_leaf];
    const char* change = is_gone ? "deleted" : key.kind == "extra" ? "inserted" : "updated";
    return touch(connection,
                 fmt::format("INSERT INTO {} (pgfanout_change{}) SELECT '{}'{} FROM ONLY {}"
                             " WHERE {}",
                             table, names, change, is_gone ? old_values : names, leaf.qualified,
                             in_places(places)),
                 places.size(), cancellation);
  };
  const auto save_all = [&]() -> Result<void> {
    PGFANOUT_TRY(connection.run(fmt::format(
        "CREATE TABLE {0} AS SELECT NULL::pg_catalog.text AS pgfanout_change{1} FROM {2}"
        " WITH NO DATA; ALTER TABLE {0} OWNER TO {3}",
        table, names, live.qualified, quoted_name(live.owner))));
    return for_each_batch(found, save_batch);
  };
  PGFANOUT_TRY(in_transaction(connection, {}, [&] {
    return with_search_path(connection, plan.source.application.sql, save_all);
  }));
  return table;
}

std::set<RowAddress> live_places(const FoundDifferences& found) {
  std::set<RowAddress> places;
  for (const FoundDifference& each : found.rows) {
    if (each.target) places.insert(each.target->address);
  }
  return places;
}

bool only_applied_differ(const std::set<RowAddress>& applied, const FoundDifferences& left) {
  return left.rows.size() == left.counts.total() && left.counts.extra == left.counts.missing &&
         std::all_of(left.rows.begin(), left.rows.end(), [&](const FoundDifference& each) {
           return !each.target || each.named.kind == "misplaced" ||
                  applied.contains(each.target->address);
         });
}

}  // namespace pgfanout
