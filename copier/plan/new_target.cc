#include "copier/plan/new_target.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "copier/base/amount.h"
#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/index_definition.h"
#include "copier/catalog/name_holders.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/role_rights.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/sql_expression.h"
#include "copier/catalog/table.h"
#include "copier/catalog/type_catalog.h"
#include "copier/columns/own_sequence.h"
#include "copier/pg/transaction.h"
#include "copier/plan/needed_objects.h"

namespace pgfanout {
namespace {

Result<void> check_schema(Connection& target, const CopyTarget& plan) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      target.query("SELECT has_schema_privilege(n.oid, 'CREATE'),"
                                   " quote_ident(CURRENT_USER), quote_ident(n.nspname)"
                                   " FROM pg_namespace n WHERE n.nspname = $1",
                                   {plan.schema}));
  if (rows.size() == 0) {
    return refused("schema-missing",
                   fmt::format("the target's database has no schema {}", display_name(plan.schema)),
                   "create it, or name another one: --into SCHEMA.TABLE", plan.qualified);
  }
  if (!rows.boolean(0, 0)) {
    return refused("no-privilege",
                   fmt::format("no right to create tables in schema {}", rows.text(0, 2)),
                   fmt::format("GRANT CREATE ON SCHEMA {} TO {}", rows.text(0, 2), rows.text(0, 1)),
                   plan.qualified);
  }
  return {};
}

/// Refuses unless the target's own name and those of its leaves are free.
Result<void> check_names(Connection& target, const CopyTarget& plan) {
  std::vector<WantedName> wanted{{"TABLE", plan.schema, plan.name}};
  for (const TargetLeaf& leaf : plan.leaves) {
    if (!plan.is_plain()) wanted.push_back({"TABLE", leaf.schema, leaf.name});
  }
  PGFANOUT_TRY_ASSIGN(const std::vector<NameHolder> holders, find_name_holders(target, wanted));
  if (holders.empty()) return {};
  const std::vector<std::string> taken = parts_of(holders, &NameHolder::text);
  return refused("name-taken",
                 fmt::format("{} exist{} already, and the target needs {} for itself or its leaves",
                             some_of(taken), taken.size() == 1 ? "s" : "",
                             taken.size() == 1 ? "that name" : "those names"),
                 "drop or rename it, or choose another target with --into",
                 quoted_name(holders.front().schema, holders.front().name));
}

/// Refuses unless the target's server has what the columns name.
Result<void> check_column_objects(Connection& source, Connection& target, const ColumnPlan& columns,
                                  const CopyPlan& plan) {
  std::vector<std::int64_t> numbers;
  for (const PlannedColumn& planned : columns.columns) {
    if (!planned.source_column) continue;
    const Column& origin = plan.source.columns[*planned.source_column];
    const bool keeps_default = origin.default_sql.empty() || !planned.column.default_sql.empty();
    if (keeps_default) numbers.push_back(origin.number);
  }
  PGFANOUT_TRY_ASSIGN(const std::vector<Issue> unusable,
                      find_unusable_objects(source, target, plan.same_database, plan.source,
                                            numbers, NeededBy::columns));
  if (unusable.empty()) return {};
  const Issue& first = unusable.front();
  return refused(first.code, first.message, first.hint, first.where);
}

/// Refuses names by a pattern that a relation cannot have, or that are not the leaves' alone now
/// and after the swap.
Result<void> check_pattern(const Layout& layout, const std::string& pattern,
                           const std::string& target, const std::string& source) {
  const std::set<std::string> tables{target, source};
  std::set<std::string> taken = tables;
  for (const std::string& table : tables) {
    for (std::uint32_t leaf = 0; leaf < layout.leaf_count(); ++leaf) {
      const std::string name = layout.leaf_name(table, leaf, pattern);
      const bool is_free = taken.insert(name).second;
      if (is_free && name.size() <= kMaxNameBytes) continue;
      return refused("bad-leaf-name",
                     is_free ? fmt::format("the leaf's name {} has {} bytes; {} are possible",
                                           display_name(name), name.size(), kMaxNameBytes)
                             : fmt::format("the leaf's name {} is that of another table of the job",
                                           display_name(name)),
                     is_free ? "choose a shorter pattern, or a target with a shorter name (--into)"
                             : "choose another pattern",
                     "--leaf-name");
    }
  }
  return {};
}

