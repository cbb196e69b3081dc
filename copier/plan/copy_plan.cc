#include "copier/plan/copy_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <thread>

#include "copier/base/amount.h"
#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/base/shell_word.h"
#include "copier/catalog/application_path.h"
#include "copier/catalog/name_holders.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/sql_expression.h"
#include "copier/catalog/table.h"
#include "copier/catalog/type_catalog.h"
#include "copier/columns/column_plan.h"
#include "copier/columns/mapping.h"
#include "copier/columns/type_transport.h"
#include "copier/key/key_plan.h"
#include "copier/key/page_sample.h"
#include "copier/plan/new_target.h"
#include "copier/plan/row_fitness.h"
#include "copier/plan/source_fitness.h"

namespace pgfanout {
namespace {

constexpr int kOldestServer = 140000;

// --- the stream ---

/// Adds the planned columns of one role, and says how many there are.
std::uint16_t add_columns(const ColumnPlan& columns, ColumnRole role, const Table& source,
                          CopyStream& stream) {
  std::uint16_t count = 0;
  for (const PlannedColumn& planned : columns.columns) {
    if (planned.role != role) continue;
    const Column* origin =
        planned.source_column ? &source.columns[*planned.source_column] : nullptr;
    const bool is_filled =
        origin != nullptr && origin->is_not_null && planned.source_sql == origin->quoted;
    stream.columns.push_back({planned.column.name, planned.source_sql, planned.column.quoted,
                              planned.is_volatile, planned.column.type_sql,
                              planned.column.type_type == 'd',
                              planned.column.is_not_null && !is_filled});
    ++count;
  }
  return count;
}

/// Reads the columns that a side has from a range of one of its leaves.
RangeSelect select_of(const CopyStream& stream, std::string StreamColumn::*side,
                      const std::string& key, const std::string& leaf, const SourceRange& range) {
  return {joined(std::array{joined(stream.columns, ", ", side), key}, ", "), leaf,
          range_condition(range)};
}

/// Columns, both layouts (without patches of OIDs) and the column list of COPY.
CopyStream make_stream(const ColumnPlan& columns, const KeyCarriers& carriers, const Table& source,
                       const CopyKey& key) {
  CopyStream stream;
  RowLayout layout;
  layout.copied = add_columns(columns, ColumnRole::copied, source, stream);
  layout.digested = static_cast<std::uint16_t>(
      layout.copied + add_columns(columns, ColumnRole::compared, source, stream));
  layout.key_fields = carriers.stream_fields;
  layout.written_key = KeyField::none;
  if (columns.key_column && !key.is_generated) {
    const KeyType type = key_type_of_oid(columns.key_column->type_oid);
    layout.written_key = type == KeyType::int2   ? KeyField::int2
                         : type == KeyType::int8 ? KeyField::int8
                                                 : KeyField::int4;
  }
  stream.read_layout = stream.read_back_layout = layout;

  const Column* stored = columns.stored_key ? &source.columns[*columns.stored_key] : nullptr;
  const auto add_key = [&](RowLayout& side, const Column* column) {
    side.fields = side.digested;
    if (column == nullptr) return;
    side.stored_key = side.fields++;
    side.stored_key_type = key_type_of_oid(column->type_oid);
  };
  add_key(stream.read_layout, stored);
  add_key(stream.read_back_layout, columns.key_column ? &*columns.key_column : nullptr);
  if (stored != nullptr || columns.key_column) {
    stream.columns.push_back({columns.key_column ? columns.key_column->name : stored->name,
                              stored != nullptr ? stored->quoted : "",
                              columns.key_column ? columns.key_column->quoted : "", false});
  }

  if (key.expression.is_by_server()) {
    for (RowLayout* side : {&stream.read_layout, &stream.read_back_layout}) {
      side->key_fields = {side->fields++};
    }
    stream.source_key = key.expression.qualified_sql({});
    stream.target_key = key.sql_on_target;
  }

  std::vector<std::string> written;
  for (std::size_t at = 0; at < layout.copied; ++at)
    written.push_back(stream.columns[at].target_sql);
  if (layout.written_key != KeyField::none) written.push_back(columns.key_column->quoted);
  stream.written_columns = fmt::format("({})", fmt::join(written, ", "));
  return stream;
}

/// Type, expression (empty: not generated) and NOT NULL of a key column that is to be created.
void complete_key_column(Column& column, KeyType type, const std::string& generated_as) {
  column.type_oid = type == KeyType::int2 ? 21 : type == KeyType::int8 ? 20 : 23;
  column.base_type_oid = column.type_oid;
  column.type_sql = key_type_sql(type);
  if (!generated_as.empty()) column.default_sql = generated_as;
  column.generated = generated_as.empty() ? '\0' : 's';
  column.is_not_null = true;
}

/// The target's column of that name, which it has; the key column is one.
const Column& column_of(const ColumnPlan& columns, std::string_view name) {
  if (columns.key_column && columns.key_column->name == name) return *columns.key_column;
  return std::ranges::find_if(columns.columns,
                              [&](const PlannedColumn& at) { return at.column.name == name; })
      ->column;
}

// --- a target that exists ---

struct ExistingTarget {
  Table table;
  ExistingLayout layout;
  std::vector<Issue> issues;  ///< What makes the copy slower or surprising.
};

Result<void> check_empty(const JobDescription& job, Connection& target, const Table& table) {
  if (job.append) return {};
  for (const Leaf& leaf : table.leaves) {
    PGFANOUT_TRY_ASSIGN(const Rows row,
                        target.query(fmt::format("SELECT 1 FROM ONLY {} LIMIT 1", leaf.qualified)));
    if (row.size() > 0) {
      return refused(
          "target-not-empty", fmt::format("the target's leaf {} holds rows", leaf.qualified),
          "empty the target first, or use --append to leave those rows alone", leaf.qualified);
    }
  }
  return {};
}

/// Triggers of the leaves that COPY fires; internal ones are foreign keys and the like. On 14 the
/// copy of a parent's trigger counts as internal.
constexpr const char* kTriggersSql =
    "SELECT quote_ident(t.tgname), count(*), bool_or((t.tgtype & 2) <> 0 AND (t.tgtype & 1) <> 0)"
    " FROM pg_trigger t LEFT JOIN pg_trigger parent"
    " ON parent.oid = t.tgparentid WHERE t.tgrelid = ANY ($1::oid[])"
    " AND NOT COALESCE(parent.tgisinternal, t.tgisinternal) AND t.tgenabled IN ('O', 'A')"
    " AND (t.tgtype & 4) <> 0 GROUP BY 1 ORDER BY 1";

Result<void> note_triggers(Connection& target, const Table& table, std::vector<Issue>& issues) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, target.query(kTriggersSql, {table.leaf_oids()}));
  for (int row = 0; row < rows.size(); ++row) {
    const bool is_before = rows.boolean(row, 2);
    issues.push_back(
        {Severity::warning, "trigger-fires",
         fmt::format("trigger {} fires for every row that is copied, on {} leaves{}",
                     rows.text(row, 0), rows.text(row, 1),
                     is_before ? ", and a BEFORE trigger may change rows and keeps COPY "
                                 "from inserting many at once"
                               : ""),
         table.qualified,
         "disable it while the copy runs if its work is done already in the source"});
  }
  return {};
}

