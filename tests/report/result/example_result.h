// Results of made-up jobs, for the texts and documents that tell of them.
#pragma once

#include <string>

#include "copier/report/record/figures.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

/// The part of a result that belongs to its command.
template <class Own>
Own& own_part(JobResult& result) {
  return std::get<Own>(result.details);
}

/// A copy of ten rows into two leaves that was proven.
inline JobResult proven_copy() {
  JobResult result("copy");
  result.job = "0a1b2c3d";
  result.source = TableSummary{"public.chunks", 10, std::string(32, 'a'), "15.18"};
  result.target = TableSummary{"public.chunks_new", 10, std::string(32, 'a'), "16.4"};
  auto& copied = own_part<CopyResult>(result);
  copied.rows_read = 10;
  copied.rows_written = 10;
  copied.bytes_read = 1200;
  copied.bytes_written = 1240;
  copied.partitions = {{0, "public.chunks_new_p0", 6, std::string(32, 'b'), 740},
                       {1, "public.chunks_new_p1", 4, std::string(32, 'c'), 500}};
  copied.skew = 1.2;
  copied.readers = 2;
  copied.writers = 2;
  StageSummary copy;
  copy.name = "copy";
  copy.seconds = 2.0004;
  copy.client_cpu_seconds = 0.25;
  copy.machine_cpu_seconds = 3.5;
  copy.machine_idle_seconds = 0.125;
  StageSummary attach;
  attach.name = "attach";
  attach.seconds = 0.5;
  result.stages = {copy, attach};
  result.issues = {{Severity::info, "note", "a note", "", ""},
                   {Severity::warning, "gap", "mind the gap", "public.chunks", "look down"}};
  result.verdict = Verdict::match;
  return result;
}

inline Resources example_resources() {
  return {12'582'912, 1.2345};
}

}  // namespace pgfanout