Result<void> name_leaves(Connection& target, const Layout& layout, const std::string& pattern,
                         const std::string& source, CopyTarget& plan) {
  if (!pattern.empty()) PGFANOUT_TRY(check_pattern(layout, pattern, plan.name, source));
  std::vector<std::string> names;
  for (std::uint32_t leaf = 0; leaf < layout.leaf_count(); ++leaf) {
    names.push_back(layout.leaf_name(plan.name, leaf, pattern));
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      target.query("SELECT $2::text, w.name, format('%I.%I', $2::text, w.name)"
                   " FROM unnest($1::text[]) WITH ORDINALITY AS w(name, place) ORDER BY w.place",
                   {text_array(names), plan.schema}));
  plan.leaves =
      read_rows<TargetLeaf>(rows, &TargetLeaf::schema, &TargetLeaf::name, &TargetLeaf::qualified);
  return {};
}

/// How the leaves are stored, where all leaves of the source agree on it.
struct LeafStorage {
  std::string options;     ///< "fillfactor = '70'", or empty.
  std::string tablespace;  ///< Quoted; empty: the default.
};

constexpr const char* kStorageSql =
    "SELECT DISTINCT concat_ws(', ', (SELECT string_agg(format('%s = %L',"
    "   split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)),"
    "   ', ') FROM unnest(c.reloptions) o), (SELECT string_agg(format('toast.%s = %L',"
    "   split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)),"
    "   ', ') FROM unnest(t.reloptions) o)), quote_ident(s.spcname)"
    " FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid"
    " LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = ANY ($1::oid[])";

Result<LeafStorage> read_storage(Connection& source, CopyPlan& plan) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, source.query(kStorageSql, {plan.source.leaf_oids()}));
  if (rows.size() > 1) {
    plan.issues.push_back({Severity::info, "storage-differs",
                           "the source's leaves differ in storage options or tablespace: the "
                           "target's leaves get the defaults",
                           plan.source.qualified});
  }
  if (rows.size() != 1) return LeafStorage{};
  const bool has_same_tablespaces = is_same_server(plan.source_server, plan.target_server);
  return LeafStorage{rows.str(0, 0), has_same_tablespaces ? rows.str(0, 1) : std::string()};
}

// --- columns ---

constexpr int kFirstWithVirtualColumns = 180000;

/// "name type COLLATE ... DEFAULT ... NOT NULL". `identity_options` are those of its sequence.
/// Identity belongs to the parent alone: from version 17 on a table with an identity column cannot
/// be attached, and before that a leaf's own is never used. Servers before 18 know no virtual
/// columns: there they are stored. `not_null_name` may be empty.
std::string column_definition(const Column& column, bool is_parent,
                              const std::string& identity_options, int server_version,
                              const std::string& not_null_name) {
  std::string sql = fmt::format("{} {}", column.quoted, column.type_sql);
  if (!column.collation.empty()) sql += " COLLATE " + column.collation;
  if (column.generated != 0) {
    const bool is_virtual = column.generated == 'v' && server_version >= kFirstWithVirtualColumns;
    sql += fmt::format(" GENERATED ALWAYS AS ({}) {}", column.default_sql,
                       is_virtual ? "VIRTUAL" : "STORED");
  } else if (column.identity != 0 && is_parent) {
    sql += fmt::format(" GENERATED {} AS IDENTITY ({})",
                       column.identity == 'a' ? "ALWAYS" : "BY DEFAULT", identity_options);
  } else if (column.identity == 0 && !column.default_sql.empty()) {
    sql += fmt::format(" DEFAULT {}", column.default_sql);
  }
  if (!column.is_not_null) return sql;
  if (!not_null_name.empty()) sql += fmt::format(" CONSTRAINT {}", quoted_name(not_null_name));
  sql += " NOT NULL";
  return sql;
}

