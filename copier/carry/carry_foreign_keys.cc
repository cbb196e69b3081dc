// Foreign keys out of the source: NOT VALID on each leaf, validated there, then adopted by the
// parent. The old table loses its own at the swap, so that it neither blocks deletes nor follows
// them.
//
// Foreign keys of other tables that refer to the source: each needs a unique constraint with
// exactly the columns that it names. Where the target has none, the key cannot be kept.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "copier/carry/carry_parts.h"
#include "copier/carry/references.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

/// A foreign key to the table itself has a copy for each partition that it refers to.
constexpr const char* kForeignKeysSql = R"sql(
SELECT c.oid, c.conname, pg_get_constraintdef(c.oid), format('FOREIGN KEY (%s)',
    (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
     FROM unnest(c.conkey) WITH ORDINALITY k(number, place)
     JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number)),
  array_to_string(c.conkey, ' '), array_to_string(c.confkey, ' '),
  c.convalidated, c.confrelid = c.conrelid, c.confrelid::regclass::text,
  COALESCE((to_jsonb(c) ->> 'conenforced')::bool, true),
  del.numbers, del.columns, types.list, obj_description(c.oid, 'pg_constraint')
FROM pg_constraint c CROSS JOIN LATERAL (
  SELECT string_agg(a.attnum::text, ' ' ORDER BY s.place) AS numbers,
    string_agg(quote_ident(a.attname), ', ' ORDER BY s.place) AS columns
  FROM jsonb_array_elements_text(COALESCE(NULLIF(to_jsonb(c) -> 'confdelsetcols', 'null'::jsonb),
    '[]'::jsonb)) WITH ORDINALITY s(number, place)
  JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = s.number::int) del
CROSS JOIN LATERAL (
  SELECT string_agg(format_type(a.atttypid, a.atttypmod), E'\n' ORDER BY k.place) AS list
  FROM unnest(c.confkey) WITH ORDINALITY k(number, place)
  JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number) types
WHERE c.conrelid = $1::oid AND c.contype = 'f' AND NOT EXISTS (
  SELECT FROM pg_constraint up WHERE up.oid = c.conparentid AND up.conrelid = c.conrelid)
ORDER BY c.conname)sql";

/// Of key $1: each pair of columns, with the operator that the server compares them by.
constexpr const char* kPairsSql = R"sql(
SELECT quote_ident(a.attname), a.attnum, quote_ident(f.attname), f.attnum,
  format('OPERATOR(%I.%s)', n.nspname, o.oprname),
  CASE WHEN f.attcollation NOT IN (0, a.attcollation) THEN (SELECT format(' COLLATE %I.%I',
    m.nspname, l.collname) FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace
    WHERE l.oid = f.attcollation) ELSE '' END,
  NOT a.attnotnull, c.confmatchtype = 'f', t.relkind = 'p', c.confrelid,
  COALESCE((to_jsonb(c) ->> 'conperiod')::bool, false)
FROM pg_constraint c JOIN pg_class t ON t.oid = c.confrelid
CROSS JOIN LATERAL ROWS FROM (unnest(c.conkey), unnest(c.confkey), unnest(c.conpfeqop))
  WITH ORDINALITY AS k(own, other, op, place)
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.own
JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = k.other
JOIN pg_operator o ON o.oid = k.op JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE c.oid = $1 ORDER BY k.place)sql";

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
  std::string types;
  read_row(rows, row, key.oid, key.name, key.definition, key.head, key.columns,
           key.referenced_columns, key.is_valid, key.is_to_itself, key.referenced, key.is_enforced,
           key.set_numbers, key.set_columns, types, key.comment);
  key.referenced_types = lines_of(types);
  return key;
}

class ForeignKeyCarrier {
 public:
  ForeignKeyCarrier(CarryDraft& draft, const ForeignKey& key)
      : draft_(draft), key_(key), name_(display_name(key.name)) {
    const auto& accepted = draft.request.job.window.accept;
    is_accepted_ =
        key.is_valid && key.is_enforced &&
        std::find(accepted.begin(), accepted.end(), orphans_accepted_as(name_)) != accepted.end();
  }

