#include "copier/cli/job_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "copier/cli/commands.h"
#include "copier/cli/nearest.h"
#include "copier/cli/toml_document.h"
#include "copier/cli/values.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using Done = Result<void>;

constexpr std::size_t most_bytes = 1U << 20U;
constexpr std::string_view placeholder = "{table}";

bool is_password(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower.find("passw") != std::string::npos || lower == "pass" || lower == "pwd";
}

/// What a value must be, with an example.
std::string_view wanted(JobValue value) {
  switch (value) {
    case JobValue::text:
      return "a string in quotes";
    case JobValue::number:
      return "a whole number without quotes";
    case JobValue::number_or_text:
      return "a whole number, or a string in quotes";
    case JobValue::flag:
    case JobValue::inverted_flag:
      return "true or false";
    case JobValue::list:
      return "a list of strings: [\"...\", \"...\"]";
    case JobValue::own_reader:
      break;
  }
  return "a table";
}

bool fits(JobValue wanted_value, const toml::node& value) {
  switch (wanted_value) {
    case JobValue::text:
      return value.is_string();
    case JobValue::number:
      return value.is_integer();
    case JobValue::number_or_text:
      return value.is_integer() || value.is_string();
    case JobValue::flag:
    case JobValue::inverted_flag:
      return value.is_boolean();
    case JobValue::list:
      return value.is_array() && std::ranges::all_of(*value.as_array(), &toml::node::is_string);
    case JobValue::own_reader:
      break;
  }
  return false;
}

/// The name as it may be shown: one that is no plain word could be anything, a password too.
std::string shown_name(std::string_view name) {
  constexpr std::size_t longest = 63;  // Of an identifier.
  const bool is_word =
      !name.empty() && name.size() <= longest && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
      });
  return is_word ? std::string(name) : "(a quoted name)";
}

class JobFile {
 public:
  JobFile(std::string_view file, Invocation& to)
      : file_(file), to_(to), settings_(job_file_settings()) {}

  Done read_table(const toml::table& table, const std::string& path) {
    for (const TomlMember& member : members_of(table)) PGFANOUT_TRY(read_member(member, path));
    return {};
  }

 private:
  /// A table whose members are no options.
  struct Part {
    std::string_view name;
    Done (JobFile::*read)(const TomlMember& member);
  };
  static const std::array<Part, 5> parts;

  Done read_member(const TomlMember& member, const std::string& path) {
    if (is_password(member.name)) {
      Error error = error_at(
          member.at, "passwords do not belong into a job file, where others could read them",
          "put it into a file named by PGPASSFILE (or ~/.pgpass), or use a service file");
      error.code = "password-in-job-file";
      return error;
    }
    const std::string name = path.empty() ? member.name : path + "." + member.name;
    for (const Part& part : parts) {
      if (part.name != name) continue;
      PGFANOUT_TRY(need_kind(member, toml::node_type::table, fmt::format("[{}]", name)));
      for (const TomlMember& each : members_of(*member.value->as_table())) {
        PGFANOUT_TRY((this->*part.read)(each));
      }
      return {};
    }
    if (name == "queries") return read_queries(member);
    if (const OptionSpec* setting = find_setting(name)) return apply(*setting, member);
    if (!is_table(name)) return unknown(member, path);
    if (const auto* table = member.value->as_table()) return read_table(*table, name);
    return error_at(*member.value,
                    fmt::format("{} must be a table, not {}", name, name_of(member.value->type())),
                    fmt::format("write [{}], and its settings below", name));
  }

  [[nodiscard]] Error error_at(toml::source_position at, std::string message,
                               std::string hint = {}) const {
    return job_file_error(file_, at, std::move(message), std::move(hint));
  }

  [[nodiscard]] Error error_at(const toml::node& value, std::string message,
                               std::string hint = {}) const {
    return error_at(value.source().begin, std::move(message), std::move(hint));
  }

  [[nodiscard]] const OptionSpec* find_setting(std::string_view name) const {
    const auto found = std::ranges::find(settings_, name, &OptionSpec::job_key);
    return found == settings_.end() ? nullptr : &*found;
  }

  /// Whether settings are below it.
  [[nodiscard]] bool is_table(const std::string& name) const {
    return std::any_of(settings_.begin(), settings_.end(), [&](const OptionSpec& setting) {
      return setting.job_key.starts_with(name + ".");
    });
  }