/// Column settings that CREATE TABLE cannot express on every version: "ALTER COLUMN a SET STORAGE
/// EXTERNAL, ...". Empty if there is nothing.
std::string column_settings(const Column& column) {
  std::string sql;
  const auto add = [&](const std::string& setting) {
    sql += fmt::format("{}ALTER COLUMN {} SET {}", sql.empty() ? "" : ", ", column.quoted, setting);
  };
  if (column.storage != column.type_storage) {
    add(column.storage == 'p'   ? "STORAGE PLAIN"
        : column.storage == 'e' ? "STORAGE EXTERNAL"
        : column.storage == 'm' ? "STORAGE MAIN"
                                : "STORAGE EXTENDED");
  }
  if (column.compression != 0) {
    add(fmt::format("COMPRESSION {}", column.compression == 'l' ? "lz4" : "pglz"));
  }
  if (column.statistics >= 0) add(fmt::format("STATISTICS {}", column.statistics));
  return sql;
}

// --- sequences ---

/// The SQL and options of sequences behind identity columns and nextval() defaults: rows inserted
/// later continue counting where the source stood.
struct SequencePlan {
  /// "START WITH 1 INCREMENT BY 1 ..." by the target's identity column.
  std::map<std::string, std::string> identity_options;
  std::vector<std::string> before_tables;
  std::vector<std::string> after_tables;
  std::vector<std::string> at_the_end;  ///< Values, as the source's sequences have them now.
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

class SequencePlanner {
 public:
  /// `is_made`: an earlier call of the job has made the target, and sequences that belong to it.
  SequencePlanner(const TableRequest& job, Connection& source, Connection& target, CopyPlan& copy,
                  bool is_made)
      : job_(job), source_(source), target_(target), copy_(copy), is_made_(is_made) {}

  /// In the same database a default keeps using the source's own sequence; in another one it is
  /// made unless it is there.
  Result<SequencePlan> plan(const ColumnPlan& columns) {
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        source_.query(kSequencesSql, {std::to_string(copy_.source.oid)}));
    for (int row = 0; row < rows.size(); ++row) {
      std::int16_t number = 0;
      Sequence sequence;
      read_row(rows, row, number, sequence.name.schema, sequence.name.name, sequence.qualified,
               sequence.is_identity, sequence.type, sequence.options, sequence.is_readable);
      for (const PlannedColumn& planned : columns.columns) {
        // Columns made from a source column keep its number.
        const Column& column = planned.column;
        const Column* origin = copy_.source.find(column.name);
        const bool has_other_default =
            origin != nullptr && column.identity == 0 && origin->default_sql != column.default_sql;
        if (has_other_default) continue;
        if (column.number == number && column.generated == 0) PGFANOUT_TRY(add(sequence, column));
      }
    }
    PGFANOUT_TRY(add_own(columns));
    return std::move(plan_);
  }

 private:
  struct Sequence {
    RelationName name;
    std::string qualified;
    bool is_identity = false;
    std::string type;
    std::string options;
    bool is_readable = false;
  };

  Result<void> add(const Sequence& sequence, const Column& column) {
    if (sequence.is_identity != (column.identity != 0)) return {};
    if (sequence.is_identity) {
      plan_.identity_options.emplace(column.name, sequence.options);
      return set_value(sequence, fmt::format("pg_get_serial_sequence({}, {})",
                                             target_.quote_literal(copy_.target.qualified),
                                             target_.quote_literal(column.name)));
    }
    if (copy_.same_database || column.default_sql.empty()) return {};
    if (!made_.insert(sequence.qualified).second) return {};
    PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(target_, sequence.name));
    PGFANOUT_TRY_ASSIGN(const bool is_ours, is_owned_by_target(found.oid));
    if (found.oid != 0 && !is_ours) {
      copy_.issues.push_back({Severity::warning, "sequence-exists",
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
                                             copy_.target.qualified, column.quoted));
    return set_value(sequence,
                     fmt::format("{}::regclass", target_.quote_literal(sequence.qualified)));
  }

