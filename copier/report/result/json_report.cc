#include "copier/report/result/json_report.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "copier/report/text/issue_text.h"
#include "copier/report/text/tool_version.h"

namespace pgfanout {
namespace {

using Json = nlohmann::ordered_json;

void add_text(Json& to, const char* name, const std::string& text) {
  if (!text.empty()) to[name] = text;
}

/// Rows and digest are known together, once the side was read to its end.
Json json_of(const TableSummary& side) {
  Json json = {{"table", side.table}};
  if (!side.digest.empty()) {
    json["rows"] = side.rows;
    json["digest"] = side.digest;
  }
  add_text(json, "server_version", side.server_version);
  return json;
}

Json json_of(const PartitionSummary& leaf) {
  Json json = Json::object();
  if (leaf.key) json["key"] = *leaf.key;
  json["table"] = leaf.table;
  json["rows"] = leaf.rows;
  add_text(json, "digest", leaf.digest);
  json["bytes"] = leaf.bytes;
  return json;
}

Json json_of(const StageSummary& stage) {
  Json json = {{"name", stage.name}, {"seconds", rounded(stage.seconds)}, {"status", stage.status}};
  add_text(json, "started_at", stage.started_at);
  add_text(json, "detail", stage.detail);
  add_text(json, "confirmed_by", stage.confirmed_by);
  add_text(json, "confirmed_at", stage.confirmed_at);
  json["client_cpu_seconds"] = rounded(stage.client_cpu_seconds);
  if (stage.machine_cpu_seconds) json["machine_cpu_seconds"] = rounded(*stage.machine_cpu_seconds);
  if (stage.machine_idle_seconds) {
    json["machine_idle_seconds"] = rounded(*stage.machine_idle_seconds);
  }
  return json;
}

Json json_of(const Issue& issue) {
  Json json = {{"severity", severity_name(issue.severity)}, {"code", issue.code}};
  json["message"] = issue.message;
  add_text(json, "where", issue.where);
  add_text(json, "hint", issue.hint);
  return json;
}

Json json_of(const Error& error) {
  const bool is_critical = error.consequence == Consequence::unproven;
  Json json = json_of(Issue{is_critical ? Severity::critical : Severity::error, error.code,
                            error.message, error.where, error.hint});
  add_text(json, "sqlstate", error.sqlstate);
  return json;
}

Json json_of(const IdentityValue& value) {
  if (!value.value) return nullptr;
  std::int64_t number = 0;
  const char* end = value.value->data() + value.value->size();
  if (value.is_integer && std::from_chars(value.value->data(), end, number).ptr == end) {
    return number;
  }
  return *value.value;
}

Json json_of(const RowDifference& row) {
  Json json = {{"kind", row.kind}};
  Json identity = Json::object();
  for (const IdentityValue& value : row.identity) identity[value.column] = json_of(value);
  json["identity"] = std::move(identity);
  add_text(json, "source", row.source);
  add_text(json, "target", row.target);
  if (!row.columns.empty()) json["columns"] = row.columns;
  return json;
}

Json json_of(const SchemaFinding& finding) {
  Json json = {{"kind", finding.kind}, {"name", finding.name}};
  add_text(json, "source", finding.source);
  add_text(json, "target", finding.target);
  json["gap"] = finding.gap;
  add_text(json, "impact", finding.impact);
  json["severity"] = severity_name(finding.severity);
  return json;
}

Json json_of(const Impact& impact) {
  Json json = {{"what", impact.what}, {"objects", impact.objects}};
  add_text(json, "advice", impact.advice);
  return json;
}

Json json_of(const StageEstimate& estimate) {
  Json json = {{"stage", estimate.stage}, {"seconds", rounded(estimate.seconds)}};
  add_text(json, "basis", estimate.basis);
  return json;
}

Json json_of(const JobStatus& standing) {
  Json json = {{"state", standing.state}};
  add_text(json, "source", standing.source);
  add_text(json, "target", standing.target);
  add_text(json, "started_at", standing.started_at);
  add_text(json, "backup", standing.backup);
  add_text(json, "keep_until", standing.keep_until);
  add_text(json, "waiting_at", standing.waiting_at);
  add_text(json, "active", standing.active);
  add_text(json, "next", standing.next);
  return json;
}

template <class Items>
Json list_of(const Items& items) {
  Json list = Json::array();
  for (const auto& item : items) list.push_back(json_of(item));
  return list;
}

Json issues_of(const JobResult& result) {
  Json list = Json::array();
  if (result.error) list.push_back(json_of(*result.error));
  for (const Issue& issue : issues_beside_error(result)) list.push_back(json_of(issue));
  return list;
}

Json json_of(const Differences& differences) {
  return {{"missing", differences.missing},
          {"extra", differences.extra},
          {"changed", differences.changed},
          {"misplaced", differences.misplaced},
          {"rows", list_of(differences.rows)}};
}

void add_verify_fields(Json& to, const VerifyResult& verified,
                       const std::vector<StageSummary>& stages) {
  to["rows"] = {{"read", verified.rows_read}, {"key_mismatches", verified.key_mismatches}};
  to["bytes"] = {{"read", verified.bytes_read}};
  if (!verified.partitions.empty()) to["partitions"] = list_of(verified.partitions);
  if (verified.skew) to["skew"] = rounded(*verified.skew);
  to["stages"] = list_of(stages);
  if (verified.differences) to["differences"] = json_of(*verified.differences);
  if (!verified.schema.empty()) to["schema"] = list_of(verified.schema);
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
    to["differences"] = json_of(*differences);
  }
  if (plan != nullptr || !impact.empty()) to["impact"] = list_of(impact);
  if (plan != nullptr && !plan->estimates.empty()) to["estimates"] = list_of(plan->estimates);
  if (const JobStatus* status = job_status_of(result)) to["standing"] = json_of(*status);
  add_text(to, "waiting_at", result.waiting_at);
}

void add_copy_fields(Json& to, const CopyResult& copied, const std::vector<StageSummary>& stages) {
  to["rows"] = {{"read", copied.rows_read},
                {"written", copied.rows_written},
                {"resumed", copied.rows_resumed},
                {"rejected", copied.rows_rejected},
                {"key_mismatches", copied.key_mismatches}};
  to["bytes"] = {{"read", copied.bytes_read}, {"written", copied.bytes_written}};
  to["partitions"] = list_of(copied.partitions);
  if (copied.skew) to["skew"] = rounded(*copied.skew);
  to["stages"] = list_of(stages);
}

}  // namespace