/// Refuses what keeps the copy from being right: another layout, leaves that cannot be written to
/// or read back, rows, missing privileges, row-level security.
Result<void> examine_target(const JobDescription& job, const Table& source,
                            const KeyExpression& key, Connection& target,
                            ExistingTarget& existing) {
  const Table& table = existing.table;
  PGFANOUT_TRY_ASSIGN(existing.layout,
                      layout_kind_of(table).examine(
                          job, source, table, column_name_of(job.key_column, table.columns), key));
  PGFANOUT_TRY(check_empty(job, target, table));
  return note_triggers(target, table, existing.issues);
}

/// Adds an issue for each column left to a default that keeps COPY from inserting many rows at
/// once.
Result<void> note_slow_defaults(Connection& target, ColumnPlan& columns) {
  for (const PlannedColumn& planned : columns.columns) {
    const Column& column = planned.column;
    const bool is_filled_by_default = planned.role == ColumnRole::left_out &&
                                      column.generated == 0 && !column.default_sql.empty();
    // COPY knows nextval() and still inserts many rows at once.
    if (!is_filled_by_default || column.default_sql.starts_with("nextval(")) continue;
    PGFANOUT_TRY_ASSIGN(const bool is_slow, is_volatile(target, column.default_sql));
    if (!is_slow) continue;
    columns.issues.push_back({Severity::warning, "volatile-default",
                              fmt::format("column {} gets a volatile default in every row: COPY "
                                          "inserts row by row then",
                                          column.quoted),
                              column.name, "give it a value with --map"});
  }
  return {};
}

// --- commits ---

/// The most that an interrupted copy of some minutes can lose, and how much an interruption of a
/// longer one repeats.
constexpr std::uint64_t kMostByLeaf = 16ULL << 30U;
constexpr std::uint64_t kUsualEpoch = 2ULL << 30U;
constexpr std::uint64_t kRejectingEpoch = 256ULL << 20U;

