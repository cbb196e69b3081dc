#include "copier/verify/verify_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "copier/catalog/relation_name.h"
#include "copier/journal/journal.h"
#include "copier/journal/reject_table.h"
#include "copier/key/key_proof.h"
#include "copier/schema/schema_comparison.h"
#include "copier/schema/schema_inventory.h"
#include "copier/session/job_guard.h"
#include "copier/session/reporting_job.h"
#include "copier/verify/difference_finder.h"
#include "copier/verify/distribution_views.h"
#include "copier/verify/quick_look.h"
#include "copier/verify/repair.h"
#include "copier/verify/table_checks.h"
#include "copier/verify/verify_findings.h"
#include "copier/verify/verify_sides.h"

namespace pgfanout {
namespace {

/// One verification from beginning to end. A member is set by the stage named in its comment.
class VerifyJob : ReportingJob {
 public:
  VerifyJob(const JobDescription& job, Observer& observer, const Cancellation& cancellation,
            JobCounters& counters, Pace& pace)
      : ReportingJob("verify", observer),
        job_(job),
        cancellation_(cancellation),
        counters_(counters),
        id_(job.within_job.empty() ? new_job_id() : job.within_job),
        sides_(job, "pgfanout/" + id_, cancellation, pace) {
    result_.job = id_;
  }

  JobResult run() {
    if (job_.within_job.empty()) observer_.job_started(result_.job, counters_);
    if (auto ended = run_stages(); !ended) result_.error = std::move(ended).error();
    settle();
    return std::move(result_);
  }

 private:
  Result<void> run_stages();
  Result<void> preflight();
  Result<void> schema();
  Result<void> quick();
  Result<void> data();
  Result<void> name();
  Result<void> checks();
  Result<void> repair();
  Result<std::vector<std::string>> rows_set_aside();
  void fill_result(const Comparison& books);
  void tell_what_is_missing();
  void settle();
  [[nodiscard]] bool wants(VerifyScope scope) const {
    return job_.verify.scope == VerifyScope::full || job_.verify.scope == scope;
  }

