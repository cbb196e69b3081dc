// The parts of the carry-over plan, and what they share: the request, the columns, the names, the
// plan as it grows, and the place of each object of the source on the target.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/table.h"
#include "copier/layout/known_key.h"
#include "copier/layout/layout.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct ColumnMatch {
  const Column* source = nullptr;
  std::optional<std::string> target;  ///< Unquoted; absent: the target has no such column.
  bool is_changed = false;            ///< Its type, its collation or its values differ.
};

/// Each column of the source and its column on the target.
class CarryColumns {
 public:
  static Result<CarryColumns> read(const CarryRequest& request, Connection& source);

  /// By pg_attribute.attnum; nullptr for a system column or an expression.
  [[nodiscard]] const ColumnMatch* find(std::int64_t number) const;
  /// A column of the target, the key column included; nullptr: there is none.
  [[nodiscard]] const Column* target(std::string_view name) const;
  [[nodiscard]] const std::vector<ColumnMatch>& matches() const { return matches_; }
  /// The target's columns in order, the key column last.
  [[nodiscard]] const std::vector<Column>& targets() const { return targets_; }
  /// Where the name changes.
  [[nodiscard]] const std::map<std::string, std::string>& renames() const { return renames_; }
  /// Target columns that the key is computed from.
  [[nodiscard]] const std::vector<std::string>& key_inputs() const { return key_inputs_; }

 private:
  std::vector<ColumnMatch> matches_;
  std::vector<Column> targets_;
  std::map<std::string, std::string> renames_;
  std::vector<std::string> key_inputs_;
};

/// Names for new objects: free now and after the swap, and the same in every plan of one job, also
/// when some of the objects exist already.
class CarryNames {
 public:
  static Result<CarryNames> read(const CarryRequest& request, Connection& target);

  /// For a relation that is called `afterwards` once the swap has renamed the old one.
  Result<std::string> until_swap(std::string_view schema, std::string_view afterwards);
  /// For a relation that keeps the name: as near to `wanted` as is free.
  Result<std::string> for_good(std::string_view schema, std::string_view wanted);
  /// As until_swap() for extended statistics, which have names of their own.
  Result<std::string> statistics_until_swap(std::string_view schema, std::string_view afterwards);
  /// For a leaf's counterpart of `index` on `table`: "chunks_p07_content_idx".
  std::string leaf_index(std::size_t leaf, std::string_view table, std::string_view index);

 private:
  using Taken = std::set<std::pair<std::string, std::string>>;  ///< Schema and name.

  CarryNames(const CarryRequest& request, Connection& target)
      : request_(&request), target_(&target) {}
  Result<void> learn(std::string_view schema);
  static std::string take(Taken& taken, std::string_view schema, std::string_view stem,
                          std::string_view suffix);

  const CarryRequest* request_;
  Connection* target_;
  std::set<std::string> known_schemas_;
  Taken relations_;
  Taken statistics_;
};

/// An index of the source with its equals on the target.
struct CarriedIndex {
  std::uint32_t source_oid = 0;
  std::string on_parent;               ///< Unquoted; empty: on the leaves only.
  std::vector<std::string> on_leaves;  ///< Unquoted, parallel to the request's leaves.
  bool may_identify = false;           ///< Fit for REPLICA IDENTITY USING INDEX.
  std::vector<std::string> columns;    ///< Unquoted target columns of a plain unique index.
};

/// Catalogs whose objects can have comments.
enum class CarriedClass : char {
  index = 'i',
  constraint = 'c',
  trigger = 't',
  policy = 'p',
  rule = 'r',
  statistics = 's'
};

/// The plan as it grows.
class CarryDraft {
 public:
  CarryDraft(const CarryRequest& wanted, Connection& source_connection,
             Connection& target_connection, CarryColumns matched, CarryNames free_names)
      : request(wanted),
        source(source_connection),
        target(target_connection),
        columns(std::move(matched)),
        names(std::move(free_names)),
        oid(std::to_string(wanted.source.oid)),
        table(wanted.target_qualified),
        rules(layout_kind_of(wanted.job).rules(wanted.job)) {}