  /// Those that the job makes. A role that reads the source may be another one.
  Result<void> add_own(const ColumnPlan& columns) {
    PGFANOUT_TRY_ASSIGN(const std::vector<OwnSequence> own, own_sequences(job_, copy_.source));
    if (own.empty()) return {};
    PGFANOUT_TRY_ASSIGN(const std::string reader, current_role(source_));
    PGFANOUT_TRY_ASSIGN(const std::string maker, current_role(target_));
    for (const OwnSequence& sequence : own) {
      if (!is_made_) PGFANOUT_TRY(check_free(sequence));
      plan_.before_tables.push_back(
          fmt::format("CREATE SEQUENCE {} {}", sequence.qualified, sequence.options()));
      if (copy_.same_database && reader != maker) {
        plan_.before_tables.push_back(
            fmt::format("GRANT USAGE ON SEQUENCE {} TO {}", sequence.qualified, reader));
      }
      for (const PlannedColumn& planned : columns.columns) {
        if (planned.column.name != sequence.column) continue;
        plan_.after_tables.push_back(fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}",
                                                 sequence.qualified, copy_.target.qualified,
                                                 planned.column.quoted));
        const auto literal = nextval_literal(planned.source_sql);
        if (literal && drawn_from(own, *literal) == &sequence) continue;
        const bool goes_up = sequence.wish.increment > 0;
        plan_.at_the_end.push_back(fmt::format(
            "SELECT setval({}::regclass, last) FROM (SELECT {}({}) AS last FROM {}) AS rows"
            " WHERE last {} {}",
            target_.quote_literal(sequence.qualified), goes_up ? "max" : "min",
            planned.column.quoted, copy_.target.qualified,
            goes_up ? ">=" : "<=", sequence.wish.start));
      }
    }
    return {};
  }

  Result<void> check_free(const OwnSequence& sequence) {
    PGFANOUT_TRY_ASSIGN(
        const std::vector<NameHolder> holders,
        find_name_holders(target_, {{"SEQUENCE", sequence.name.schema, sequence.name.name}}));
    if (holders.empty()) return {};
    return refused("name-taken",
                   fmt::format("{} exists already, and the job is to make a sequence of that name",
                               holders.front().text()),
                   "choose another name for it in the job file; or leave [target.sequences] out, "
                   "and the job draws from what is there",
                   sequence.qualified);
  }

  Result<bool> is_owned_by_target(std::uint32_t sequence) {
    if (!is_made_ || sequence == 0) return false;
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        target_.query("SELECT 1 FROM pg_depend d WHERE d.objid = $1"
                                      " AND d.classid = 'pg_class'::regclass"
                                      " AND d.refobjid = $2::regclass AND d.deptype = 'a'",
                                      {std::to_string(sequence), copy_.target.qualified}));
    return rows.size() > 0;
  }

  Result<void> set_value(const Sequence& sequence, const std::string& of_target) {
    if (!sequence.is_readable) {
      PGFANOUT_TRY_ASSIGN(const std::string role, current_role(source_));
      copy_.issues.push_back(
          {Severity::warning, "sequence-unreadable",
           fmt::format("no SELECT on {}: the target's counter starts over", sequence.qualified),
           sequence.qualified,
           fmt::format("GRANT SELECT ON SEQUENCE {} TO {}", sequence.qualified, role)});
      return {};
    }
    PGFANOUT_TRY_ASSIGN(
        const Rows value,
        source_.query(fmt::format("SELECT last_value, is_called FROM {}", sequence.qualified)));
    plan_.at_the_end.push_back(fmt::format("SELECT setval({}, {}, {})", of_target,
                                           value.integer(0, 0), value.boolean(0, 1)));
    return {};
  }

  const TableRequest& job_;
  Connection& source_;
  Connection& target_;
  CopyPlan& copy_;
  const bool is_made_;
  std::set<std::string> made_;
  SequencePlan plan_;
};

// --- tables ---

constexpr const char* kTrialTable = "pgfanout_trial";

class TargetTables {
 public:
  TargetTables(const CopyTarget& target, const LayoutDdl& layout, const ColumnPlan& columns,
               const SequencePlan& sequences, const LeafStorage& storage, int server_version)
      : target_(target),
        layout_(layout),
        sequences_(sequences),
        storage_(storage),
        server_version_(server_version) {
    for (const PlannedColumn& planned : columns.columns) {
      columns_.push_back(planned.column);
      if (planned.new_default.empty()) continue;
      columns_.back().default_sql.clear();
      defaults_.push_back({"bad-column", "target.columns." + planned.column.name,
                           fmt::format("ALTER COLUMN {} SET DEFAULT {}", planned.column.quoted,
                                       planned.new_default)});
    }
    if (columns.key_column) columns_.push_back(*columns.key_column);
  }

  [[nodiscard]] TargetDdl ddl() const {
    TargetDdl made;
    made.create = sequences_.before_tables;
    if (target_.is_plain()) {
      made.create.push_back(create_leaf(target_.qualified, true));
      add_settings(made.create, target_.qualified);
      made.checks.emplace_back();
    } else {
      add_partitions(made);
    }
    add_defaults(made.create);
    append(made.create, sequences_.after_tables);
    made.finish = sequences_.at_the_end;
    return made;
  }

