// The source's rows: which columns travel as they are stored and which are computed on the way; how
// evenly the key fills the leaves, from a sample, and which key would do better; and how long the
// window takes, from a moment of reading pieces of the source as the copy will.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>

#include "copier/base/amount.h"
#include "copier/base/byte_order.h"
#include "copier/base/shell_word.h"
#include "copier/catalog/relation_name.h"
#include "copier/key/key_plan.h"
#include "copier/key/page_sample.h"
#include "copier/pg/copy_out.h"
#include "copier/pg/transaction.h"
#include "copier/plan/row_fitness.h"
#include "copier/preflight/estimates.h"
#include "copier/preflight/preflight_checks.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

struct CopiedColumns {
  std::size_t as_stored = 0;          ///< Columns whose bytes are copied.
  std::vector<std::string> computed;  ///< "meta jsonb from (meta)::jsonb".
  std::vector<std::string> unused;    ///< Source columns that no target column copies as they are.
};

CopiedColumns find_copied_columns(const CopyPlan& plan) {
  CopiedColumns copied;
  std::vector<const Column*> taken;
  for (const StreamColumn& column : plan.stream.columns) {
    if (column.source_sql.empty()) continue;
    const auto origin =
        std::find_if(plan.source.columns.begin(), plan.source.columns.end(),
                     [&](const Column& at) { return at.quoted == column.source_sql; });
    if (origin != plan.source.columns.end()) {
      ++copied.as_stored;
      taken.push_back(&*origin);
      continue;
    }
    copied.computed.push_back(fmt::format("{} {} from {}", display_name(column.target_column),
                                          column.type_sql, column.source_sql));
  }
  for (const Column& column : plan.source.columns) {
    if (std::find(taken.begin(), taken.end(), &column) == taken.end()) {
      copied.unused.push_back(column.quoted);
    }
  }
  return copied;
}

/// Each is a branch of a UNION; planning a thousand takes longer than reading them.
constexpr std::uint64_t kSampledPages = 400;
constexpr std::uint64_t kMostRows = 200'000;
/// Largest leaf over mean: from here on the plan warns.
constexpr double kBadSkew = 1.5;
constexpr std::size_t kMostCandidates = 6;
/// Longer text is no candidate for a key.
constexpr std::int64_t kWidestCandidate = 64;

/// Sampled values of some columns of the source, and each row's bytes on disk.
struct Sample {
  std::vector<std::size_t> columns;  ///< Of the source; parallel to each row.
  std::vector<ProbeRow> rows;
  std::vector<ProbeRow> server_keys;  ///< Of a key that only the server computes; else empty.
  std::vector<std::uint64_t> bytes;
};

std::string row_bytes_sql(const Table& table) {
  std::string sum;
  for (const Column& column : table.columns) {
    if (column.generated == 'v') continue;
    sum +=
        fmt::format("{}COALESCE(pg_column_size({}), 0)", sum.empty() ? "" : " + ", column.quoted);
  }
  return fmt::format("({})::int8", sum.empty() ? "0" : sum);
}

Result<Sample> read_columns(PreflightRun& run, std::vector<std::size_t> columns) {
  const Table& table = run.plan.source;
  Sample sample;
  sample.columns = std::move(columns);
  std::mt19937_64 random(std::random_device{}());
  const std::vector<SampledPage> pages = draw_pages(table, kSampledPages, random);
  if (pages.empty()) return sample;
  std::string list;
  for (const std::size_t column : sample.columns) list += table.columns[column].quoted + ", ";
  const std::string& key = run.plan.stream.source_key;
  if (!key.empty()) list += key + ", ";
  list += row_bytes_sql(table);
  PGFANOUT_TRY_ASSIGN(sample.rows,
                      read_sample(run.source, sample_sql(table, list, pages, kMostRows),
                                  sample.columns.size() + (key.empty() ? 1 : 2)));
  for (ProbeRow& row : sample.rows) {
    const std::string& bytes = *row.back();
    sample.bytes.push_back(load_be64(reinterpret_cast<const std::uint8_t*>(bytes.data())));
    row.pop_back();
    if (key.empty()) continue;
    sample.server_keys.push_back({std::move(row.back())});
    row.pop_back();
  }
  return sample;
}

