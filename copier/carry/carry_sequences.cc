// Sequences: those that the source's columns own pass to the new table in the swap; those of
// identity columns are the target's own, and take name, grants and position of the source's.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/carry/carry_grants.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

constexpr const char* kSequencesSql = R"sql(
SELECT c.oid, n.nspname, c.relname, d.refobjsubid, d.deptype = 'i',
  obj_description(c.oid, 'pg_class'), pg_get_userbyid(c.relowner)
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  AND d.refclassid = 'pg_class'::regclass
  AND d.refobjid = $1::oid AND d.refobjsubid > 0
ORDER BY d.refobjsubid, c.oid)sql";

struct Sequence {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  const ColumnFate* column = nullptr;
  bool is_identity = false;
  std::string comment;
};

/// setval() of one sequence by what another one has; each is an SQL expression of type regclass.
std::string copy_position(const std::string& from, const std::string& to) {
  return do_block(
      fmt::format("DECLARE value pg_catalog.int8; called pg_catalog.bool;\nBEGIN\n"
                  "  EXECUTE pg_catalog.format('SELECT last_value, is_called FROM %s', {})\n"
                  "    INTO value, called;\n  PERFORM pg_catalog.setval({}, value, called);\nEND",
                  from, to));
}

class SequenceCarrier {
 public:
  SequenceCarrier(CarryContext& context, const Sequence& sequence)
      : context_(context), sequence_(sequence) {}

  Result<void> carry() {
    if (!sequence_.column->target) {
      context_.note(
          Severity::warning, "sequence-stays",
          fmt::format("sequence {} belongs to column {}, which the target lacks: it goes "
                      "with the old table",
                      shown(sequence_.schema, sequence_.name), sequence_.column->source->quoted),
          "ALTER SEQUENCE ... OWNED BY NONE keeps it");
      return {};
    }
    if (!sequence_.is_identity) {
      move_ownership();
      return {};
    }
    const Column* column = context_.columns.target(*sequence_.column->target);
    if (column == nullptr || column->identity == 0) return {};
    return carry_identity();
  }

 private:
  void move_ownership() {
    const std::string name = quoted_name(sequence_.schema, sequence_.name);
    const auto owned_by = [&](std::string_view table, const std::string& column) {
      return fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}", name, table, quoted_name(column));
    };
    context_.plan.moves.push_back(
        {fmt::format("sequence {}", shown(sequence_.schema, sequence_.name)),
         {owned_by("\001new\001", *sequence_.column->target)},
         {owned_by("\001old\001", sequence_.column->source->name)},
         {}});
  }

  /// The server has named the target's sequence: a known name comes first.
  Result<void> carry_identity() {
    const CarryRequest& request = context_.request;
    PGFANOUT_TRY_ASSIGN(const std::string until_swap,
                        context_.names.until_swap(request.target_schema, sequence_.name));
    const std::string made = context_.in_target_schema(until_swap);
    const Connection& target = context_.target;
    context_.add_attribute(
        fmt::format("sequence {}", display_name(sequence_.name)),
        do_block(fmt::format(
            "DECLARE sequence pg_catalog.text := pg_catalog.pg_get_serial_sequence({}, "
            "{});\nBEGIN\n"
            "  IF sequence::pg_catalog.regclass::pg_catalog.oid IS DISTINCT FROM\n"
            "      pg_catalog.to_regclass({})::pg_catalog.oid THEN\n"
            "    EXECUTE pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', sequence, {});\n"
            "  END IF;\nEND",
            target.quote_literal(request.target_qualified),
            target.quote_literal(*sequence_.column->target), target.quote_literal(made),
            target.quote_literal(until_swap) + "::text")));
    if (!sequence_.comment.empty()) {
      context_.add_attribute(fmt::format("comment SEQUENCE {}", made),
                             fmt::format("COMMENT ON SEQUENCE {} IS {}", made,
                                         target.quote_literal(sequence_.comment)));
    }
    PGFANOUT_TRY_ASSIGN(const std::string grantees,
                        default_grantees(context_, 'S', request.target_schema));
    if (!grantees.empty()) {
      context_.add_attribute(fmt::format("default privileges {}", made),
                             fmt::format("REVOKE ALL ON SEQUENCE {} FROM {}", made, grantees));
    }
    PGFANOUT_TRY_ASSIGN(std::string grants,
                        grants_of(context_, {sequence_.oid, "SEQUENCE", made, false}));
    if (!grants.empty()) {
      context_.grants.push_back({fmt::format("grants {}", made), std::move(grants), {}, 0});
    }
    context_.plan.names.push_back({"SEQUENCE", request.target_schema, until_swap, sequence_.name});
    move_position();
    return {};
  }

  /// Read in the swap, when nobody can draw numbers any more. The old sequence may have any name by
  /// then; the new one has its final one.
  void move_position() {
    const std::string old = fmt::format("{}::regclass", sequence_.oid);
    const std::string renamed = fmt::format(
        "{}::regclass", context_.target.quote_literal(context_.in_target_schema(sequence_.name)));
    context_.plan.moves.push_back(
        {fmt::format("position of sequence {}", shown(sequence_.schema, sequence_.name)),
         {copy_position(old, renamed)},
         {copy_position(renamed, old)},
         {}});
  }

  CarryContext& context_;
  const Sequence& sequence_;
};

}  // namespace

Result<void> carry_sequences(CarryContext& context) {
  // In another database, copy has made them and set them.
  if (!context.request.same_database) return {};
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(kSequencesSql));
  for (int row = 0; row < rows.size(); ++row) {
    Sequence sequence{
        rows.oid(row, 0),     rows.str(row, 1),
        rows.str(row, 2),     context.columns.find(static_cast<int>(rows.integer(row, 3))),
        rows.boolean(row, 4), rows.str(row, 5)};
    if (sequence.column == nullptr) continue;
    PGFANOUT_TRY(SequenceCarrier(context, sequence).carry());
  }
  return {};
}

}  // namespace pgfanout
