#include "copier/plan/sequence_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "copier/catalog/table_lookup.h"

namespace pgfanout {
namespace {

struct Sequence {
  std::int16_t column = 0;  ///< Source column that uses it.
  RelationName name;
  std::string qualified;
  bool is_identity = false;
  std::string type;
  std::string options;
  std::optional<std::pair<std::int64_t, bool>>
      value;  ///< Last value, and whether it was given out.
};

constexpr const char* kSequencesSql =
    "SELECT used.number, n.nspname, c.relname, format('%I.%I', n.nspname, c.relname),"
    " used.is_identity, format_type(s.seqtypid, NULL),"
    " format('START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s %s',"
    "  s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,"
    "  CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END),"
    " has_sequence_privilege(c.oid, 'SELECT')"
    " FROM (SELECT d.adnum AS number, r.refobjid AS oid, false AS is_identity"
    "   FROM pg_attrdef d JOIN pg_depend r"
    "   ON r.classid = 'pg_attrdef'::regclass AND r.objid = d.oid"
    "   AND r.refclassid = 'pg_class'::regclass   WHERE d.adrelid = $1::oid"
    "  UNION SELECT r.refobjsubid::int2, r.objid, true"
    "   FROM pg_depend r WHERE r.refobjid = $1::oid AND r.refobjsubid > 0"
    "   AND r.refclassid = 'pg_class'::regclass"
    "   AND r.classid = 'pg_class'::regclass AND r.deptype = 'i') used"
    " JOIN pg_class c ON c.oid = used.oid AND c.relkind = 'S'"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_sequence s ON s.seqrelid = c.oid ORDER BY 1, 4";

Result<std::vector<Sequence>> read_sequences(Connection& source, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, source.query(kSequencesSql, {std::to_string(table.oid)}));
  std::vector<Sequence> sequences;
  for (int row = 0; row < rows.size(); ++row) {
    Sequence sequence;
    sequence.column = static_cast<std::int16_t>(rows.integer(row, 0));
    sequence.name = {rows.str(row, 1), rows.str(row, 2)};
    sequence.qualified = rows.str(row, 3);
    sequence.is_identity = rows.boolean(row, 4);
    sequence.type = rows.str(row, 5);
    sequence.options = rows.str(row, 6);
    if (rows.boolean(row, 7)) {
      PGFANOUT_TRY_ASSIGN(
          const Rows value,
          source.query(fmt::format("SELECT last_value, is_called FROM {}", sequence.qualified)));
      sequence.value = {value.integer(0, 0), value.boolean(0, 1)};
    }
    sequences.push_back(std::move(sequence));
  }
  return sequences;
}

class SequencePlanner {
 public:
  SequencePlanner(Connection& target, const std::string& target_qualified, bool is_same_database,
                  bool is_made)
      : target_(target),
        target_qualified_(target_qualified),
        is_same_database_(is_same_database),
        is_made_(is_made) {}

  Result<void> add(const Sequence& sequence, const Column& column) {
    if (sequence.is_identity != (column.identity != 0)) return {};
    if (sequence.is_identity) {
      plan_.identity_options.emplace(column.name, sequence.options);
      set_value(sequence, fmt::format("pg_get_serial_sequence({}, {})",
                                      target_.quote_literal(target_qualified_),
                                      target_.quote_literal(column.name)));
      return {};
    }
    if (is_same_database_ || column.default_sql.empty()) return {};
    return make(sequence, column);
  }

  SequencePlan take() { return std::move(plan_); }

 private:
  Result<void> make(const Sequence& sequence, const Column& column) {
    const bool is_made = std::find(made_.begin(), made_.end(), sequence.qualified) != made_.end();
    if (is_made) return {};
    made_.push_back(sequence.qualified);
    PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(target_, sequence.name));
    PGFANOUT_TRY_ASSIGN(const bool is_ours, is_owned_by_target(found.oid));
    if (found.oid != 0 && !is_ours) {
      plan_.issues.push_back({Severity::warning, "sequence-exists",
                              fmt::format("the target's database has {} already: it is used as it "
                                          "is, and its value is not changed",
                                          sequence.qualified),
                              sequence.qualified,
                              "make sure that its next value is above those that are copied"});
      return {};
    }
    plan_.before_tables.push_back(fmt::format("CREATE SEQUENCE {} AS {} {}", sequence.qualified,
                                              sequence.type, sequence.options));
    plan_.after_tables.push_back(fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}", sequence.qualified,
                                             target_qualified_, column.quoted));
    set_value(sequence, fmt::format("{}::regclass", target_.quote_literal(sequence.qualified)));
    return {};
  }

  /// An earlier call of this job has made it.
  Result<bool> is_owned_by_target(std::uint32_t sequence) {
    if (!is_made_ || sequence == 0) return false;
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        target_.query("SELECT 1 FROM pg_depend d WHERE d.objid = $1"
                                      " AND d.classid = 'pg_class'::regclass"
                                      " AND d.refobjid = $2::regclass AND d.deptype = 'a'",
                                      {std::to_string(sequence), target_qualified_}));
    return rows.size() > 0;
  }

  void set_value(const Sequence& sequence, const std::string& which) {
    if (!sequence.value) {
      plan_.issues.push_back(
          {Severity::warning, "sequence-unreadable",
           fmt::format("no SELECT on {}: the target's counter starts anew", sequence.qualified),
           sequence.qualified,
           fmt::format("GRANT SELECT ON SEQUENCE {} TO the role that copies", sequence.qualified)});
      return;
    }
    plan_.at_the_end.push_back(fmt::format("SELECT setval({}, {}, {})", which,
                                           sequence.value->first, sequence.value->second));
  }

  Connection& target_;
  const std::string& target_qualified_;
  const bool is_same_database_;
  const bool is_made_;
  std::vector<std::string> made_;
  SequencePlan plan_;
};

}  // namespace

Result<SequencePlan> plan_sequences(Connection& source, Connection& target, const Table& table,
                                    const ColumnPlan& columns, const std::string& target_qualified,
                                    bool is_same_database, bool is_made) {
  PGFANOUT_TRY_ASSIGN(const std::vector<Sequence> sequences, read_sequences(source, table));
  SequencePlanner planner(target, target_qualified, is_same_database, is_made);
  for (const Sequence& sequence : sequences) {
    for (const PlannedColumn& planned : columns.columns) {
      // Columns made from a source column keep its number.
      if (planned.column.number != sequence.column || planned.column.generated != 0) continue;
      PGFANOUT_TRY(planner.add(sequence, planned.column));
    }
  }
  return planner.take();
}

}  // namespace pgfanout
