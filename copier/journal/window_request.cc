#include "copier/journal/window_request.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

namespace pgfanout {
namespace {

constexpr std::string_view kModeNames[] = {"check", "generated", "expression", "none"};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Without line ends, and without the equal sign that ends a name.
std::string escaped(std::string_view text, bool is_name = false) {
  std::string line;
  for (const char byte : text) {
    if (byte == '\\') {
      line += "\\\\";
    } else if (byte == '\n') {
      line += "\\n";
    } else if (byte == '=' && is_name) {
      line += "\\e";
    } else {
      line += byte;
    }
  }
  return line;
}

std::string unescaped(std::string_view line) {
  std::string text;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] != '\\' || at + 1 == line.size()) {
      text += line[at];
      continue;
    }
    ++at;
    text += line[at] == 'n' ? '\n' : line[at] == 'e' ? '=' : line[at];
  }
  return text;
}

/// "name=value", both as they were.
std::pair<std::string, std::string> unescaped_pair(std::string_view line) {
  const std::size_t end = std::min(line.find('='), line.size());
  return {unescaped(line.substr(0, end)), unescaped(line.substr(std::min(end + 1, line.size())))};
}

/// What follows `word` and a blank; false if the line is another setting's.
bool takes(std::string_view line, std::string_view word, std::string_view& rest) {
  if (line.size() <= word.size() || !line.starts_with(word) || line[word.size()] != ' ') {
    return false;
  }
  rest = line.substr(word.size() + 1);
  return true;
}

void apply_line(std::string_view line, JobDescription& job) {
  std::string_view rest;
  if (takes(line, "key column", rest)) {
    job.key_column = unescaped(rest);
  } else if (takes(line, "key mode", rest)) {
    const auto* mode = std::find(std::begin(kModeNames), std::end(kModeNames), rest);
    if (mode != std::end(kModeNames)) {
      job.key_mode = static_cast<KeyMode>(mode - std::begin(kModeNames));
    }
  } else if (takes(line, "key expression", rest)) {
    job.key = unescaped(rest);
  } else if (takes(line, "partitions", rest)) {
    std::from_chars(rest.data(), rest.data() + rest.size(), job.partitions);
  } else if (takes(line, "map", rest)) {
    auto [column, sql] = unescaped_pair(rest);
    job.map.push_back({std::move(column), std::move(sql)});
  } else if (takes(line, "skip", rest)) {
    job.skip.push_back(unescaped(rest));
  } else if (takes(line, "accept", rest)) {
    job.window.accept.push_back(unescaped(rest));
  } else if (takes(line, "view", rest)) {
    job.window.views.insert(unescaped_pair(rest));
  }
}

}  // namespace

std::string request_of(const JobDescription& job, const std::string& key_sql) {
  std::string text = fmt::format("key expression {}\npartitions {}\nkey column {}\nkey mode {}\n",
                                 escaped(key_sql), job.partitions, escaped(job.key_column),
                                 kModeNames[static_cast<int>(job.key_mode)]);
  std::vector<std::string> more;
  for (const ColumnMapping& mapping : job.map) {
    more.push_back(fmt::format("map {}={}", escaped(mapping.column, true), escaped(mapping.sql)));
  }
  for (const std::string& column : job.skip) more.push_back("skip " + escaped(column));
  for (const std::string& object : job.window.accept) more.push_back("accept " + escaped(object));
  for (const auto& [name, query] : job.window.views) {
    more.push_back(fmt::format("view {}={}", escaped(name, true), escaped(query)));
  }
  std::sort(more.begin(), more.end());
  for (const std::string& line : more) text += line + "\n";
  return text;
}

std::string request_differences(const std::string& then, const std::string& now) {
  const std::vector<std::string> old_lines = lines_of(then);
  const std::vector<std::string> new_lines = lines_of(now);
  const std::set<std::string> before(old_lines.begin(), old_lines.end());
  const std::set<std::string> after(new_lines.begin(), new_lines.end());
  std::vector<std::string> differences;
  for (const std::string& line : old_lines) {
    if (!after.contains(line)) differences.push_back("was: " + line);
  }
  for (const std::string& line : new_lines) {
    if (!before.contains(line)) differences.push_back("now: " + line);
  }
  return fmt::format("{}", fmt::join(differences, "; "));
}

JobDescription with_request(JobDescription job, const std::string& request) {
  job.map.clear();
  job.skip.clear();
  job.window.accept.clear();
  job.window.views.clear();
  for (const std::string& line : lines_of(request)) apply_line(line, job);
  return job;
}

}  // namespace pgfanout
