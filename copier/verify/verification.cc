#include "copier/verify/verification.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>

#include "copier/base/byte_order.h"
#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/catalog/index_definition.h"
#include "copier/catalog/relation_name.h"
#include "copier/journal/journal.h"
#include "copier/journal/reject_table.h"
#include "copier/key/key_proof.h"
#include "copier/layout/bound_name.h"
#include "copier/pg/transaction.h"
#include "copier/queries/rule_checks.h"
#include "copier/schema/schema_comparison.h"
#include "copier/schema/schema_inventory.h"
#include "copier/session/job_connections.h"
#include "copier/session/job_guard.h"
#include "copier/session/reporting_job.h"
#include "copier/verify/criteria.h"
#include "copier/verify/difference_finder.h"
#include "copier/verify/hashed_sides.h"
#include "copier/verify/repair.h"
#include "copier/verify/table_checks.h"
#include "copier/verify/verify_findings.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

/// Larger sides are not counted: their statistics answer.
constexpr std::uint64_t kCountedBytes = 2ULL << 30U;
constexpr std::size_t kSampledPages = 40;
constexpr std::size_t kRowsAPage = 25;

/// Some rows of some pages of some leaves.
Result<std::vector<RowAddress>> sample(Connection& connection, const Table& table) {
  std::mt19937_64 random(1);
  std::vector<RowAddress> addresses;
  if (sum_of(table.leaves, &Leaf::blocks) == 0) return addresses;
  const auto weights =
      parts_of(table.leaves, [](const Leaf& leaf) { return static_cast<double>(leaf.blocks); });
  std::discrete_distribution<std::uint32_t> any_leaf(weights.begin(), weights.end());
  std::vector<std::pair<std::uint32_t, std::uint64_t>> pages;
  for (std::size_t at = 0; at < kSampledPages; ++at) {
    const std::uint32_t leaf = any_leaf(random);
    pages.emplace_back(leaf, random() % table.leaves[leaf].blocks);
  }
  sort_unique(pages);
  for (const auto& [leaf, page] : pages) {
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        connection.query(fmt::format("SELECT ctid FROM ONLY {} WHERE ctid >= '({},0)'::"
                                     "tid AND ctid < '({},0)'::tid LIMIT {}",
                                     table.leaves[leaf].qualified, page, page + 1, kRowsAPage)));
    for (int row = 0; row < rows.size(); ++row) addresses.push_back({leaf, rows.str(row, 0)});
  }
  return addresses;
}

/// Absent if the identity has a NULL: then no row of the other side can have it.
std::optional<std::string> identity_bytes(const VerifyPlan& plan, const RowValues& row) {
  std::string bytes;
  for (std::size_t at = 0; at < plan.identity_columns; ++at) {
    if (!row.values[at]) return std::nullopt;
    const std::string& value = *row.values[at];
    std::uint8_t length[4];
    store_be32(length, static_cast<std::uint32_t>(value.size()));
    bytes.append(reinterpret_cast<const char*>(length), sizeof length);
    bytes += value;
  }
  return bytes;
}

/// The target stores the key that picks the leaf, this process computes it from columns that are
/// compared, and a leaf's primary key finds a row.
bool has_keys_that_lead_to_rows(const VerifyPlan& plan) {
  const auto& primary_key = plan.target.primary_key;
  const auto& inputs = plan.target_layout.key_fields;
  return plan.layout && plan.target_key_column &&
         std::ranges::all_of(inputs, [&](auto field) { return field < plan.columns.size(); }) &&
         std::all_of(plan.columns.begin(),
                     plan.columns.begin() + static_cast<std::ptrdiff_t>(plan.identity_columns),
                     [&](const auto& column) { return contains(primary_key, column.name); });
}

/// The keys of rows as their side's server would compute them.
std::vector<KeyOutcome> keys_of(const VerifyPlan& plan, const std::vector<RowValues>& rows) {
  std::vector<ProbeRow> inputs(rows.size());
  for (std::size_t at = 0; at < rows.size(); ++at) {
    for (const std::size_t field : plan.target_layout.key_fields) {
      inputs[at].push_back(rows[at].values[field]);
    }
  }
  return evaluate_rows(plan.key, inputs);
}

/// The rows of a side that have the identity of one of `rows`, which are of the other side;
/// `by_key` as locate() has it. Absent if it takes too long, or if the server cannot compare such
/// values.
Result<std::optional<std::vector<RowAddress>>> locate_in_time(const VerifyPlan& plan,
                                                              const std::vector<RowValues>& rows,
                                                              RowFetcher& side,
                                                              Connection& connection,
                                                              bool by_key = false) {
  const auto keys = by_key ? keys_of(plan, rows) : std::vector<KeyOutcome>(rows.size());
  std::vector<std::string> identities;
  for (std::size_t at = 0; at < rows.size(); ++at) {
    auto identity = identity_bytes(plan, rows[at]);
    if (!identity || keys[at].state != KeyState::ok) continue;
    if (by_key) {
      std::uint8_t key[12];
      store_be32(key, 8);
      store_be64(key + 4, static_cast<std::uint64_t>(keys[at].key));
      identity->append(reinterpret_cast<const char*>(key), sizeof key);
    }
    identities.push_back(std::move(*identity));
  }
  PGFANOUT_TRY(connection.run("SAVEPOINT pgfanout_sample; SET LOCAL statement_timeout = '10s'"));
  // The planner takes each row to be looked up in all leaves.
  if (by_key) {
    PGFANOUT_TRY(
        connection.run("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"));
  }
  auto found = side.locate(identities, by_key);
  if (!found) {
    const std::string& state = found.error().sqlstate;
    const bool is_of_types =
        state.starts_with("42") || state.starts_with("22") || state.starts_with("0A");
    if (state != "57014" && !is_of_types) return std::move(found).error();
  }
  PGFANOUT_TRY(
      connection.run("ROLLBACK TO SAVEPOINT pgfanout_sample; RELEASE SAVEPOINT pgfanout_sample"));
  return found ? std::optional(std::move(*found)) : std::nullopt;
}

