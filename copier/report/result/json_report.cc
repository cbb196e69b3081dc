#include "copier/report/result/json_report.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "copier/report/result/summary.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/tool_version.h"

namespace pgfanout {
namespace {

using Json = nlohmann::ordered_json;

void add_text(Json& to, const char* name, const std::string& text) {
  if (!text.empty()) to[name] = text;
}

bool has_answers(const KeyResult& key) {
  return !key.answers.empty() || key.compared > 0;
}

}  // namespace

double rounded(double number) {
  return std::isfinite(number) ? std::round(number * 1000) / 1000 : 0.0;
}

/// Rows and digest are known together, once the side was read to its end.
void to_json(Json& json, const TableSummary& side) {
  json["table"] = side.table;
  if (!side.digest.empty()) {
    json["rows"] = side.rows;
    json["digest"] = side.digest;
  }
  add_text(json, "server_version", side.server_version);
}

void to_json(Json& json, const StageSummary& stage) {
  json = {{"name", stage.name}, {"seconds", rounded(stage.seconds)}, {"status", stage.status}};
  add_text(json, "started_at", stage.started_at);
  add_text(json, "detail", stage.detail);
  add_text(json, "confirmed_by", stage.confirmed_by);
  add_text(json, "confirmed_at", stage.confirmed_at);
  json["client_cpu_seconds"] = rounded(stage.client_cpu_seconds);
  if (stage.machine_cpu_seconds) json["machine_cpu_seconds"] = rounded(*stage.machine_cpu_seconds);
  if (stage.machine_idle_seconds) {
    json["machine_idle_seconds"] = rounded(*stage.machine_idle_seconds);
  }
}

void to_json(Json& json, const Issue& issue) {
  json = {{"severity", severity_name(issue.severity)}, {"code", issue.code}};
  json["message"] = issue.message;
  add_text(json, "where", issue.where);
  add_text(json, "hint", issue.hint);
}

void to_json(Json& json, const Error& error) {
  const bool is_critical = error.consequence == Consequence::unproven;
  json = Issue{is_critical ? Severity::critical : Severity::error, error.code, error.message,
               error.where, error.hint};
  add_text(json, "sqlstate", error.sqlstate);
}

void to_json(Json& json, const WaitCount& wait) {
  json = {{"side", wait.side}, {"event", wait.event}, {"sessions", wait.sessions}};
}

void to_json(Json& json, const SessionWait& wait) {
  json = {{"cause", wait.cause},
          {"side", wait.side},
          {"event", wait.event},
          {"seconds", rounded(wait.seconds)},
          {"sessions", wait.sessions}};
  if (wait.pid != 0) json["pid"] = wait.pid;
  add_text(json, "role", wait.role);
  json["what"] = wait.what;
  add_text(json, "detail", wait.detail);
  json["help"] = wait.help;
}

Json rows_json(const CopyResult& copied) {
  return {{"read", copied.rows_read},
          {"written", copied.rows_written},
          {"resumed", copied.rows_resumed},
          {"rejected", copied.rows_rejected},
          {"key_mismatches", copied.key_mismatches}};
}

Json counts_json(const Differences& differences) {
  return {{"missing", differences.missing},
          {"extra", differences.extra},
          {"changed", differences.changed},
          {"misplaced", differences.misplaced}};
}

// Conversions for this document alone. nlohmann's JSON finds only functions of this namespace.
static void to_json(Json& json, const PartitionSummary& leaf) {
  json = Json::object();
  if (leaf.key) json["key"] = *leaf.key;
  add_text(json, "bound", leaf.bound);
  json["table"] = leaf.table;
  json["rows"] = leaf.rows;
  add_text(json, "digest", leaf.digest);
  json["bytes"] = leaf.bytes;
}

static void to_json(Json& json, const LayoutOption& option) {
  json = {{"layout", option.layout},    {"asked", option.is_asked}, {"present", option.is_present},
          {"better", option.is_better}, {"reads", Json::array()},   {"changes", option.changes}};
  if (option.leaves > 0) json["leaves"] = option.leaves;
  for (const LayoutOption::Read& read : option.reads) {
    json["reads"].push_back({{"query", read.query}, {"leaves", read.leaves}});
  }
}

static void to_json(Json& json, const IdentityValue& value) {
  if (!value.value) return;
  std::int64_t number = 0;
  const char* end = value.value->data() + value.value->size();
  const bool is_number =
      value.is_integer && std::from_chars(value.value->data(), end, number).ptr == end;
  json = is_number ? Json(number) : Json(*value.value);
}

static void to_json(Json& json, const RowDifference& row) {
  json = {{"kind", row.kind}, {"identity", Json::object()}};
  for (const IdentityValue& value : row.identity) json["identity"][value.column] = value;
  add_text(json, "source", row.source);
  add_text(json, "target", row.target);
  if (!row.columns.empty()) json["columns"] = row.columns;
}

static void to_json(Json& json, const Differences& differences) {
  json = counts_json(differences);
  json["rows"] = differences.rows;
}

static void to_json(Json& json, const SchemaFinding& finding) {
  json = {{"kind", finding.kind}, {"name", finding.name}};
  add_text(json, "source", finding.source);
  add_text(json, "target", finding.target);
  json["gap"] = finding.gap;
  add_text(json, "impact", finding.impact);
  json["severity"] = severity_name(finding.severity);
}

static void to_json(Json& json, const SchemaCount& count) {
  json = {{"kind", count.kind},       {"source", count.source}, {"target", count.target},
          {"missing", count.missing}, {"extra", count.extra},   {"different", count.different}};
}

static void to_json(Json& json, const CriterionResult& criterion) {
  json = {{"name", criterion.name},
          {"status", criterion.status},
          {"severity", severity_name(criterion.severity)},
          {"detail", criterion.detail}};
  add_text(json, "code", criterion.code);
}

static void to_json(Json& json, const Impact& impact) {
  json = {{"what", impact.what}, {"objects", impact.objects}};
  add_text(json, "advice", impact.advice);
}

static void to_json(Json& json, const StageEstimate& estimate) {
  json = {{"stage", estimate.stage}, {"seconds", rounded(estimate.seconds)}};
  add_text(json, "basis", estimate.basis);
}

static void to_json(Json& json, const LockNeed& need) {
  json = {{"of", need.of}, {"locks", need.locks}, {"basis", need.basis}};
}

static void to_json(Json& json, const JobStatus& status) {
  json["state"] = status.state;
  add_text(json, "source", status.source);
  add_text(json, "target", status.target);
  add_text(json, "started_at", status.started_at);
  add_text(json, "backup", status.backup);
  add_text(json, "keep_until", status.keep_until);
  add_text(json, "waiting_at", status.waiting_at);
  add_text(json, "active", status.active);
  if (!status.waits.empty()) json["session_waits"] = status.waits;
  add_text(json, "next", status.next);
}

static void to_json(Json& json, const QuerySide& side) {
  json = Json::object();
  if (side.times) {
    json["p50_ms"] = rounded(side.times->p50);
    json["p95_ms"] = rounded(side.times->p95);
    json["p99_ms"] = rounded(side.times->p99);
  }
  if (side.runs > 0) json["runs"] = side.runs;
  if (side.runs > 0) json["rows"] = side.rows;
  if (side.leaves_read) json["leaves_read"] = *side.leaves_read;
  if (side.leaves > 0) json["leaves"] = side.leaves;
  if (!side.plan.empty()) {
    json["indexes_used"] = side.indexes_used;
    json["cost"] = rounded(side.cost);
    json["plan"] = side.plan;
  }
}

static void to_json(Json& json, const QueryResult& query) {
  json = {{"name", query.name}, {"compare", name_of(query.compare)}};
  json["result"] = name_of(query.answer);
  if (query.source) json["source"] = *query.source;
  if (query.target) json["target"] = *query.target;
  if (query.ratio) json["ratio"] = rounded(*query.ratio);
  if (const auto& last = query.target ? query.target : query.source) {
    if (last->leaves_read) json["leaves_read"] = *last->leaves_read;
    json["leaves"] = last->leaves;
    json["indexes_used"] = last->indexes_used;
  }
  json["severity"] = severity_name(query.severity);
  json["status"] = status_of(query);
  if (!query.failures.empty()) json["failures"] = query.failures;
  add_text(json, "note", query.note);
  add_text(json, "sql", query.sql);
}

static void to_json(Json& json, const IndexAdvice& advice) {
  json = {{"priority", advice.priority}, {"query", advice.query}, {"kind", advice.kind},
          {"reason", advice.reason},     {"sql", advice.sql},     {"tried", advice.tried}};
  if (advice.cost_before) json["cost_before"] = rounded(*advice.cost_before);
  if (advice.cost_after) json["cost_after"] = rounded(*advice.cost_after);
}

static void to_json(Json& json, const QueryLoad& load) {
  json = {{"seconds", rounded(load.seconds)}};
  if (load.cpu_percent) json["cpu_percent"] = rounded(*load.cpu_percent);
  if (load.memory_percent) json["memory_percent"] = rounded(*load.memory_percent);
}

static void to_json(Json& json, const KeyAnswer& answer) {
  json = Json::object();
  if (answer.key) json["key"] = *answer.key;
  add_text(json, "reason", answer.reason);
  if (answer.leaf) json["leaf"] = *answer.leaf;
  if (answer.server_key) json["server_key"] = *answer.server_key;
  json["server_agrees"] = answer.server_agrees;
}

static void to_json(Json& json, const KeyResult& key) {
  json = Json::object();
  if (!key.answers.empty()) json["expression"] = key.answers.front().expression;
  json["answers"] = key.answers;
  json["compared"] = key.compared;
  json["disagreements"] = key.disagreements;
  json["examples"] = key.examples;
}

namespace {

void add_verify_fields(Json& to, const VerifyResult& verified,
                       const std::vector<StageSummary>& stages) {
  if (const RowComparison& how = verified.comparison; !how.by.empty()) {
    to["comparison"] = {{"by", how.by}, {"strength", how.strength}};
    if (how.by == "hash") {
      to["comparison"]["leaves_streamed"] = how.leaves_streamed;
      to["comparison"]["rows_streamed"] = how.rows_streamed;
    }
  }
  to["rows"] = {{"read", verified.rows_read}, {"key_mismatches", verified.key_mismatches}};
  to["bytes"] = {{"read", verified.bytes_read}};
  if (!verified.partitions.empty()) to["partitions"] = verified.partitions;
  if (verified.skew) to["skew"] = rounded(*verified.skew);
  to["stages"] = stages;
  if (verified.differences) to["differences"] = *verified.differences;
  if (!verified.schema.empty()) {
    to["schema"] = verified.schema;
    to["schema_counts"] = count_by_kind(verified.schema);
  }
  if (!verified.deployment_order.empty()) to["deployment_order"] = verified.deployment_order;
}

/// Of all commands but copy, verify and key.
bool is_of_window(const JobResult& result) {
  const JobResult::Details& own = result.details;
  return !std::holds_alternative<std::monostate>(own) && !std::holds_alternative<CopyResult>(own) &&
         !std::holds_alternative<VerifyResult>(own) && !std::holds_alternative<KeyResult>(own);
}

/// Fields of the maintenance window that no other command has.
void add_window_fields(Json& to, const JobResult& result) {
  const auto* plan = std::get_if<PlanResult>(&result.details);
  const std::vector<Impact>& impact = impact_of(result);
  if (const Differences* differences = differences_of(result)) {
    to["differences"] = *differences;
  }
  if (plan != nullptr || !impact.empty()) to["impact"] = impact;
  if (plan != nullptr && !plan->layouts.empty()) to["layouts"] = plan->layouts;
  if (plan != nullptr && !plan->estimates.empty()) to["estimates"] = plan->estimates;
  if (plan != nullptr && !plan->locks.needs.empty()) {
    to["locks"] = {{"free", plan->locks.free}, {"needs", plan->locks.needs}};
  }
  if (const JobStatus* status = job_status_of(result)) to["standing"] = *status;
  const auto* rollback = std::get_if<RollbackResult>(&result.details);
  if (rollback != nullptr && rollback->new_rows) {
    const NewRowsOutcome& rows = *rollback->new_rows;
    Json& json = to["new_rows"] = {{"fate", rows.fate},
                                   {"inserted", rows.inserted},
                                   {"updated", rows.updated},
                                   {"deleted", rows.deleted}};
    add_text(json, "table", rows.table);
  }
  add_text(to, "waiting_at", result.waiting_at);
}

void add_query_fields(Json& to, const QueryReport& report) {
  to["queries"] = report.queries;
  Json load = Json::object();
  if (report.source_load) load["source"] = *report.source_load;
  if (report.target_load) load["target"] = *report.target_load;
  add_text(load, "not_measured", report.load_not_measured);
  if (!load.empty()) to["query_load"] = load;
  to["unused_indexes"] = report.unused_indexes;
  if (report.advice) to["advice"] = *report.advice;
}

void add_copy_fields(Json& to, const CopyResult& copied, const std::vector<StageSummary>& stages) {
  to["rows"] = rows_json(copied);
  to["bytes"] = {{"read", copied.bytes_read}, {"written", copied.bytes_written}};
  to["partitions"] = copied.partitions;
  if (copied.skew) to["skew"] = rounded(*copied.skew);
  to["stages"] = stages;
}

}  // namespace

Json json_document(const JobResult& result, const Resources& used) {
  Json document = {{"tool", "pgfanout"}, {"version", tool_version()}};
  add_text(document, "command", result.command);
  add_text(document, "job", result.job);
  document["exit_code"] = exit_code_of(result);
  document["status"] = status_of(result);
  const bool compares = read_part(result) != nullptr || result.command == "swap";
  if (compares && !result.error && result.waiting_at.empty()) {
    std::string line = outcome_line(result, {});
    line.pop_back();
    document["headline"] = line;
  }
  if (result.source) document["source"] = *result.source;
  if (result.target) document["target"] = *result.target;
  const CopyResult* copied = copy_part(result);
  const bool is_window = is_of_window(result);
  if (copied != nullptr) {
    add_copy_fields(document, *copied, result.stages);
  } else if (const auto* verified = std::get_if<VerifyResult>(&result.details)) {
    add_verify_fields(document, *verified, result.stages);
  } else if (!result.stages.empty()) {
    document["stages"] = result.stages;
  }
  if (is_window) add_window_fields(document, result);
  if (!criteria_of(result).empty()) document["criteria"] = criteria_of(result);
  if (const auto* key = std::get_if<KeyResult>(&result.details); key && has_answers(*key)) {
    document["key"] = *key;
  }
  if (result.queries) add_query_fields(document, *result.queries);
  document["issues"] = issues_beside_error(result);
  Json& issues = document["issues"];
  if (result.error) issues.insert(issues.begin(), *result.error);
  document["resources"] = {{"peak_rss_bytes", used.peak_rss_bytes},
                           {"cpu_seconds", rounded(used.cpu_seconds)}};
  if (copied != nullptr) {
    document["resources"]["readers"] = copied->readers;
    document["resources"]["writers"] = copied->writers;
  }
  if (copied != nullptr || is_window) document["writes_refused"] = result.writes_refused;
  if (!result.statements.empty()) document["statements"] = result.statements;
  return document;
}

std::string json_report(const JobResult& result, const Resources& used) {
  return json_document(result, used).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pgfanout
