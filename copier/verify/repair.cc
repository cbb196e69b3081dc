#include "copier/verify/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/base/shell_word.h"
#include "copier/catalog/relation_name.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

/// Columns that a statement may write: those that the target's server does not compute.
bool is_writable(const VerifyPlan& plan, const ComparedColumn& column) {
  const Column* of_target = plan.target.find(column.name);
  return of_target != nullptr && of_target->generated == 0;
}

/// "(SELECT $1::int4 AS id, ...) AS pgfanout_new" over the chosen columns.
std::string new_row_sql(const VerifyPlan& plan) {
  return fmt::format("(SELECT {}) AS pgfanout_new",
                     joined(plan.columns.size(), ", ", [&](std::size_t at) {
                       return fmt::format("${}::{} AS {}", at + 1, plan.columns[at].type_sql,
                                          plan.columns[at].target_sql);
                     }));
}

bool writes_key(const VerifyPlan& plan) {
  return plan.target_key_column && !plan.key_is_generated;
}

/// Whether the key is made from a column that changes.
bool changes_key(const VerifyPlan& plan, const std::vector<std::string>& changed) {
  const auto& inputs = plan.key.used_columns();
  return std::ranges::any_of(inputs, [&](std::size_t input) {
    return std::ranges::any_of(plan.columns, [&](const ComparedColumn& column) {
      return column.source_column == input && contains(changed, column.name);
    });
  });
}

/// Names and values of what is written; `only`: these columns alone, the key among them.
std::pair<std::string, std::string> assignment(const VerifyPlan& plan,
                                               const std::vector<std::string>* only) {
  std::vector<std::string> names;
  std::vector<std::string> values;
  const auto add = [&](const std::string& name, const std::string& value) {
    names.push_back(name);
    values.push_back(value);
  };
  for (const ComparedColumn& column : plan.columns) {
    const bool is_wanted = only == nullptr || contains(*only, column.name);
    if (is_wanted && is_writable(plan, column)) {
      add(column.target_sql, "pgfanout_new." + column.target_sql);
    }
  }
  const bool keeps_key = only != nullptr && !plan.key_is_stated && !changes_key(plan, *only);
  if (writes_key(plan) && !keeps_key) {
    add(*plan.target_key_column, "(" + plan.key_sql_on_target + ")");
  }
  return {joined(names, ", "), joined(values, ", ")};
}

std::string place_sql(const VerifyPlan& plan, const RowAddress& address) {
  return fmt::format("tableoid OPERATOR(pg_catalog.=) {} AND ctid OPERATOR(pg_catalog.=) '{}'",
                     plan.target.leaves[address.leaf].oid, address.ctid);
}

std::string insert_sql(const VerifyPlan& plan) {
  const auto [names, values] = assignment(plan, nullptr);
  return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}",
                     plan.target.qualified, names, values, new_row_sql(plan));
}

std::string update_sql(const VerifyPlan& plan, const FoundDifference& difference) {
  const auto [names, values] = assignment(plan, &difference.named.columns);
  if (names.empty()) return {};
  return fmt::format("UPDATE {} SET ({}) = (SELECT {} FROM {}) WHERE {}", plan.target.qualified,
                     names, values, new_row_sql(plan), place_sql(plan, difference.target->address));
}

/// Writing the row's key again, or any column where none is stored, sends it to its leaf.
std::string move_sql(const VerifyPlan& plan, const RowAddress& address) {
  std::string set;
  if (writes_key(plan)) {
    set = fmt::format("{} = ({})", *plan.target_key_column, plan.key_sql_on_target);
  } else {
    for (const ComparedColumn& column : plan.columns) {
      if (!is_writable(plan, column)) continue;
      set = fmt::format("{0} = {0}", column.target_sql);
    }
  }
  return fmt::format("UPDATE {} SET {} WHERE {}", plan.target.qualified, set,
                     place_sql(plan, address));
}