std::vector<KeyOutcome> keys_of(const KeyExpression& key, const Sample& sample) {
  if (key.is_by_server()) return evaluate_rows(key, sample.server_keys);
  std::vector<std::size_t> places;
  for (const std::size_t used : key.used_columns()) {
    places.push_back(static_cast<std::size_t>(std::distance(
        sample.columns.begin(), std::find(sample.columns.begin(), sample.columns.end(), used))));
  }
  std::vector<ProbeRow> rows(sample.rows.size());
  for (std::size_t at = 0; at < rows.size(); ++at) {
    for (const std::size_t place : places) rows[at].push_back(sample.rows[at][place]);
  }
  return evaluate_rows(key, rows);
}

SkewEstimate skew_of(const KeyExpression& key, const Sample& sample, const Layout& layout) {
  return estimate_skew(layout.leaf_count(), leaves_of(layout, keys_of(key, sample)), sample.bytes);
}

/// Of an integer type, as binary COPY carries it.
std::int64_t integer_of(const std::string& bytes) {
  std::int64_t value = static_cast<signed char>(bytes.front());
  for (const char byte : bytes.substr(1)) value = value * 256 + static_cast<unsigned char>(byte);
  return value;
}

/// Columns that a key could add to its first one: NOT NULL, short, copied unchanged; those with the
/// most distinct values by ANALYZE's statistics first.
Result<std::vector<std::size_t>> find_candidates(PreflightRun& run) {
  const Table& table = run.plan.source;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      run.source.query("SELECT s.attname, s.avg_width, CASE WHEN s.n_distinct < 0"
                       "  THEN -s.n_distinct * $3::float8 ELSE s.n_distinct END"
                       " FROM pg_stats s WHERE s.schemaname = $1 AND s.tablename = $2"
                       " ORDER BY s.inherited",
                       {table.schema, table.name,
                        std::to_string(std::max<std::uint64_t>(table.estimated_rows, 1))}));
  std::map<std::string, std::pair<std::int64_t, double>> known;
  for (int row = 0; row < rows.size(); ++row) {
    known[rows.str(row, 0)] = {rows.integer(row, 1),
                               std::strtod(rows.str(row, 2).c_str(), nullptr)};
  }
  const auto& used = run.plan.key.expression.used_columns();
  std::vector<std::pair<double, std::size_t>> found;
  for (std::size_t at = 0; at < table.columns.size(); ++at) {
    const Column& column = table.columns[at];
    const KeyType type = key_type_of_oid(column.base_type_oid);
    const bool is_text =
        type == KeyType::text || type == KeyType::varchar || type == KeyType::bpchar;
    const auto facts = known.find(column.name);
    const bool is_short =
        !is_text || (facts != known.end() && facts->second.first <= kWidestCandidate);
    const bool is_taken =
        std::any_of(run.plan.stream.columns.begin(), run.plan.stream.columns.end(),
                    [&](const StreamColumn& taken) { return taken.source_sql == column.quoted; });
    if (type >= KeyType::bytea) continue;
    if (!column.is_not_null || !column.is_deterministic || column.generated == 'v') continue;
    if (!is_short || !is_taken) continue;
    if (std::find(used.begin(), used.end(), at) != used.end()) continue;
    found.emplace_back(facts == known.end() ? 0 : -facts->second.second, at);
  }
  std::sort(found.begin(), found.end());
  if (found.size() > kMostCandidates) found.resize(kMostCandidates);
  std::vector<std::size_t> candidates;
  candidates.reserve(found.size());
  for (const auto& [distinct, column] : found) candidates.push_back(column);
  return candidates;
}