/// The rows that were set aside and are still where they were, without a row of their identity in
/// the target, as far as that can be found out in time. Sorted.
Result<std::vector<RowAddress>> find_set_aside(const VerifyPlan& plan, Connection& source,
                                               Connection& target,
                                               const std::vector<SetAsideRow>& set_aside,
                                               const Cancellation& cancellation) {
  RowFetcher own(plan, Side::source, source, cancellation);
  RowFetcher other(plan, Side::target, target, cancellation);
  const auto& leaves = plan.source.leaves;
  std::vector<RowAddress> places;
  std::vector<std::string> digests;
  for (const SetAsideRow& row : set_aside) {
    // A table without partitions may be named otherwise since.
    const auto leaf = std::ranges::find_if(
        leaves, [&](const Leaf& each) { return leaves.size() == 1 || each.qualified == row.leaf; });
    if (leaf == leaves.end() || row.ctid.empty()) continue;
    places.push_back({static_cast<std::uint32_t>(leaf - leaves.begin()), row.ctid});
    digests.push_back(row.digest);
  }
  PGFANOUT_TRY_ASSIGN(const auto now, own.fetch_digests(places));
  std::vector<RowAddress> there;
  for (std::size_t at = 0; at < places.size(); ++at) {
    if (now[at] == digests[at]) there.push_back(places[at]);
  }
  sort_unique(there);
  if (plan.identity == IdentityKind::row || there.empty()) return there;
  PGFANOUT_TRY_ASSIGN(const auto rows, own.fetch_values(there));
  PGFANOUT_TRY_ASSIGN(const auto found, locate_in_time(plan, rows, other, target));
  if (!found) return there;
  PGFANOUT_TRY_ASSIGN(const auto inserted, other.fetch(*found));
  std::set<RowDigest> identities;
  for (const FetchedRow& row : inserted) identities.insert(row.name.identity);
  std::vector<RowAddress> left;
  for (std::size_t at = 0; at < there.size(); ++at) {
    if (!identities.contains(rows[at].name.identity)) left.push_back(there[at]);
  }
  return left;
}

/// Looks up a sample of side `from` on the other one. `set_aside`: rows that need not be there,
/// sorted.
Result<void> compare_sample(const VerifyPlan& plan, Side from, Connection& here, Connection& there,
                            const std::vector<RowAddress>& set_aside,
                            const Cancellation& cancellation, const IssueSink& report) {
  const Side to = from == Side::source ? Side::target : Side::source;
  RowFetcher own(plan, from, here, cancellation);
  RowFetcher other(plan, to, there, cancellation);
  PGFANOUT_TRY_ASSIGN(auto addresses, sample(here, table_of(plan, from)));
  std::erase_if(addresses, [&](const RowAddress& address) {
    return std::binary_search(set_aside.begin(), set_aside.end(), address);
  });
  PGFANOUT_TRY_ASSIGN(auto lost, own.fetch_values(addresses));
  const std::size_t sampled = lost.size();
  const bool is_by_key = to == Side::target && has_keys_that_lead_to_rows(plan);
  // In the leaf of their keys, then the others in all leaves.
  for (bool by_key = is_by_key; !lost.empty(); by_key = false) {
    PGFANOUT_TRY_ASSIGN(const auto found, locate_in_time(plan, lost, other, there, by_key));
    if (!found && !by_key) {
      report(
          {Severity::info, "no-sample",
           "no sample was compared: without an index on the key, finding its rows takes too long, "
           "or the server cannot look such values up (arrays, composite types)",
           table_of(plan, to).qualified, "create the primary key first, or use --data"});
      return {};
    }
    PGFANOUT_TRY_ASSIGN(const auto fetched, other.fetch(found.value_or(std::vector<RowAddress>())));
    std::erase_if(
        lost, [&](const RowValues& row) { return contains(fetched, row.name, &FetchedRow::name); });
    if (!by_key) break;
  }
  if (sampled == 0) return {};
  report(sample_issue(lost.size(), sampled, from, table_of(plan, from)));
  return {};
}

/// Rows of a side, leaf by leaf: counted, or where counting would take long, estimated from
/// statistics.
struct RowCount {
  std::uint64_t rows = 0;
  bool is_exact = true;
  std::vector<std::uint64_t> leaves;
};
Result<RowCount> count_rows(Connection& connection, const Table& table) {
  RowCount count;
  count.is_exact = sum_of(table.leaves, &Leaf::total_bytes) <= kCountedBytes;
  for (const Leaf& leaf : table.leaves) {
    const std::string sql =
        count.is_exact
            ? fmt::format("SELECT count(*) FROM ONLY {}", leaf.qualified)
            : fmt::format("SELECT greatest(reltuples, 0)::int8 FROM pg_class WHERE oid = {}",
                          leaf.oid);
    PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(sql));
    count.leaves.push_back(static_cast<std::uint64_t>(row.integer(0, 0)));
    count.rows += count.leaves.back();
  }
  return count;
}