double rounded(double number) {
  return std::isfinite(number) ? std::round(number * 1000) / 1000 : 0.0;
}

Json side_json(const TableSummary& side) {
  return json_of(side);
}

Json stage_json(const StageSummary& stage) {
  return json_of(stage);
}

Json issue_json(const Issue& issue) {
  return json_of(issue);
}

Json error_json(const Error& error) {
  return json_of(error);
}

Json json_document(const JobResult& result, const Resources& used) {
  Json document = {{"tool", "pgfanout"}, {"version", tool_version()}};
  add_text(document, "command", result.command);
  add_text(document, "job", result.job);
  document["exit_code"] = exit_code_of(result);
  document["status"] = status_of(result);
  if (result.source) document["source"] = json_of(*result.source);
  if (result.target) document["target"] = json_of(*result.target);
  const CopyResult* copied = copy_part(result);
  const bool is_window = is_of_window(result);
  if (copied != nullptr) {
    add_copy_fields(document, *copied, result.stages);
  } else if (const auto* verified = std::get_if<VerifyResult>(&result.details)) {
    add_verify_fields(document, *verified, result.stages);
  } else if (!result.stages.empty()) {
    document["stages"] = list_of(result.stages);
  }
  if (is_window) add_window_fields(document, result);
  document["issues"] = issues_of(result);
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

std::string json_text(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string json_report(const JobResult& result, const Resources& used) {
  return json_text(json_document(result, used));
}

}  // namespace pgfanout
