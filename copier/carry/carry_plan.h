// The plan that carries everything over that belongs to the source beside its rows (keys, indexes,
// constraints, triggers, grants, ...) to the target: SQL in the order of the stages that run it.
// Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/carry/leaf_stages.h"
#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// One statement, or some in one transaction. `id` is stable over runs of one job, unique within
/// the plan, and journaled with it: a step that is done is not done again.
struct CarryStep {
  std::string id;  ///< "index public.chunks_new_p07 chunks_content_idx".
  std::string sql;
  std::string leaf = {};  ///< Qualified target leaf that it changes; empty: the parent or no table.
  std::uint64_t bytes = 0;  ///< Of that leaf: the longest step begins first.
  std::string undo = {};    ///< Run by a rollback before the swap; empty: dropped with the table.
  /// Runs code of the application, so it runs, and was printed, under the application's path.
  bool runs_user_code = false;
  bool reads_rows = true;  ///< Its time grows with the table; else it only changes the catalog.
  LeafStage stage = LeafStage::index;  ///< Of a step on a leaf: set where it is run.
  bool may_run_beside = false;         ///< The other steps of its leaf: likewise.
};

/// A relation or statistics object of the target that takes a name of the source's at the swap,
/// after the swap has renamed the object that has it now.
struct CarriedName {
  /// As in ALTER: "INDEX", "SEQUENCE", "STATISTICS", "MATERIALIZED VIEW", "TABLE".
  std::string kind;
  std::string schema;
  std::string until_swap;  ///< Unquoted.
  std::string afterwards;  ///< Unquoted.
};

/// A view of the source that the swap points at the new table, keeping its OID and grants.
struct CarriedView {
  std::string qualified;  ///< Quoted.
  std::string create;     ///< CREATE OR REPLACE VIEW ... AS ..., names as they are after the swap.
  std::string restore;  ///< The same with its present definition; run after all names are restored.
};

/// Statements by which a swap takes something from the old table, and those that give it back:
/// publications, the ownership of sequences, foreign keys in both directions, routines.
struct CarriedMove {
  std::string what;  ///< "foreign key chunks_collection_id_fkey".
  /// `forward` runs in the swap after all renames, `backward` in a rollback before them:
  /// "\001new\001" and "\001old\001" stand for the qualified names that the two tables have at
  /// that moment. (A name could hold any printable mark.)
  std::vector<std::string> forward;
  std::vector<std::string> backward;
  /// Each in a transaction of its own once the swap has committed: validation of constraints that
  /// `forward` made NOT VALID, since its scan must not prolong the swap.
  std::vector<std::string> after_swap = {};
  /// The last statements of a rollback, once all names and views are those from before the swap;
  /// those of later moves first.
  std::vector<std::string> restored = {};
};

/// A routine that the swap sets aside under another name, and that goes with the backup.
struct RoutineSetAside {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;  ///< From the swap on.
};

/// An object that cannot be carried over, or not without a change that somebody has to know of:
/// no-go unless accepted by `kind` + " " + `name`.
struct NotCarried {
  std::string kind;
  std::string name;
  std::string reason;
  std::string choices;
  bool is_accepted = false;
  bool is_changed = false;  ///< Once accepted it is carried over, with the change of `reason`.
};

/// A foreign key out of the source that is valid there: every row has a parent, unless rows came
/// past its triggers.
struct CarriedReference {
  /// A column, and the one that it refers to; all quoted.
  struct Pair {
    std::string source;
    std::string target;  ///< The target's column.
    std::string parent;
    std::string equal;      ///< "OPERATOR(pg_catalog.=)", with the parent on its left.
    std::string collation;  ///< " COLLATE ..." of the parent, where it is another one; else empty.
    bool is_changed = false;  ///< The target's values are others than the source's.
    bool is_nullable = false;
  };
  std::string name;        ///< For people and for --accept.
  std::string constraint;  ///< Quoted.
  std::string clause;      ///< "ADD CONSTRAINT c FOREIGN KEY ... NOT VALID", over the target.
  std::string table;       ///< That is referred to, qualified.
  std::uint32_t oid = 0;   ///< Of that, in the source's database.
  bool is_full = false;    ///< MATCH FULL.
  bool is_to_itself = false;
  bool is_partitioned = false;  ///< That table.
  bool is_over_period = false;  ///< Then parents are not found by equality.
  bool is_accepted = false;     ///< Rows without a parent: the key is carried as NOT VALID.
  std::vector<Pair> pairs;
};

struct CarryPlan {
  std::vector<CarryStep> leaf_indexes;    ///< Any order, many at a time.
  std::vector<CarryStep> parent_indexes;  ///< In order, after those: ON ONLY, then ATTACH.
  /// In order for each leaf; leaves in any order, many at a time. Last the settings that a leaf's
  /// statistics depend on.
  std::vector<CarryStep> leaf_constraints;
  /// In order, one at a time.
  std::vector<CarryStep> parent_constraints;
  /// In order, one at a time: triggers, rules, policies, statistics, names of identity sequences,
  /// materialized views, comments, owner and grants of each leaf, owners, and last the grants,
  /// which the new owner makes.
  std::vector<CarryStep> attributes;
  std::vector<CarriedName> names;
  std::vector<CarriedView> views;  ///< In the order of their dependencies.
  std::vector<CarriedMove> moves;  ///< In order; a rollback runs them in reverse order.
  std::vector<RoutineSetAside> routines;
  std::vector<NotCarried> not_carried;
  std::vector<CarriedReference> references;
  /// CHECKs of the source's old key, which the target does not get: names for people.
  std::vector<std::string> replaced_checks;
  /// Rights that the key needs beside those that were granted before, for people: "INSERT
  /// (partition_key) to writer".
  std::vector<std::string> key_grants;
  /// The call that computes the key for the application, for people:
  /// "public.chunks_partition_key(collection_id)". Empty: somebody else's function has its name.
  std::string key_function;
  /// It is there already, and computes the old layout's key until the swap.
  bool key_function_changes = false;
  std::vector<Issue> issues;  ///< INFO and WARNING.
};

struct CarryRequest {
  const JobDescription& job;
  const Table& source;
  std::string target_schema;
  std::string target_name;
  std::string target_qualified;
  std::vector<std::string> target_leaves;  ///< Qualified, quoted; by key.
  std::vector<std::string> leaf_names;     ///< Unquoted, parallel to target_leaves.
  std::vector<std::string> leaf_names_afterwards;
  const KeyExpression& key;
  std::string key_sql_on_target;
  std::optional<std::string> key_column;  ///< Unquoted; absent: none.
  bool same_database = false;
  bool sets_aside = false;  ///< Rows of the source may be missing on the target.
  std::vector<std::string> partition_columns = {};  ///< Of the target, as in NewLayout.
};

/// Reads the source's catalog, changes nothing; the target need not exist yet. Leaves' sizes are 0.
/// Until the swap, the result is the same as long as nobody changes the source's definition,
/// however many of the plan's steps have run; the caller must keep what the swap and a rollback
/// need of it. Triggers of the tool's own (function in schema pgfanout, or a name that begins with
/// pgfanout_) are not the table's. Views and moves are empty between two databases.
Result<CarryPlan> make_carry_plan(const CarryRequest& request, Connection& source,
                                  Connection& target);

}  // namespace pgfanout
