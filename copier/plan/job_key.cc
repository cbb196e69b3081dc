#include "copier/plan/job_key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/columns/mapping.h"
#include "copier/key/key_plan.h"
#include "copier/layout/known_key.h"
#include "copier/layout/layout.h"
#include "copier/layout/none.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

/// The names of the target's columns as the source has them: what is not renamed has the same one.
std::vector<std::string> names_at_source(const TableRequest& job, const Table& source,
                                         const Table& target) {
  std::vector<std::string> names;
  for (const Column& column : target.columns) {
    names.push_back(column.name);
    for (const ColumnMapping& mapping : job.map) {
      if (column_name_of(mapping.column, target.columns) != column.name) continue;
      const std::string origin = column_name_of(mapping.sql, source.columns);
      // A computed column is none of the source's: a key over it is not known there.
      names.back() = source.find(origin) != nullptr ? origin : std::string();
    }
  }
  return names;
}

std::optional<KeyExpression> compiled(const std::string& sql, const Table& source) {
  auto key = KeyExpression::compile(sql, key_columns_of(source));
  return key ? std::optional(*std::move(key)) : std::nullopt;
}

/// Whether type $1 has a default operator class of method $2: its own, that of a type with the same
/// bytes, or of its kind.
constexpr const char* kOperatorClassSql =
    "SELECT EXISTS (SELECT FROM pg_type t, pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod"
    " WHERE t.oid = $1::oid AND m.amname = $2 AND o.opcdefault AND (o.opcintype = t.oid"
    " OR o.opcintype = CASE WHEN t.typcategory = 'A' THEN 'anyarray'::regtype::oid ELSE CASE"
    " t.typtype WHEN 'e' THEN 'anyenum'::regtype::oid WHEN 'r' THEN 'anyrange'::regtype::oid"
    " WHEN 'm' THEN 'anymultirange'::regtype::oid WHEN 'c' THEN 'record'::regtype::oid END END"
    " OR EXISTS (SELECT FROM pg_cast c WHERE c.castsource = t.oid AND c.casttarget = o.opcintype"
    " AND c.castmethod = 'b' AND c.castcontext = 'i')))";

class KeySettlement {
 public:
  KeySettlement(const TableRequest& job, const Table& source, const Table* target,
                std::string_view recorded)
      : job_(job), source_(source), target_(target), recorded_(recorded) {}

  Result<void> read(Connection& source, Connection& target) {
    const std::string_view column =
        job_.key_column.empty() ? kDefaultKeyColumn : std::string_view(job_.key_column);
    PGFANOUT_TRY_ASSIGN(of_source_,
                        find_table_key(source, source_, column_name_of(column, source_.columns)));
    if (target_ == nullptr) return {};
    PGFANOUT_TRY_ASSIGN(of_target_,
                        find_table_key(target, *target_, column_name_of(column, target_->columns)));
    if (of_target_.known) {
      at_source_ = compiled(
          of_target_.known->expression.qualified_sql(names_at_source(job_, source_, *target_)),
          source_);
    }
    return {};
  }

  /// The key of a layout by plain columns: the target's, else that of a new one. Absent: the key
  /// decides about the layout.
  Result<std::optional<JobKey>> of_layout(Connection& source) {
    if (target_ != nullptr) {
      PGFANOUT_TRY(check_same_layout());
      PGFANOUT_TRY(read_partition_key());
    } else {
      key_.layout = job_.layout;
    }
    if (key_.layout.by.empty()) return std::optional<JobKey>();
    PGFANOUT_TRY(settle_layout(source));
    return std::optional(std::move(key_));
  }