/// Reports how a sample of each side compares with the other. `set_aside`: rows of the source that
/// need not be in the target, sorted.
Result<void> compare_samples(const VerifyPlan& plan, Connection& source, Connection& target,
                             const std::vector<RowAddress>& set_aside,
                             const Cancellation& cancellation, const IssueSink& report) {
  if (plan.identity == IdentityKind::row) {
    report({Severity::info, "no-sample", "no sample was compared: the tables share no primary key",
            plan.target.qualified, "--data compares all rows"});
    return {};
  }
  PGFANOUT_TRY(compare_sample(plan, Side::source, source, target, set_aside, cancellation, report));
  return compare_sample(plan, Side::target, target, source, {}, cancellation, report);
}

/// One verification from beginning to end. A member is set by the stage named in its comment.
class Verification : ReportingJob {
 public:
  Verification(const VerifyInput& input, Observer& observer, const Cancellation& cancellation,
               JobCounters& counters, const Pace& pace)
      : ReportingJob("verify", observer),
        input_(input),
        cancellation_(cancellation),
        counters_(counters),
        pace_(pace),
        sides_(input, cancellation, pace) {
    result_.job = input.job_id;
  }

  JobResult run() {
    if (auto ended = run_stages(); !ended) result_.error = std::move(ended).error();
    settle();
    return std::move(result_);
  }
  [[nodiscard]] bool was_repaired() const { return was_repaired_; }

 private:
  Result<void> run_stages() {
    PGFANOUT_TRY(clock_.run("preflight", [this] { return preflight(); }));
    if (wants(VerifyScope::schema)) PGFANOUT_TRY(clock_.run("schema", [this] { return schema(); }));
    if (scope_ == VerifyScope::quick) {
      PGFANOUT_TRY(clock_.run("quick", [this] { return quick(); }));
    }
    if (wants(VerifyScope::data)) {
      PGFANOUT_TRY(clock_.run("data", [this] { return data(); }));
      if (!books_->is_equal() || books_->misplaced_count() > 0) {
        PGFANOUT_TRY(clock_.run("name", [this] { return name(); }));
      }
      PGFANOUT_TRY(clock_.run("checks", [this] { return checks(); }));
    }
    is_proven_ = true;
    if (input_.use_differences && found_) {
      PGFANOUT_TRY(clock_.run("use", [this] { return input_.use_differences(*plan_, *found_); }));
    }
    if (input_.request.repair && verified_.differences && verified_.differences->total() > 0) {
      PGFANOUT_TRY(clock_.run("repair", [this] { return repair(); }));
    }
    return {};
  }

  Result<void> preflight() {
    if (input_.request.repair && input_.rows.assume_quiet) {
      return refused("repair-unlocked", "a repair needs the source locked against writes",
                     "leave --assume-quiet out");
    }
    PGFANOUT_TRY(sides_.open(plan_));
    for (const Issue& issue : plan_->issues) report(issue);
    if (plan_->has_key && scope_ != VerifyScope::schema) {
      PGFANOUT_TRY(prove_key(sides_.connection(Side::source), plan_->source, plan_->key));
    }
    result_.source = {plan_->source.qualified, 0, {}, sides_.version(Side::source)};
    result_.target = {plan_->target.qualified, 0, {}, sides_.version(Side::target)};
    verified_.readers = 2 * plan_->readers;
    begin_counting();  // A window's copy has counted here before.
    counters_.bytes_expected = sides_.bytes();
    if (!input_.is_in_window) {
      counters_.leaves.open(parts_of(plan_->target.leaves, &Leaf::qualified));
    }
    return {};
  }

  Result<void> schema() {
    PGFANOUT_TRY_ASSIGN(auto source,
                        read_schema_inventory(sides_.connection(Side::source), plan_->source));
    for (SchemaObject& object : source) {
      const auto name = parse_relation_name(object.detail);
      const bool is_key = object.kind == "constraint" && name;
      if (is_key && input_.unvalidated.contains(display_name(name->name))) object.is_valid = false;
    }
    PGFANOUT_TRY_ASSIGN(const auto target,
                        read_schema_inventory(sides_.connection(Side::target), plan_->target));
    ExpectedDifferences context;
    const Table& table = plan_->target;
    context.target = table.qualified;
    context.target_schema = table.schema;
    context.target_name = table.name;
    context.partition_columns = table.partition_columns;
    if (table.strategy != 0) context.leaves = parts_of(table.leaves, &Leaf::qualified);
    context.is_same_database = plan_->same_database;
    context.key_column = plan_->key_column.value_or("");
    for (const std::size_t index : plan_->key.used_columns()) {
      context.key_inputs.insert(plan_->source.columns[index].name);
    }
    for (const std::string& column : input_.tables.skip) context.skipped_columns.insert(column);
    for (const ColumnMapping& mapping : input_.tables.map)
      context.mapped_columns.insert(mapping.column);
    const TargetRequest& wish = input_.tables.target;
    for (const TargetColumn& column : wish.columns) context.requested.insert(column.name);
    for (const TargetSequence& each : wish.sequences) context.requested.insert(each.owned_by);
    for (const std::string& written : wish.indexes) {
      const auto index = parse_index_definition(written);
      if (!index) continue;
      context.requested.insert(index->name);
      context.requested.insert(suffixed_name(index->name, "_new"));  // Until the swap.
    }
    SchemaComparison compared = compare_schemas(source, target, context);
    verified_.schema = std::move(compared.rows);
    for (const SchemaCount& count : count_by_kind(verified_.schema)) {
      book_.ran(Criterion::schema,
                fmt::format("{} on the source, {} on the target", count.source, count.target),
                count.kind);
    }
    for (const SchemaFinding& gap : verified_.schema) {
      if (gap.gap == "none" || gap.severity == Severity::info) continue;
      std::string code = "schema-" + gap.gap;
      std::ranges::replace(code, ' ', '-');
      found(Criterion::schema,
            {gap.severity, std::move(code), fmt::format("{} {}: {}", gap.kind, gap.name, gap.gap),
             plan_->target.qualified, gap.impact},
            gap.kind);
    }
    verified_.deployment_order = std::move(compared.deployment_order);
    return {};
  }

