#include "copier/cli/settings_of.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "copier/cli/commands.h"
#include "copier/pg/connection.h"
#include "copier/report/events/hooks.h"

namespace pgfanout {
namespace {

using Texts = std::vector<std::string>;

/// What the help says behind "Default: ", the one place where defaults are written for people.
std::string default_of(const OptionSpec& option) {
  constexpr std::string_view word = "Default: ";
  const std::size_t at = option.help.rfind(word);
  if (at == std::string_view::npos || option.value.empty()) {
    return option.value.empty() ? "off" : "none";
  }
  return std::string(option.help.substr(at + word.size()));
}

std::string shown(const OptionSpec& option, const std::string& value) {
  if (option.value.empty()) return "on";
  if (option.value == "DSN") {
    const std::string server = server_of_dsn(value);
    return server.empty() ? "libpq's environment" : server;
  }
  return option.name == "--hook" ? shown_hook(value) : value;
}

/// Later ones win, or add up where an option can be repeated.
Texts values_of(const OptionSpec& option, const Invocation& call) {
  Texts values;
  if (option.name == "--map") {  // Of the file's mappings the command line may replace some.
    for (const ColumnMapping& mapping : call.job.map) {
      values.push_back(mapping.column + "=" + mapping.sql);
    }
    return values;
  }
  for (const GivenOption& given : call.given) {
    if (given.name != option.name) continue;
    if (!option.is_repeatable) values.clear();
    values.push_back(shown(option, given.value));
  }
  return values;
}

void add(std::vector<ReportSetting>& settings, std::string_view name, const Texts& values) {
  settings.push_back({"Job file alone", std::string(name),
                      values.empty() ? "none" : fmt::format("{}", fmt::join(values, "\n")),
                      values.empty()});
}

}  // namespace

std::string shown_hook(const std::string& hook) {
  const std::size_t divider = hook.find('=');
  if (divider == std::string::npos) return hook;
  const std::string command = hook.substr(divider + 1);
  const std::string program = program_of(command);
  return hook.substr(0, divider + 1) + program + (program == command ? "" : " ...");
}

std::vector<ReportSetting> settings_of(const Invocation& call) {
  std::vector<ReportSetting> settings;
  const CommandSpec* command = find_command(call.command);
  if (command == nullptr) return settings;
  for (const OptionSpec& option : options_of(*command)) {
    const Texts values = values_of(option, call);
    settings.push_back(
        {std::string(option.group), std::string(option.name),
         values.empty() ? default_of(option) : fmt::format("{}", fmt::join(values, "\n")),
         values.empty()});
  }
  Texts views;
  for (const auto& [name, sql] : call.job.window.views) views.push_back(name);
  Texts queries;
  for (const QueryCheck& query : call.job.window.queries) queries.push_back(query.name);
  Texts scope;
  for (const GivenOption& given : call.given) {
    if (given.name == "verify.scope") scope = {given.value};
  }
  add(settings, "[gates] confirm", call.job.window.confirm_at);
  add(settings, "[views]", views);
  add(settings, "[[queries]]", queries);
  add(settings, "[verify] scope", scope);
  return settings;
}

}  // namespace pgfanout
