#include "copier/cli/key_output.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "copier/report/result/json_report.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using Json = nlohmann::ordered_json;

/// What was asked, for the answer at `index`: its own value, or all of them where several columns
/// make one row.
std::string asked(const KeyQuestion& question, const KeyResult& report, std::size_t index) {
  if (question.values.size() == report.answers.size()) return printable(question.values[index]);
  if (report.answers.size() != 1) return fmt::format("row {}", index + 1);
  std::string all;
  for (const std::string& value : question.values) {
    all += (all.empty() ? "" : " ") + printable(value);
  }
  return all;
}

std::string server_text(const KeyAnswer& answer) {
  if (answer.server_agrees) return "the server agrees";
  if (answer.server_key) return fmt::format("the server says {}", *answer.server_key);
  return "the server gives no key";
}

std::string answer_text(const KeyAnswer& answer) {
  std::string text = answer.key ? fmt::format("key {}", *answer.key)
                                : fmt::format("no key ({})", printable(answer.reason));
  if (answer.leaf) text += fmt::format(", leaf {}", printable(*answer.leaf));
  return text + ", " + server_text(answer);
}

Json json_of(const KeyAnswer& answer) {
  Json json = Json::object();
  if (answer.key) json["key"] = *answer.key;
  if (!answer.reason.empty()) json["reason"] = answer.reason;
  if (answer.leaf) json["leaf"] = *answer.leaf;
  if (answer.server_key) json["server_key"] = *answer.server_key;
  json["server_agrees"] = answer.server_agrees;
  return json;
}

Json json_of(const KeyResult& report) {
  Json json = Json::object();
  if (!report.answers.empty()) json["expression"] = report.answers.front().expression;
  json["answers"] = Json::array();
  for (const KeyAnswer& answer : report.answers) json["answers"].push_back(json_of(answer));
  json["compared"] = report.compared;
  json["disagreements"] = report.disagreements;
  json["examples"] = report.examples;
  return json;
}

}  // namespace

std::string key_text(const KeyQuestion& question, const KeyResult& report) {
  std::string text;
  if (!report.answers.empty()) {
    text +=
        fmt::format("key expression: {}\n", printable_lines(report.answers.front().expression, 2));
  }
  for (std::size_t i = 0; i < report.answers.size(); ++i) {
    text += fmt::format("{}: {}\n", asked(question, report, i), answer_text(report.answers[i]));
  }
  if (report.compared == 0) return text;
  text += fmt::format("compared {} values with the server: {}\n", with_commas(report.compared),
                      report.disagreements == 0 ? "all keys agree"
                                                : with_commas(report.disagreements) + " disagree");
  for (const std::string& example : report.examples) text += "  " + printable(example) + "\n";
  if (report.disagreements > 0) text += fmt::format("repeat with --seed {}\n", question.seed);
  return text;
}

std::string key_json(const JobResult& result, const Resources& used) {
  const Json common = json_document(result, used);
  const auto* key = std::get_if<KeyResult>(&result.details);
  const bool has_answers = key != nullptr && (!key->answers.empty() || key->compared > 0);
  Json document = Json::object();
  for (const auto& [name, value] : common.items()) {
    if (name == "issues" && has_answers) document["key"] = json_of(*key);
    document[name] = value;
  }
  return json_text(document);
}

}  // namespace pgfanout