  Result<void> quick() {
    Connection& source = sides_.connection(Side::source);
    Connection& target = sides_.connection(Side::target);
    PGFANOUT_TRY(check_states(source, target));
    PGFANOUT_TRY(judge_sequences(source, target, std::chrono::seconds(5)));
    PGFANOUT_TRY_ASSIGN(const SetAside rejects, read_rejects());
    PGFANOUT_TRY_ASSIGN(const auto set_aside,
                        find_set_aside(*plan_, source, target, rejects.rows, cancellation_));
    PGFANOUT_TRY_ASSIGN(const RowCount of_source, count_rows(source, plan_->source));
    PGFANOUT_TRY_ASSIGN(const RowCount of_target, count_rows(target, plan_->target));
    result_.source->rows = of_source.rows;
    result_.target->rows = of_target.rows;
    for (std::size_t at = 0; at < of_target.leaves.size(); ++at) {
      verified_.partitions.push_back(
          {std::nullopt, plan_->target.leaves[at].qualified, of_target.leaves[at], {}, 0});
    }
    verified_.skew = skew_of(verified_.partitions);
    const RowCounts counts{of_source.rows, of_target.rows, set_aside.size(),
                           of_source.is_exact && of_target.is_exact};
    if (auto doubt = doubt_of(counts, rejects, plan_->target)) return *std::move(doubt);
    if (auto issue = issue_of(counts, plan_->target)) {
      found(Criterion::row_counts, *std::move(issue));
    }
    if (counts.is_exact) {
      book_.ran(Criterion::row_counts, counts_text(counts.source, counts.target, counts.set_aside));
    } else {
      book_.not_checked(Criterion::row_counts, "a side is too large to be counted in seconds");
    }
    judge_skew(of_target.is_exact);
    PGFANOUT_TRY(judge_samples(source, target, set_aside));
    PGFANOUT_TRY(judge_rules());
    report({Severity::info, "quick",
            "only a sample of rows was compared; this proves nothing about the others",
            plan_->target.qualified, "--data reads them all"});
    return {};
  }

  Result<void> data() {
    PGFANOUT_TRY(hash());
    if (!hashes_) PGFANOUT_TRY(stream(begin_books(books_), own_board()));
    fill_result(*books_);
    if (books_->is_equal() && books_->misplaced_count() == 0) {
      counters_.leaves.set_all(LeafState::verified);
    }
    return {};
  }

  /// Has the servers hash the rows, where they can and nobody forbids it: then `hashes_` is there.
  Result<void> hash() {
    if (input_.request.stream) return {};
    PGFANOUT_TRY_ASSIGN(std::string why, plan_hashes(*plan_, sides_.connection(Side::source),
                                                     sides_.connection(Side::target)));
    if (why.empty()) {
      hashes_.emplace(*plan_, begin_books(books_));
      auto hashed = hash_sides({*plan_, sides_, *books_, *hashes_, counters_, pace_, own_board()},
                               cancellation_);
      if (hashed) return {};
      // The stream knows which row it is, and has more memory for it.
      if (!may_be_about_a_row(hashed.error())) return hashed;
      why = hashed.error().message;
      hashes_.reset();
      begin_counting();
    }
    report(
        {Severity::info, "not-hashed",
         "rows are streamed and compared by the client, since the servers cannot hash them: " + why,
         plan_->target.qualified});
    return {};
  }

  Comparison& begin_books(std::optional<Comparison>& books) const {
    return books.emplace(group_count(*plan_), plan_->source.leaves.size(),
                         plan_->target.leaves.size(), input_.request.max_differences);
  }

  void begin_counting() {
    counters_.rows_read = 0;
    counters_.bytes_read = 0;
    counters_.rows_read_back = 0;
    counters_.bytes_read_back = 0;
  }

  /// For rows of the target that are read; null within a window, where it shows what was copied.
  LeafBoard* own_board() {
    if (input_.is_in_window) return nullptr;
    LeafBoard& board = counters_.leaves;
    for (std::size_t leaf = 0; leaf < board.size(); ++leaf) board.set_rows(leaf, 0);
    board.set_all(LeafState::committed);
    return &board;
  }

  Result<void> stream(Comparison& books, LeafBoard* board) {
    PGFANOUT_TRY_ASSIGN(BothSides streams, sides_.streams(*plan_));
    streams.leaves = board;
    // A changed row is two elements.
    PGFANOUT_TRY_ASSIGN(
        sketch_, run_comparison(std::move(streams), 2 * std::size_t{input_.request.max_differences},
                                books, counters_, cancellation_));
    return {};
  }