  /// A catalog query with the source's OID as $1.
  Result<Rows> read(std::string_view sql) { return source.query(sql, {oid}); }
  /// A query that prints definitions for steps that run user code: names come out as they are found
  /// under the application's path.
  Result<Rows> read_for_user_code(std::string_view sql, const std::vector<Parameter>& parameters);

  /// SQL that the source's server printed, for the target: its name, its columns.
  [[nodiscard]] std::string on_target(std::string_view sql) const { return on(sql, table); }
  /// The same for any name of the table.
  [[nodiscard]] std::string on(std::string_view sql, std::string_view replacement) const;
  /// `text` as a literal.
  [[nodiscard]] std::string quoted(std::string_view text) const {
    return target.quote_literal(text);
  }

  /// Why an object over these columns of the source cannot be on the target; empty: it can.
  [[nodiscard]] std::string missing_columns(std::string_view numbers) const;
  /// Target columns by numbers of the source's, without those that the target lacks.
  [[nodiscard]] std::vector<std::string> column_names(std::string_view numbers) const;
  /// The same quoted: "a, b".
  [[nodiscard]] std::string column_list(std::string_view numbers) const;
  /// Whether the key's inputs are among these target columns.
  [[nodiscard]] bool covers_key(const std::vector<std::string>& target_columns) const;
  /// Whether the target is LIST by a computed key.
  [[nodiscard]] bool is_by_key() const { return request.job.layout.by.empty(); }
  /// Whether the target has no column of that name.
  [[nodiscard]] bool lacks(std::string_view column) const {
    return columns.target(column) == nullptr;
  }
  /// Whether a unique constraint of the target has exactly the columns of these numbers.
  [[nodiscard]] bool is_unique(std::string_view numbers) const;

  /// Why an object of the source cannot be created before the swap, if it calls a routine over the
  /// row type or uses whole rows; empty: it can. For rules this is the OID of the pg_rewrite entry,
  /// views included.
  [[nodiscard]] std::string row_type_obstacle(CarriedClass of, std::uint32_t source_oid) const;

  /// Records an object that cannot be carried over; true if the job accepts that.
  bool leave_behind(std::string kind, std::string name, std::string reason, std::string choices);
  void note(Severity severity, std::string code, std::string message, std::string hint = {});

  void add_attribute(std::string id, std::string sql) {
    plan.attributes.push_back({std::move(id), std::move(sql)});
  }
  /// In the one ALTER TABLE that gives a leaf its constraints.
  void add_leaf_clause(std::size_t leaf, std::string_view clause);
  /// In the one step that a leaf takes for `to`: leaf_attributes or leaf_access.
  void add_of_leaf(std::vector<std::string>& to, std::size_t leaf, std::string_view sql) const;
  /// "ALTER TABLE <leaf> <clause>" among the attributes of one leaf, or of all.
  void alter_leaf(std::size_t leaf, std::string_view clause);
  void alter_leaves(std::string_view clause);
  /// `subject` is what COMMENT takes: "INDEX public.x".
  void record(CarriedClass of, std::uint32_t source_oid, std::string subject) {
    subjects[{of, source_oid}].push_back(std::move(subject));
  }
  [[nodiscard]] std::string in_target_schema(std::string_view name) const;
  /// Whether the target's server has the role; false is an answer, not an error.
  Result<bool> has_role(const std::string& role);

