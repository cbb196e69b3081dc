// Sequences. The swap gives those that the source's columns own to the new table. Those of identity
// columns are the target's own, and take name, grants and position of the source's. A new column
// that draws from a sequence becomes the owner of that sequence.
#include <fmt/format.h>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_expression.h"
#include "copier/catalog/sql_text.h"
#include "copier/columns/own_sequence.h"

namespace pgfanout {
namespace {

constexpr const char* kSequencesSql = R"sql(
SELECT c.oid, n.nspname, c.relname, d.refobjsubid, d.deptype = 'i',
  obj_description(c.oid, 'pg_class')
FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid AND d.refobjsubid > 0
ORDER BY d.refobjsubid, c.oid)sql";

struct Sequence {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  std::int64_t column_number = 0;
  bool is_identity = false;
  std::string comment;
  const ColumnMatch* column = nullptr;
};

/// setval() of one sequence by what another one has; each is an SQL expression of type regclass.
std::string copy_position(const std::string& from, const std::string& to) {
  return do_block(
      fmt::format("DECLARE value pg_catalog.int8; called pg_catalog.bool;\nBEGIN\n"
                  "  EXECUTE pg_catalog.format('SELECT last_value, is_called FROM %s', {})\n"
                  "    INTO value, called;\n PERFORM pg_catalog.setval({}, value, called);\nEND",
                  from, to));
}

class SequenceCarrier {
 public:
  SequenceCarrier(CarryDraft& draft, const Sequence& sequence)
      : draft_(draft), sequence_(sequence) {}

  Result<void> carry() {
    if (!sequence_.column->target) {
      draft_.note(
          Severity::warning, "sequence-stays",
          fmt::format("sequence {} belongs to column {}, which the target lacks: it stays with the "
                      "old table",
                      shown(sequence_.schema, sequence_.name), sequence_.column->source->quoted),
          "run ALTER SEQUENCE ... OWNED BY NONE to keep it when the old table is dropped");
      return {};
    }
    if (!sequence_.is_identity) {
      move_ownership();
      return {};
    }
    const Column* column = draft_.columns.target(*sequence_.column->target);
    if (column == nullptr || column->identity == 0) return {};
    return carry_identity();
  }

 private:
  void move_ownership() {
    const std::string name = quoted_name(sequence_.schema, sequence_.name);
    const auto owned_by = [&](std::string_view table, const std::string& column) {
      return fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}", name, table, quoted_name(column));
    };
    draft_.plan.moves.push_back(
        {fmt::format("sequence {}", shown(sequence_.schema, sequence_.name)),
         {owned_by("\001new\001", *sequence_.column->target)},
         {owned_by("\001old\001", sequence_.column->source->name)}});
  }

  /// The server has named the target's sequence: it is renamed to a known name first.
  Result<void> carry_identity() {
    const std::string& schema = draft_.request.target_schema;
    PGFANOUT_TRY_ASSIGN(const std::string until_swap,
                        draft_.names.until_swap(schema, sequence_.name));
    const std::string made = draft_.in_target_schema(until_swap);
    draft_.add_attribute(
        fmt::format("sequence {}", display_name(sequence_.name)),
        do_block(fmt::format(
            "DECLARE sequence pg_catalog.text := pg_catalog.pg_get_serial_sequence({}, "
            "{});\nBEGIN\n"
            "  IF sequence::pg_catalog.regclass::pg_catalog.oid IS DISTINCT FROM\n"
            "      pg_catalog.to_regclass({})::pg_catalog.oid THEN\n"
            "    EXECUTE pg_catalog.format('ALTER SEQUENCE %s RENAME TO %I', sequence, {}::text);\n"
            "  END IF;\nEND",
            draft_.quoted(draft_.table), draft_.quoted(*sequence_.column->target),
            draft_.quoted(made), draft_.quoted(until_swap))));
    if (!sequence_.comment.empty()) {
      draft_.add_attribute(
          fmt::format("comment SEQUENCE {}", made),
          fmt::format("COMMENT ON SEQUENCE {} IS {}", made, draft_.quoted(sequence_.comment)));
    }
    PGFANOUT_TRY_ASSIGN(std::string revoke, revoke_defaults(draft_, "SEQUENCE", schema, made));
    if (!revoke.empty()) {
      draft_.add_attribute(fmt::format("default privileges {}", made), std::move(revoke));
    }
    PGFANOUT_TRY_ASSIGN(std::string grants,
                        grants_of(draft_, {sequence_.oid, "SEQUENCE", made, false}));
    if (!grants.empty()) {
      draft_.grants.push_back({fmt::format("grants {}", made), std::move(grants)});
    }
    draft_.plan.names.push_back({"SEQUENCE", schema, until_swap, sequence_.name});
    move_position();
    return {};
  }

  /// Read within the swap, when no session can draw numbers. The old sequence may have any
  /// name by then; the new one has its final name.
  void move_position() {
    const std::string old = fmt::format("{}::regclass", sequence_.oid);
    const std::string renamed =
        fmt::format("{}::regclass", draft_.quoted(draft_.in_target_schema(sequence_.name)));
    draft_.plan.moves.push_back(
        {fmt::format("position of sequence {}", shown(sequence_.schema, sequence_.name)),
         {copy_position(old, renamed)},
         {copy_position(renamed, old)}});
  }

  CarryDraft& draft_;
  const Sequence& sequence_;
};