  /// Streams what the hashes leave open: from here on the sides are that part of them.
  Result<void> stream_suspects() {
    const SuspectRows suspects = hashes_->suspects();
    plan_->source_row.only = suspects.source_only;
    plan_->target_row.only = suspects.target_only;
    sides_.keep_target_leaves(suspects.target_leaves);
    PGFANOUT_TRY(stream(begin_books(streamed_), nullptr));
    RowComparison& comparison = verified_.comparison;
    comparison.leaves_streamed =
        static_cast<std::uint64_t>(std::ranges::count(suspects.target_leaves, true));
    comparison.rows_streamed =
        streamed_->total(Side::source).rows() + streamed_->total(Side::target).rows();
    return {};
  }

  Result<SetAside> read_rejects() {
    PGFANOUT_TRY_ASSIGN(const SetAside rejects, read_set_aside(sides_.connection(Side::target),
                                                               plan_->target, plan_->source.oid));
    if (rejects.of_others > 0) {
      report({Severity::info, "rejects-of-others",
              counted(rejects.of_others, "row was", "rows were") +
                  " set aside by other jobs than the last one from this source into this target, "
                  "and may not be missing now",
              plan_->target.schema + "." + reject_table_name(plan_->target.name)});
    }
    return rejects;
  }

  Result<void> name() {
    if (hashes_) PGFANOUT_TRY(stream_suspects());
    const Comparison& books = streamed_ ? *streamed_ : *books_;
    if (books.is_equal() && books.misplaced_count() == 0) {
      report({Severity::info, "hashes-differ",
              "the servers' hashes differ, but each byte of the rows is the same",
              plan_->target.qualified, "--stream compares without hashes"});
      counters_.leaves.set_all(LeafState::verified);
      return {};
    }
    PGFANOUT_TRY_ASSIGN(const SetAside rejects, read_rejects());
    SetAsideDigests set_aside;
    for (const SetAsideRow& row : rejects.rows) ++set_aside[row.digest];
    PGFANOUT_TRY_ASSIGN(
        found_, find_differences(*plan_, sides_, *std::exchange(sketch_, std::nullopt), books,
                                 std::move(set_aside), input_.request.max_differences,
                                 input_.rows.memory_bytes, counters_, cancellation_));
    if (!found_->is_complete) {
      report(
          {Severity::info, "many-differences",
           fmt::format("more rows differ than --max-differences {} lets one pass name: the leaves "
                       "that differ were read again",
                       input_.request.max_differences),
           plan_->target.qualified});
    }
    verified_.differences = found_->counts;
    for (const FoundDifference& difference : found_->rows) {
      verified_.differences->rows.push_back(difference.named);
    }
    for (const Issue& issue : issues_of(found_->counts, found_->set_aside, plan_->target)) {
      tell_rows(issue);
    }
    if (!found_->adds_up) {
      return unproven(
          "not-named",
          "the rows that were found do not account for the difference between the sides'"
          " digests",
          "this is a defect of pgfanout or of the machine's memory: please report it");
    }
    if (auto doubt = doubt_of(found_->counts.missing, found_->set_aside, rejects, plan_->target)) {
      return *std::move(doubt);
    }
    return {};
  }

  Result<void> checks() {
    Connection& source = sides_.connection(Side::source);
    Connection& target = sides_.connection(Side::target);
    PGFANOUT_TRY(target.run("SET LOCAL max_parallel_workers_per_gather TO DEFAULT"));
    judge_rows();
    PGFANOUT_TRY(check_states(source, target));
    // In a window positions change hands in the swap, and in the swap back: after this.
    if (input_.is_in_window) {
      book_.not_checked(Criterion::sequences, "the swap sets their positions");
    } else {
      PGFANOUT_TRY(judge_sequences(source, target, std::chrono::milliseconds(0)));
    }
    PGFANOUT_TRY_ASSIGN(const Looked required,
                        check_required(target, *plan_, into(Criterion::required)));
    close(Criterion::required, required, "column", "columns");
    PGFANOUT_TRY_ASSIGN(
        const Looked references,
        check_references(source, target, *plan_, input_.unvalidated, into(Criterion::references)));
    close(Criterion::references, references, "reference", "references");
    judge_skew(true);
    return judge_rules();
  }

  /// Reports what the check of a criterion found.
  void found(Criterion criterion, Issue issue, std::string_view part = {}) {
    book_.found(criterion, issue, part);
    report(std::move(issue));
  }
  /// The same as a sink; what could not be looked at is told by close().
  IssueSink into(Criterion criterion) {
    return [this, criterion](Issue issue) {
      if (!issue.code.ends_with("-not-checked")) book_.found(criterion, issue);
      report(std::move(issue));
    };
  }
  /// After a check that ran to its end.
  void close(Criterion criterion, const Looked& looked, std::string_view one,
             std::string_view many) {
    if (looked.hindrance) {
      book_.could_not_check(criterion, *looked.hindrance);
    } else if (looked.objects == 0) {
      book_.not_applicable(criterion, fmt::format("the target has no {}", many));
    } else {
      book_.ran(criterion, counted(looked.objects, one, many));
    }
  }

  Result<void> check_states(Connection& source, Connection& target) {
    check_bounds(*plan_, into(Criterion::all_leaves));
    if (plan_->layout && plan_->wanted_keys > 0) {
      book_.ran(Criterion::all_leaves, counted(plan_->wanted_keys, "key", "keys"));
    } else {
      book_.not_applicable(Criterion::all_leaves, "no key with a known range decides the leaf");
    }
    PGFANOUT_TRY_ASSIGN(const LookedAtStates states,
                        check_states_of(source, target, *plan_, input_.unvalidated,
                                        into(Criterion::constraints), into(Criterion::indexes)));
    close(Criterion::constraints, states.constraints, "constraint", "constraints");
    close(Criterion::indexes, states.indexes, "index", "indexes");
    PGFANOUT_TRY_ASSIGN(const auto function, find_key_function(target, *plan_));
    if (!function) {
      book_.not_applicable(Criterion::key_function, "no swapped table needs one");
    } else if (!function->empty()) {
      book_.ran(Criterion::key_function, *function);
    } else {
      found(
          Criterion::key_function,
          {Severity::warning, "key-function-missing",
           "the function that computes the key for statements that insert is not there",
           plan_->target.qualified, "make it again; its body: SELECT " + plan_->key_sql_on_target});
    }
    return {};
  }