  /// Parent and leaves.
  void add_partitions(TargetDdl& made) const {
    made.create.push_back(create_parent());
    add_settings(made.create, target_.qualified);
    for (std::size_t at = 0; at < target_.leaves.size(); ++at) {
      const std::string& leaf = target_.leaves[at].qualified;
      const LayoutDdl::OfLeaf& of_leaf = layout_.leaves[at];
      made.create.push_back(create_leaf(leaf, false));
      add_settings(made.create, leaf);
      made.checks.push_back(checks(leaf, of_leaf.bound_check));
      made.attach.push_back({fmt::format("ALTER TABLE {} ATTACH PARTITION {} {}", target_.qualified,
                                         leaf, of_leaf.bound)});
      if (of_leaf.bound_check.empty()) continue;
      made.attach.back().push_back(
          fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", leaf, kBoundCheck));
    }
  }

  /// Empty if the job asks for nothing of its own.
  [[nodiscard]] TargetTrial trial(const TargetRequest& wish) const {
    TargetTrial trial;
    if (wish.indexes.empty() && wish.sequences.empty() && wish.columns.empty()) return trial;
    for (const std::string& sequence : sequences_.before_tables) {
      trial.make.push_back({"bad-sequence", "target.sequences", sequence});
    }
    trial.make.push_back(
        {"bad-column", "target.columns",
         fmt::format("CREATE TEMPORARY TABLE {} ({}\n)", kTrialTable, definitions(false))});
    for (const TargetTrial::Step& step : defaults_) {
      trial.tries.push_back({step.code, step.setting,
                             fmt::format("ALTER TABLE pg_temp.{} {}", kTrialTable, step.sql)});
    }
    for (const std::string& written : wish.indexes) {
      const auto index = parse_index_definition(written);
      trial.tries.push_back(
          {"bad-index", index ? "target.indexes " + display_name(index->name) : written,
           index ? index->on(fmt::format("pg_temp.{}", kTrialTable), quoted_name(index->name))
                 : written});
    }
    return trial;
  }

 private:
  /// Of the job: understood as the application would.
  void add_defaults(std::vector<std::string>& statements) const {
    if (defaults_.empty()) return;
    const std::string clauses = joined(defaults_, ", ", &TargetTrial::Step::sql);
    statements.push_back("SET LOCAL search_path = " + target_.application_path);
    statements.push_back(fmt::format("ALTER TABLE {} {}", target_.qualified, clauses));
    for (const TargetLeaf& leaf : target_.leaves) {
      if (target_.is_plain()) break;
      statements.push_back(fmt::format("ALTER TABLE {} {}", leaf.qualified, clauses));
    }
    statements.push_back("SET LOCAL search_path = ''");
  }

  /// One ALTER TABLE.
  [[nodiscard]] std::vector<std::string> checks(const std::string& leaf,
                                                const std::string& bound_check) const {
    std::vector<std::string> clauses;
    if (!bound_check.empty()) {
      clauses.push_back(fmt::format("ADD CONSTRAINT {} CHECK ({})", kBoundCheck, bound_check));
    }
    if (!layout_.row_check.empty()) clauses.push_back("ADD " + layout_.row_check);
    if (clauses.empty()) return {};
    return {fmt::format("ALTER TABLE {} {}", leaf, fmt::join(clauses, ", "))};
  }

  [[nodiscard]] std::string definitions(bool is_parent) const {
    std::string sql;
    std::set<std::string> names;  // Several columns may come from one of the source.
    for (const Column& column : columns_) {
      const bool has_name = server_version_ >= kFirstWithNamedNotNulls && column.is_not_null &&
                            names.insert(column.not_null_name).second;
      const auto options = sequences_.identity_options.find(column.name);
      const bool has_options = options != sequences_.identity_options.end();
      sql += fmt::format(
          "{}\n  {}", sql.empty() ? "" : ",",
          column_definition(column, is_parent, has_options ? options->second : "", server_version_,
                            has_name ? column.not_null_name : std::string()));
    }
    return sql;
  }

  [[nodiscard]] std::string create_parent() const {
    const std::string& check = layout_.row_check;
    return fmt::format("CREATE TABLE {} ({}{}{}\n) PARTITION BY {}", target_.qualified,
                       definitions(true), check.empty() ? "" : ",\n  ", check,
                       layout_.partition_by);
  }

  [[nodiscard]] std::string create_leaf(const std::string& leaf, bool has_identity) const {
    return fmt::format("CREATE TABLE {} ({}\n){}{}", leaf, definitions(has_identity),
                       storage_.options.empty() ? "" : fmt::format(" WITH ({})", storage_.options),
                       storage_.tablespace.empty() ? "" : " TABLESPACE " + storage_.tablespace);
  }

  void add_settings(std::vector<std::string>& statements, const std::string& table) const {
    const std::string settings = joined(columns_, ", ", column_settings);
    if (!settings.empty()) {
      statements.push_back(fmt::format("ALTER TABLE {} {}", table, settings));
    }
  }

  const CopyTarget& target_;
  const LayoutDdl& layout_;
  const SequencePlan& sequences_;
  const LeafStorage& storage_;
  const int server_version_;
  std::vector<Column> columns_;  ///< Without the job's own defaults.
  std::vector<TargetTrial::Step> defaults_;
};

}  // namespace