std::string delete_sql(const VerifyPlan& plan, const RowAddress& address) {
  return fmt::format("DELETE FROM {} WHERE {}", plan.target.qualified, place_sql(plan, address));
}

std::string statement_of(const VerifyPlan& plan, const FoundDifference& difference) {
  const std::string& kind = difference.named.kind;
  if (kind == "missing") return insert_sql(plan);
  if (kind == "changed") return update_sql(plan, difference);
  if (kind == "extra") return delete_sql(plan, difference.target->address);
  return move_sql(plan, difference.target->address);
}

/// Rows are deleted, updated and moved before new ones are inserted: a primary key is unique.
int turn_of(const std::string& kind) {
  if (kind == "extra") return 0;
  if (kind == "changed") return 1;
  return kind == "misplaced" ? 2 : 3;
}

Error changed_meanwhile(const FoundDifference& difference) {
  return interrupted(
      "row-changed", "a row was changed since it was compared: nothing was repaired in its leaf",
      "verify again while nothing writes to the tables",
      difference.named.target.empty() ? difference.named.source : difference.named.target);
}

/// Repairs the rows of one leaf, within the caller's transaction.
class LeafRepair {
 public:
  LeafRepair(const VerifyPlan& plan, Connection& source, Connection& target,
             const Cancellation& cancellation)
      : plan_(plan),
        connection_(target),
        source_(plan, Side::source, source, cancellation),
        target_(plan, Side::target, target, cancellation) {}

  Result<void> repair(const FoundDifference& difference) {
    std::vector<Parameter> values;
    if (difference.target) PGFANOUT_TRY(lock_and_check(difference));
    if (difference.source) {
      PGFANOUT_TRY_ASSIGN(auto rows, source_.fetch_values({difference.source->address}));
      if (!(rows.front().name == difference.source->name)) return changed_meanwhile(difference);
      values = std::move(rows.front().values);
    }
    const std::string sql = statement_of(plan_, difference);
    if (sql.empty()) return {};
    PGFANOUT_TRY_ASSIGN(const Rows done, with_search_path(connection_, path(), [&] {
                          return connection_.query_binary(sql, values);
                        }));
    if (done.affected() != 1) return changed_meanwhile(difference);
    return {};
  }

  /// Deferred triggers would otherwise run in the COMMIT, under the empty path.
  Result<void> fire_deferred_triggers() {
    return with_search_path(connection_, path(),
                            [&] { return connection_.run("SET CONSTRAINTS ALL IMMEDIATE"); });
  }

 private:
  [[nodiscard]] const std::string& path() const { return plan_.target.application.sql; }

  Result<void> lock_and_check(const FoundDifference& difference) {
    const RowAddress& address = difference.target->address;
    PGFANOUT_TRY_ASSIGN(
        const Rows locked,
        connection_.query(fmt::format("SELECT 1 FROM ONLY {} WHERE ctid = '{}'::tid FOR UPDATE",
                                      plan_.target.leaves[address.leaf].qualified, address.ctid)));
    if (locked.size() != 1) return changed_meanwhile(difference);
    auto rows = target_.fetch({address});
    if (!rows) return changed_meanwhile(difference);
    if (!(rows->front().name == difference.target->name)) return changed_meanwhile(difference);
    return {};
  }

  const VerifyPlan& plan_;
  Connection& connection_;
  RowFetcher source_;
  RowFetcher target_;
};

