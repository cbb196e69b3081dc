// The queries command: the application's queries on the table, on the table and its copy, or after
// a swap on the backup and the live table. Reads only.
#include <fmt/format.h>

#include "copier/catalog/application_path.h"
#include "copier/journal/window_journal.h"
#include "copier/key/key_plan.h"
#include "copier/layout/layout.h"
#include "copier/plan/job_key.h"
#include "copier/queries/advise.h"
#include "copier/queries/query_rules.h"
#include "copier/queries/query_run.h"
#include "copier/queries/statements.h"
#include "copier/session/job_connections.h"
#include "copier/session/reporting_job.h"
#include "copier/window/commands.h"
#include "copier/window/rules.h"
#include "copier/window/state.h"

namespace pgfanout {
namespace {

class QueriesJob : ReportingJob {
 public:
  QueriesJob(const JobDescription& job, Observer& observer, const Cancellation& cancellation)
      : ReportingJob("queries", observer), job_(job), cancellation_(cancellation) {}

  JobResult run() {
    observer_.job_started("queries", counters_);
    auto ended = clock_.run("queries", [&] { return run_all(); });
    if (!ended) result_.error = std::move(ended).error();
    return std::move(result_);
  }

 private:
  Result<void> run_all() {
    PGFANOUT_TRY_ASSIGN(WindowState state, WindowState::open(job_, cancellation_));
    for (Connection* each : {&state.source(), &state.target()}) {
      PGFANOUT_TRY(each->run("SET application_name = 'pgfanout/queries'"));
    }
    PGFANOUT_TRY_ASSIGN(const Table source, state.source_table());
    PGFANOUT_TRY_ASSIGN(const std::optional<Table> target, find_target(state));
    std::optional<Connection> second;
    if (target) {
      PGFANOUT_TRY_ASSIGN(
          second, Connection::open(connect_options(job_, target_dsn_of(job_), "pgfanout/queries",
                                                   &cancellation_)));
    }
    PGFANOUT_TRY_ASSIGN(const std::string path, state.application_path());
    const QueryTable before{state.source(), source, source.application.sql};
    std::optional<QueryTable> after;
    if (target) after.emplace(QueryTable{*second, *target, path});
    // The application's statements name the table that is in use.
    const bool is_swapped = after && is_swapped_away(state);
    const QueryTable& in_use = is_swapped ? *after : before;
    PGFANOUT_TRY_ASSIGN(const auto queries, queries_of(job_.window, in_use, [this](Issue issue) {
                          report(std::move(issue));
                        }));
    if (queries.empty()) {
      return refused("no-queries", "there is no query to run",
                     "write [[queries]] in the job file, or take the most expensive statements "
                     "from pg_stat_statements with --statements 10",
                     source.qualified);
    }
    QueryOptions options{job_.window.baseline, why_rows_may_change(state, target.has_value())};
    // With times from before, the table in use is the one to judge.
    const bool has_baseline = !options.baseline.times.empty();
    const QueryTable* judged = after ? &*after : has_baseline ? &before : nullptr;
    const QueryTable* compared = has_baseline ? nullptr : &before;
    result_.source = {source.qualified, 0, {}, state.source().server_version_text()};
    if (target) {
      result_.target = {target->qualified, 0, {}, state.target().server_version_text()};
    }
    PGFANOUT_TRY_ASSIGN(result_.queries,
                        run_queries(queries, compared, judged, options, cancellation_));
    const std::string& where = judged == nullptr ? source.qualified : judged->table.qualified;
    for (Issue& issue : issues_of(*result_.queries, where)) report(std::move(issue));
    result_.verdict = verdict_of(*result_.queries).verdict();
    if (!job_.window.advise) return {};
    const bool is_target = after.has_value();
    PGFANOUT_TRY_ASSIGN(
        Connection session,
        Connection::open(connect_options(job_, is_target ? target_dsn_of(job_) : job_.source_dsn,
                                         "pgfanout/queries", &cancellation_)));
    PGFANOUT_TRY_ASSIGN(
        result_.queries->advice,
        advise({session, is_target ? *target : source, is_target ? after->path : before.path},
               is_target, queries, *result_.queries, find_key(state, source, target),
               [this](Issue issue) { report(std::move(issue)); }));
    return {};
  }

  /// Nothing where the key cannot be known: the plan says why.
  AdviceKey find_key(WindowState& state, const Table& source, const std::optional<Table>& target) {
    const auto key =
        key_of_copy(job_, state.source(), source, state.target(), target ? &*target : nullptr);
    if (!key) return {};
    const JobDescription job = with_key(job_, *key);
    const auto expression = compile_key(job, source);
    if (!expression) return {};
    AdviceKey found;
    found.key_sql = expression->sql();
    found.key = layout_kind_of(job).rules(job).by_columns ? job.key_column
                                                          : fmt::format("({})", found.key_sql);
    for (const std::size_t input : expression->used_columns()) {
      found.inputs.push_back(source.columns[input].name);
    }
    return found;
  }

  /// The source is a backup by now.
  static bool is_swapped_away(WindowState& state) {
    const auto& entry = state.entry();
    return entry && (entry->state == "swapped" || entry->state == "cleaning up");
  }

  /// The table that has, or shall have, the source's place; absent: there is none, or the copy into
  /// it is not done.
  Result<std::optional<Table>> find_target(WindowState& state) {
    const auto& entry = state.entry();
    if (is_swapped_away(state)) {
      PGFANOUT_TRY_ASSIGN(Table target, state.target_table());
      return std::optional<Table>(std::move(target));
    }
    if (entry && !entry->is_over() && entry->finished_at.empty()) return std::optional<Table>();
    PGFANOUT_TRY_ASSIGN(const FoundRelation found,
                        find_relation(state.target(), state.target_name()));
    PGFANOUT_TRY_ASSIGN(const Table source, state.source_table());
    const bool is_source = state.same_database() && found.oid == source.oid;
    if (found.oid == 0 || is_source || (found.kind != 'r' && found.kind != 'p')) {
      return std::optional<Table>();
    }
    PGFANOUT_TRY_ASSIGN(Table target, describe_table(state.target(), found.oid));
    return std::optional<Table>(std::move(target));
  }

  static std::string why_rows_may_change(WindowState& state, bool has_target) {
    const auto& entry = state.entry();
    if (!has_target || !entry) return {};
    if (is_swapped_away(state)) {
      return "the application may have written to the table since the swap";
    }
    const auto stands = state.stands("source");
    return stands && *stands ? "" : "no fence has kept the source as it was copied";
  }

  const JobDescription& job_;
  const Cancellation& cancellation_;
  JobCounters counters_;
};

}  // namespace

JobResult run_queries_command(const JobDescription& job, Observer& observer,
                              const Cancellation& cancellation) {
  return without_exceptions("queries",
                            [&] { return QueriesJob(job, observer, cancellation).run(); });
}

}  // namespace pgfanout