  Done apply(const OptionSpec& setting, const TomlMember& member) {
    const toml::node& value = *member.value;
    if (!fits(setting.job_value, value)) {
      return error_at(value, fmt::format("{} must be {}, not {}", setting.job_key,
                                         wanted(setting.job_value), name_of(value.type())));
    }
    if (const auto* list = value.as_array()) {
      for (const toml::node& item : *list) PGFANOUT_TRY(apply_value(setting, item));
      return {};
    }
    const auto* flag = value.as_boolean();
    if (flag == nullptr) return apply_value(setting, value);
    const bool is_given = flag->get() == (setting.job_value == JobValue::flag);
    if (is_given) note(setting, "");
    return is_given ? setting.apply("", to_) : Done{};
  }

  void note(const OptionSpec& setting, const std::string& value) {
    to_.given.push_back(
        {std::string(setting.name.empty() ? setting.job_key : setting.name), value});
  }

  /// As on the command line; only the error speaks of the file.
  Done apply_value(const OptionSpec& setting, const toml::node& value) {
    const std::string text = text_of(value);
    auto applied = setting.apply(text, to_);
    if (applied) note(setting, text);
    if (applied) return {};
    Error error = std::move(applied).error();
    const std::string option = std::string(setting.name) + " ";
    const bool names_option = !setting.name.empty() && error.message.starts_with(option);
    if (names_option) error.message.erase(0, option.size());
    error.message = fmt::format("{} {}", setting.job_key, error.message);
    if (error.code == "usage") error.code = "job-file";
    error.where = error_at(value, "").where;
    return error;
  }