  Result<void> carry() {
    PGFANOUT_TRY_ASSIGN(const std::string obstacle, find_obstacle());
    move_old();
    if (!obstacle.empty()) {
      draft_.leave_behind("foreign key", name_, obstacle,
                          "accept the loss by this name, and check the reference elsewhere");
      return {};
    }
    definition_ = definition() + (is_accepted_ ? " NOT VALID" : "");
    if (key_.is_valid && key_.is_enforced) PGFANOUT_TRY(note_reference());
    // The leaves of a key to the table itself refer to their parent's key, which comes with the
    // parent's constraints.
    add_to_leaves(key_.is_to_itself ? draft_.plan.parent_constraints
                                    : draft_.plan.leaf_constraints);
    add_to_parent();
    return {};
  }

 private:
  Result<std::string> find_obstacle() {
    if (std::string missing = draft_.missing_columns(key_.columns); !missing.empty()) {
      return missing;
    }
    if (!key_.definition.starts_with(key_.head) && !draft_.columns.renames().empty()) {
      return std::string("it is over a PERIOD of a renamed column");
    }
    if (key_.is_to_itself) return obstacle_to_itself();
    const std::vector<int> numbers = numbers_in<int>(key_.columns);
    for (std::size_t at = 0; at < numbers.size() && at < key_.referenced_types.size(); ++at) {
      const ColumnMatch* match = draft_.columns.find(numbers[at]);
      if (match == nullptr) continue;
      const Column* column = draft_.columns.target(*match->target);
      const bool has_new_type = column != nullptr && column->type_sql != match->source->type_sql &&
                                column->type_sql != key_.referenced_types[at];
      if (has_new_type) {
        return fmt::format("column {} becomes {}, but the column of {} that it refers to is {}",
                           column->quoted, column->type_sql, key_.referenced,
                           key_.referenced_types[at]);
      }
    }
    if (draft_.request.same_database) return std::string();
    PGFANOUT_TRY_ASSIGN(const Rows found,
                        draft_.target.query("SELECT to_regclass($1) IS NULL", {key_.referenced}));
    return found.boolean(0, 0)
               ? fmt::format("the target's database has no table {}", key_.referenced)
               : std::string();
  }

  /// The referenced columns must still be unique over all leaves.
  [[nodiscard]] std::string obstacle_to_itself() const {
    if (std::string missing = draft_.missing_columns(key_.referenced_columns); !missing.empty()) {
      return missing;
    }
    if (draft_.is_unique(key_.referenced_columns)) return {};
    return "it refers to the table itself, and no unique constraint of the target has exactly the "
           "columns that it refers to";
  }

  /// Over the target's columns. Referenced columns of other tables keep their names.
  [[nodiscard]] std::string definition() const {
    if (!key_.definition.starts_with(key_.head)) return key_.definition;
    std::string rest = key_.definition.substr(key_.head.size());
    if (key_.is_to_itself) {
      rest = draft_.on_target(rest);
    } else if (!key_.set_columns.empty()) {
      const std::string before = fmt::format(" ({})", key_.set_columns);
      const std::size_t at = rest.rfind(before);
      if (at != std::string::npos) {
        rest.replace(at, before.size(), fmt::format(" ({})", draft_.column_list(key_.set_numbers)));
      }
    }
    return fmt::format("FOREIGN KEY ({}){}", draft_.column_list(key_.columns), rest);
  }

  [[nodiscard]] bool is_validated() const {
    return key_.is_valid && key_.is_enforced && !is_accepted_;
  }