  Result<JobKey> of_copy() {
    const auto read = target_ != nullptr ? layout_kind_of(*target_).key_count(*target_)
                                         : std::optional<std::uint32_t>();
    const KeyedLeaves usual = usual_leaves(read);
    key_.partitions = job_.partitions.value_or(usual.leaves);
    key_.mode = job_.key_mode.value_or(usual.mode);
    choose_column();
    if (!job_.key.empty()) {
      key_.sql = job_.key;
      key_.is_stated = true;
    } else if (at_source_) {
      take(at_source_->sql(), of_target_.known->origin);
    } else if (of_source_.known) {
      PGFANOUT_TRY(cut_anew());
    } else {
      doubt();
      TableRequest request = job_;
      request.partitions = key_.partitions;
      if (!of_source_.doubts.empty()) {
        const Issue& doubt = of_source_.doubts.front();
        return refused("no-key", doubt.message, doubt.hint, source_.qualified);
      }
      PGFANOUT_TRY_ASSIGN(key_.sql, key_sql_of(request, source_));
    }
    compare_with_source();
    compare_with_present_layout();
    return std::move(key_);
  }

  /// Of a target that exists and is not partitioned. Who asks for leaves or a key expects others.
  Result<JobKey> of_plain_target() {
    const bool asks_for_leaves =
        !job_.key.empty() || !job_.key_column.empty() || job_.partitions || job_.key_mode;
    if (job_.layout.by.empty() ? asks_for_leaves : &layout_kind_of(job_) != &no_layout()) {
      return refused(
          "not-partitioned",
          fmt::format("the target {} exists and is not partitioned", target_->qualified),
          "name a table that is partitioned, or a name that does not exist yet: then it is made; "
          "or copy into it as it is with --partition-by none, and without options of keys and "
          "leaves",
          target_->qualified);
    }
    if (job_.layout.by.empty()) {
      key_.issues.push_back(
          {Severity::info, "plain-target",
           fmt::format("the target {} exists and is not partitioned: it stays one plain table, and "
                       "gets all rows",
                       target_->qualified),
           target_->qualified,
           "for a partitioned one, name a table that is partitioned or does not exist yet"});
    }
    key_.layout.by = "none";
    take_plain_key();
    return std::move(key_);
  }

  Result<JobKey> of_comparison() {
    choose_column();
    const auto& job = of_target_.job;
    const bool is_own_job = job && job->source_oid == source_.oid && of_target_.doubts.empty();
    const bool has_no_key = &layout_kind_of(job_) == &no_layout() && job_.key == kKeyOfPlainTable;
    if (!job_.key.empty() && !has_no_key) {
      key_.sql = job_.key;
      key_.is_stated = true;
    } else if (is_own_job && compiled(job->key, source_)) {
      key_.sql = job->key;
      key_.is_stated = true;
    } else if (at_source_) {
      take(at_source_->sql(), of_target_.known->origin);
    } else if (of_source_.known && target_->strategy != 'l' &&
               target_->find(key_.column) == nullptr) {
      // The target has no key: the source's own is checked.
      take(of_source_.known->expression.sql(), of_source_.known->origin);
    } else if (auto read = read_partition_key(); !read) {
      key_.sql.clear();  // The server's bounds alone say which leaf takes a row.
      key_.layout = {};
    }
    if (!key_.is_stated) doubt();
    if (target_->strategy != 0 && is_partition_key(key_.sql)) {
      // No column stores it.
      key_.column.clear();
      key_.layout.by = target_->partition_key;
    }
    compare_with_source();
    return std::move(key_);
  }

 private:
  /// Of a resumed job: "0" is that of a plain table.
  static bool is_partition_key(const std::string& text) {
    const auto key = parse_partition_key(text);
    return (key && *key) || text == kKeyOfPlainTable;
  }