  /// A small scope has a time limit for each sequence: what it leaves out is no doubt.
  Result<void> judge_sequences(Connection& source, Connection& target,
                               std::chrono::milliseconds patience) {
    PGFANOUT_TRY_ASSIGN(const Looked sequences, check_sequences(source, target, *plan_, patience,
                                                                into(Criterion::sequences)));
    if (sequences.hindrance && patience.count() > 0) {
      book_.not_checked(Criterion::sequences, sequences.hindrance->message);
    } else {
      close(Criterion::sequences, sequences, "sequence", "sequences");
    }
    return {};
  }

  void judge_skew(bool is_exact) {
    if (!verified_.skew || verified_.partitions.size() < 2) {
      book_.not_applicable(Criterion::skew, "fewer than two leaves, or no rows");
      return;
    }
    if (!is_exact) {
      book_.not_checked(Criterion::skew,
                        fmt::format("{:.2f} by estimates of the statistics", *verified_.skew));
      return;
    }
    const PartitionKey* by = plan_->key.partition_key();
    const bool is_as_the_data = plan_->target.strategy == 'r' ||
                                (by != nullptr && by->strategy == PartitionKey::Strategy::list);
    auto issue = skew_issue(*verified_.skew, plan_->target);
    if (issue && !is_as_the_data) found(Criterion::skew, *std::move(issue));
    book_.ran(Criterion::skew, fmt::format("{:.2f}{}", *verified_.skew,
                                           is_as_the_data ? ", as the data makes it" : ""));
  }

  /// An issue about rows or their keys, under the criteria that it belongs to.
  void tell_rows(const Issue& issue) {
    const auto is = [&](std::string_view code) { return issue.code == code; };
    if (is("missing") || is("extra")) book_.found(Criterion::row_counts, issue);
    if (is("missing") || is("extra") || is("changed")) {
      book_.found(Criterion::row_digests, issue);
    }
    if (is("misplaced") || is("key-mismatch") || is("key-impossible")) {
      book_.found(Criterion::keys, issue);
    }
    if (is("misplaced")) book_.found(Criterion::leaves, issue);
    report(issue);
  }

  /// All rows were read, and those that differ are named.
  void judge_rows() {
    const bool may_differ =
        !plan_->key_is_stated || input_.rows.on_key_mismatch == KeyMismatchPolicy::fix;
    const KeyFacts facts{books_->stored_key_errors(), books_->key_errors(Side::source), may_differ};
    for (const Issue& issue : issues_of(facts, plan_->source)) tell_rows(issue);
    const std::uint64_t set_aside = found_ ? found_->set_aside : 0;
    book_.ran(Criterion::row_counts,
              counts_text(result_.source->rows, result_.target->rows, set_aside));
    book_.ran(Criterion::row_digests, verified_.comparison.strength +
                                          (set_aside == 0 ? ": " + result_.target->digest
                                                          : "; equal but for the rows set aside"));
    book_.not_applicable(Criterion::sample, "all rows were compared");
    const bool has_unknown_key = contains(plan_->issues, "no-key", &Issue::code);
    if (plan_->has_key) {
      book_.ran(Criterion::keys, rows_text(result_.target->rows) + " recomputed");
    } else if (has_unknown_key) {
      book_.not_checked(Criterion::keys, "no key is stated, and none is known");
    } else {
      book_.not_applicable(Criterion::keys, "no key decides about the rows");
    }
    if (plan_->target.leaves.size() < 2) {
      book_.not_applicable(Criterion::leaves, "there is one leaf");
    } else if (plan_->layout) {
      book_.ran(Criterion::leaves, counted(plan_->target.leaves.size(), "leaf", "leaves"));
    } else {
      book_.not_checked(Criterion::leaves, "left to the server's bounds");
    }
  }

  Result<void> judge_samples(Connection& source, Connection& target,
                             const std::vector<RowAddress>& set_aside) {
    std::string detail;
    bool is_whole = true;
    const IssueSink sink = [&](Issue issue) {
      is_whole = is_whole && issue.code != "no-sample";
      detail += (detail.empty() ? "" : "; ") + issue.message;
      found(Criterion::sample, std::move(issue));
    };
    PGFANOUT_TRY(compare_samples(*plan_, source, target, set_aside, cancellation_, sink));
    if (detail.empty()) {
      book_.not_applicable(Criterion::sample, "there are no rows");
    } else if (is_whole) {
      book_.ran(Criterion::sample, detail);
    } else {
      book_.not_checked(Criterion::sample, detail);
    }
    return {};
  }

