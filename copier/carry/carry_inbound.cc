// Foreign keys of other tables that refer to the source. They need a unique constraint with exactly
// the columns that they name; where the target has none, they cannot be kept.
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

constexpr const char* kInboundSql = R"sql(
SELECT n.nspname, t.relname, format('%I.%I', n.nspname, t.relname), c.conname,
  pg_get_constraintdef(c.oid), array_to_string(c.confkey, ' '),
  c.confrelid <> $1::oid, c.convalidated, t.relkind = 'p',
  c.confrelid, format('%I.%I', rn.nspname, r.relname),
  obj_description(c.oid, 'pg_constraint')
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_class r ON r.oid = c.confrelid
JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.contype = 'f' AND c.conparentid = 0
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
  std::uint32_t referenced_oid = 0;
  std::string referenced_table;
  std::optional<std::string> comment;
};

/// Whether the target has a unique constraint with just these columns.
bool is_still_unique(const CarryContext& context, const Inbound& key) {
  if (key.to_leaf || !context.missing_columns(key.referenced).empty()) return false;
  for (const int number : numbers_in(key.referenced)) {
    const ColumnFate* fate = context.columns.find(number);
    if (fate == nullptr || fate->is_changed) return false;
  }
  std::vector<std::string> wanted = context.column_names(key.referenced);
  std::sort(wanted.begin(), wanted.end());
  return std::any_of(context.parent_keys.begin(), context.parent_keys.end(),
                     [&](std::vector<std::string> columns) {
                       std::sort(columns.begin(), columns.end());
                       return columns == wanted;
                     });
}

std::string referring_to(const CarryContext& context, const Inbound& key, std::string_view table) {
  const Table& source = context.request.source;
  return with_relation(key.definition, source.schema, source.name, table);
}

std::string add(const Inbound& key, const std::string& definition, std::string_view more = "") {
  return fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}{}", key.qualified, quoted_name(key.name),
                     definition, more);
}

/// A leaf of the source may have any name when the key is given back.
std::string give_back(const CarryContext& context, const Inbound& key) {
  if (!key.to_leaf) return add(key, referring_to(context, key, "\001old\001"));
  const std::string words = " REFERENCES " + key.referenced_table;
  const std::size_t at = key.definition.find(words);
  if (at == std::string::npos) return add(key, key.definition);
  const std::string before = add(key, key.definition.substr(0, at) + " REFERENCES ");
  return do_block(
      fmt::format("BEGIN EXECUTE pg_catalog.concat({}, {}::pg_catalog.regclass, {}); END",
                  context.source.quote_literal(before), key.referenced_oid,
                  context.source.quote_literal(key.definition.substr(at + words.size()))));
}

void add_comment(const CarryContext& context, const Inbound& key, std::vector<std::string>& to) {
  if (!key.comment) return;
  to.push_back(fmt::format("COMMENT ON CONSTRAINT {} ON {} IS {}", quoted_name(key.name),
                           key.qualified, context.source.quote_literal(*key.comment)));
}

void carry_key(CarryContext& context, const Inbound& key) {
  CarriedMove move;
  move.what = fmt::format("foreign key {} of {}", display_name(key.name), key.qualified);
  const std::string drop =
      fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", key.qualified, quoted_name(key.name));
  move.forward = {drop};
  move.backward = {give_back(context, key)};
  add_comment(context, key, move.backward);
  if (!is_still_unique(context, key)) {
    const bool is_accepted = context.leave_behind(
        "foreign key", fmt::format("{}.{}", shown(key.schema, key.table), display_name(key.name)),
        key.to_leaf ? "it refers to a partition, which is no part of the new table"
                    : "it needs a unique constraint of the target with exactly the columns that it "
                      "refers to, and the target's contain the partition key as well",
        "accept by this name that the swap drops it (a rollback gives it back), give the referring "
        "table the key column and a foreign key of its own, or check the reference elsewhere");
    if (is_accepted) context.plan.moves.push_back(std::move(move));
    return;
  }
  // The rows are the same as before, which the copy has proven: they are checked again, but not
  // while everybody waits for the swap.
  const bool is_checked_later =
      key.is_valid &&
      (!key.is_partitioned || context.target.server_version() >= kFirstWithUnvalidatedParents);
  move.forward.push_back(
      add(key, referring_to(context, key, "\001new\001"), is_checked_later ? " NOT VALID" : ""));
  add_comment(context, key, move.forward);
  if (key.is_valid && !is_checked_later) {
    context.note(Severity::warning, "swap-scans",
                 fmt::format("foreign key {} of partitioned table {} is checked within the swap, "
                             "which waits for that",
                             display_name(key.name), key.qualified),
                 "drop it before, and add it after the swap, if the table is large");
  }
  if (is_checked_later) {
    move.after_swap = {
        fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", key.qualified, quoted_name(key.name))};
  }
  move.backward.insert(move.backward.begin(), drop);
  context.plan.moves.push_back(std::move(move));
}

}  // namespace

Result<void> carry_inbound(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(fmt::format(kInboundSql, kSchemaTree)));
  for (int row = 0; row < rows.size(); ++row) {
    Inbound key;
    key.schema = rows.str(row, 0);
    key.table = rows.str(row, 1);
    key.qualified = rows.str(row, 2);
    key.name = rows.str(row, 3);
    key.definition = rows.str(row, 4);
    key.referenced = rows.str(row, 5);
    key.to_leaf = rows.boolean(row, 6);
    key.is_valid = rows.boolean(row, 7);
    key.is_partitioned = rows.boolean(row, 8);
    key.referenced_oid = rows.oid(row, 9);
    key.referenced_table = rows.str(row, 10);
    if (!rows.is_null(row, 11)) key.comment = rows.str(row, 11);
    carry_key(context, key);
  }
  return {};
}

}  // namespace pgfanout