struct Better {
  std::string sql;
  SkewEstimate skew;
};

/// The best pair of the key's first column and a candidate, if it spreads rows better.
std::optional<Better> find_better(const CopyPlan& plan, const Sample& sample,
                                  const std::vector<std::size_t>& candidates, double than) {
  const Table& table = plan.source;
  const std::vector<KeyColumn> columns = key_columns_of(table);
  const std::string& first = table.columns[plan.key.expression.used_columns().front()].quoted;
  std::optional<Better> best;
  for (const std::size_t candidate : candidates) {
    const std::string sql = fmt::format("abs(hashtext({}::text || {}::text)) % {}", first,
                                        table.columns[candidate].quoted, plan.target.leaves.size());
    const auto key = KeyExpression::compile(sql, columns);
    if (!key) continue;
    const SkewEstimate skew = skew_of(*key, sample, *plan.target.layout);
    if (skew.without_leaf > 0 || skew.by_rows >= (best ? best->skew.by_rows : than)) continue;
    best = Better{sql, skew};
  }
  return best;
}

std::string sample_text(const SkewEstimate& skew) {
  return fmt::format(
      "largest leaf over mean: {:.2f} by rows, {:.2f} by bytes, from a sample of {} "
      "rows, in which an even key would show up to {:.2f}",
      skew.by_rows, skew.by_bytes, skew.rows, skew.by_chance);
}

Result<void> warn_of_skew(PreflightRun& run, const SkewEstimate& skew, const Sample& sample,
                          const std::vector<std::size_t>& candidates) {
  const CopyPlan& plan = run.plan;
  std::string hint = "choose a key with more distinct values, or accept the skew";
  if (plan.target.is_new && plan.key.expression.partition_key() == nullptr) {
    const auto better = find_better(plan, sample, candidates, skew.by_rows);
    hint = better ? fmt::format(
                        "--key {} gives {:.2f} by rows and {:.2f} by bytes on the same "
                        "sample; queries must then name both columns to reach one leaf",
                        shell_word(better->sql), better->skew.by_rows, better->skew.by_bytes)
                  : "no pair of the key's first column and another column spreads rows better";
  }
  run.add(Severity::warning, "key-skew",
          fmt::format("the key spreads rows unevenly, {}; {} would hold {:.1f} % of all rows",
                      sample_text(skew), plan.target.leaves[skew.largest].qualified,
                      100 * skew.largest_share),
          plan.key.expression.sql(), hint);
  return {};
}

void note_missing_keys(PreflightRun& run, const SkewEstimate& skew) {
  run.add(run.unless_rejected(skew.without_leaf), "key-missing",
          fmt::format("{} of {} sampled rows have no leaf: their key is NULL, an error, or one "
                      "that no leaf takes",
                      skew.without_leaf, skew.without_leaf + skew.rows),
          run.plan.key.expression.sql(),
          "correct those rows, choose another key, or set them aside with --reject-limit");
}

using Clock = std::chrono::steady_clock;

/// Reading stops after this time, or sooner with a part of the table that says enough.
constexpr double kSeconds = 1.0;
constexpr double kEnoughOfTable = 0.05;
constexpr std::uint64_t kEnoughBytes = 32ULL << 20U;
/// Small, because a COPY always runs to its end.
constexpr std::uint64_t kPieceBytes = 2ULL << 20U;
constexpr std::uint64_t kMostPieces = 2000;
constexpr std::uint32_t kUsualIndexJobs = 2;

/// The SELECT that reads a range, without expressions that change something when they are evaluated
/// (nextval).
std::string select_sql(const CopyPlan& plan, const SourceRange& range) {
  std::string list;
  for (const StreamColumn& column : plan.stream.columns) {
    if (column.source_sql.empty()) continue;
    list += list.empty() ? "" : ", ";
    list += column.is_volatile ? "NULL" : column.source_sql;
  }
  return RangeSelect{list, plan.source.leaves[range.leaf].qualified, range_condition(range)}.sql();
}

