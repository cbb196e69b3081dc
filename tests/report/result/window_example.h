// Results of made-up windows, for the texts and documents that tell of them.
#pragma once

#include <string>

#include "copier/report/result/summary.h"
#include "pgfanout/job_result.h"
#include "tests/report/result/example_result.h"

namespace pgfanout {

inline StageSummary stage_of(std::string name, double seconds, std::string status = "ok",
                             std::string detail = {}, std::string started_at = {}) {
  StageSummary stage;
  stage.name = std::move(name);
  stage.seconds = seconds;
  stage.status = std::move(status);
  stage.detail = std::move(detail);
  stage.started_at = std::move(started_at);
  return stage;
}

/// A plan that says go.
inline JobResult go_plan() {
  JobResult result("plan");
  result.job = "0a1b2c3d";
  result.source = TableSummary{"public.chunks", 0, "", "15.18"};
  result.target = TableSummary{"public.chunks_new", 0, "", "15.18"};
  result.issues = {{Severity::info, "disk-unknown", "free disk cannot be seen", "", ""},
                   {Severity::warning, "long-transaction", "a session is 3 hours old",
                    "pid 4711, app", "end it before the window"}};
  auto& plan = own_part<PlanResult>(result);
  plan.impact = {{"inserts must supply partition_key",
                  {"function public.add_chunk(text)", "trigger t on public.documents"},
                  "use public.chunks_key(collection_id)"},
                 {"ON CONFLICT (id, collection_id) finds no constraint", {}, ""}};
  plan.estimates = {{"copy", 187, "1.2 GB at 6.4 MB/s"}, {"index", 40.25, ""}};
  result.verdict = Verdict::match;
  return result;
}

/// A run without a swap that was proven.
inline JobResult proven_run() {
  JobResult result = proven_copy();
  RunResult run;
  static_cast<CopyResult&>(run) = own_part<CopyResult>(result);
  result.command = "run";
  result.details = run;
  result.stages = {stage_of("preflight", 0.21), stage_of("copy", 2, "ok", "10 rows, 5 rows/s"),
                   stage_of("verify", 0.5)};
  result.issues.clear();
  result.writes_refused = true;
  return result;
}

inline JobStatus swapped_status() {
  JobStatus status;
  status.state = "swapped";
  status.source = "db1:5432/app public.chunks";
  status.target = "db1:5432/app public.chunks_new";
  status.started_at = "2026-01-02 02:00:00+00";
  status.backup = "public.chunks_backup_20260102_020500";
  status.keep_until = "2026-01-09 02:05:00+00";
  status.next = "pgfanout cleanup";
  return status;
}

/// One query passed, one was slower than allowed, one was planned.
inline QueryReport example_queries() {
  QueryReport report;
  QueryResult& good = report.queries.emplace_back();
  good.name = "by key";
  good.sql = "SELECT id FROM public.chunks_new WHERE id = $1";
  good.compare = QueryComparison::rows;
  good.answer = QueryAnswer::same;
  good.source = QuerySide{QueryTimes{1, 2, 3}, 5, 10, 16, 16, {"chunks_pkey"}, 8.5, "Index Scan"};
  good.target = QuerySide{QueryTimes{1, 1, 1}, 5, 10, 1, 100, {"chunks_pkey_new"}, 8, "Index Scan"};
  good.ratio = 0.5;
  QueryResult& slow = report.queries.emplace_back(good);
  slow.name = "all";
  slow.failures = {"it reads 100 leaves, 1 are allowed"};
  slow.target->leaves_read = 100;
  QueryResult& planned = report.queries.emplace_back();
  planned.name = "change";
  planned.note = "planned, not executed: it changes or locks rows";
  planned.target.emplace().leaves = 100;
  report.source_load = QueryLoad{0.5, 50.25, 20.0};
  report.target_load = QueryLoad{0.5, 60.0, 21.0};
  report.unused_indexes = {"chunks_created_at_idx"};
  return report;
}

inline NextCommands example_next() {
  return {"pgfanout run job.toml",
          "pgfanout run job.toml --confirm copy",
          "pgfanout run job.toml",
          "pgfanout swap job.toml",
          "pgfanout rollback job.toml",
          "pgfanout cleanup job.toml",
          "pgfanout run job.toml --release",
          "",
          "public.chunks"};
}

}  // namespace pgfanout