CommitPlan epochs_of(std::uint64_t bytes, std::string reason) {
  return {false, std::max<std::uint64_t>(1, bytes), false, std::move(reason)};
}

Result<CommitPlan> choose(const JobDescription& job, std::uint64_t bytes, std::uint64_t rows,
                          bool sets_aside) {
  const CommitEvery& wish = job.commit_every;
  switch (wish.unit) {
    case CommitEvery::Unit::leaf:
      if (sets_aside) {
        return refused("usage",
                       "with one transaction per leaf no row that the target refuses could be set "
                       "aside",
                       "leave --reject-limit or --commit-every leaf out", "--commit-every");
      }
      return CommitPlan{true, 0, false, "as --commit-every says"};
    case CommitEvery::Unit::bytes:
      return epochs_of(wish.amount, "as --commit-every says");
    case CommitEvery::Unit::rows: {
      constexpr std::uint64_t kBytesOfUnknownRow = 200;
      const double row_bytes = rows == 0 ? static_cast<double>(kBytesOfUnknownRow)
                                         : static_cast<double>(bytes) / static_cast<double>(rows);
      return epochs_of(static_cast<std::uint64_t>(row_bytes * static_cast<double>(wish.amount)),
                       fmt::format("{}, as --commit-every says", rows_text(wish.amount)));
    }
    case CommitEvery::Unit::automatic:
      break;
  }
  if (sets_aside) return epochs_of(kRejectingEpoch, "since rows may be set aside");
  if (bytes > kMostByLeaf) {
    return epochs_of(kUsualEpoch, "since the table is larger than " + amount_of_bytes(kMostByLeaf));
  }
  return CommitPlan{true, 0, false,
                    "since the table is not larger than " + amount_of_bytes(kMostByLeaf)};
}

// --- the plan ---

/// A statement that touches all leaves should fit this many times at once.
constexpr std::int64_t kComfortableStatements = 20;

Result<void> check_version(const Connection& connection) {
  if (connection.server_version() >= kOldestServer) return {};
  return refused("server-too-old",
                 fmt::format("{} runs PostgreSQL {}; 14 is the oldest that is supported",
                             connection.description(), connection.server_version_text()),
                 "upgrade the server first");
}

/// The sequence that a mapping draws from is of the source's database.
void drop_mapped_defaults(const Mappings& mappings, ColumnPlan& columns) {
  for (PlannedColumn& planned : columns.columns) {
    const Mapping* mapping = mappings.find(planned.column.name);
    if (mapping == nullptr || !nextval_literal(mapping->sql)) continue;
    planned.column.default_sql.clear();
    columns.issues.push_back(
        {Severity::warning, "default-left-out",
         fmt::format("column {} is filled by {} while copying, and gets no default: the sequence "
                     "is of the source's database",
                     planned.column.quoted, mapping->sql),
         planned.column.quoted,
         "give the column a sequence of its own after the copy, above the values that were given"});
  }
}

/// Makes one plan; a member is set by the step named in its comment.
class CopyPlanner {
 public:
  CopyPlanner(const JobDescription& job, Connection& source, Connection& target,
              const std::vector<std::uint32_t>& made)
      : job_(job), source_(source), target_(target), made_(made) {}

  Result<CopyPlan> make() {
    PGFANOUT_TRY(check_servers());
    PGFANOUT_TRY(read_source());
    PGFANOUT_TRY(find_target());
    PGFANOUT_TRY(settle_key());
    PGFANOUT_TRY(examine_existing());
    PGFANOUT_TRY(plan_columns());
    PGFANOUT_TRY(plan_key());
    PGFANOUT_TRY(plan_target());
    PGFANOUT_TRY(plan_stream());
    PGFANOUT_TRY(plan_connections());
    PGFANOUT_TRY(plan_when_to_commit());
    if (made_.empty()) PGFANOUT_TRY(try_rows());
    PGFANOUT_TRY(add_notes());
    return std::move(*plan_);
  }

 private:
  Result<void> check_servers() {
    PGFANOUT_TRY(check_version(source_));
    PGFANOUT_TRY(check_version(target_));
    PGFANOUT_TRY(layout_kind_of(job_).check_request(job_));
    PGFANOUT_TRY_ASSIGN(servers_, read_both_servers(source_, target_));
    if (servers_.source.is_in_recovery && !job_.assume_quiet) {
      return refused(
          "source-read-only",
          fmt::format("the source's server {} is in recovery (a standby): it can be read, but "
                      "neither locked, fenced nor swapped",
                      source_.description()),
          "name its primary as the source; or copy from the standby with --assume-quiet into a "
          "--target on another server, while the standby's replay is paused: SELECT "
          "pg_wal_replay_pause()",
          source_.description());
    }
    if (!servers_.target.is_in_recovery) return {};
    return refused("target-read-only",
                   fmt::format("the target's server {} is in recovery (a standby), and can only be "
                               "read",
                               target_.description()),
                   "name a server that can be written to with --target", target_.description());
  }