Result<void> read_piece(PreflightRun& run, const SourceRange& range) {
  const std::string sql =
      fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", select_sql(run.plan, range));
  PGFANOUT_TRY_ASSIGN(const auto stream, CopyOut::start(run.source, sql, run.cancellation));
  while (true) {
    PGFANOUT_TRY_ASSIGN(const std::optional<ByteView> message, stream->next());
    if (!message) return {};
  }
}

/// Heap and TOAST bytes a second over random pieces; 0 for an empty table.
Result<double> measure_read(PreflightRun& run) {
  std::mt19937_64 random(std::random_device{}());
  const auto begin = Clock::now();
  double seconds = 0;
  std::uint64_t bytes = 0;
  std::uint64_t table_bytes = 0;
  for (const Leaf& leaf : run.plan.source.leaves) table_bytes += leaf.total_bytes;
  const auto share = static_cast<std::uint64_t>(kEnoughOfTable * static_cast<double>(table_bytes));
  const std::uint64_t enough = std::max(kEnoughBytes, share);
  for (const SourceRange& piece : draw_pieces(run.plan.source, kPieceBytes, kMostPieces, random)) {
    PGFANOUT_TRY(with_search_path(run.source, run.plan.source.application.sql,
                                  [&] { return read_piece(run, piece); }));
    bytes += piece.estimated_bytes;
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    if (seconds >= kSeconds || bytes > enough) break;
  }
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

constexpr int kMostObjects = 100;
constexpr double kObjectSeconds = 0.25;
constexpr const char* kMakeObject =
    "SAVEPOINT pgfanout_made; CREATE TEMPORARY TABLE pgfanout_made (k bigint NOT NULL, v text);"
    " CREATE INDEX ON pg_temp.pgfanout_made (k); ROLLBACK TO SAVEPOINT pgfanout_made";

/// Seconds in which the target's server makes a temporary table with an index and rolls it back;
/// 0 where the role may not. The mean: on a busy server it has the waits that the job will have.
Result<double> measure_objects(PreflightRun& run) {
  const auto begin = Clock::now();
  double seconds = 0;
  int made = 0;
  const auto make_some = [&]() -> Result<void> {
    while (made < kMostObjects && seconds < kObjectSeconds) {
      PGFANOUT_TRY(run.target.run(kMakeObject));
      ++made;
      seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    }
    return {};
  };
  auto done = run.target.is_in_transaction()
                  ? in_savepoint(run.target, make_some)
                  : in_transaction(run.target, {"BEGIN", TransactionEnd::roll_back}, make_some);
  if (!done && !run.target.is_open()) return std::move(done).error();
  return made > 0 ? seconds / made : 0;
}

/// {0}: leaves. Each index of the table, with all its leaves' parts.
constexpr const char* kIndexSizesSql =
    "SELECT m.amname, sum(pg_relation_size(c.oid))::int8"
    " FROM {0} JOIN pg_index i ON i.indrelid = leaf.oid JOIN pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_am m ON m.oid = c.relam LEFT JOIN pg_inherits h ON h.inhrelid = c.oid"
    " GROUP BY m.amname, COALESCE(h.inhparent, c.oid)";

Result<Workload> workload_of(PreflightRun& run) {
  const CopyPlan& plan = run.plan;
  Workload workload;
  for (const Leaf& leaf : plan.source.leaves) workload.row_bytes += leaf.total_bytes;
  workload.rows = plan.source.estimated_rows;
  PGFANOUT_TRY_ASSIGN(const Rows indexes, run.read(fmt::format(kIndexSizesSql, kTableLeaves)));
  for (int row = 0; row < indexes.size(); ++row) {
    workload.indexes.push_back(
        {indexes.str(row, 0), static_cast<std::uint64_t>(indexes.integer(row, 1))});
  }
  PGFANOUT_TRY_ASSIGN(const Rows keys, run.read("SELECT count(*) FROM pg_constraint k"
                                                " WHERE k.conrelid = $1::oid AND k.contype = 'f'"));
  workload.foreign_keys = static_cast<std::uint64_t>(keys.integer(0, 0));
  workload.leaves = plan.target.leaves.size();
  workload.source_leaves = plan.source.leaves.size();
  workload.readers = plan.connections.readers;
  workload.index_jobs = run.job.window.index_jobs.value_or(kUsualIndexJobs);
  workload.gates = run.job.window.confirm_at;
  PGFANOUT_TRY_ASSIGN(const Rows buffers, run.target.query("SELECT pg_size_bytes(current_setting("
                                                           "'shared_buffers'))"));
  workload.buffer_bytes = static_cast<std::uint64_t>(buffers.integer(0, 0));
  return workload;
}

}  // namespace