  /// A target that exists keeps its layout.
  Result<void> check_same_layout() const {
    if (job_.layout.by.empty() || job_.layout.by == target_->partition_key) return {};
    const std::vector<std::string> names = names_at_source(job_, source_, *target_);
    std::vector<std::string> columns;
    for (std::size_t at = 0; at < names.size(); ++at) {
      if (contains(target_->partition_columns, target_->columns[at].name))
        columns.push_back(names[at]);
    }
    const auto by = parse_partition_by(job_.layout.by);
    const bool is_same = by && by->strategy == target_->strategy &&
                         (by->columns == target_->partition_columns || by->columns == columns);
    if (is_same) return {};
    return refused("layout-differs",
                   fmt::format("the target {} exists and is partitioned by {}, not by {}",
                               target_->qualified, target_->partition_key, job_.layout.by),
                   "leave --partition-by out to fill the target as it is, or name another target "
                   "with --into",
                   target_->qualified);
  }

  /// Columns of types that the strategy can decide about.
  Result<void> check_column_types(Connection& source) const {
    PGFANOUT_TRY_ASSIGN(const PartitionBy by, parse_partition_by(job_.layout.by));
    const bool hashes = by.strategy == 'h';
    for (const std::string& name : by.columns) {
      const Column* column = source_.find(name);
      if (column == nullptr) continue;  // settle() says so.
      const auto refuse = [&](std::string_view reason) {
        return refused("partition-column",
                       fmt::format("column {} cannot decide about leaves by {}: {}", column->quoted,
                                   hashes               ? "HASH"
                                   : by.strategy == 'r' ? "RANGE"
                                                        : "LIST",
                                   reason),
                       "name another column, or use --key with an expression over it",
                       source_.qualified);
      };
      if (by.strategy == 'l' && column->element_type_oid != 0) {
        return refuse("its values are arrays");
      }
      if (!column->is_deterministic) {
        return refuse(fmt::format("its collation {} is nondeterministic", column->collation));
      }
      PGFANOUT_TRY_ASSIGN(const Rows known,
                          source.query(kOperatorClassSql, {std::to_string(column->base_type_oid),
                                                           hashes ? "hash" : "btree"}));
      if (known.boolean(0, 0)) continue;
      return refuse(fmt::format("its type {} has no {}", column->type_sql,
                                hashes ? "hash function" : "order"));
    }
    return {};
  }

  /// Of a target that is partitioned by plain columns: its bounds state the key.
  Result<void> read_partition_key() {
    if (target_->strategy == 0) return {};
    PGFANOUT_TRY_ASSIGN(const std::string text, layout_kind_of(*target_).key_of(*target_));
    if (text.empty()) return {};
    if (!job_.key.empty() && !is_partition_key(job_.key)) {
      return refused("key-and-layout",
                     fmt::format("the target {} is partitioned by {}: a key has no say in it",
                                 target_->qualified, target_->partition_key),
                     "leave --key out", target_->qualified);
    }
    PGFANOUT_TRY_ASSIGN(std::optional<PartitionKey> key, parse_partition_key(text));
    const std::vector<std::string> names = names_at_source(job_, source_, *target_);
    for (std::string& column : key->columns) {
      const std::string& at_source =
          names[static_cast<std::size_t>(target_->find(column) - target_->columns.data())];
      if (at_source.empty()) {
        return refused(
            "key-column-changed",
            fmt::format("{} is partitioned by {}, which gets no column of the source as "
                        "it is: a row's leaf could not be checked afterwards",
                        target_->qualified, display_name(column)),
            "copy a column into it as it is, also from another name: --map TARGET=SOURCE",
            target_->qualified);
      }
      column = at_source;
    }
    key_.layout.by = target_->partition_key;
    key_.sql = text_of(*key);
    return {};
  }