  Result<void> note_reference() {
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        draft_.source.query(kPairsSql, {std::to_string(key_.oid)}));
    CarriedReference reference;
    reference.name = name_;
    reference.constraint = quoted_name(key_.name);
    reference.clause = fmt::format("ADD CONSTRAINT {} {}{}", reference.constraint, definition_,
                                   is_accepted_ ? "" : " NOT VALID");
    reference.table = key_.referenced;
    reference.is_to_itself = key_.is_to_itself;
    reference.is_accepted = is_accepted_;
    for (int row = 0; row < rows.size(); ++row) {
      const ColumnMatch* own = draft_.columns.find(rows.integer(row, 1));
      CarriedReference::Pair pair{rows.str(row, 0),    rows.str(row, 0), rows.str(row, 2),
                                  rows.str(row, 4),    rows.str(row, 5), false,
                                  rows.boolean(row, 6)};
      if (own != nullptr && own->target) pair.target = quoted_name(*own->target);
      pair.is_changed = own == nullptr || own->is_changed || own->target != own->source->name;
      if (key_.is_to_itself) {
        const ColumnMatch* other = draft_.columns.find(rows.integer(row, 3));
        if (other != nullptr && other->target) pair.parent = quoted_name(*other->target);
        pair.is_changed = pair.is_changed || other == nullptr || other->is_changed;
      }
      reference.pairs.push_back(std::move(pair));
      reference.is_full = rows.boolean(row, 7);
      reference.is_partitioned = rows.boolean(row, 8);
      reference.oid = rows.oid(row, 9);
      reference.is_over_period = rows.boolean(row, 10);
    }
    draft_.plan.references.push_back(std::move(reference));
    return {};
  }

  [[nodiscard]] bool parent_may_have_it() const {
    return is_validated() || draft_.rules.is_plain ||
           draft_.target.server_version() >= kFirstWithUnvalidatedParents;
  }

  /// A key that is not validated costs no scan: the parent passes it on to its leaves by itself.
  void add_to_leaves(std::vector<CarryStep>& steps) const {
    if (!is_validated() && parent_may_have_it()) return;
    for (const std::string& leaf : draft_.request.target_leaves) {
      steps.push_back(
          {fmt::format("foreign key {} {}", leaf, name_),
           fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}{}", leaf, quoted_name(key_.name),
                       definition_, is_validated() ? " NOT VALID" : ""),
           leaf, 0, "", false, false});
      if (!is_validated()) continue;
      steps.push_back(
          {fmt::format("validate {} {}", leaf, name_),
           fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", leaf, quoted_name(key_.name)),
           leaf});
    }
  }

  void add_to_parent() {
    const auto record_on = [&](const std::string& table) {
      draft_.record(CarriedClass::constraint, key_.oid,
                    fmt::format("CONSTRAINT {} ON {}", quoted_name(key_.name), table));
    };
    if (!parent_may_have_it()) {
      draft_.note(Severity::warning, "foreign-key-per-leaf",
                  fmt::format("foreign key {} is NOT VALID, which this server does not allow on a "
                              "partitioned table: each leaf has it instead",
                              name_),
                  is_accepted_ ? "mend the rows later, then validate it on each leaf"
                               : "validate it before the window, or add it to each leaf that you "
                                 "create later");
      for (const std::string& leaf : draft_.request.target_leaves) record_on(leaf);
      return;
    }
    record_on(draft_.table);
    if (draft_.rules.is_plain && is_validated()) return;
    draft_.plan.parent_constraints.push_back(
        {fmt::format("foreign key {} {}", draft_.table, name_),
         fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", draft_.table, quoted_name(key_.name),
                     definition_)});
  }

  void move_old() const {
    const std::string name = quoted_name(key_.name);
    CarriedMove move{fmt::format("foreign key {} of the old table", name_),
                     {fmt::format("ALTER TABLE \001old\001 DROP CONSTRAINT {}", name)},
                     {}};
    // The server names the copies of a key to the table itself after the table.
    std::vector<std::string>& back = key_.is_to_itself ? move.restored : move.backward;
    const std::string table =
        key_.is_to_itself ? draft_.request.source.qualified : std::string("\001old\001");
    // Where rows violate it, the rollback adds it as NOT VALID.
    back.push_back(
        fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", table, name, key_.definition));
    if (key_.comment) {
      back.push_back(fmt::format("COMMENT ON CONSTRAINT {} ON {} IS {}", name, table,
                                 draft_.quoted(*key_.comment)));
    }
    draft_.plan.moves.push_back(std::move(move));
  }

  CarryDraft& draft_;
  bool is_accepted_ = false;
  const ForeignKey& key_;
  const std::string name_;
  std::string definition_;
};

constexpr const char* kInboundSql = R"sql(
SELECT n.nspname, t.relname, t.oid::regclass::text, c.conname, pg_get_constraintdef(c.oid),
  array_to_string(c.confkey, ' '), c.confrelid <> $1::oid, c.convalidated, t.relkind = 'p',
  obj_description(c.oid, 'pg_constraint')
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace WHERE c.contype = 'f' AND c.conparentid = 0
  AND c.confrelid IN (SELECT tree.oid FROM {0}) AND c.conrelid NOT IN (SELECT tree.oid FROM {0})
ORDER BY 1, 2, 4)sql";

