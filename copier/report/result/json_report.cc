#include "copier/report/result/json_report.h"

#include <algorithm>
#include <array>
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

Json json_of(const JobStanding& standing) {
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

/// Fields of verify.
void add_verify_fields(Json& to, const JobResult& result) {
  to["rows"] = {{"read", result.rows_read}, {"key_mismatches", result.key_mismatches}};
  to["bytes"] = {{"read", result.bytes_read}};
  if (!result.partitions.empty()) to["partitions"] = list_of(result.partitions);
  if (result.skew) to["skew"] = rounded(*result.skew);
  to["stages"] = list_of(result.stages);
  if (result.differences) to["differences"] = json_of(*result.differences);
  if (!result.schema.empty()) to["schema"] = list_of(result.schema);
  if (!result.deployment_order.empty()) to["deployment_order"] = result.deployment_order;
}

bool is_window_command(const std::string& command) {
  constexpr std::array<std::string_view, 6> names = {"plan",     "run",     "swap",
                                                     "rollback", "cleanup", "status"};
  return std::find(names.begin(), names.end(), command) != names.end();
}

/// Fields of the maintenance window that no other command has.
void add_window_fields(Json& to, const JobResult& result) {
  if (result.differences) to["differences"] = json_of(*result.differences);
  if (!result.schema.empty()) to["schema"] = list_of(result.schema);
  if (result.command == "plan" || !result.impact.empty()) to["impact"] = list_of(result.impact);
  if (!result.estimates.empty()) to["estimates"] = list_of(result.estimates);
  if (result.standing) to["standing"] = json_of(*result.standing);
  add_text(to, "waiting_at", result.waiting_at);
}

/// Fields of commands that move rows.
void add_copy_fields(Json& to, const JobResult& result) {
  to["rows"] = {{"read", result.rows_read},
                {"written", result.rows_written},
                {"resumed", result.rows_resumed},
                {"rejected", result.rows_rejected},
                {"key_mismatches", result.key_mismatches}};
  to["bytes"] = {{"read", result.bytes_read}, {"written", result.bytes_written}};
  to["partitions"] = list_of(result.partitions);
  if (result.skew) to["skew"] = rounded(*result.skew);
  to["stages"] = list_of(result.stages);
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
  const bool moves_rows = result.command == "copy" || result.command == "run";
  const bool is_window = is_window_command(result.command);
  if (moves_rows) {
    add_copy_fields(document, result);
  } else if (result.command == "verify") {
    add_verify_fields(document, result);
  } else if (!result.stages.empty()) {
    document["stages"] = list_of(result.stages);
  }
  if (is_window) add_window_fields(document, result);
  document["issues"] = issues_of(result);
  document["resources"] = {{"peak_rss_bytes", used.peak_rss_bytes},
                           {"cpu_seconds", rounded(used.cpu_seconds)}};
  if (moves_rows) {
    document["resources"]["readers"] = result.readers;
    document["resources"]["writers"] = result.writers;
  }
  if (moves_rows || is_window) document["writes_refused"] = result.writes_refused;
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
