// Foreign keys out of the source: NOT VALID on each leaf, validated there, then adopted by the
// parent. The old table loses its own at the swap, so that it neither blocks deletes nor follows
// them.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// A foreign key to the table itself has a copy for each partition that it refers to.
constexpr const char* kForeignKeysSql = R"sql(
SELECT c.oid, c.conname, pg_get_constraintdef(c.oid), format('FOREIGN KEY (%s)',
    (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
     FROM unnest(c.conkey) WITH ORDINALITY k(number, place)
     JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number)),
  array_to_string(c.conkey, ' '), array_to_string(c.confkey, ' '),
  c.convalidated, c.confrelid = c.conrelid, format('%I.%I', rn.nspname, r.relname),
  COALESCE((to_jsonb(c) ->> 'conenforced')::bool, true),
  del.numbers, del.columns, types.list,
  obj_description(c.oid, 'pg_constraint')
FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid
JOIN pg_namespace rn ON rn.oid = r.relnamespace
CROSS JOIN LATERAL (SELECT string_agg(a.attnum::text, ' ' ORDER BY s.place)
    AS numbers, string_agg(quote_ident(a.attname), ', ' ORDER BY s.place)
    AS columns
  FROM jsonb_array_elements_text(COALESCE(NULLIF(
    to_jsonb(c) -> 'confdelsetcols', 'null'::jsonb),
    '[]'::jsonb)) WITH ORDINALITY s(number, place)
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = s.number::int) del
CROSS JOIN LATERAL (SELECT string_agg(
    format_type(a.atttypid, a.atttypmod), E'\n' ORDER BY k.place) AS list
  FROM unnest(c.confkey) WITH ORDINALITY k(number, place)
  JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number) types
WHERE c.conrelid = $1::oid AND c.contype = 'f' AND NOT EXISTS (
  SELECT 1 FROM pg_constraint up
  WHERE up.oid = c.conparentid AND up.conrelid = c.conrelid)
ORDER BY c.conname)sql";

struct ForeignKey {
  std::uint32_t oid = 0;
  std::string name;
  std::string definition;  ///< As printed.
  std::string head;        ///< "FOREIGN KEY (a, b)", as printed.
  std::string columns;     ///< Numbers.
  std::string referenced_columns;
  bool is_valid = true;
  bool is_to_itself = false;
  std::string referenced;
  bool is_enforced = true;
  std::string set_numbers;  ///< Of ON DELETE SET NULL (...).
  std::string set_columns;  ///< The same as printed.
  std::vector<std::string> referenced_types;
  std::optional<std::string> comment;
};

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

ForeignKey key_of(const Rows& rows, int row) {
  ForeignKey key;
  key.oid = rows.oid(row, 0);
  key.name = rows.str(row, 1);
  key.definition = rows.str(row, 2);
  key.head = rows.str(row, 3);
  key.columns = rows.str(row, 4);
  key.referenced_columns = rows.str(row, 5);
  key.is_valid = rows.boolean(row, 6);
  key.is_to_itself = rows.boolean(row, 7);
  key.referenced = rows.str(row, 8);
  key.is_enforced = rows.boolean(row, 9);
  key.set_numbers = rows.str(row, 10);
  key.set_columns = rows.str(row, 11);
  key.referenced_types = lines_of(rows.text(row, 12));
  if (!rows.is_null(row, 13)) key.comment = rows.str(row, 13);
  return key;
}

class ForeignKeyCarrier {
 public:
  ForeignKeyCarrier(CarryContext& context, const ForeignKey& key)
      : context_(context), key_(key), name_(display_name(key.name)) {}

  Result<void> carry() {
    PGFANOUT_TRY_ASSIGN(const std::string obstacle, find_obstacle());
    move_old();
    if (!obstacle.empty()) {
      context_.leave_behind("foreign key", name_, obstacle,
                            "accept the loss by this name, and check the reference elsewhere");
      return {};
    }
    definition_ = definition();
    // The leaves of a key to the table itself refer to their parent's key, which comes with the
    // parent's constraints.
    add_to_leaves(key_.is_to_itself ? context_.plan.parent_constraints
                                    : context_.plan.leaf_constraints);
    add_to_parent();
    return {};
  }

 private:
  Result<std::string> find_obstacle() {
    if (std::string missing = context_.missing_columns(key_.columns); !missing.empty()) {
      return missing;
    }
    if (!key_.definition.starts_with(key_.head)) {
      if (!context_.columns.renames().empty())
        return std::string("it is over a PERIOD of a renamed column");
    }
    if (key_.is_to_itself) return obstacle_to_itself();
    const std::vector<int> numbers = numbers_in(key_.columns);
    for (std::size_t at = 0; at < numbers.size() && at < key_.referenced_types.size(); ++at) {
      const ColumnFate* fate = context_.columns.find(numbers[at]);
      if (fate == nullptr) continue;
      const Column* column = context_.columns.target(*fate->target);
      const bool has_new_type = column != nullptr && column->type_sql != fate->source->type_sql &&
                                column->type_sql != key_.referenced_types[at];
      if (has_new_type) {
        return fmt::format("column {} becomes {}, and {} is referenced by {}", column->quoted,
                           column->type_sql, key_.referenced, key_.referenced_types[at]);
      }
    }
    if (context_.request.same_database) return std::string();
    PGFANOUT_TRY_ASSIGN(const Rows found,
                        context_.target.query("SELECT to_regclass($1) IS NULL", {key_.referenced}));
    return found.boolean(0, 0)
               ? fmt::format("the target's database has no table {}", key_.referenced)
               : std::string();
  }