  Result<void> read_source() {
    PGFANOUT_TRY_ASSIGN(Table table, describe_table(source_, job_.table));
    PGFANOUT_TRY(check_source(source_, table, servers_.source));
    PGFANOUT_TRY_ASSIGN(table.application, find_application_path(source_, table, job_.search_path));
    PGFANOUT_TRY_ASSIGN(KeyExpression no_key, KeyExpression::compile("0", {}));
    plan_.emplace(std::move(no_key));  // Until settle_key().
    plan_->source = std::move(table);
    // A share of the rows needs their number, and statistics may be missing or old.
    if (job_.reject_limit.percent || plan_->source.estimated_rows == 0) {
      PGFANOUT_TRY_ASSIGN(plan_->source.estimated_rows, estimate_rows(source_, plan_->source));
    }
    plan_->source_server = servers_.source;
    plan_->target_server = servers_.target;
    plan_->same_database = is_same_database(servers_.source, servers_.target);
    PGFANOUT_TRY_ASSIGN(plan_->target.application_path, path_on_target());
    plan_->target.servers = {{target_.description(), target_dsn_of(job_)}};
    return {};
  }

  Result<std::string> path_on_target() {
    const ApplicationPath& of_source = plan_->source.application;
    if (plan_->same_database) return of_source.sql;
    PGFANOUT_TRY_ASSIGN(const ApplicationPath path,
                        find_application_path(target_, of_source, job_.search_path));
    return path.sql;
  }