  /// Names of tables and settings directly below `path`.
  [[nodiscard]] std::vector<std::string_view> names_below(const std::string& path) const {
    std::vector<std::string_view> names;
    const auto add = [&](std::string_view key) {
      if (!path.empty() && !key.starts_with(path + ".")) return;
      if (!path.empty()) key.remove_prefix(path.size() + 1);
      const std::string_view name = key.substr(0, key.find('.'));
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    for (const OptionSpec& setting : settings_) add(setting.job_key);
    for (const Part& part : parts) add(part.name);
    add("queries");
    return names;
  }

  /// The table that has a setting of that name; empty if none has.
  [[nodiscard]] std::string_view table_with(std::string_view name) const {
    for (const OptionSpec& setting : settings_) {
      const std::size_t dot = setting.job_key.rfind('.');
      if (dot == std::string_view::npos || setting.job_key.substr(dot + 1) != name) continue;
      return setting.job_key.substr(0, dot);
    }
    return {};
  }

  [[nodiscard]] Error unknown(const TomlMember& member, const std::string& path) const {
    const std::string shown = shown_name(member.name);
    const std::string_view elsewhere = table_with(member.name);
    const std::vector<std::string_view> names = names_below(path);
    return error_at(
        member.at,
        path.empty() ? fmt::format("a job file has no {}", shown)
                     : fmt::format("[{}] has no {}", path, shown),
        elsewhere.empty()
            ? did_you_mean(member.name, names, fmt::format("known are {}", fmt::join(names, ", ")))
            : fmt::format("it belongs to [{}]", elsewhere));
  }

  Done need_kind(const TomlMember& member, toml::node_type type, std::string_view example) {
    if (member.value->type() == type) return {};
    return error_at(*member.value,
                    fmt::format("{} must be {}, not {}", shown_name(member.name), name_of(type),
                                name_of(member.value->type())),
                    fmt::format("for example {}", example));
  }

  /// A string that holds more than blanks.
  Done need_text(const TomlMember& member, std::string_view example) {
    PGFANOUT_TRY(need_kind(member, toml::node_type::string, example));
    if (text_of(*member.value).find_first_not_of(" \t\r\n") != std::string::npos) return {};
    return error_at(*member.value, fmt::format("{} must not be empty", shown_name(member.name)));
  }

  Done read_column(const TomlMember& column) {
    PGFANOUT_TRY(need_text(column, "metadata = \"coalesce(metadata, '{}'::jsonb)\""));
    if (column.name.empty()) return error_at(column.at, "a column has an empty name");
    to_.job.map.push_back({column.name, text_of(*column.value)});
    return {};
  }

  Done read_gate(const TomlMember& gate) {
    if (std::ranges::find(kWindowStages, gate.name) == kWindowStages.end()) {
      return error_at(gate.at, fmt::format("there is no stage {}", shown_name(gate.name)),
                      did_you_mean(gate.name, kWindowStages,
                                   fmt::format("stages are {}", fmt::join(kWindowStages, ", "))));
    }
    PGFANOUT_TRY(
        need_kind(gate, toml::node_type::string, fmt::format("{} = \"confirm\"", gate.name)));
    const std::string how = text_of(*gate.value);
    if (how == "confirm") to_.job.window.confirm_at.push_back(gate.name);
    if (how == "auto" || how == "confirm") return {};
    return error_at(*gate.value, fmt::format("gates.{} must be auto or confirm, not '{}'",
                                             gate.name, printable(how)));
  }

  Done read_view(const TomlMember& view) {
    constexpr std::string_view example = "\"public.chunk_counts\" = \"SELECT ... FROM {table}\"";
    if (view.value->is_table()) {
      return error_at(view.at, "the name of a view needs quotes: its dot is no path",
                      fmt::format("write {}", example));
    }
    PGFANOUT_TRY(need_text(view, example));
    to_.job.window.views[view.name] = text_of(*view.value);
    return {};
  }

  Done read_threshold(const TomlMember& threshold) {
    if (!threshold.value->is_integer()) PGFANOUT_TRY(need_text(threshold, "cpu = \"80%:slow\""));
    return read_pair("thresholds", threshold);
  }

  Done read_hook(const TomlMember& hook) {
    PGFANOUT_TRY(need_text(hook, "stage_finished = \"/usr/local/bin/tell-the-team\""));
    return read_pair("hooks", hook);
  }

  /// The option of that table; it takes "name=value".
  Done read_pair(std::string_view table, const TomlMember& member) {
    const OptionSpec& setting = *find_setting(table);
    const std::string text = member.name + "=" + text_of(*member.value);
    const auto applied = setting.apply(text, to_);
    if (applied) note(setting, text);
    if (applied) return {};
    return error_at(
        *member.value,
        fmt::format("{}.{} {}", table, shown_name(member.name), applied.error().message),
        applied.error().hint);
  }

  /// A query that does not name the table would be compared with itself.
  Done set_sql(const TomlMember& member, std::string& to) {
    PGFANOUT_TRY(need_text(member, "sql = \"SELECT count(*) FROM {table}\""));
    if (text_of(*member.value).find(placeholder) == std::string::npos) {
      return error_at(*member.value,
                      fmt::format("{} must name the table as {}", member.name, placeholder),
                      "it is run on the old and on the new table: SELECT count(*) FROM {table}");
    }
    to = text_of(*member.value);
    return {};
  }

  Done set_number(const TomlMember& member, std::uint64_t most, std::uint32_t& to) {
    PGFANOUT_TRY(need_kind(member, toml::node_type::integer, fmt::format("{} = 5", member.name)));
    const auto number = parse_number(text_of(*member.value), 1, most);
    if (!number) {
      return error_at(*member.value, fmt::format("{} {}", member.name, number.error().message));
    }
    to = static_cast<std::uint32_t>(*number);
    return {};
  }

  Done set_ratio(const TomlMember& member, std::optional<double>& to) {
    const double number = member.value->value<double>().value_or(0);
    if (!(number > 0) || number > 1e6) {
      return error_at(*member.value,
                      fmt::format("{} must be a number above 0, such as 1.2", member.name));
    }
    to = number;
    return {};
  }

  Done read_query_member(const TomlMember& member, QueryCheck& query) {
    if (member.name == "name") {
      PGFANOUT_TRY(need_text(member, "name = \"newest chunks\""));
      query.name = text_of(*member.value);
      return {};
    }
    if (member.name == "sql") return set_sql(member, query.sql);
    if (member.name == "target_sql") return set_sql(member, query.target_sql);
    if (member.name == "max_partitions") {
      return set_number(member, 10'000, query.max_partitions.emplace());
    }
    if (member.name == "max_ratio") return set_ratio(member, query.max_ratio);
    if (member.name == "runs") return set_number(member, 1000, query.runs);
    constexpr std::array<std::string_view, 6> names = {"name",           "sql",       "target_sql",
                                                       "max_partitions", "max_ratio", "runs"};
    return error_at(
        member.at, fmt::format("queries has no key {}", shown_name(member.name)),
        did_you_mean(member.name, names, fmt::format("known are {}", fmt::join(names, ", "))));
  }

  Result<QueryCheck> read_query(const toml::table& table) {
    QueryCheck query;
    for (const TomlMember& member : members_of(table)) {
      PGFANOUT_TRY(read_query_member(member, query));
    }
    if (query.name.empty()) return error_at(table, "a query needs a name");
    if (query.sql.empty()) {
      return error_at(table, fmt::format("the query '{}' needs sql", printable(query.name)));
    }
    return query;
  }

  Done read_queries(const TomlMember& list) {
    const toml::array* items = list.value->as_array();
    if (items == nullptr || !std::ranges::all_of(*items, &toml::node::is_table)) {
      return error_at(list.at, "queries must be a list of tables",
                      "begin each query with [[queries]]");
    }
    std::set<std::string> names;
    for (const toml::node& item : *items) {
      PGFANOUT_TRY_ASSIGN(QueryCheck query, read_query(*item.as_table()));
      if (!names.insert(query.name).second) {
        return error_at(item, fmt::format("two queries are called '{}'", printable(query.name)));
      }
      to_.job.window.queries.push_back(std::move(query));
    }
    return {};
  }

  std::string_view file_;
  Invocation& to_;
  std::vector<OptionSpec> settings_;
};

const std::array<JobFile::Part, 5> JobFile::parts = {{{"map", &JobFile::read_column},
                                                      {"gates", &JobFile::read_gate},
                                                      {"views", &JobFile::read_view},
                                                      {"thresholds", &JobFile::read_threshold},
                                                      {"hooks", &JobFile::read_hook}}};

Error cannot_read(const std::string& path, std::string_view why) {
  return refused("job-file", fmt::format("the job file {}", why),
                 "the first word behind the command that is no option names a job file",
                 printable(path));
}

Result<std::string> text_of(const std::string& path, int fd) {
  struct stat about {};
  if (fstat(fd, &about) != 0) return cannot_read(path, "cannot be read");
  if (S_ISDIR(about.st_mode)) return cannot_read(path, "is a directory");
  std::string text;
  std::array<char, 65536> piece{};
  while (true) {
    const ssize_t bytes = read(fd, piece.data(), piece.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return cannot_read(path, fmt::format("cannot be read: {}", strerror(errno)));
    if (bytes == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(bytes));
    if (text.size() > most_bytes) return cannot_read(path, "is larger than 1 MiB");
  }
}

}  // namespace

std::vector<OptionSpec> job_file_settings() {
  std::vector<OptionSpec> settings;
  std::set<std::string_view> known;
  const auto add = [&](OptionTable options) {
    for (const OptionSpec& option : options) {
      if (option.job_key.empty() || !known.insert(option.job_key).second) continue;
      settings.push_back(option);
    }
  };
  add(job_options());
  add(job_file_options());
  for (const CommandSpec& command : commands()) add(command.own_options);
  return settings;
}

Result<void> apply_job_text(std::string_view text, std::string_view file, Invocation& to) {
  PGFANOUT_TRY_ASSIGN(const toml::table root, parse_toml(text, file));
  return JobFile(file, to).read_table(root, "");
}

Result<void> apply_job_file(const std::string& path, Invocation& to) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return cannot_read(path, "does not exist");
  if (fd < 0) return cannot_read(path, fmt::format("cannot be read: {}", strerror(errno)));
  const Result<std::string> text = text_of(path, fd);
  close(fd);
  if (!text) return text.error();
  return apply_job_text(*text, path, to);
}

void let_later_mappings_win(std::vector<ColumnMapping>& map, std::size_t from_file) {
  const auto end = map.begin() + static_cast<std::ptrdiff_t>(from_file);
  const std::vector<ColumnMapping> later(end, map.end());
  const auto is_replaced = [&](const ColumnMapping& mapping) {
    return std::any_of(later.begin(), later.end(),
                       [&](const ColumnMapping& each) { return each.column == mapping.column; });
  };
  map.erase(std::remove_if(map.begin(), end, is_replaced), end);
}

}  // namespace pgfanout
