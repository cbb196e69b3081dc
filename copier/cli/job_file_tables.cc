#include "copier/cli/job_file_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "copier/cli/nearest.h"
#include "copier/cli/values.h"
#include "copier/cli/watch_values.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using Done = Result<void>;

constexpr std::string_view placeholder = "{table}";

Done need_kind(const TomlMember& member, TomlKind kind, std::string_view file,
               std::string_view example) {
  if (member.value.kind == kind) return {};
  return job_file_error(file, member.value.at,
                        fmt::format("{} must be {}, not {}", shown_name(member.name), name_of(kind),
                                    name_of(member.value.kind)),
                        fmt::format("for example {}", example));
}

/// A string that holds more than blanks.
Done need_text(const TomlMember& member, std::string_view file, std::string_view example) {
  PGFANOUT_TRY(need_kind(member, TomlKind::text, file, example));
  if (member.value.text.find_first_not_of(" \t\r\n") != std::string::npos) return {};
  return job_file_error(file, member.value.at,
                        fmt::format("{} must not be empty", shown_name(member.name)));
}

Done read_map(const TomlMember& table, std::string_view file, Invocation& to) {
  PGFANOUT_TRY(need_kind(table, TomlKind::table, file, "[map]"));
  for (const TomlMember& column : table.value.members) {
    PGFANOUT_TRY(need_text(column, file, "metadata = \"coalesce(metadata, '{}'::jsonb)\""));
    if (column.name.empty()) return job_file_error(file, column.at, "a column has an empty name");
    to.job.map.push_back({column.name, column.value.text});
  }
  return {};
}

Done read_gates(const TomlMember& table, std::string_view file, Invocation& to) {
  PGFANOUT_TRY(need_kind(table, TomlKind::table, file, "[gates]"));
  for (const TomlMember& gate : table.value.members) {
    if (std::find(kWindowStages.begin(), kWindowStages.end(), gate.name) == kWindowStages.end()) {
      const std::string_view nearest = nearest_name(gate.name, kWindowStages);
      return job_file_error(
          file, gate.at, fmt::format("there is no stage {}", shown_name(gate.name)),
          nearest.empty() ? fmt::format("stages are {}", fmt::join(kWindowStages, ", "))
                          : fmt::format("did you mean {}?", nearest));
    }
    PGFANOUT_TRY(need_kind(gate, TomlKind::text, file, fmt::format("{} = \"confirm\"", gate.name)));
    const std::string& how = gate.value.text;
    if (how != "auto" && how != "confirm") {
      return job_file_error(
          file, gate.value.at,
          fmt::format("gates.{} must be auto or confirm, not '{}'", gate.name, printable(how)));
    }
    if (how == "confirm") to.job.window.confirm_at.push_back(gate.name);
  }
  return {};
}

Done read_views(const TomlMember& table, std::string_view file, Invocation& to) {
  constexpr std::string_view example = "\"public.chunk_counts\" = \"SELECT ... FROM {table}\"";
  PGFANOUT_TRY(need_kind(table, TomlKind::table, file, "[views]"));
  for (const TomlMember& view : table.value.members) {
    if (view.value.kind == TomlKind::table) {
      return job_file_error(file, view.at, "the name of a view needs quotes: its dot is no path",
                            fmt::format("write {}", example));
    }
    PGFANOUT_TRY(need_text(view, file, example));
    to.job.window.views[view.name] = view.value.text;
  }
  return {};
}

/// A query that does not name the table would be compared with itself.
Done set_sql(const TomlMember& member, std::string_view file, std::string& to) {
  PGFANOUT_TRY(need_text(member, file, "sql = \"SELECT count(*) FROM {table}\""));
  if (member.value.text.find(placeholder) == std::string::npos) {
    return job_file_error(
        file, member.value.at,
        fmt::format("{} must name the table as {}", member.name, placeholder),
        "it is run on the old and on the new table: SELECT count(*) FROM {table}");
  }
  to = member.value.text;
  return {};
}

Done set_number(const TomlMember& member, std::string_view file, std::uint64_t most,
                std::uint32_t& to) {
  PGFANOUT_TRY(need_kind(member, TomlKind::integer, file, fmt::format("{} = 5", member.name)));
  const auto number = parse_number(member.value.text, 1, most);
  if (!number) {
    return job_file_error(file, member.value.at,
                          fmt::format("{} {}", member.name, number.error().message));
  }
  to = static_cast<std::uint32_t>(*number);
  return {};
}

Done set_ratio(const TomlMember& member, std::string_view file, std::optional<double>& to) {
  const std::string& text = member.value.text;
  const bool is_number =
      member.value.kind == TomlKind::integer || member.value.kind == TomlKind::decimal;
  double number = 0;
  if (is_number) std::from_chars(text.data(), text.data() + text.size(), number);
  if (!(number > 0) || number > 1e6) {
    return job_file_error(file, member.value.at,
                          fmt::format("{} must be a number above 0, such as 1.2", member.name));
  }
  to = number;
  return {};
}