Result<void> check_columns(PreflightRun& run) {
  const CopiedColumns copied = find_copied_columns(run.plan);
  const std::string& where = run.plan.source.qualified;
  run.add(Severity::info, "columns",
          fmt::format("{} columns have the same type on both sides and are copied as they are{}",
                      copied.as_stored,
                      run.plan.stream.read_layout.oid_patches.empty()
                          ? ""
                          : "; the OIDs of types within them are replaced by the target's"),
          where);
  for (const std::string& column : copied.computed) {
    run.add(Severity::info, "column-computed",
            fmt::format("a target column is computed by the source's server: {}", column), where,
            "test the expression on all rows: one for which it fails stops the job, or counts "
            "against --reject-limit");
  }
  if (!copied.unused.empty()) {
    run.add(Severity::info, "column-unused",
            fmt::format("source columns that do not reach the target as they are: {}",
                        some_of(copied.unused, 10)),
            where, "check that their values are either in other columns or not needed");
  }
  return {};
}

/// The window makes the source's rules for the target once the rows are in it. Those of its columns
/// are in force while it is copied, and the copy's plan has tried them.
Result<void> check_rules(PreflightRun& run) {
  if (!run.plan.target.is_new) return {};
  PGFANOUT_TRY_ASSIGN(std::vector<RowRule> rules,
                      read_row_rules(run.source, run.plan.source.oid, true));
  std::erase_if(rules, [&](const RowRule& rule) {
    // check_parents() asks for parents; here only where they are in another database.
    if (run.plan.same_database && rule.name.starts_with("foreign key ")) return true;
    const auto is_rule = [&](const std::string& name) { return rule.name.ends_with(" " + name); };
    return std::any_of(run.carry.replaced_checks.begin(), run.carry.replaced_checks.end(),
                       is_rule) ||
           std::any_of(run.carry.not_carried.begin(), run.carry.not_carried.end(),
                       [&](const NotCarried& left) { return is_rule(left.name); });
  });
  PGFANOUT_TRY_ASSIGN(std::vector<Issue> broken,
                      find_refused_rows(run.source, run.target, run.plan, rules, false));
  for (Issue& issue : broken) run.found.issues.push_back(std::move(issue));
  return {};
}

Result<void> check_skew(PreflightRun& run) {
  const CopyPlan& plan = run.plan;
  if (plan.key.expression.used_columns().empty() || plan.target.leaves.size() < 2) return {};
  PGFANOUT_TRY_ASSIGN(const std::vector<std::size_t> candidates, find_candidates(run));
  std::vector<std::size_t> columns = plan.key.expression.used_columns();
  columns.insert(columns.end(), candidates.begin(), candidates.end());
  PGFANOUT_TRY_ASSIGN(const Sample sample, read_columns(run, std::move(columns)));
  const SkewEstimate skew = skew_of(plan.key.expression, sample, *plan.target.layout);
  if (skew.without_leaf > 0) note_missing_keys(run, skew);
  if (skew.rows == 0) return {};
  // Leaves by RANGE and by a column's values are as large as the data makes them.
  const PartitionKey* by = plan.key.expression.partition_key();
  const bool should_be_even = by == nullptr || by->strategy == PartitionKey::Strategy::hash;
  if (!should_be_even) return {};
  if (skew.by_rows >= kBadSkew && skew.by_rows > skew.by_chance) {
    return warn_of_skew(run, skew, sample, candidates);
  }
  run.add(Severity::info, "key-skew", sample_text(skew), plan.key.expression.sql());
  return {};
}