Result<void> plan_new_target(const NewTargetRequest& request, Connection& source,
                             Connection& target, CopyPlan& plan) {
  PGFANOUT_TRY(check_schema(target, plan.target));
  const ColumnPlan& columns = request.columns;
  NewLayout layout = layout_kind_of(request.job)
                         .make({request.job, plan.key.expression,
                                columns.key_column ? &*columns.key_column : nullptr,
                                plan.key.sql_on_target, request.key_inputs});
  PGFANOUT_TRY(name_leaves(target, *layout.layout, request.job.target.leaf_name, plan.source.name,
                           plan.target));
  if (!request.is_made) PGFANOUT_TRY(check_names(target, plan.target));
  if (!request.is_made) PGFANOUT_TRY(check_column_objects(source, target, columns, plan));
  PGFANOUT_TRY_ASSIGN(const LeafStorage storage, read_storage(source, plan));
  PGFANOUT_TRY_ASSIGN(
      const SequencePlan sequences,
      SequencePlanner(request.job, source, target, plan, request.is_made).plan(columns));
  const TargetTables tables(plan.target, layout.ddl, columns, sequences, storage,
                            target.server_version());
  plan.ddl = tables.ddl();
  plan.ddl.trial = tables.trial(request.job.target);
  plan.target.layout = std::move(layout.layout);
  plan.target.partition_columns = std::move(layout.partition_columns);
  return {};
}

Result<std::vector<Issue>> try_target(Connection& target, const CopyPlan& plan) {
  std::vector<Issue> issues;
  const TargetTrial& trial = plan.ddl.trial;
  if (trial.make.empty()) return issues;
  const auto note = [&](const TargetTrial::Step& step, const Error& error, bool is_table) {
    const std::string& where = plan.target.qualified;
    const bool may_not_try = is_table && (error.sqlstate == "42501" || error.sqlstate == "25006");
    if (may_not_try) {
      issues.push_back(
          {Severity::warning, "target-untried",
           fmt::format("{} could not be tried: {}", step.setting, error.message), where,
           "GRANT TEMPORARY ON DATABASE to the role, so that the plan can try it on an empty "
           "temporary table"});
      return;
    }
    issues.push_back({Severity::error, step.code,
                      fmt::format("{} is refused by the server: {}", step.setting, error.message),
                      where, "correct it in the job file"});
  };
  PGFANOUT_TRY(in_transaction(target, {"BEGIN", TransactionEnd::roll_back}, [&]() -> Result<void> {
    for (const TargetTrial::Step& step : trial.make) {
      const auto made = target.run(step.sql);
      if (made) continue;
      if (!target.is_open()) return made.error();
      note(step, made.error(), true);
      return {};
    }
    for (const TargetTrial::Step& step : trial.tries) {
      const auto tried = in_savepoint(target, [&] {
        return with_search_path(target, plan.target.application_path,
                                [&] { return target.run(step.sql); });
      });
      if (!tried && !target.is_open()) return tried.error();
      if (!tried) note(step, tried.error(), false);
    }
    return {};
  }));
  return issues;
}

}  // namespace pgfanout