  const JobDescription& job_;
  const Cancellation& cancellation_;
  JobCounters& counters_;
  const std::string id_;
  VerifySides sides_;
  bool is_open_ = false;                    // preflight
  std::optional<VerifyPlan> plan_;          // preflight
  std::optional<Comparison> books_;         // data
  std::optional<DifferenceSketch> sketch_;  // data
  std::optional<FoundDifferences> found_;   // name
  bool is_proven_ = false;                  // data, or the end of a smaller scope
  bool was_repaired_ = false;               // repair
};

Result<void> VerifyJob::run_stages() {
  PGFANOUT_TRY(clock_.run("preflight", [this] { return preflight(); }));
  if (wants(VerifyScope::schema)) PGFANOUT_TRY(clock_.run("schema", [this] { return schema(); }));
  if (job_.verify.scope == VerifyScope::quick) {
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
  if (job_.verify.repair && result_.differences && result_.differences->total() > 0) {
    PGFANOUT_TRY(clock_.run("repair", [this] { return repair(); }));
  }
  return {};
}

Result<void> VerifyJob::preflight() {
  if (job_.verify.repair && job_.assume_quiet) {
    return refused("repair-unlocked", "a repair needs the source locked against writes",
                   "leave --assume-quiet out");
  }
  PGFANOUT_TRY(sides_.open(plan_, job_.verify.repair));
  is_open_ = true;
  for (const Issue& issue : plan_->issues) report(issue);
  if (plan_->has_key && job_.verify.scope != VerifyScope::schema) {
    PGFANOUT_TRY(prove_key(sides_.connection(Side::source), plan_->source, plan_->key));
  }
  result_.source = {plan_->source.qualified, 0, {}, sides_.version(Side::source)};
  result_.target = {plan_->target.qualified, 0, {}, sides_.version(Side::target)};
  result_.readers = 2 * plan_->readers;
  // A window's copy has counted here before.
  counters_.rows_read = 0;
  counters_.bytes_read = 0;
  counters_.rows_read_back = 0;
  counters_.bytes_read_back = 0;
  counters_.bytes_expected = sides_.bytes();
  std::vector<std::string> names;
  for (const Leaf& leaf : plan_->target.leaves) names.push_back(leaf.qualified);
  if (job_.within_job.empty()) counters_.leaves.open(std::move(names));
  return {};
}

Result<void> VerifyJob::schema() {
  PGFANOUT_TRY_ASSIGN(const auto source,
                      read_schema_inventory(sides_.connection(Side::source), plan_->source));
  PGFANOUT_TRY_ASSIGN(const auto target,
                      read_schema_inventory(sides_.connection(Side::target), plan_->target));
  SchemaContext context;
  context.target = plan_->target.qualified;
  context.is_same_database = plan_->same_database;
  const Column* key = plan_->target.find(job_.key_column);
  if (key != nullptr) context.key_column = key->name;
  for (const std::size_t index : plan_->key.used_columns()) {
    context.key_inputs.insert(plan_->source.columns[index].name);
  }
  for (const std::string& column : job_.skip) context.skipped_columns.insert(column);
  for (const ColumnMapping& mapping : job_.map) context.mapped_columns.insert(mapping.column);
  SchemaComparison compared = compare_schemas(source, target, context);
  for (SchemaGap& gap : compared.rows) {
    if (gap.gap != "none" && gap.severity < Severity::info) {
      std::string code = "schema-" + gap.gap;
      std::replace(code.begin(), code.end(), ' ', '-');
      report({gap.severity, std::move(code), fmt::format("{} {}: {}", gap.kind, gap.name, gap.gap),
              plan_->target.qualified, gap.impact});
    }
    result_.schema.push_back(
        {gap.kind, gap.name, gap.source, gap.target, gap.gap, gap.impact, gap.severity});
  }
  result_.deployment_order = std::move(compared.deployment_order);
  return {};
}

Result<void> VerifyJob::quick() {
  const IssueSink sink = [this](Issue issue) { report(std::move(issue)); };
  check_bounds(*plan_, job_.partitions, sink);
  PGFANOUT_TRY(check_validity(sides_.connection(Side::target), plan_->target, sink));
  PGFANOUT_TRY(check_sequences(sides_.connection(Side::target), plan_->target,
                               std::chrono::seconds(5), sink));
  PGFANOUT_TRY_ASSIGN(auto set_aside, rows_set_aside());
  PGFANOUT_TRY(look_quickly(*plan_, sides_.connection(Side::source),
                            sides_.connection(Side::target), std::move(set_aside), cancellation_,
                            result_, sink));
  report({Severity::info, "quick",
          "a quick look found what it found: it proves nothing about rows that it did not read",
          plan_->target.qualified, "--data reads them all"});
  return {};
}

Result<void> VerifyJob::data() {
  books_.emplace(group_count(*plan_), plan_->source.leaves.size(), plan_->target.leaves.size(),
                 job_.verify.max_differences);
  PGFANOUT_TRY_ASSIGN(BothSides streams, sides_.streams(*plan_));
  // Within a window the board shows what was copied.
  if (job_.within_job.empty()) {
    LeafBoard& board = counters_.leaves;
    for (std::size_t leaf = 0; leaf < board.size(); ++leaf) board.set_rows(leaf, 0);
    board.set_all(LeafState::committed);
    streams.leaves = &board;
  }
  // A changed row is two elements.
  PGFANOUT_TRY_ASSIGN(
      sketch_, run_comparison(std::move(streams), 2 * std::size_t{job_.verify.max_differences},
                              *books_, counters_, cancellation_));
  fill_result(*books_);
  if (books_->is_equal() && books_->misplaced_count() == 0) {
    counters_.leaves.set_all(LeafState::verified);
  }
  return {};
}

/// "<leaf> <ctid>" of the rows in <target>_rejects.
Result<std::vector<std::string>> VerifyJob::rows_set_aside() {
  Connection& target = sides_.connection(Side::target);
  const std::string table =
      quoted_name(plan_->target.schema, reject_table_name(plan_->target.name));
  PGFANOUT_TRY_ASSIGN(const Rows exists,
                      target.query("SELECT to_regclass($1) IS NOT NULL", {table}));
  std::vector<std::string> places;
  if (!exists.boolean(0, 0)) return places;
  PGFANOUT_TRY_ASSIGN(const Rows rows, target.query("SELECT source_leaf, source_ctid::text FROM " +
                                                    table + " WHERE source_ctid IS NOT NULL"));
  // A table without partitions may be named otherwise since.
  const auto& leaves = plan_->source.leaves;
  for (int row = 0; row < rows.size(); ++row) {
    const std::string leaf = leaves.size() == 1 ? leaves.front().qualified : rows.str(row, 0);
    places.push_back(leaf + " " + rows.str(row, 1));
  }
  return places;
}

Result<void> VerifyJob::name() {
  PGFANOUT_TRY_ASSIGN(auto set_aside, rows_set_aside());
  PGFANOUT_TRY_ASSIGN(Connection source, sides_.join_snapshot(Side::source));
  PGFANOUT_TRY_ASSIGN(Connection target, sides_.join_snapshot(Side::target));
  DifferenceFinder finder(
      *plan_,
      {source, target, sides_.ranges(Side::source), sides_.ranges(Side::target),
       [this] { return sides_.streams(*plan_); }, job_.memory_bytes, std::move(set_aside)},
      job_.verify.max_differences, counters_, cancellation_);
  PGFANOUT_TRY_ASSIGN(found_, finder.find(*std::exchange(sketch_, std::nullopt), *books_));
  if (!finder.was_complete()) {
    report({Severity::info,
            "many-differences",
            fmt::format("more rows differ than --max-differences {} lets one pass name: the leaves "
                        "that differ were read again",
                        job_.verify.max_differences),
            plan_->target.qualified,
            {}});
  }
  result_.differences = found_->counts;
  for (const FoundDifference& difference : found_->rows) {
    result_.differences->rows.push_back(difference.named);
  }
  if (found_->counts.total() == 0 && found_->set_aside == 0) {
    Error error =
        interrupted("not-named", "the sides' digests differ, but no row that differs was found",
                    "this is a defect of pgfanout or of the machine's memory: please "
                    "report it");
    error.consequence = Consequence::unproven;
    return error;
  }
  for (Issue& issue : issues_of(found_->counts, found_->set_aside, plan_->target)) {
    report(std::move(issue));
  }
  return {};
}

Result<void> VerifyJob::checks() {
  const IssueSink sink = [this](Issue issue) { report(std::move(issue)); };
  Connection& source = sides_.connection(Side::source);
  Connection& target = sides_.connection(Side::target);
  PGFANOUT_TRY(target.run("SET LOCAL max_parallel_workers_per_gather TO DEFAULT"));
  PGFANOUT_TRY(check_validity(target, plan_->target, sink));
  // In a window positions change hands in the swap, and in the swap back: after this.
  if (job_.within_job.empty()) {
    PGFANOUT_TRY(check_sequences(target, plan_->target, std::chrono::milliseconds(0), sink));
  }
  PGFANOUT_TRY(check_required(target, *plan_, sink));
  PGFANOUT_TRY(check_references(source, target, *plan_, sink));
  check_bounds(*plan_, job_.partitions, sink);
  const KeyFacts facts{books_->stored_key_errors(), books_->key_errors(Side::source), result_.skew};
  for (Issue& issue : issues_of(facts, plan_->source, plan_->target)) report(std::move(issue));
  return {};
}

Result<void> VerifyJob::repair() {
  PGFANOUT_TRY_ASSIGN(const RepairPlan planned, plan_repair(*plan_, *found_));
  if (job_.dry_run) {
    result_.statements = planned.statements;
    return {};
  }
  for (const std::string& line : planned.summary) {
    report({Severity::info, "repair", line, plan_->target.qualified, {}});
  }
  PGFANOUT_TRY(run_repair({job_, *plan_, *found_, sides_}, cancellation_));
  was_repaired_ = true;
  if (sides_.close_and_check_unchanged()) return {};
  Error error =
      interrupted("lost-lock", "the session that held the source's lock was lost", "verify again");
  error.consequence = Consequence::unproven;
  return error;
}

void VerifyJob::fill_result(const Comparison& books) {
  const auto source = books.total(Side::source);
  const auto target = books.total(Side::target);
  result_.source->rows = source.rows();
  result_.source->digest = source.hex();
  result_.target->rows = target.rows();
  result_.target->digest = target.hex();
  result_.rows_read = counters_.rows_read + counters_.rows_read_back;
  result_.bytes_read = counters_.bytes_read + counters_.bytes_read_back;
  result_.key_mismatches = books.stored_key_errors();
  result_.differences = Differences();
  const auto& leaves = books.leaves(Side::target);
  std::vector<std::uint64_t> rows_by_leaf;
  for (std::size_t at = 0; at < leaves.size(); ++at) {
    const Leaf& leaf = plan_->target.leaves[at];
    PartitionSummary partition{std::nullopt, leaf.qualified, leaves[at].rows,
                               leaves[at].digest.hex(), leaves[at].bytes};
    if (plan_->layout) partition.key = plan_->layout->leaf_key(static_cast<std::uint32_t>(at));
    rows_by_leaf.push_back(leaves[at].rows);
    result_.partitions.push_back(std::move(partition));
  }
  result_.skew = skew_of(rows_by_leaf);
}

/// Whatever ended it, a verification that did not get to its end has proven nothing.
void VerifyJob::tell_what_is_missing() {
  Error& error = *result_.error;
  if (error.consequence == Consequence::interrupt) error.consequence = Consequence::unproven;
  if (!books_ || result_.differences) return;
  const auto read = [&](Side side) {
    return fmt::format("{} of {} ranges of {}", books_->complete_ranges(side),
                       sides_.ranges(side).size(), table_of(*plan_, side).qualified);
  };
  report({Severity::critical, "not-compared",
          fmt::format("the comparison did not get to its end: read were {} and {}",
                      read(Side::source), read(Side::target)),
          plan_->target.qualified, "verify again"});
}

void VerifyJob::settle() {
  result_.verdict = Verdict::unproven;
  if (result_.error) tell_what_is_missing();
  if (result_.error || !is_proven_) return;
  const bool is_unchanged = was_repaired_ || sides_.close_and_check_unchanged();
  if (!is_unchanged) {
    report({Severity::critical, "side-may-have-changed",
            "a side was not locked, and its server was written to meanwhile, or the session that "
            "held its lock was lost",
            plan_->source.qualified, "verify again while nothing writes to either table"});
  }
  result_.verdict = verdict_of({is_proven_, is_unchanged}, result_.issues);
}

/// Only installs views.
JobResult run_views(const JobDescription& job) {
  JobResult result;
  result.command = "verify";
  if (auto installed = install_views(job); !installed) {
    result.error = std::move(installed).error();
  } else {
    result.verdict = Verdict::match;
    result.issues.push_back({Severity::info, "views-installed",
                             "views partition_distribution, partition_skew and hot_partitions show "
                             "every partitioned table of this database",
                             "pgfanout", "SELECT * FROM pgfanout.partition_skew"});
  }
  return result;
}

}  // namespace

JobResult run_verify(const JobDescription& job, Observer& observer,
                     const Cancellation& cancellation) {
  JobGuard guard(job, "verify", observer, cancellation);
  return guard.settled(run_verify_within(job, guard.observer(), guard.cancellation(),
                                         guard.counters(), guard.pace()));
}

JobResult run_verify_within(const JobDescription& job, Observer& observer,
                            const Cancellation& cancellation, JobCounters& counters, Pace& pace) {
  try {
    if (job.verify.install_views) return run_views(job);
    JobResult result = VerifyJob(job, observer, cancellation, counters, pace).run();
    const bool was_repaired = job.verify.repair && !job.dry_run && !result.error &&
                              !result.stages.empty() && result.stages.back().name == "repair";
    if (!was_repaired) return result;
    // A repair counts only when everything has been read again.
    JobDescription again = job;
    again.verify.repair = false;
    JobResult second = VerifyJob(again, observer, cancellation, counters, pace).run();
    second.stages.insert(second.stages.begin(), result.stages.begin(), result.stages.end());
    return second;
  } catch (const std::exception& exception) {
    return stopped_by(exception, "verify");
  }
}

}  // namespace pgfanout
