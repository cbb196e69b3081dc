#include "copier/journal/job_request.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/carry/references.h"
#include "copier/catalog/standbys.h"

namespace pgfanout {
namespace {

using Setting = std::vector<std::string>;  // Its name, then its value or values.

/// Not of the rows that are copied, so another one is no other request.
constexpr std::string_view kRollbackMap = "rollback map";

/// None if request_of() did not write `request`.
std::vector<Setting> settings_in(const std::string& request) {
  try {
    return nlohmann::json::parse(request).get<std::vector<Setting>>();
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

/// "map column=sql", on one line.
std::string words_of(const Setting& setting) {
  std::string words = fmt::format("{}", fmt::join(setting, "="));
  if (setting.size() > 1) words[setting[0].size()] = ' ';
  for (std::size_t at = words.find('\n'); at != std::string::npos; at = words.find('\n', at)) {
    words.replace(at, 1, "\\n");
  }
  return words;
}

std::int64_t number_in(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void apply(const Setting& setting, JobDescription& job) {
  const std::string_view name = setting.empty() ? "" : std::string_view(setting[0]);
  if (setting.size() == 3) {
    if (name == "map") job.map.push_back({setting[1], setting[2]});
    if (name == kRollbackMap) job.window.rollback_map.push_back({setting[1], setting[2]});
    if (name == "view") job.window.views.emplace(setting[1], setting[2]);
  }
  if (name == "target column" && setting.size() == 4) {
    job.target.columns.push_back({setting[1], setting[2] == "not null", setting[3]});
  }
  if (name == "target sequence" && setting.size() == 6) {
    job.target.sequences.push_back(
        {setting[1], setting[2], number_in(setting[3]), number_in(setting[4]), setting[5]});
  }
  if (setting.size() != 2) return;
  const std::string& value = setting[1];
  if (name == "key column") job.key_column = value;
  if (name == "key expression") job.key = value;
  if (name == "skip") job.skip.push_back(value);
  if (name == "accept") job.window.accept.push_back(value);
  if (name == "target index") job.target.indexes.push_back(value);
  if (name == "leaf name") job.target.leaf_name = value;
  if (name == "partition by") job.layout.by = value;
  if (name == "interval") job.layout.interval = value;
  if (name == "from") job.layout.from = value;
  if (name == "ahead") job.layout.ahead = static_cast<std::uint32_t>(number_in(value));
  if (name == "default partition") job.layout.default_partition = value == "yes";
  if (name == "partitions") job.partitions = static_cast<std::uint32_t>(number_in(value));
  for (const KeyMode mode :
       {KeyMode::check, KeyMode::generated, KeyMode::expression, KeyMode::none}) {
    if (name == "key mode" && value == key_mode_name(mode)) job.key_mode = mode;
  }
}

}  // namespace

std::string request_of(const JobDescription& job, const std::string& key_sql) {
  std::vector<Setting> settings = {
      {"key expression", key_sql},
      {"partitions", std::to_string(job.partitions.value_or(kDefaultPartitions))},
      {"key column", job.key_column.empty() ? std::string(kDefaultKeyColumn) : job.key_column},
      {"key mode", std::string(key_mode_name(job.key_mode.value_or(KeyMode::check)))}};
  for (const ColumnMapping& each : job.map) settings.push_back({"map", each.column, each.sql});
  for (const ColumnMapping& each : job.window.rollback_map) {
    settings.push_back({std::string(kRollbackMap), each.column, each.sql});
  }
  for (const std::string& column : job.skip) settings.push_back({"skip", column});
  for (const std::string& object : job.window.accept) settings.push_back({"accept", object});
  for (const auto& [name, query] : job.window.views) settings.push_back({"view", name, query});
  for (const std::string& index : job.target.indexes) settings.push_back({"target index", index});
  for (const TargetColumn& each : job.target.columns) {
    settings.push_back(
        {"target column", each.name, each.is_not_null ? "not null" : "", each.default_sql});
  }
  for (const TargetSequence& each : job.target.sequences) {
    settings.push_back({"target sequence", each.name, each.type, std::to_string(each.start),
                        std::to_string(each.increment), each.owned_by});
  }
  const LayoutRequest& layout = job.layout;
  if (!layout.by.empty()) settings.push_back({"partition by", layout.by});
  if (!layout.interval.empty()) settings.push_back({"interval", layout.interval});
  if (!layout.from.empty()) settings.push_back({"from", layout.from});
  if (layout.ahead > 0) settings.push_back({"ahead", std::to_string(layout.ahead)});
  if (layout.default_partition) settings.push_back({"default partition", "yes"});
  if (!job.target.leaf_name.empty()) settings.push_back({"leaf name", job.target.leaf_name});
  std::sort(settings.begin() + 4, settings.end());
  return nlohmann::json(settings).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string request_differences(const std::string& then, const std::string& now) {
  const std::vector<Setting> before = settings_in(then);
  const std::vector<Setting> after = settings_in(now);
  std::vector<std::string> differences;
  const auto note = [&](std::string_view when, const auto& these, const auto& others) {
    for (const Setting& setting : these) {
      if (std::find(others.begin(), others.end(), setting) != others.end()) continue;
      if (!setting.empty() && setting.front() == kRollbackMap) continue;
      differences.push_back(fmt::format("{}: {}", when, words_of(setting)));
    }
  };
  note("was", before, after);
  note("now", after, before);
  return fmt::format("{}", fmt::join(differences, "; "));
}

std::vector<std::string> accepted_later(const std::string& request, const JobDescription& job) {
  const JobDescription then = with_request({}, request);
  const std::vector<std::string>& before = then.window.accept;
  std::vector<std::string> later;
  for (const std::string& each : job.window.accept) {
    const bool is_known = std::find(before.begin(), before.end(), each) != before.end();
    const bool may_be_late = each.starts_with(kOrphansOf) || each.starts_with(kAcceptedStandby);
    if (!is_known && may_be_late) later.push_back(each);
  }
  return later;
}

bool says_nothing(const JobDescription& job) {
  return job.key.empty() && job.key_column.empty() && !job.partitions && !job.key_mode &&
         request_of(job, "") == request_of({}, "");
}

JobDescription with_request(JobDescription job, const std::string& request) {
  job.map.clear();
  job.skip.clear();
  job.window.accept.clear();
  job.window.views.clear();
  job.target = {};
  job.layout = {};
  // The way back may be stated, or mended, after the job began.
  const std::vector<ColumnMapping> stated = std::exchange(job.window.rollback_map, {});
  for (const Setting& setting : settings_in(request)) apply(setting, job);
  if (!stated.empty()) job.window.rollback_map = stated;
  return job;
}

}  // namespace pgfanout