  Result<void> find_target() {
    PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(job_, plan_->source));
    plan_->target.schema = name.schema;
    plan_->target.name = name.name;
    PGFANOUT_TRY_ASSIGN(
        const Rows quoted,
        target_.query("SELECT format('%I.%I', $1::text, $2::text)", {name.schema, name.name}));
    plan_->target.qualified = quoted.str(0, 0);
    PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(target_, name));
    const bool is_made = contains(made_, found.oid);
    plan_->target.is_new = found.oid == 0 || is_made;
    if (plan_->target.is_new) return {};
    if (plan_->same_database && found.oid == plan_->source.oid) {
      return refused("same-table", "source and target are the same table",
                     "name another target with --into", plan_->target.qualified);
    }
    if (found.kind != 'r' && found.kind != 'p') {
      return refused(
          "name-taken",
          fmt::format("{} exists and is {}", plan_->target.qualified, kind_name(found.kind)),
          "drop or rename it, or choose another target with --into", plan_->target.qualified);
    }
    PGFANOUT_TRY_ASSIGN(existing_.emplace().table, describe_table(target_, found.oid));
    return {};
  }

  Result<void> settle_key() {
    if (existing_) PGFANOUT_TRY(check_leaves(target_, existing_->table, LeafUse::read_and_write));
    PGFANOUT_TRY_ASSIGN(plan_->job_key, key_of_copy(job_, source_, plan_->source, target_,
                                                    existing_ ? &existing_->table : nullptr));
    job_ = existing_ ? with_key(job_, plan_->job_key) : as_recorded(job_, plan_->job_key);
    plan_->issues = plan_->job_key.issues;
    PGFANOUT_TRY_ASSIGN(plan_->key.expression, compile_key(job_, plan_->source));
    return check_key_functions(source_, plan_->key.expression);
  }

  Result<void> examine_existing() {
    if (!existing_) return {};
    PGFANOUT_TRY(examine_target(job_, plan_->source, plan_->key.expression, target_, *existing_));
    for (const Leaf& leaf : existing_->layout.leaves) {
      for (const Leaf& origin : plan_->source.leaves) {
        if (plan_->same_database && origin.oid == leaf.oid) {
          return refused("same-table",
                         fmt::format("{} belongs to both source and target", leaf.qualified),
                         "name another target with --into", leaf.qualified);
        }
      }
    }
    return {};
  }

  Result<void> plan_columns() {
    PGFANOUT_TRY_ASSIGN(const Mappings mappings, read_mappings(job_, source_, plan_->source));
    for (const Mapping& mapping : mappings.entries) {
      if (mapping.sequence.empty() || plan_->same_database) continue;
      return refused("bad-sequence",
                     fmt::format("column {} draws from {}, which the job makes in the target's "
                                 "database: mappings are evaluated by the source's server",
                                 mapping.value.quoted, mapping.sequence),
                     "use a target in the same database, or make a sequence on the source's server "
                     "first and leave it out of the job file",
                     mapping.column);
    }
    if (!existing_) {
      PGFANOUT_TRY_ASSIGN(columns_, plan_new_columns(job_, plan_->source, mappings));
      if (!plan_->same_database) drop_mapped_defaults(mappings, columns_);
      return {};
    }
    const std::optional<std::size_t> at = existing_->layout.key_column;
    const Column* key_column = at ? &existing_->table.columns[*at] : nullptr;
    PGFANOUT_TRY_ASSIGN(columns_, plan_existing_columns(job_, plan_->source, mappings,
                                                        existing_->table, key_column));
    return note_slow_defaults(target_, columns_);
  }

  Result<void> plan_key() {
    PGFANOUT_TRY_ASSIGN(carriers_,
                        find_key_carriers(columns_, plan_->source, plan_->key.expression));
    if (carriers_.uses_stored_key) PGFANOUT_TRY(check_own_type());
    if (plan_->job_key.replaces_other_key) columns_.stored_key.reset();
    // Of a plain table there is none that a column could be taken to store.
    if (!layout_kind_of(job_).rules(job_).is_plain) {
      plan_->key.sql_on_target = plan_->key.expression.qualified_sql(carriers_.target_names);
    }
    if (columns_.key_column) plan_->key.column = columns_.key_column->name;
    if (existing_) {
      plan_->key.is_generated = existing_->layout.key_is_generated;
      return layout_kind_of(existing_->table)
          .check_expression(target_, existing_->table, existing_->layout, plan_->key.sql_on_target);
    }
    const LayoutRules rules = layout_kind_of(job_).rules(job_);
    if (rules.checks_key || !rules.by_columns)
      PGFANOUT_TRY(check_key_functions(target_, plan_->key.expression));
    if (carriers_.uses_generated && plan_->key.expression.partition_key() != nullptr) {
      return refused("partition-column-generated",
                     "a generated column cannot be a table's partition column",
                     "name another column", "--partition-by");
    }
    if (!rules.by_columns && (carriers_.uses_generated || carriers_.uses_stored_key)) {
      return refused(
          "key-mode",
          "a table cannot be partitioned by an expression over a generated column or over "
          "the key column itself",
          "use --key-mode check, or make the key from other columns", plan_->key.expression.sql());
    }
    plan_->key.is_generated = rules.stores_key && !rules.supplies_key;
    if (columns_.key_column) {
      complete_key_column(*columns_.key_column, plan_->key.expression.result_type(),
                          plan_->key.is_generated ? plan_->key.sql_on_target : "");
    }
    return {};
  }

  /// Of a key that is computed from its own column.
  Result<void> check_own_type() const {
    const Column& own = plan_->source.columns[*columns_.stored_key];
    const KeyType type = existing_ ? key_type_of_oid(columns_.key_column->type_oid)
                                   : plan_->key.expression.result_type();
    if (type == key_type_of_oid(own.type_oid)) return {};
    return refused(
        "key-column-changed",
        fmt::format("column {} is part of its own key and would become {}: the key could not be "
                    "checked afterwards",
                    own.quoted, key_type_sql(type)),
        fmt::format("make the key of the column's type: --key {}",
                    shell_word(fmt::format("({})::{}", plan_->key.expression.sql(), own.type_sql))),
        plan_->source.qualified);
  }

  Result<void> plan_target() {
    if (existing_) {
      ExistingLayout& existing = existing_->layout;
      plan_->target.layout = std::move(existing.layout);
      for (const Leaf& leaf : existing.leaves) {
        plan_->target.leaves.push_back({leaf.schema, leaf.name, leaf.qualified, leaf.oid});
      }
      plan_->target.partition_columns = std::move(existing.partition_columns);
      append(plan_->issues, existing_->issues);
      return note_own_settings();
    } else {
      std::vector<Column> inputs;
      for (const std::size_t input : plan_->key.expression.used_columns()) {
        inputs.push_back(column_of(columns_, carriers_.target_names[input]));
      }
      PGFANOUT_TRY(plan_new_target({job_, columns_, std::move(inputs), !made_.empty()}, source_,
                                   target_, *plan_));
      PGFANOUT_TRY_ASSIGN(plan_->issues.emplace_back(), note_not_carried(source_, plan_->source));
    }
    return {};
  }

  /// Of a target that exists.
  Result<void> note_own_settings() {
    const TargetRequest& wish = job_.target;
    if (!wish.sequences.empty()) {
      return refused(
          "bad-sequence",
          fmt::format("{} exists: the job makes no sequence for it", plan_->target.qualified),
          "make the sequence first and leave [target.sequences] out", plan_->target.qualified);
    }
    if (wish.leaf_name.empty() && wish.columns.empty() && wish.indexes.empty()) return {};
    note(Severity::warning, "target-settings",
         fmt::format("{} exists: leaf_name, columns and indexes of [target] are not used",
                     plan_->target.qualified),
         "leave them out, or choose another target with --into");
    return {};
  }

  Result<void> plan_stream() {
    plan_->stream = make_stream(columns_, carriers_, plan_->source, plan_->key);
    PGFANOUT_TRY_ASSIGN(plan_->stream.read_layout.oid_patches,
                        plan_transport(source_, target_, columns_, plan_->same_database));
    append(plan_->issues, columns_.issues);
    return {};
  }

  Result<void> plan_connections() {
    const auto leaves = static_cast<std::uint32_t>(plan_->target.leaves.size());
    PGFANOUT_TRY_ASSIGN(plan_->connections,
                        share_connections(servers_.source, servers_.target,
                                          {job_.readers, job_.writers, leaves,
                                           std::thread::hardware_concurrency()}));
    return {};
  }

  Result<void> plan_when_to_commit() {
    const Table& table = plan_->source;
    PGFANOUT_TRY_ASSIGN(plan_->commits, plan_commits(job_, sum_of(table.leaves, &Leaf::total_bytes),
                                                     table.estimated_rows));
    if (!made_.empty()) return {};  // The journal's epochs count.
    const CommitPlan& commits = plan_->commits;
    if (commits.sets_aside) PGFANOUT_TRY(check_reject_table());
    if (job_.reject_limit.percent) note_reject_limit();
    note(
        Severity::info, "commits",
        commits.by_leaf
            ? fmt::format(
                  "each leaf is committed as a whole, frozen, {}; an interrupted copy starts "
                  "over",
                  commits.reason)
            : fmt::format("each {} or so of the source are committed together, {}; an interruption "
                          "repeats that much at most",
                          amount_of_bytes(commits.epoch_bytes), commits.reason));
    return {};
  }

  void note_reject_limit() {
    const std::uint64_t rows = plan_->source.estimated_rows;
    const std::uint64_t limit = rows_to_set_aside(job_.reject_limit, rows);
    note(limit == 0 ? Severity::warning : Severity::info, "reject-limit",
         fmt::format("--reject-limit {}% of about {} lets {} be set aside",
                     *job_.reject_limit.percent, rows_text(rows),
                     limit == 0 ? "no row" : counted(limit, "row", "rows")),
         limit == 0 ? "give the limit as a number of rows" : "");
  }

  /// Rows that are set aside go there; an earlier job may have left it. A copy that sets none aside
  /// does not need it.
  Result<void> check_reject_table() {
    const std::string name = reject_table_name(plan_->target.name);
    PGFANOUT_TRY_ASSIGN(const std::vector<NameHolder> holders,
                        find_name_holders(target_, {{"TABLE", plan_->target.schema, name}}));
    if (holders.empty()) return {};
    const std::string qualified = quoted_name(plan_->target.schema, name);
    PGFANOUT_TRY_ASSIGN(const bool is_ours, is_reject_table(target_, qualified));
    if (is_ours && holders.front().kind == "TABLE") return {};
    note(Severity::warning, "name-taken",
         fmt::format("{} has the name of the table for rows that are set aside: none can be",
                     holders.front().text()),
         "drop or rename it, or choose another target with --into");
    return {};
  }

  /// A new target has no rules yet but those of its columns.
  Result<void> try_rows() {
    std::vector<RowRule> rules;
    if (existing_) {
      PGFANOUT_TRY_ASSIGN(rules, read_row_rules(target_, existing_->table.oid, false));
    }
    PGFANOUT_TRY_ASSIGN(std::vector<Issue> broken,
                        find_refused_rows(source_, target_, *plan_, rules, true));
    for (Issue& issue : broken) {
      if (!plan_->commits.sets_aside) {
        return refused(issue.code, issue.message, issue.hint, issue.where);
      }
      issue.severity = Severity::warning;
      plan_->issues.push_back(std::move(issue));
    }
    return {};
  }

  Result<void> add_notes() {
    PGFANOUT_TRY(note_heirs(source_, plan_->source, plan_->issues));
    PGFANOUT_TRY(note_lock_right());
    PGFANOUT_TRY(note_publications());
    PGFANOUT_TRY(note_locks());
    if (plan_->target_server.wal_level == "minimal") {
      note(Severity::info, "wal-minimal",
           "wal_level is minimal: rows loaded into a table that the same transaction emptied write "
           "no WAL, so the load cannot be replayed from an archive",
           "take a base backup afterwards");
    }
    if (plan_->target.is_new && plan_->source.persistence == 'u') {
      note(Severity::info, "made-logged",
           "the source is an unlogged table; the target is made as an ordinary one");
    }
    if (plan_->target.is_new) {
      note(Severity::info, "key-mode", layout_kind_of(job_).note(job_, plan_->key.column));
    }
    note_volatile_columns();
    return {};
  }

  /// Of a target that exists: it is locked while it is read back.
  Result<void> note_lock_right() {
    if (!existing_) return {};
    constexpr int kFirstWithMaintain = 170000;
    const char* rights = target_.server_version() >= kFirstWithMaintain
                             ? "UPDATE, DELETE, TRUNCATE, MAINTAIN"
                             : "UPDATE, DELETE, TRUNCATE";
    const std::string leaves = oid_array(parts_of(plan_->target.leaves, &TargetLeaf::oid));
    PGFANOUT_TRY_ASSIGN(
        const Rows may,
        target_.query("SELECT has_table_privilege($1::oid, $3) OR"
                      " bool_and(has_table_privilege(leaf, $3)), quote_ident(current_user)"
                      " FROM unnest($2::oid[]) AS leaf",
                      {std::to_string(existing_->table.oid), leaves, rights}));
    if (may.boolean(0, 0)) return {};
    note(Severity::warning, "target-not-locked",
         fmt::format("role {} may not lock the target: the copy is proven only if no transaction "
                     "writes on the target's server while it is read back",
                     may.text(0, 1)),
         fmt::format("GRANT UPDATE ON {} TO {}", plan_->target.qualified, may.text(0, 1)));
    return {};
  }

  Result<void> note_publications() {
    std::string sql = "SELECT quote_ident(p.pubname) FROM pg_publication p WHERE p.puballtables";
    if (target_.server_version() >= kFirstWithSchemaPublications) {
      sql +=
          " OR EXISTS (SELECT 1 FROM pg_publication_namespace s"
          " JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid AND n.nspname = $1)";
    } else {
      sql += " AND $1::text IS NOT NULL";
    }
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        target_.query(sql + " ORDER BY 1", {plan_->target.schema}));
    for (int row = 0; row < rows.size(); ++row) {
      note(Severity::warning, "published",
           fmt::format("publication {} publishes the new leaves at once: a subscriber without them "
                       "stops at the first row",
                       rows.text(row, 0)),
           "create the same tables at the subscribers first, or publish tables by name");
    }
    return {};
  }

  Result<void> note_locks() {
    const ServerFacts& facts = plan_->target_server;
    const CopyPlan& plan = *plan_;
    // Each leaf and each of its indexes; a new target's leaves will get the source's.
    PGFANOUT_TRY_ASSIGN(
        const Rows indexes,
        target_.query("SELECT count(*) FROM pg_index i WHERE i.indrelid = to_regclass($1)",
                      {plan.same_database && plan.target.is_new ? plan.source.qualified
                                                                : plan.target.qualified}));
    const auto leaves = static_cast<std::int64_t>(plan.target.leaves.size());
    const std::int64_t locks = locks_of_statement(leaves, indexes.integer(0, 0));
    const std::int64_t fitting = statements_at_once(facts, locks);
    const std::int64_t clients = facts.database.used;
    if (fitting >= std::max(kComfortableStatements, clients)) return {};
    const std::int64_t for_all = locks_setting(facts, locks, facts.max_connections);
    const std::int64_t for_now = locks_setting(facts, locks, clients);
    std::string now = " for as many clients as there are now, today's value will do";
    if (for_now > facts.max_locks()) {
      now = fmt::format(" {} would do for as many clients as there are now", for_now);
    }
    note(Severity::warning, "few-locks",
         fmt::format(
             "a statement that touches all {} leaves and their indexes takes about {} locks: "
             "today's max_locks_per_transaction ({}) has room for {} of them at once; {} "
             "sessions are in this database now, and the server allows {}",
             leaves, locks, facts.max_locks(), fitting, clients, facts.max_connections),
         fmt::format("name the key in queries, so that they touch one leaf; or set {}, for all {} "
                     "connections at once;{}",
                     setting_text(facts, for_all), facts.max_connections, now));
    return {};
  }

  void note_volatile_columns() {
    for (const StreamColumn& column : plan_->stream.columns) {
      if (!column.is_volatile) continue;
      const auto& keys = plan_->source.primary_key;
      const bool is_identity = contains(keys, column.target_column);
      // A column beside it may have the old value.
      const Column* old = plan_->source.find(column.target_column);
      const bool keeps_old = old != nullptr && std::ranges::any_of(job_.map, [&](const auto& each) {
                               return each.column != column.target_column &&
                                      (each.sql == old->name || each.sql == old->quoted);
                             });
      const bool is_lost = is_identity && !keeps_old;
      note(is_lost ? Severity::warning : Severity::info, "volatile-mapping",
           fmt::format("column {} gets a value of its own while copying: later comparisons "
                       "leave it out{}",
                       display_name(column.target_column),
                       is_identity ? ", and it is part of the rows' identity" : ""),
           is_lost ? fmt::format("--map legacy_{0}={0} keeps the old identity as well",
                                 column.target_column)
                   : "");
    }
  }

  void note(Severity severity, std::string code, std::string message, std::string hint = {}) {
    plan_->issues.push_back(
        {severity, std::move(code), std::move(message), plan_->target.qualified, std::move(hint)});
  }

  JobDescription job_;  ///< From settle_key() on with the key.
  Connection& source_;
  Connection& target_;
  const std::vector<std::uint32_t>& made_;
  BothServers servers_;                     // check_servers
  std::optional<CopyPlan> plan_;            // read_source
  std::optional<ExistingTarget> existing_;  // find_target, examine_existing
  ColumnPlan columns_;                      // plan_columns
  KeyCarriers carriers_;                    // plan_key
};

}  // namespace