  Result<void> judge_rules() {
    if (input_.request.rules.empty()) {
      book_.not_applicable(Criterion::rules, "the job has no rules");
      return {};
    }
    PGFANOUT_TRY_ASSIGN(Connection target, sides_.join_snapshot(Side::target));
    for (const RuleCheck& rule : input_.request.rules) {
      if (cancellation_.is_set()) return cancelled();
      PGFANOUT_TRY_ASSIGN(const RuleOutcome outcome,
                          try_rule(target, rule, plan_->target, std::chrono::milliseconds(0)));
      auto issue = issue_of(rule, outcome, plan_->target);
      if (!issue) {
        book_.ran(Criterion::rules, "no row violates it", rule.name);
      } else if (outcome.hindrance) {
        book_.could_not_check(Criterion::rules, *issue, rule.name);
        report(*std::move(issue));
      } else {
        found(Criterion::rules, *std::move(issue), rule.name);
      }
    }
    return {};
  }

  Result<void> repair() {
    PGFANOUT_TRY_ASSIGN(const RepairPlan planned, plan_repair(*plan_, *found_));
    if (input_.dry_run) {
      result_.statements = planned.statements;
      return {};
    }
    for (const std::string& line : planned.summary) {
      report({Severity::info, "repair", line, plan_->target.qualified});
    }
    PGFANOUT_TRY(run_repair(*plan_, *found_, sides_, cancellation_));
    was_repaired_ = true;
    if (sides_.close_and_check_unchanged()) return {};
    return unproven("lost-lock", "the session that held the source's lock was lost",
                    "verify again");
  }

  void fill_result(const Comparison& books) {
    const auto source = books.total(Side::source);
    const auto target = books.total(Side::target);
    result_.source->rows = source.rows();
    result_.source->digest = source.hex();
    result_.target->rows = target.rows();
    result_.target->digest = target.hex();
    verified_.comparison.by = hashes_ ? "hash" : "stream";
    verified_.comparison.strength = hashes_ ? kHashStrength : kStreamStrength;
    verified_.rows_read = counters_.rows_read + counters_.rows_read_back;
    verified_.bytes_read = counters_.bytes_read + counters_.bytes_read_back;
    verified_.key_mismatches = books.stored_key_errors();
    verified_.differences = Differences();
    const auto& leaves = books.leaves(Side::target);
    for (std::size_t at = 0; at < leaves.size(); ++at) {
      const Leaf& leaf = plan_->target.leaves[at];
      PartitionSummary partition{std::nullopt, leaf.qualified, leaves[at].rows,
                                 leaves[at].digest.hex(), leaves[at].bytes};
      if (plan_->layout) partition.key = plan_->layout->leaf_key(static_cast<std::uint32_t>(at));
      if (plan_->key.partition_key() != nullptr) partition.bound = bound_name(leaf.bound);
      verified_.partitions.push_back(std::move(partition));
    }
    verified_.skew = skew_of(verified_.partitions);
  }

  /// A verification that did not run to its end has proven nothing.
  void tell_what_is_missing() {
    Error& error = *result_.error;
    if (error.consequence == Consequence::interrupt) error.consequence = Consequence::unproven;
    if (!books_ || verified_.differences) return;
    const auto read = [&](Side side) {
      return fmt::format("{} of {} ranges of {}", books_->complete_ranges(side),
                         sides_.ranges(side).size(), table_of(*plan_, side).qualified);
    };
    report({Severity::critical, "not-compared",
            fmt::format("the comparison did not run to its end; it read {} and {}",
                        read(Side::source), read(Side::target)),
            plan_->target.qualified, "verify again"});
  }

  void settle() {
    result_.verdict = Verdict::unproven;
    if (plan_) verified_.criteria = book_.results();
    if (result_.error) tell_what_is_missing();
    if (result_.error || !is_proven_) return;
    const bool is_unchanged = was_repaired_ || sides_.close_and_check_unchanged();
    if (!is_unchanged) {
      report({Severity::critical, "side-may-have-changed",
              "a side was not locked, and its server was written to meanwhile, or the session that "
              "held its lock was lost",
              plan_->source.qualified, "verify again while nothing writes to either table"});
    }
    result_.verdict =
        verdict_of({is_proven_ && !book_.is_unproven(input_.request.fail_on), is_unchanged}, book_,
                   input_.request.fail_on, result_.issues);
  }
  [[nodiscard]] bool wants(VerifyScope scope) const {
    return scope_ == VerifyScope::full || scope_ == scope;
  }

  const VerifyInput& input_;
  const Cancellation& cancellation_;
  JobCounters& counters_;
  const Pace& pace_;
  const VerifyScope scope_ = input_.request.scope.value_or(VerifyScope::full);
  VerifySides sides_;
  CriteriaBook book_{scope_};
  VerifyResult& verified_ = std::get<VerifyResult>(result_.details);
  std::optional<VerifyPlan> plan_;          // preflight
  std::optional<Comparison> books_;         // data
  std::optional<HashBooks> hashes_;         // data: absent if rows were streamed
  std::optional<Comparison> streamed_;      // name: of rows that the hashes leave open
  std::optional<DifferenceSketch> sketch_;  // data
  std::optional<FoundDifferences> found_;   // name
  bool is_proven_ = false;                  // data, or the end of a smaller scope
  bool was_repaired_ = false;               // repair
};

/// How rows and bytes spread over partitions, and which of them work most, from the server's
/// statistics: every partitioned table of the database. Status is WARNING from 1.5, CRITICAL from 3
/// times the mean; leaves by RANGE are as large as the data makes them.
constexpr const char* kViewsSql = R"sql(
CREATE OR REPLACE VIEW pgfanout.partition_distribution AS
SELECT r.relid::regclass AS table_name,
       c.oid::regclass AS partition,
       pg_get_expr(c.relpartbound, c.oid) AS bound,
       greatest(s.n_live_tup, c.reltuples::int8, 0) AS estimated_rows,
       round((100.0 * greatest(s.n_live_tup, c.reltuples::int8, 0)
         / nullif(sum(greatest(s.n_live_tup, c.reltuples::int8, 0))
             OVER (PARTITION BY r.relid), 0))::numeric, 2) AS percent_of_rows,
       pg_table_size(c.oid) AS table_bytes,
       pg_indexes_size(c.oid) AS index_bytes,
       pg_size_pretty(pg_total_relation_size(c.oid)) AS total_size,
       s.n_dead_tup AS dead_rows,
       greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at