/// $1: the source. Whether a table may own the sequence, whether one does, and which roles may
/// insert into the source but not draw from the sequence. {}: its name as a literal.
constexpr const char* kSequenceSql = R"sql(
SELECT s.oid::regclass::text, s.relowner = t.relowner AND s.relnamespace = t.relnamespace,
  EXISTS (SELECT FROM pg_depend d WHERE d.objid = s.oid AND d.classid = 'pg_class'::regclass
    AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass),
  (SELECT string_agg(DISTINCT COALESCE(NULLIF(g.grantee, 0)::regrole::text, 'PUBLIC'), ', ')
   FROM (SELECT t.relacl AS acl UNION ALL SELECT a.attacl FROM pg_attribute a
     WHERE a.attrelid = t.oid AND a.attnum > 0) acls CROSS JOIN LATERAL aclexplode(acls.acl) g
   WHERE g.privilege_type = 'INSERT' AND g.grantee <> s.relowner AND CASE g.grantee
     WHEN 0 THEN NOT has_sequence_privilege('public', s.oid, 'USAGE, UPDATE')
     ELSE NOT has_sequence_privilege(g.grantee, s.oid, 'USAGE, UPDATE') END)
FROM pg_class t, pg_class s
WHERE t.oid = $1::oid AND s.relkind = 'S' AND s.oid = to_regclass({}::text)::oid)sql";

void give_to_column(CarryDraft& draft, const Column& column, const Rows& found) {
  std::string sequence;
  bool may_be_owned = false;
  bool is_owned = false;
  std::string without_usage;
  read_row(found, 0, sequence, may_be_owned, is_owned, without_usage);
  if (!without_usage.empty()) {
    draft.note(Severity::warning, "sequence-usage",
               fmt::format("column {} draws from sequence {}, which some roles that can insert "
                           "today cannot use: {}",
                           column.quoted, sequence, without_usage),
               fmt::format("GRANT USAGE ON SEQUENCE {} TO {}", sequence, without_usage));
  }
  if (is_owned) return;
  if (!may_be_owned) {
    draft.note(Severity::info, "sequence-alone",
               fmt::format("sequence {} fills column {} and is owned by no table: its owner or "
                           "schema is not the table's",
                           sequence, column.quoted));
    return;
  }
  draft.plan.moves.push_back({fmt::format("sequence {}", sequence),
                              {fmt::format("ALTER SEQUENCE {} OWNED BY \001new\001.{}", sequence,
                                           quoted_name(column.name))},
                              {fmt::format("ALTER SEQUENCE {} OWNED BY NONE", sequence)}});
}

/// Roles that may insert into the source, and so have to draw from the target's sequence.
constexpr const char* kInsertersSql = R"sql(
SELECT string_agg(DISTINCT COALESCE(NULLIF(g.grantee, 0)::regrole::text, 'PUBLIC'), ', ')
FROM pg_class t CROSS JOIN LATERAL (SELECT t.relacl AS acl UNION ALL SELECT a.attacl
  FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0) acls
CROSS JOIN LATERAL aclexplode(acls.acl) g
WHERE t.oid = $1::oid AND g.privilege_type = 'INSERT' AND g.grantee <> t.relowner)sql";

/// The target has owned it since it was made, so its owner is the table's.
Result<void> grant_own(CarryDraft& draft, const OwnSequence& sequence) {
  PGFANOUT_TRY_ASSIGN(const Rows inserters, draft.read(kInsertersSql));
  PGFANOUT_TRY_ASSIGN(std::string sql,
                      revoke_defaults(draft, "SEQUENCE", sequence.name.schema, sequence.qualified));
  if (!sql.empty()) {
    draft.add_attribute(fmt::format("default privileges {}", sequence.qualified), std::move(sql));
  }
  if (inserters.is_null(0, 0)) return {};
  draft.add_attribute(
      fmt::format("grants {}", sequence.qualified),
      fmt::format("GRANT USAGE ON SEQUENCE {} TO {}", sequence.qualified, inserters.text(0, 0)));
  return {};
}

}  // namespace

Result<void> carry_sequences(CarryDraft& draft) {
  // In another database, copy has made them and set them.
  if (!draft.request.same_database) return {};
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(kSequencesSql));
  for (int row = 0; row < rows.size(); ++row) {
    Sequence sequence;
    read_row(rows, row, sequence.oid, sequence.schema, sequence.name, sequence.column_number,
             sequence.is_identity, sequence.comment);
    sequence.column = draft.columns.find(sequence.column_number);
    if (sequence.column == nullptr) continue;
    PGFANOUT_TRY(SequenceCarrier(draft, sequence).carry());
  }
  return {};
}

Result<void> carry_new_sequences(CarryDraft& draft) {
  if (!draft.request.same_database) return {};
  PGFANOUT_TRY_ASSIGN(const std::vector<OwnSequence> own,
                      own_sequences(draft.request.job, draft.request.source));
  for (const OwnSequence& sequence : own) PGFANOUT_TRY(grant_own(draft, sequence));
  for (const Column& column : draft.columns.targets()) {
    const auto literal = nextval_literal(column.default_sql);
    if (!literal || drawn_from(own, *literal) != nullptr) continue;
    // A sequence that fills the source's own column already is carried with the other sequences.
    const Column* same = draft.request.source.find(column.name);
    if (same != nullptr && same->default_sql == column.default_sql) continue;
    PGFANOUT_TRY_ASSIGN(const Rows found, draft.read(fmt::format(kSequenceSql, *literal)));
    if (found.size() == 1) give_to_column(draft, column, found);
  }
  return {};
}

}  // namespace pgfanout