  /// Of a layout by plain columns. A job that is resumed, or recorded, has its key already.
  Result<void> settle_layout(Connection& source) {
    key_.is_stated = true;
    // No column stores it, whatever a job's record says.
    key_.column.clear();
    if (target_ == nullptr && &layout_kind_of(job_) == &no_layout()) {
      take_plain_key();
      return {};
    }
    key_.partitions = job_.partitions.value_or(kDefaultPartitions);
    if (key_.sql.empty() && !job_.key.empty() && !is_partition_key(job_.key)) {
      return refused("key-and-layout", "--partition-by and --key exclude each other",
                     "leave one of them out", source_.qualified);
    }
    if (key_.sql.empty()) key_.sql = job_.key.empty() ? recorded_ : job_.key;
    if (!key_.sql.empty()) {
      PGFANOUT_TRY_ASSIGN(const auto known, parse_partition_key(key_.sql));
      if (known && target_ == nullptr && !job_.partitions) {
        key_.partitions = settled_layout(*known, job_.layout).partitions;
      }
      return {};
    }
    PGFANOUT_TRY(check_column_types(source));
    PGFANOUT_TRY_ASSIGN(SettledLayout settled, layout_kind_of(job_).settle(job_, source, source_));
    key_.sql = std::move(settled.key);
    key_.partitions = settled.partitions;
    append(key_.issues, settled.issues);
    return {};
  }

  void take_plain_key() {
    key_.sql = kKeyOfPlainTable;
    key_.partitions = 1;
    key_.is_stated = true;
  }

  [[nodiscard]] static std::optional<KeyedLeaves> layout_of(const TableKey& key) {
    return key.known ? key.known->layout : std::nullopt;
  }

  /// Of a copy that says nothing: what a target has that exists, else what a converted source has.
  /// `count`: the keys that the target's leaves take.
  [[nodiscard]] KeyedLeaves usual_leaves(std::optional<std::uint32_t> count) const {
    KeyedLeaves usual = layout_of(target_ != nullptr ? of_target_ : of_source_)
                            .value_or(KeyedLeaves{kDefaultPartitions, KeyMode::check});
    if (target_ != nullptr) usual.leaves = count.value_or(kDefaultPartitions);
    return usual;
  }

  void choose_column() {
    const auto column_of = [](const TableKey& key) {
      return key.known ? key.known->column : std::optional<std::string>();
    };
    const auto own = column_of(of_source_);
    key_.column = job_.key_column;
    if (!key_.column.empty()) return;
    if (const auto known = column_of(of_target_)) key_.column = *known;
    const bool may_be_named_so = target_ == nullptr || (own && target_->find(*own) != nullptr);
    if (key_.column.empty() && own && may_be_named_so) key_.column = *own;
    if (key_.column.empty() && of_target_.job) {
      key_.column = of_target_.job->key_column.value_or("");
    }
    if (key_.column.empty()) key_.column = kDefaultKeyColumn;
    // A stored key that the target has under another name, or not at all.
    if (own && *own != key_.column && target_ != nullptr && target_->find(*own) == nullptr) {
      key_.skip.push_back(quoted_name(*own));
    }
  }

  void take(std::string sql, const std::string& origin) {
    key_.sql = std::move(sql);
    key_.issues.push_back(
        {Severity::info, "key-known",
         fmt::format("no --key is given; the key is known from the {}: {}", origin, key_.sql),
         target_ != nullptr ? target_->qualified : source_.qualified});
  }

  /// The source's own key for another number of leaves.
  Result<void> cut_anew() {
    const KnownKey& known = *of_source_.known;
    const auto modulus = known.expression.modulus();
    if (modulus == key_.partitions || (known.layout && known.layout->leaves == key_.partitions)) {
      take(known.expression.sql(), known.origin);
      return {};
    }
    if (!modulus) {
      return refused(
          "no-key",
          fmt::format("the key of {} is {}, known from the {}; it has no form ... % N "
                      "that could be changed to {} leaves",
                      source_.qualified, known.expression.sql(), known.origin, key_.partitions),
          "say what the new key is: --key 'EXPRESSION'", source_.qualified);
    }
    take(known.expression.with_modulus(key_.partitions, parts_of(source_.columns, &Column::name)),
         known.origin);
    return {};
  }

  void doubt() {
    for (const TableKey* of : {&of_source_, &of_target_}) {
      append(key_.issues, of->doubts);
    }
  }