  const CarryRequest& request;
  Connection& source;
  Connection& target;
  CarryColumns columns;
  CarryNames names;
  std::string oid;           ///< Of the source.
  const std::string& table;  ///< The target: qualified, quoted.
  LayoutRules rules;         ///< Of the target.
  /// Of a source that is laid out by a key already: its layout is not carried over.
  std::optional<KnownKey> laid_out_by;
  CarryPlan plan;
  std::vector<CarriedIndex> indexes;
  std::map<std::pair<CarriedClass, std::uint32_t>, std::vector<std::string>> subjects;
  /// Reasons, for row_type_obstacle().
  std::map<std::pair<CarriedClass, std::uint32_t>, std::string> row_type_users;
  std::vector<std::string> leaf_attributes;  ///< Of each leaf; empty: none.
  std::vector<std::string> leaf_access;      ///< The same: its owner, and grants on it.
  std::vector<CarryStep> last;               ///< Row security and owners, after all attributes.
  std::vector<CarryStep> grants;             ///< Made by the new owners, hence after those.
  std::vector<std::string> leaf_clauses;     ///< Of each leaf's one ALTER TABLE: keys, checks.
  bool leaf_clauses_read_rows = false;       ///< These: more than names for indexes.
  bool primary_key_changed = false;          ///< It gained a column, or the parent has none.
  std::vector<std::string> primary_key;      ///< Of the target, or of its leaves: unquoted.
  /// Columns of the target by which subscribers find a row; empty: all of them, or none.
  std::vector<std::string> identity;
  /// Columns of the parent's unique indexes, as foreign keys may name them.
  std::vector<std::vector<std::string>> parent_keys;

 private:
  std::map<std::string, bool> roles_;
};

/// "schema.table" for messages and for acceptance by name.
[[nodiscard]] std::string shown(std::string_view schema, std::string_view name);

/// SQL: the numbers, as "1 2", of the columns of relation `relation` on which object `object` of a
/// catalog depends. Both are SQL expressions of type oid.
[[nodiscard]] std::string columns_used(std::string_view catalog, std::string_view object,
                                       std::string_view relation);

/// SQL: "row_type(oid) AS (...), row_routine(oid) AS (...)": the row types of table $1 and its
/// partitions with their arrays, and the routines that have one among their arguments or results.
[[nodiscard]] std::string row_type_tables();

struct GrantedObject {
  std::uint32_t oid = 0;             ///< In the source's database.
  std::string_view words = "TABLE";  ///< As in GRANT ... ON: TABLE, SEQUENCE or ROUTINE.
  std::string on;                    ///< Quoted: the object that the statements are about.
  /// Columns are those of the job's source: they may be renamed, and the key column joins them.
  bool has_mapped_columns = true;
};

/// Statements that repeat an object's grants, each as its grantor, to be run after `on` belongs to
/// its owner. Empty for a relation on which only the owner has rights. Roles that the target's
/// server lacks are left behind.
Result<std::string> grants_of(CarryDraft& draft, const GrantedObject& object);

/// REVOKE of the rights that others have on a relation ("TABLE" or "SEQUENCE") or "ROUTINE" that
/// this role creates in a schema, by ALTER DEFAULT PRIVILEGES or by default. `on` is quoted. Empty:
/// there are none.
Result<std::string> revoke_defaults(CarryDraft& draft, std::string_view words,
                                    const std::string& schema, std::string_view on);

// The parts, in the order in which they run.
Result<void> find_row_type_users(CarryDraft& draft);
Result<void> carry_indexes(CarryDraft& draft);
Result<void> carry_checks(CarryDraft& draft);
Result<void> carry_foreign_keys(CarryDraft& draft);
Result<void> carry_behaviour(CarryDraft& draft);   ///< Triggers, rules, policies.
Result<void> carry_statistics(CarryDraft& draft);  ///< Extended ones, and columns' settings.
Result<void> carry_identity(CarryDraft& draft);    ///< Replica identity, CLUSTER.
Result<void> carry_sequences(CarryDraft& draft);
Result<void> carry_new_sequences(CarryDraft& draft);  ///< Those that mappings draw from.
Result<void> carry_routines(CarryDraft& draft);       ///< Those over the row type.
Result<void> carry_views(CarryDraft& draft);
Result<void> carry_publications(CarryDraft& draft);
Result<void> carry_inbound(CarryDraft& draft);    ///< Foreign keys of other tables.
Result<void> carry_referrers(CarryDraft& draft);  ///< Rules, policies, functions elsewhere.
Result<void> carry_key_function(CarryDraft& draft);
Result<void> carry_comments(CarryDraft& draft);
Result<void> carry_access(CarryDraft& draft);  ///< Owner and grants.
Result<void> name_the_rest(CarryDraft& draft);

}  // namespace pgfanout