  /// The referenced columns must still be unique over all leaves.
  [[nodiscard]] std::string obstacle_to_itself() const {
    if (std::string missing = context_.missing_columns(key_.referenced_columns); !missing.empty()) {
      return missing;
    }
    std::vector<std::string> wanted = context_.column_names(key_.referenced_columns);
    std::sort(wanted.begin(), wanted.end());
    for (std::vector<std::string> columns : context_.parent_keys) {
      std::sort(columns.begin(), columns.end());
      if (columns == wanted) return {};
    }
    return "it refers to the table itself, and no unique constraint of the target has exactly the "
           "columns that it refers to";
  }

  /// Over the target's columns. Referenced columns of other tables keep their names.
  [[nodiscard]] std::string definition() const {
    if (!key_.definition.starts_with(key_.head)) return key_.definition;
    std::string rest = key_.definition.substr(key_.head.size());
    if (key_.is_to_itself) {
      rest = context_.on_target(rest);
    } else if (!key_.set_columns.empty()) {
      const std::string before = fmt::format(" ({})", key_.set_columns);
      const std::size_t at = rest.rfind(before);
      if (at != std::string::npos) {
        rest.replace(at, before.size(),
                     fmt::format(" ({})", context_.column_list(key_.set_numbers)));
      }
    }
    return fmt::format("FOREIGN KEY ({}){}", context_.column_list(key_.columns), rest);
  }

  [[nodiscard]] bool is_validated() const { return key_.is_valid && key_.is_enforced; }

  [[nodiscard]] bool parent_may_have_it() const {
    return is_validated() || context_.target.server_version() >= kFirstWithUnvalidatedParents;
  }

  /// A key that is not validated costs no scan: the parent passes it on to its leaves by itself.
  void add_to_leaves(std::vector<CarryStep>& steps) const {
    if (!is_validated() && parent_may_have_it()) return;
    for (const std::string& leaf : context_.request.target_leaves) {
      steps.push_back(
          {fmt::format("foreign key {} {}", leaf, name_),
           fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}{}", leaf, quoted_name(key_.name),
                       definition_, is_validated() ? " NOT VALID" : ""),
           leaf, 0});
      if (!is_validated()) continue;
      steps.push_back(
          {fmt::format("validate {} {}", leaf, name_),
           fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", leaf, quoted_name(key_.name)), leaf,
           0});
    }
  }

  void add_to_parent() {
    const CarryRequest& request = context_.request;
    const auto record_on = [&](const std::string& table) {
      context_.record(CarriedClass::constraint, key_.oid,
                      fmt::format("CONSTRAINT {} ON {}", quoted_name(key_.name), table));
    };
    if (!parent_may_have_it()) {
      context_.note(
          Severity::warning, "foreign-key-per-leaf",
          fmt::format("foreign key {} is NOT VALID, which this server does not allow on a "
                      "partitioned table: each leaf has it instead",
                      name_),
          "validate it before, or add it to leaves that are made later");
      for (const std::string& leaf : request.target_leaves) record_on(leaf);
      return;
    }
    context_.plan.parent_constraints.push_back(
        {fmt::format("foreign key {} {}", request.target_qualified, name_),
         fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", request.target_qualified,
                     quoted_name(key_.name), definition_),
         {},
         0});
    record_on(request.target_qualified);
  }

  void move_old() const {
    CarriedMove move;
    move.what = fmt::format("foreign key {} of the old table", name_);
    move.forward = {
        fmt::format("ALTER TABLE \001old\001 DROP CONSTRAINT {}", quoted_name(key_.name))};
    const Table& table = context_.request.source;
    const std::string definition =
        key_.is_to_itself ? with_relation(key_.definition, table.schema, table.name, "\001old\001")
                          : key_.definition;
    move.backward = {fmt::format("ALTER TABLE \001old\001 ADD CONSTRAINT {} {}",
                                 quoted_name(key_.name), definition)};
    if (key_.comment) {
      move.backward.push_back(fmt::format("COMMENT ON CONSTRAINT {} ON \001old\001 IS {}",
                                          quoted_name(key_.name),
                                          context_.source.quote_literal(*key_.comment)));
    }
    context_.plan.moves.push_back(std::move(move));
  }

  CarryContext& context_;
  const ForeignKey& key_;
  const std::string name_;
  std::string definition_;
};

}  // namespace

Result<void> carry_foreign_keys(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kForeignKeysSql));
  for (int row = 0; row < rows.size(); ++row) {
    const ForeignKey key = key_of(rows, row);
    PGFANOUT_TRY(ForeignKeyCarrier(context, key).carry());
  }
  return {};
}

}  // namespace pgfanout