struct Inbound {
  std::string schema;
  std::string table;
  std::string qualified;
  std::string name;
  std::string definition;
  std::string referenced;  ///< Numbers of the source's columns.
  bool to_leaf = false;
  bool is_valid = true;
  bool is_partitioned = false;
  std::optional<std::string> comment;
};

/// Whether the target has a unique constraint with just these columns.
bool is_still_unique(const CarryDraft& draft, const Inbound& key) {
  if (key.to_leaf || !draft.missing_columns(key.referenced).empty()) return false;
  for (const int number : numbers_in<int>(key.referenced)) {
    const ColumnMatch* match = draft.columns.find(number);
    if (match == nullptr || match->is_changed) return false;
  }
  return draft.is_unique(key.referenced);
}

std::string referring_to(const CarryDraft& draft, const Inbound& key, std::string_view table) {
  const Table& source = draft.request.source;
  return with_relation(key.definition, source.schema, source.name, table);
}

std::string add_key(const Inbound& key, const std::string& definition, std::string_view more = "") {
  return fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}{}", key.qualified, quoted_name(key.name),
                     definition, more);
}

void add_comment(const CarryDraft& draft, const Inbound& key, std::vector<std::string>& to) {
  if (!key.comment) return;
  to.push_back(fmt::format("COMMENT ON CONSTRAINT {} ON {} IS {}", quoted_name(key.name),
                           key.qualified, draft.quoted(*key.comment)));
}

void carry_key(CarryDraft& draft, const Inbound& key) {
  CarriedMove move;
  move.what = fmt::format("foreign key {} of {}", display_name(key.name), key.qualified);
  const std::string drop =
      fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", key.qualified, quoted_name(key.name));
  move.forward = {drop};
  // A leaf of the source has its name again at the end of a rollback.
  std::vector<std::string>& back = key.to_leaf ? move.restored : move.backward;
  back.push_back(
      add_key(key, key.to_leaf ? key.definition : referring_to(draft, key, "\001old\001")));
  add_comment(draft, key, back);
  if (!is_still_unique(draft, key)) {
    const bool is_accepted = draft.leave_behind(
        "foreign key", fmt::format("{}.{}", shown(key.schema, key.table), display_name(key.name)),
        key.to_leaf ? "it refers to a partition of the old table"
                    : "it needs a unique constraint of the target with exactly the columns that it "
                      "refers to, and the target's contain the partition key as well",
        "accept by this name that the swap drops it (a rollback restores it), give the referring "
        "table the key column and a foreign key of its own, or check the reference elsewhere");
    if (is_accepted) draft.plan.moves.push_back(std::move(move));
    return;
  }
  // The copy has proven that the rows are the same as before, so the key is validated again after
  // the swap, which would otherwise hold its locks for the scan.
  const bool is_checked_later =
      key.is_valid &&
      (!key.is_partitioned || draft.target.server_version() >= kFirstWithUnvalidatedParents);
  move.forward.push_back(
      add_key(key, referring_to(draft, key, "\001new\001"), is_checked_later ? " NOT VALID" : ""));
  add_comment(draft, key, move.forward);
  if (key.is_valid && !is_checked_later) {
    draft.note(Severity::warning, "swap-scans",
               fmt::format("the swap validates foreign key {} of partitioned table {}, and holds "
                           "its locks meanwhile",
                           display_name(key.name), key.qualified),
               "if the table is large, drop the key before the swap and add it afterwards");
  }
  if (is_checked_later) {
    move.after_swap = {
        fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", key.qualified, quoted_name(key.name))};
  }
  move.backward.insert(move.backward.begin(), drop);
  draft.plan.moves.push_back(std::move(move));
}

}  // namespace

Result<void> carry_foreign_keys(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(kForeignKeysSql));
  for (int row = 0; row < rows.size(); ++row) {
    const ForeignKey key = key_of(rows, row);
    PGFANOUT_TRY(ForeignKeyCarrier(draft, key).carry());
  }
  return {};
}

Result<void> carry_inbound(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(fmt::format(kInboundSql, kTableTree)));
  for (int row = 0; row < rows.size(); ++row) {
    Inbound key;
    read_row(rows, row, key.schema, key.table, key.qualified, key.name, key.definition,
             key.referenced, key.to_leaf, key.is_valid, key.is_partitioned, key.comment);
    carry_key(draft, key);
  }
  return {};
}

}  // namespace pgfanout
