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
#include "copier/cli/job_file_tables.h"
#include "copier/cli/nearest.h"
#include "copier/cli/toml_tree.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

constexpr std::size_t most_bytes = 1U << 20U;

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

bool fits(JobValue wanted_value, const TomlValue& value) {
  switch (wanted_value) {
    case JobValue::text:
      return value.kind == TomlKind::text;
    case JobValue::number:
      return value.kind == TomlKind::integer;
    case JobValue::number_or_text:
      return value.kind == TomlKind::integer || value.kind == TomlKind::text;
    case JobValue::flag:
    case JobValue::inverted_flag:
      return value.kind == TomlKind::flag;
    case JobValue::list:
      return value.kind == TomlKind::list &&
             std::all_of(value.items.begin(), value.items.end(),
                         [](const TomlValue& item) { return item.kind == TomlKind::text; });
    case JobValue::own_reader:
      break;
  }
  return false;
}

class JobFile {
 public:
  JobFile(std::string_view file, Invocation& to)
      : file_(file), to_(to), settings_(job_file_settings()) {}

  Result<void> read_table(const TomlValue& table, const std::string& path) {
    for (const TomlMember& member : table.members) PGFANOUT_TRY(read_member(member, path));
    return {};
  }

 private:
  Result<void> read_member(const TomlMember& member, const std::string& path) {
    if (is_password(member.name)) {
      Error error = job_file_error(
          file_, member.at, "passwords do not belong into a job file, where others could read them",
          "put it into a file named by PGPASSFILE (or ~/.pgpass), or use a service file");
      error.code = "password-in-job-file";
      return error;
    }
    const std::string name = path.empty() ? member.name : path + "." + member.name;
    if (const JobFileTable* table = find_job_file_table(name)) {
      return table->read(member, file_, to_);
    }
    for (const OptionSpec& setting : settings_) {
      if (setting.job_key == name) return apply(setting, member);
    }
    if (!is_table(name)) return unknown(member, path);
    if (member.value.kind == TomlKind::table) return read_table(member.value, name);
    return job_file_error(
        file_, member.value.at,
        fmt::format("{} must be a table, not {}", name, name_of(member.value.kind)),
        fmt::format("write [{}], and its settings below", name));
  }

  /// Whether settings are below it.
  [[nodiscard]] bool is_table(const std::string& name) const {
    return std::any_of(settings_.begin(), settings_.end(), [&](const OptionSpec& setting) {
      return setting.job_key.starts_with(name + ".");
    });
  }

  Result<void> apply(const OptionSpec& setting, const TomlMember& member) {
    const TomlValue& value = member.value;
    if (!fits(setting.job_value, value)) {
      return job_file_error(file_, value.at,
                            fmt::format("{} must be {}, not {}", setting.job_key,
                                        wanted(setting.job_value), name_of(value.kind)));
    }
    if (value.kind == TomlKind::list) {
      for (const TomlValue& item : value.items) PGFANOUT_TRY(apply_value(setting, item));
      return {};
    }
    if (value.kind != TomlKind::flag) return apply_value(setting, value);
    const bool is_given = (value.text == "true") == (setting.job_value == JobValue::flag);
    if (is_given) note(setting, "");
    return is_given ? setting.apply("", to_) : Result<void>{};
  }

  void note(const OptionSpec& setting, const std::string& value) {
    to_.given.push_back(
        {std::string(setting.name.empty() ? setting.job_key : setting.name), value});
  }

  /// As on the command line; only the error speaks of the file.
  Result<void> apply_value(const OptionSpec& setting, const TomlValue& value) {
    auto applied = setting.apply(value.text, to_);
    if (applied) note(setting, value.text);
    if (applied) return {};
    Error error = std::move(applied).error();
    const std::string option = std::string(setting.name) + " ";
    const bool names_option = !setting.name.empty() && error.message.starts_with(option);
    if (names_option) error.message.erase(0, option.size());
    error.message = fmt::format("{} {}", setting.job_key, error.message);
    if (error.code == "usage") error.code = "job-file";
    error.where = job_file_error(file_, value.at, "").where;
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
    for (const JobFileTable& table : job_file_tables()) add(table.name);
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
    const std::string what = path.empty() ? fmt::format("a job file has no {}", shown)
                                          : fmt::format("[{}] has no {}", path, shown);
    const std::vector<std::string_view> names = names_below(path);
    const std::string_view nearest = nearest_name(member.name, names);
    const std::string_view elsewhere = table_with(member.name);
    std::string hint = fmt::format("known are {}", fmt::join(names, ", "));
    if (!nearest.empty()) hint = fmt::format("did you mean {}?", nearest);
    if (!elsewhere.empty()) hint = fmt::format("it belongs to [{}]", elsewhere);
    return job_file_error(file_, member.at, what, hint);
  }

  std::string_view file_;
  Invocation& to_;
  std::vector<OptionSpec> settings_;
};

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
  PGFANOUT_TRY_ASSIGN(const TomlValue root, parse_toml(text, file));
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