FROM pg_partitioned_table p
CROSS JOIN LATERAL (SELECT p.partrelid AS relid) AS r
CROSS JOIN LATERAL pg_partition_tree(p.partrelid) AS t
JOIN pg_class c ON c.oid = t.relid AND t.isleaf
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = p.partrelid);

CREATE OR REPLACE VIEW pgfanout.partition_skew AS
SELECT d.table_name,
       count(*) AS partitions,
       sum(d.estimated_rows)::int8 AS estimated_rows,
       round(avg(d.estimated_rows), 1) AS mean_rows,
       min(d.estimated_rows) AS least_rows,
       max(d.estimated_rows) AS most_rows,
       count(*) FILTER (WHERE d.estimated_rows = 0) AS empty_partitions,
       round(max(d.estimated_rows) / nullif(avg(d.estimated_rows), 0), 2) AS skew,
       CASE WHEN p.partstrat = 'r' THEN 'NORMAL'
            WHEN max(d.estimated_rows) >= 3 * avg(d.estimated_rows)
              AND sum(d.estimated_rows) > 0 THEN 'CRITICAL'
            WHEN max(d.estimated_rows) >= 1.5 * avg(d.estimated_rows)
              AND sum(d.estimated_rows) > 0 THEN 'WARNING'
            ELSE 'NORMAL' END AS status,
       pg_size_pretty(sum(d.table_bytes + d.index_bytes)) AS total_size
FROM pgfanout.partition_distribution d
JOIN pg_partitioned_table p ON p.partrelid = d.table_name
GROUP BY d.table_name, p.partstrat;

CREATE OR REPLACE VIEW pgfanout.hot_partitions AS
SELECT a.table_name, a.partition, a.rows_written, a.scans,
       round(a.rows_written / nullif(avg(a.rows_written)
         OVER (PARTITION BY a.table_name), 0), 2) AS writes_over_mean,
       round(a.scans / nullif(avg(a.scans)
         OVER (PARTITION BY a.table_name), 0), 2) AS scans_over_mean,
       rank() OVER (PARTITION BY a.table_name
         ORDER BY a.rows_written DESC, a.scans DESC) AS place
FROM (SELECT d.table_name, d.partition,
             coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0) AS rows_written,
             coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) AS scans
      FROM pgfanout.partition_distribution d
      LEFT JOIN pg_stat_all_tables s ON s.relid = d.partition) a;
)sql";

/// Creates or replaces them in schema pgfanout of the target's database.
Result<void> install_views(const Endpoints& endpoints) {
  PGFANOUT_TRY_ASSIGN(
      Connection connection,
      Connection::open(connect_options(endpoints, target_dsn_of(endpoints), "pgfanout/views")));
  // CREATE SCHEMA IF NOT EXISTS asks for the privilege even if there is nothing to create.
  PGFANOUT_TRY_ASSIGN(const Rows exists, connection.query("SELECT 1 FROM pg_namespace"
                                                          " WHERE nspname = 'pgfanout'"));
  return in_transaction(connection, {}, [&]() -> Result<void> {
    if (exists.size() == 0) PGFANOUT_TRY(connection.run("CREATE SCHEMA pgfanout"));
    auto made = connection.run(kViewsSql);
    if (!made) made.error().hint = "the role must own schema pgfanout, or be granted CREATE on it";
    return made;
  });
}

JobResult run_views(const Endpoints& endpoints) {
  JobResult result("verify");
  if (auto installed = install_views(endpoints); !installed) {
    result.error = std::move(installed).error();
    return result;
  }
  result.verdict = Verdict::match;
  result.issues.push_back({Severity::info, "views-installed",
                           "views partition_distribution, partition_skew and hot_partitions show "
                           "every partitioned table of this database",
                           "pgfanout", "SELECT * FROM pgfanout.partition_skew"});
  return result;
}

}  // namespace

JobResult verify_tables(const VerifyInput& input, Observer& observer,
                        const Cancellation& cancellation, JobCounters& counters, const Pace& pace) {
  return without_exceptions("verify", [&] {
    Verification first(input, observer, cancellation, counters, pace);
    JobResult result = first.run();
    if (result.error || !first.was_repaired()) return result;
    // A repair counts only when everything has been read again.
    VerifyInput again = input;
    again.request.repair = false;
    JobResult second = Verification(again, observer, cancellation, counters, pace).run();
    second.stages.insert(second.stages.begin(), result.stages.begin(), result.stages.end());
    return second;
  });
}

JobResult run_verify(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation) {
  JobGuard guard(job, "verify", observer, cancellation);
  return guard.settled(without_exceptions("verify", [&] {
    if (job.verify.install_views) return run_views(job);
    const VerifyInput input{job, job, job, job.verify, job.dry_run, new_job_id()};
    guard.observer().job_started(input.job_id, guard.counters());
    return verify_tables(input, guard.observer(), guard.cancellation(), guard.counters(),
                         guard.pace());
  }));
}

}  // namespace pgfanout