Done read_query_member(const TomlMember& member, std::string_view file, QueryCheck& query) {
  if (member.name == "name") {
    PGFANOUT_TRY(need_text(member, file, "name = \"newest chunks\""));
    query.name = member.value.text;
    return {};
  }
  if (member.name == "sql") return set_sql(member, file, query.sql);
  if (member.name == "target_sql") return set_sql(member, file, query.target_sql);
  if (member.name == "max_partitions") {
    return set_number(member, file, 10'000, query.max_partitions.emplace());
  }
  if (member.name == "max_ratio") return set_ratio(member, file, query.max_ratio);
  if (member.name == "runs") return set_number(member, file, 1000, query.runs);
  constexpr std::array<std::string_view, 6> names = {"name",           "sql",       "target_sql",
                                                     "max_partitions", "max_ratio", "runs"};
  const std::string_view nearest = nearest_name(member.name, names);
  return job_file_error(file, member.at,
                        fmt::format("queries has no key {}", shown_name(member.name)),
                        nearest.empty() ? fmt::format("known are {}", fmt::join(names, ", "))
                                        : fmt::format("did you mean {}?", nearest));
}

Result<QueryCheck> read_query(const TomlValue& table, std::string_view file) {
  QueryCheck query;
  for (const TomlMember& member : table.members) {
    PGFANOUT_TRY(read_query_member(member, file, query));
  }
  if (query.name.empty()) return job_file_error(file, table.at, "a query needs a name");
  if (query.sql.empty()) {
    return job_file_error(file, table.at,
                          fmt::format("the query '{}' needs sql", printable(query.name)));
  }
  return query;
}

Done read_queries(const TomlMember& list, std::string_view file, Invocation& to) {
  const auto is_table = [](const TomlValue& item) { return item.kind == TomlKind::table; };
  const auto& items = list.value.items;
  if (list.value.kind != TomlKind::list || !std::all_of(items.begin(), items.end(), is_table)) {
    return job_file_error(file, list.at, "queries must be a list of tables",
                          "begin each query with [[queries]]");
  }
  std::set<std::string> names;
  for (const TomlValue& item : items) {
    PGFANOUT_TRY_ASSIGN(QueryCheck query, read_query(item, file));
    if (!names.insert(query.name).second) {
      return job_file_error(file, item.at,
                            fmt::format("two queries are called '{}'", printable(query.name)));
    }
    to.job.window.queries.push_back(std::move(query));
  }
  return {};
}

/// Passes on what the option of the same meaning says, with a place in the file.
Done placed(Done done, const TomlMember& member, std::string_view file, std::string_view what) {
  if (done) return done;
  Error error = std::move(done).error();
  return job_file_error(file, member.value.at, fmt::format("{} {}", what, error.message),
                        error.hint);
}

Done read_thresholds(const TomlMember& table, std::string_view file, Invocation& to) {
  PGFANOUT_TRY(need_kind(table, TomlKind::table, file, "[thresholds]"));
  for (const TomlMember& member : table.value.members) {
    if (member.value.kind != TomlKind::integer) {
      PGFANOUT_TRY(need_text(member, file, "cpu = \"80%:slow\""));
    }
    const std::string text = member.name + "=" + member.value.text;
    PGFANOUT_TRY(placed(add_threshold(text, to), member, file,
                        fmt::format("thresholds.{}", shown_name(member.name))));
    to.given.push_back({"--threshold", text});
  }
  return {};
}

Done read_hooks(const TomlMember& table, std::string_view file, Invocation& to) {
  constexpr std::string_view example = "stage_finished = \"/usr/local/bin/tell-the-team\"";
  PGFANOUT_TRY(need_kind(table, TomlKind::table, file, "[hooks]"));
  for (const TomlMember& member : table.value.members) {
    PGFANOUT_TRY(need_text(member, file, example));
    const std::string text = member.name + "=" + member.value.text;
    PGFANOUT_TRY(
        placed(add_hook(text, to), member, file, fmt::format("hooks.{}", shown_name(member.name))));
    to.given.push_back({"--hook", text});
  }
  return {};
}

constexpr std::array tables = {JobFileTable{"map", read_map},
                               JobFileTable{"gates", read_gates},
                               JobFileTable{"views", read_views},
                               JobFileTable{"queries", read_queries},
                               JobFileTable{"thresholds", read_thresholds},
                               JobFileTable{"hooks", read_hooks}};

}  // namespace

const JobFileTable* find_job_file_table(std::string_view name) {
  const auto found = std::find_if(tables.begin(), tables.end(),
                                  [&](const JobFileTable& table) { return table.name == name; });
  return found == tables.end() ? nullptr : &*found;
}

std::span<const JobFileTable> job_file_tables() {
  return tables;
}

std::string shown_name(std::string_view name) {
  constexpr std::size_t longest = 63;  // Of an identifier.
  const bool is_word =
      !name.empty() && name.size() <= longest && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
      });
  return is_word ? std::string(name) : "(a quoted name)";
}

}  // namespace pgfanout