  /// Whether a stored key of the source is to be the job's key as well.
  void compare_with_source() {
    if (!of_source_.known || of_source_.known->column != key_.column) return;
    const auto key = compiled(key_.sql, source_);
    if (!key || key->computes_same_as(of_source_.known->expression)) return;
    const auto& used = key->used_columns();
    const auto stored = [&](std::size_t at) { return source_.columns[at].name == key_.column; };
    if (std::ranges::any_of(used, stored)) return;
    key_.replaces_other_key = true;
    key_.issues.push_back(
        {Severity::info, "key-replaced",
         fmt::format("column {} of the source stores its own key, {}, known from the {}: it is not "
                     "compared with the job's",
                     display_name(key_.column), of_source_.known->expression.sql(),
                     of_source_.known->origin),
         source_.qualified});
  }

  /// Changes that a new target makes to a source that is laid out by a key already.
  void compare_with_present_layout() {
    const auto present = layout_of(of_source_);
    if (!present || target_ != nullptr) return;
    const KnownKey& known = *of_source_.known;
    const auto key = compiled(key_.sql, source_);
    const std::vector<std::string> names = parts_of(source_.columns, &Column::name);
    const auto recut =
        known.expression.modulus()
            ? compiled(known.expression.with_modulus(key_.partitions, names), source_)
            : std::nullopt;
    std::vector<std::string> changes;
    const auto change = [&](bool differs, std::string_view what, const auto& from, const auto& to) {
      if (differs) changes.push_back(fmt::format("{} from {} to {}", what, from, to));
    };
    change(present->leaves != key_.partitions, "leaves", present->leaves, key_.partitions);
    change(present->mode != key_.mode, "key mode", key_mode_name(present->mode),
           key_mode_name(*key_.mode));
    const bool is_same = key && key->computes_same_as(known.expression);
    const bool is_recut = key && recut && key->computes_same_as(*recut);
    change(!is_same && !is_recut, "key", known.expression.sql(), key_.sql);
    // Without a column there is no name to change.
    const bool stores = key_.mode != KeyMode::expression && known.column;
    change(stores && known.column != key_.column, "key column",
           display_name(known.column.value_or("")), display_name(key_.column));
    key_.is_present = changes.empty() && is_same;
    const std::string layout =
        fmt::format("{} is laid out by a key already ({}, {}, key mode {})", source_.qualified,
                    known.expression.sql(), counted(present->leaves, "leaf", "leaves"),
                    key_mode_name(present->mode));
    key_.issues.insert(
        key_.issues.begin(),
        {Severity::info, "present-layout",
         changes.empty() ? layout
                         : fmt::format("{}; the job changes: {}", layout, fmt::join(changes, ", ")),
         source_.qualified});
  }

  const TableRequest& job_;
  const Table& source_;
  const Table* target_;
  const std::string_view recorded_;
  TableKey of_source_;
  TableKey of_target_;
  std::optional<KeyExpression> at_source_;  ///< The target's known key.
  JobKey key_;
};

}  // namespace

Result<JobKey> key_of_copy(const TableRequest& job, Connection& source_connection,
                           const Table& source, Connection& target_connection, const Table* target,
                           std::string_view recorded) {
  KeySettlement settlement(job, source, target, recorded);
  if (target != nullptr && target->strategy == 0) return settlement.of_plain_target();
  PGFANOUT_TRY_ASSIGN(auto key, settlement.of_layout(source_connection));
  if (key) return *std::move(key);
  PGFANOUT_TRY(settlement.read(source_connection, target_connection));
  return settlement.of_copy();
}

Result<JobKey> key_of_comparison(const TableRequest& tables, Connection& source_connection,
                                 const Table& source, Connection& target_connection,
                                 const Table& target) {
  KeySettlement settlement(tables, source, &target, {});
  PGFANOUT_TRY(settlement.read(source_connection, target_connection));
  return settlement.of_comparison();
}

}  // namespace pgfanout