RangeSelect source_select(const CopyStream& stream, const Table& source, const SourceRange& range) {
  const Leaf& leaf = source.leaves[range.leaf];
  RangeSelect select =
      select_of(stream, &StreamColumn::source_sql, stream.source_key, leaf.qualified, range);
  select.place = fmt::format("{}:{}", leaf.oid, range.first_block);
  return select;
}

RangeSelect target_select(const CopyStream& stream, const CopyTarget& target,
                          const SourceRange& range) {
  return select_of(stream, &StreamColumn::target_sql, stream.target_key,
                   target.leaves[range.leaf].qualified, range);
}

Result<CommitPlan> plan_commits(const JobDescription& job, std::uint64_t bytes,
                                std::uint64_t rows) {
  const bool sets_aside = job.reject_limit.rows > 0 || job.reject_limit.percent.value_or(0) > 0;
  PGFANOUT_TRY_ASSIGN(CommitPlan plan, choose(job, bytes, rows, sets_aside));
  plan.sets_aside = sets_aside;
  return plan;
}

std::uint64_t rows_to_set_aside(const RejectLimit& limit, std::uint64_t source_rows) {
  if (!limit.percent) return limit.rows;
  return static_cast<std::uint64_t>(*limit.percent / 100.0 * static_cast<double>(source_rows));
}