/// A key that nobody stated is not repaired: it may be another one on purpose.
Result<void> check_keys_are_stated(const VerifyPlan& plan, const FoundDifferences& found) {
  if (plan.key_is_stated) return {};
  const auto count = [&](auto is_such) {
    return static_cast<std::uint64_t>(std::ranges::count_if(found.rows, is_such));
  };
  const std::uint64_t wrong = count([&](const FoundDifference& each) {
    return (each.named.kind == "misplaced" && writes_key(plan)) ||
           (plan.compared_key_column && contains(each.named.columns, *plan.compared_key_column));
  });
  if (wrong > 0) {
    const std::string column =
        plan.key_column ? *plan.key_column : plan.compared_key_column.value_or("");
    return refused(
        "key-not-stated",
        fmt::format("{} another key in column {}, and no --key says which one is right: nothing "
                    "was repaired",
                    counted(wrong, "row stores", "rows store"), display_name(column)),
        plan.has_key
            ? fmt::format("if the known key is right, state it: --key {}",
                          shell_word(plan.key.sql()))
            : fmt::format("state the key by --key 'EXPRESSION', or leave the column out by --skip "
                          "{}",
                          shell_word(display_name(column))),
        plan.target.qualified);
  }
  const Column* key_column = plan.key_column ? plan.target.find(*plan.key_column) : nullptr;
  const std::uint64_t missing =
      count([](const FoundDifference& each) { return each.named.kind == "missing"; });
  if (plan.has_key || key_column == nullptr || missing == 0 || key_column->generated != 0 ||
      !key_column->default_sql.empty()) {
    return {};
  }
  return refused("key-not-stated",
                 fmt::format("{} missing, and the key to insert into column {} is not known: "
                             "nothing was repaired",
                             counted(missing, "row is", "rows are"), key_column->quoted),
                 "state the key: --key 'EXPRESSION'", plan.target.qualified);
}

}  // namespace

Result<RepairPlan> plan_repair(const VerifyPlan& plan, const FoundDifferences& found) {
  if (found.rows.size() < found.counts.total()) {
    return refused("too-many-differences",
                   fmt::format("{}, {} of them named: all must be, to be repaired",
                               counted(found.counts.total(), "row differs", "rows differ"),
                               with_commas(found.rows.size())),
                   fmt::format("--max-differences {}", found.counts.total()),
                   plan.target.qualified);
  }
  PGFANOUT_TRY(check_keys_are_stated(plan, found));
  RepairPlan planned;
  std::map<std::string, std::uint64_t> counts;
  for (const FoundDifference& difference : found.rows) {
    ++counts[difference.named.kind];
    const std::string sql = statement_of(plan, difference);
    if (!sql.empty()) planned.statements.push_back(sql);
  }
  const std::map<std::string, std::string> verbs = {{"changed", "updated"},
                                                    {"extra", "deleted"},
                                                    {"misplaced", "moved to their leaf"},
                                                    {"missing", "inserted"}};
  for (const auto& [kind, count] : counts) {
    planned.summary.push_back(fmt::format("{} will be {}", rows_text(count), verbs.at(kind)));
  }
  return planned;
}

Result<void> run_repair(const VerifyPlan& plan, const FoundDifferences& found, VerifySides& sides,
                        const Cancellation& cancellation) {
  PGFANOUT_TRY_ASSIGN(Connection target, sides.connect(Side::target, "repair"));
  // One leaf after the other. Extra rows are deleted first: they make room, also for rows that come
  // from other leaves.
  std::map<std::pair<int, std::size_t>, std::vector<const FoundDifference*>> by_leaf;
  for (const FoundDifference& difference : found.rows) {
    const std::size_t leaf = difference.target ? difference.target->address.leaf : SIZE_MAX;
    by_leaf[{turn_of(difference.named.kind), leaf}].push_back(&difference);
  }
  LeafRepair repair(plan, sides.connection(Side::source), target, cancellation);
  for (const auto& [turn_and_leaf, differences] : by_leaf) {
    const auto repair_all = [&, &wrong = differences]() -> Result<void> {
      for (const FoundDifference* difference : wrong) {
        if (cancellation.is_set()) return cancelled();
        PGFANOUT_TRY(repair.repair(*difference));
      }
      return repair.fire_deferred_triggers();
    };
    PGFANOUT_TRY(in_transaction(target, {"BEGIN; SET LOCAL lock_timeout = '10s'"}, repair_all));
  }
  return {};
}

}  // namespace pgfanout
