// The result of a command: its own type by name, parts that several commands have, and the exit
// code for the shell that called it.
#include "pgfanout/job_result.h"

#include <algorithm>
#include <utility>

namespace pgfanout {
namespace {

template <class Part>
const Part* address_of(const std::optional<Part>& part) {
  return part ? &*part : nullptr;
}

}  // namespace

JobResult::JobResult(std::string_view name) : command(name) {
  const std::pair<std::string_view, Details> known[] = {
      {"plan", PlanResult()},       {"run", RunResult()},       {"copy", CopyResult()},
      {"verify", VerifyResult()},   {"swap", SwapResult()},     {"rollback", RollbackResult()},
      {"cleanup", CleanupResult()}, {"status", StatusResult()}, {"key", KeyResult()}};
  for (const auto& [each, empty] : known) {
    if (each == name) details = empty;
  }
}

std::optional<double> skew_of(const std::vector<PartitionSummary>& leaves) {
  std::uint64_t rows = 0;
  std::uint64_t largest = 0;
  for (const PartitionSummary& leaf : leaves) {
    rows += leaf.rows;
    largest = std::max(largest, leaf.rows);
  }
  if (rows == 0) return std::nullopt;
  return static_cast<double>(largest) * static_cast<double>(leaves.size()) /
         static_cast<double>(rows);
}

const CopyResult* copy_part(const JobResult& result) {
  if (const auto* run = std::get_if<RunResult>(&result.details)) return run;
  return std::get_if<CopyResult>(&result.details);
}

const ReadResult* read_part(const JobResult& result) {
  if (const auto* copied = copy_part(result)) return copied;
  return std::get_if<VerifyResult>(&result.details);
}

const Differences* differences_of(const JobResult& result) {
  return std::visit(
      [](const auto& own) -> const Differences* {
        if constexpr (requires { own.differences; }) return address_of(own.differences);
        return nullptr;
      },
      result.details);
}

const JobStatus* job_status_of(const JobResult& result) {
  return std::visit(
      [](const auto& own) -> const JobStatus* {
        if constexpr (requires { own.status; }) return address_of(own.status);
        return nullptr;
      },
      result.details);
}

const std::vector<CriterionResult>& criteria_of(const JobResult& result) {
  static const std::vector<CriterionResult> none;
  if (const auto* run = std::get_if<RunResult>(&result.details)) return run->criteria;
  const auto* verified = std::get_if<VerifyResult>(&result.details);
  return verified == nullptr ? none : verified->criteria;
}

std::vector<SchemaCount> count_by_kind(const std::vector<SchemaFinding>& schema) {
  std::vector<SchemaCount> counts;
  for (const SchemaFinding& finding : schema) {
    auto count = std::ranges::find(counts, finding.kind, &SchemaCount::kind);
    if (count == counts.end()) {
      count = counts.insert(counts.end(), SchemaCount{finding.kind});
    }
    if (finding.gap != "extra") ++count->source;
    if (finding.gap != "missing") ++count->target;
    if (finding.gap == "missing") ++count->missing;
    if (finding.gap == "extra") ++count->extra;
    if (finding.gap == "different" || finding.gap == "not valid") ++count->different;
  }
  return counts;
}

const std::vector<Impact>& impact_of(const JobResult& result) {
  static const std::vector<Impact> none;
  if (const auto* plan = std::get_if<PlanResult>(&result.details)) return plan->impact;
  const auto* run = std::get_if<RunResult>(&result.details);
  return run == nullptr ? none : run->impact;
}

std::string_view status_of(const QueryResult& query) {
  if (query.could_not_run) return "not run";
  if (!query.failures.empty()) return query.severity <= Severity::error ? "failed" : "warned";
  const std::optional<QuerySide>& last = query.target ? query.target : query.source;
  return last && last->times ? "passed" : "not run";
}

int exit_code_of(const JobResult& result) {
  // A value outside of its enumeration proves nothing: 4.
  if (result.error) {
    const Consequence consequence = result.error->consequence;
    return consequence == Consequence::refuse ? 2 : consequence == Consequence::interrupt ? 3 : 4;
  }
  if (!result.waiting_at.empty()) return 3;
  return result.verdict == Verdict::match ? 0 : result.verdict == Verdict::differs ? 1 : 4;
}

std::string status_of(const JobResult& result) {
  constexpr const char* kStatuses[] = {"ok", "differences", "refused", "waiting", "unproven"};
  const int code = exit_code_of(result);
  return code == 3 && result.error ? "interrupted" : kStatuses[code];
}

}  // namespace pgfanout