std::vector<SourceRange> cut_epochs(const std::vector<LeafSize>& leaves, std::size_t readers,
                                    const CommitPlan& commits) {
  if (commits.by_leaf) return cut_ranges_for(leaves, readers);
  // Several ranges a reader, so that readers end an epoch together.
  constexpr std::uint64_t kRangesAReader = 4;
  constexpr std::uint64_t kLargest = 32ULL << 20U;
  const std::uint64_t share =
      commits.epoch_bytes / (kRangesAReader * std::max<std::size_t>(1, readers));
  std::vector<SourceRange> ranges =
      cut_ranges(leaves, std::clamp<std::uint64_t>(share, 1, kLargest));
  std::uint32_t epoch = 1;
  std::uint64_t bytes = 0;
  for (SourceRange& range : ranges) {
    if (bytes >= commits.epoch_bytes) {
      ++epoch;
      bytes = 0;
    }
    range.epoch = epoch;
    bytes += range.estimated_bytes;
  }
  return ranges;
}

std::vector<SourceRange> ranges_of(const CopyPlan& plan) {
  return cut_epochs(plan.source.leaf_sizes(), plan.connections.readers, plan.commits);
}

Result<RelationName> target_name_of(const TableRequest& job, const Table& source) {
  if (job.into.empty()) return RelationName{source.schema, suffixed_name(source.name, "_new")};
  PGFANOUT_TRY_ASSIGN(RelationName name, parse_relation_name(job.into));
  if (name.schema.empty()) name.schema = source.schema;
  if (name.name.size() > kMaxNameBytes) {
    return refused("name-too-long",
                   fmt::format("the target's name has {} bytes; {} are possible", name.name.size(),
                               kMaxNameBytes),
                   "choose a shorter one", job.into);
  }
  return name;
}

Result<CopyPlan> make_copy_plan(const JobDescription& job, Connection& source, Connection& target,
                                const std::vector<std::uint32_t>& made) {
  return CopyPlanner(job, source, target, made).make();
}

}  // namespace pgfanout
