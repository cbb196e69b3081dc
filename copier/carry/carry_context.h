// Shared by the parts of the carry-over plan: the request, the columns, the names, the plan that
// grows, and where each object of the source is to be found on the target.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/carry/carry_columns.h"
#include "copier/carry/carry_names.h"
#include "copier/carry/carry_plan.h"
#include "copier/layout/layout.h"

namespace pgfanout {

/// An index of the source with its equals on the target.
struct CarriedIndex {
  std::uint32_t source_oid = 0;
  std::string on_parent;               ///< Unquoted; empty: on the leaves only.
  std::vector<std::string> on_leaves;  ///< Unquoted, parallel to the request's leaves.
  bool may_identify = false;           ///< Fit for REPLICA IDENTITY USING INDEX.
  std::vector<std::string> columns;    ///< Unquoted target columns of a plain unique index.
};

/// Catalogs whose objects can have comments: letters of CarryContext::at.
enum class CarriedClass : char {
  index = 'i',
  constraint = 'c',
  trigger = 't',
  policy = 'p',
  rule = 'r',
  statistics = 's'
};

class CarryContext {
 public:
  CarryContext(const CarryRequest& wanted, Connection& source_connection,
               Connection& target_connection, CarryColumns fates, CarryNames free_names)
      : request(wanted),
        source(source_connection),
        target(target_connection),
        columns(std::move(fates)),
        names(std::move(free_names)),
        oid(std::to_string(wanted.source.oid)),
        rules(layout_kind_of(wanted.job).rules(wanted.job)) {}

  /// A catalog query with the source's OID as $1.
  Result<Rows> read(std::string_view sql) { return source.query(sql, {oid}); }

  /// SQL that the source's server printed, for the target: its name, its columns.
  [[nodiscard]] std::string on_target(std::string_view sql) const;
  /// The same for any name of the table: with_relation() and with_columns().
  [[nodiscard]] std::string on(std::string_view sql, std::string_view replacement) const;

  /// Why an object over these columns of the source cannot be on the target; empty: it can.
  [[nodiscard]] std::string missing_columns(std::string_view numbers) const;
  /// Target columns, quoted, by numbers of the source's; "" if one is missing.
  [[nodiscard]] std::string column_list(std::string_view numbers) const;
  [[nodiscard]] std::vector<std::string> column_names(std::string_view numbers) const;
  /// Whether the key's inputs are among these target columns.
  [[nodiscard]] bool covers_key(const std::vector<std::string>& target_columns) const;

  /// Books what cannot be carried over; true if the job accepts that.
  bool leave_behind(std::string kind, std::string name, std::string reason, std::string choices);
  void note(Severity severity, std::string code, std::string message, std::string hint = {});

  void add_attribute(std::string id, std::string sql) {
    plan.attributes.push_back({std::move(id), std::move(sql), {}, 0});
  }
  /// In the one ALTER TABLE that gives a leaf its constraints.
  void add_leaf_clause(std::size_t leaf, std::string_view clause);
  /// In the one step that a leaf's attributes take.
  void add_leaf_attribute(std::size_t leaf, std::string_view sql);
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
  std::string oid;
  LayoutRules rules;  ///< Of the target.
  CarryPlan plan;
  std::vector<CarriedIndex> indexes;
  /// "INDEX public.x", "CONSTRAINT y ON public.z": what COMMENT takes.
  std::map<std::pair<CarriedClass, std::uint32_t>, std::vector<std::string>> subjects;
  std::vector<std::string> leaf_attributes;  ///< Of each leaf; empty: none.
  std::vector<CarryStep> last;               ///< Row security and owners, after all attributes.
  std::vector<CarryStep> grants;             ///< Made by the new owners, hence after those.
  std::vector<std::string> leaf_clauses;     ///< Of each leaf's one ALTER TABLE: keys, checks.
  bool primary_key_changed = false;          ///< It gained a column, or the parent has none.
  /// Columns of the parent's unique indexes, as foreign keys may name them.
  std::vector<std::vector<std::string>> parent_keys;

 private:
  std::map<std::string, bool> roles_;
};

/// "schema.table" for messages and for acceptance by name.
[[nodiscard]] std::string shown(std::string_view schema, std::string_view name);

// The parts, in the order in which they run.
Result<void> carry_indexes(CarryContext& context);
Result<void> carry_constraints(CarryContext& context);
Result<void> carry_foreign_keys(CarryContext& context);
Result<void> carry_behaviour(CarryContext& context);   ///< Triggers, rules, policies.
Result<void> carry_statistics(CarryContext& context);  ///< Extended ones, and columns' settings.
Result<void> carry_identity(CarryContext& context);    ///< Replica identity, CLUSTER.
Result<void> carry_views(CarryContext& context);
Result<void> carry_sequences(CarryContext& context);
Result<void> carry_new_sequences(CarryContext& context);  ///< Those that mappings draw from.
Result<void> carry_publications(CarryContext& context);
Result<void> carry_inbound(CarryContext& context);  ///< Foreign keys of other tables.
Result<void> carry_rebinds(CarryContext& context);  ///< Rules, policies, functions elsewhere.
Result<void> carry_key_function(CarryContext& context);
Result<void> carry_comments(CarryContext& context);
Result<void> carry_access(CarryContext& context);  ///< Owner and grants.
Result<void> name_the_rest(CarryContext& context);

}  // namespace pgfanout