Result<void> check_stored_keys(PreflightRun& run) {
  const CopyPlan& plan = run.plan;
  if (!plan.stream.read_layout.stored_key) return {};
  const KeyExpression& key = plan.key.expression;
  const auto& all = plan.source.columns;
  const auto stored = std::find_if(all.begin(), all.end(), [&](const Column& column) {
    return column.quoted == plan.stream.columns.back().source_sql;
  });
  std::vector<std::size_t> columns = key.used_columns();
  columns.push_back(static_cast<std::size_t>(stored - all.begin()));
  PGFANOUT_TRY_ASSIGN(const Sample sample, read_columns(run, std::move(columns)));
  const std::vector<KeyOutcome> keys = keys_of(key, sample);
  std::uint64_t differing = 0;
  for (std::size_t row = 0; row < keys.size(); ++row) {
    const ProbeValue& value = sample.rows[row].back();
    if (keys[row].state != KeyState::ok) continue;
    if (!value || integer_of(*value) != keys[row].key) ++differing;
  }
  if (differing == 0) return {};
  const bool is_fixed = run.job.on_key_mismatch == KeyMismatchPolicy::fix;
  run.add(is_fixed ? Severity::info : Severity::error, "key-mismatch",
          fmt::format("{} of {} sampled rows store another key in column {} than the expression "
                      "gives{}",
                      differing, keys.size(), stored->quoted,
                      is_fixed ? ": the target gets the recomputed one" : ""),
          plan.source.qualified,
          is_fixed ? ""
                   : "--on-key-mismatch fix writes the recomputed key into the target; or correct "
                     "the rows, or state the key that they store by --key");
  return {};
}

Result<void> check_times(PreflightRun& run) {
  PGFANOUT_TRY_ASSIGN(Workload workload, workload_of(run));
  auto rate = measure_read(run);
  if (!rate) {
    if (rate.error().sqlstate.empty()) return std::move(rate).error();
    run.add(run.unless_rejected(1), "row-fails",
            fmt::format("reading a piece of the source failed, as the copy would: {} ({})",
                        rate.error().message, rate.error().sqlstate),
            run.plan.source.qualified,
            "correct the row or the mapping, or set such rows aside with --reject-limit");
    return {};
  }
  workload.bytes_per_second = *rate;
  PGFANOUT_TRY_ASSIGN(workload.seconds_per_object, measure_objects(run));
  run.found.estimates = estimate_stages(workload);
  if (last_leaf_stage(LeafStage::index, workload.gates) == LeafStage::analyze) return {};
  const double cost = seconds_of_gates(workload);
  run.add(
      Severity::info, "gates-part-leaves",
      fmt::format("gates between the stages index, constraints and analyze make the server go "
                  "over all leaves again: {}",
                  cost > 0 ? fmt::format("about {:.1f} s more, since it keeps {} of {} in its "
                                         "shared_buffers",
                                         cost, amount_of_bytes(workload.buffer_bytes),
                                         amount_of_bytes(workload.row_bytes))
                           : "this costs little, since its shared_buffers hold the table"),
      run.plan.source.qualified,
      "without them each leaf gets its indexes, constraints and statistics one after the other; "
      "a gate behind analyze or verify costs nothing");
  return {};
}

}  // namespace pgfanout
