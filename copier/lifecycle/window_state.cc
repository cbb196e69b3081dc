#include "copier/lifecycle/window_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "copier/lifecycle/reject_table.h"
#include "copier/plan/key_plan.h"
#include "copier/plan/leaf_map.h"
#include "copier/plan/relation_name.h"
#include "copier/plan/server_facts.h"
#include "copier/plan/target_ddl.h"

namespace pgfanout {
namespace {

constexpr std::string_view kModeNames[] = {"check", "generated", "expression", "none"};

/// Expressions may have several lines.
std::string in_one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '\n') {
      line += "\\n";
    } else {
      if (c == '\\') line += '\\';
      line += c;
    }
  }
  return line;
}

std::string as_it_was(std::string_view line) {
  std::string text;
  for (std::size_t at = 0; at < line.size(); ++at) {
    if (line[at] == '\\' && at + 1 < line.size()) {
      ++at;
      text += line[at] == 'n' ? '\n' : line[at];
    } else {
      text += line[at];
    }
  }
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

Result<WindowState> WindowState::open(const JobDescription& job, bool claims) {
  WindowState state(job);
  const auto connect = [&](const std::string& dsn, std::string_view role) {
    return Connection::open({dsn, fmt::format("pgfanout/window/{}", role), job.connect_timeout});
  };
  PGFANOUT_TRY_ASSIGN(state.source_, connect(job.source_dsn, "source"));
  PGFANOUT_TRY_ASSIGN(state.target_, connect(target_dsn_of(job), "target"));
  PGFANOUT_TRY_ASSIGN(const ServerFacts source, read_server_facts(*state.source_));
  PGFANOUT_TRY_ASSIGN(const ServerFacts target, read_server_facts(*state.target_));
  PGFANOUT_TRY_ASSIGN(const Table table, describe_table(*state.source_, job.table));
  state.same_connection_ = is_same_database(source, target);
  if (state.same_connection_) state.source_.reset();
  PGFANOUT_TRY_ASSIGN(state.target_name_, target_name_of(job, table));
  state.target_qualified_ = state.target_->quote_identifier(state.target_name_.schema) + "." +
                            state.target_->quote_identifier(state.target_name_.name);
  Journal journal(*state.target_);
  if (claims) PGFANOUT_TRY(journal.claim(state.target_name_.schema, state.target_name_.name));
  PGFANOUT_TRY_ASSIGN(state.entry_,
                      journal.find(state.target_name_.schema, state.target_name_.name));
  if (state.entry_) PGFANOUT_TRY(state.take_job(state.entry_->job));
  if (state.entry_ && claims) PGFANOUT_TRY(state.end_orphans());
  return state;
}

Result<void> WindowState::end_orphans() {
  const std::string own = fmt::format("{}, {}", source().backend_pid(), target().backend_pid());
  const std::string orphans = fmt::format(
      " FROM pg_catalog.pg_stat_activity WHERE pg_catalog.starts_with(application_name,"
      " 'pgfanout/{}/') AND pid NOT IN ({}) AND datname = pg_catalog.current_database()",
      job_id_, own);
  constexpr int kLooks = 100;
  for (Connection* connection : {&source(), &target()}) {
    for (int look = 0;; ++look) {
      PGFANOUT_TRY_ASSIGN(
          const Rows left,
          connection->query("SELECT pg_catalog.pg_terminate_backend(pid), pid" + orphans));
      if (left.size() == 0) break;
      if (look == kLooks) {
        return refused(
            "orphans",
            fmt::format("backend {} of an earlier call of this job does not end", left.text(0, 1)),
            "end it, then call again", target_qualified_);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }
  return {};
}

Result<void> WindowState::take_job(const std::string& job_id) {
  job_id_ = job_id;
  for (const auto& [connection, role] : {std::pair(source_ ? &*source_ : nullptr, "source"),
                                         std::pair(target_ ? &*target_ : nullptr, "target")}) {
    if (connection == nullptr) continue;
    const std::string name = fmt::format("pgfanout/{}/{}", job_id, role);
    PGFANOUT_TRY(connection->run(fmt::format("SET application_name = {}; {}",
                                             connection->quote_literal(name),
                                             pass_fence_sql(*connection, job_id))));
  }
  return {};
}

Result<Connection> WindowState::connect_target(std::string_view role) const {
  PGFANOUT_TRY_ASSIGN(
      Connection connection,
      Connection::open({target_dsn_of(*job_), fmt::format("pgfanout/{}/{}", job_id_, role),
                        job_->connect_timeout}));
  PGFANOUT_TRY(connection.run(pass_fence_sql(connection, job_id_)));
  return connection;
}

Result<Table> WindowState::source_table() {
  const bool is_under_way = entry_ && (!entry_->is_over() || entry_->state == "swapped");
  if (is_under_way && entry_->source_oid != 0) {
    return describe_table(source(), entry_->source_oid);
  }
  return describe_table(source(), job_->table);
}

Result<Table> WindowState::target_table() {
  for (const MadeRelation& made : entry_ ? entry_->made : std::vector<MadeRelation>()) {
    PGFANOUT_TRY_ASSIGN(const Rows kind,
                        target_->query("SELECT c.relkind FROM pg_catalog.pg_class c"
                                       " WHERE c.oid = $1",
                                       {std::to_string(made.oid)}));
    if (kind.size() == 1 && kind.text(0, 0) == "p") return describe_table(*target_, made.oid);
  }
  return interrupted("target-gone", "the table that the job made is not there any more",
                     "begin anew with --restart", target_qualified_);
}

LockPatience WindowState::patience() const {
  return {std::chrono::milliseconds(500), job_->lock_timeout};
}

std::string request_of(const JobDescription& job, const std::string& key_sql) {
  std::vector<std::string> lines = {
      "key " + key_sql, fmt::format("partitions {}", job.partitions),
      "key-column " + job.key_column,
      fmt::format("key-mode {}", kModeNames[static_cast<std::size_t>(job.key_mode)])};
  std::vector<std::string> more;
  for (const ColumnMapping& mapping : job.map) {
    more.push_back(fmt::format("map {}={}", mapping.column, mapping.sql));
  }
  for (const std::string& column : job.skip) more.push_back("skip " + column);
  for (const std::string& object : job.window.accept) more.push_back("accept " + object);
  for (const auto& [view, sql] : job.window.views) {
    more.push_back(fmt::format("view {}={}", view, sql));
  }
  std::sort(more.begin(), more.end());
  lines.insert(lines.end(), more.begin(), more.end());
  std::string text;
  for (const std::string& line : lines) text += in_one_line(line) + "\n";
  return text;
}

JobDescription with_request(JobDescription job, const std::string& request) {
  job.map.clear();
  job.skip.clear();
  job.window.accept.clear();
  job.window.views.clear();
  for (const std::string& written : lines_of(request)) {
    const std::string line = as_it_was(written);
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::string name = line.substr(0, blank);
    const std::string value = line.substr(std::min(line.size(), blank + 1));
    const std::size_t equals = std::min(value.find('='), value.size());
    const std::string left = value.substr(0, equals);
    const std::string right = value.substr(std::min(value.size(), equals + 1));
    if (name == "key") job.key = value;
    if (name == "partitions") {
      std::from_chars(value.data(), value.data() + value.size(), job.partitions);
    }
    if (name == "key-column") job.key_column = value;
    if (name == "key-mode") {
      const auto* mode = std::find(std::begin(kModeNames), std::end(kModeNames), value);
      if (mode != std::end(kModeNames)) job.key_mode = static_cast<KeyMode>(mode - kModeNames);
    }
    if (name == "map") job.map.push_back({left, right});
    if (name == "skip") job.skip.push_back(value);
    if (name == "accept") job.window.accept.push_back(value);
    if (name == "view") job.window.views[left] = right;
  }
  return job;
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

std::vector<std::pair<std::string, std::string>> leaf_renames(
    const std::vector<std::string>& leaves, const std::string& target, const std::string& source) {
  std::vector<std::pair<std::string, std::string>> renames;
  const auto count = static_cast<std::uint32_t>(leaves.size());
  for (std::uint32_t key = 0; key < count; ++key) {
    const bool is_ours = leaves[key] == leaf_name(target, key, count);
    renames.emplace_back(leaves[key], is_ours ? leaf_name(source, key, count) : leaves[key]);
  }
  return renames;
}

CarryRequest carry_request_of(const JobDescription& job, const CopyPlan& plan) {
  CarryRequest request{
      job, plan.source, plan.target_schema,     plan.target_name, plan.target_qualified, {}, {},
      {},  plan.key,    plan.key_sql_on_target, plan.key_column,  plan.same_database};
  for (const TargetLeaf& leaf : plan.leaves) {
    request.target_leaves.push_back(leaf.qualified);
    request.leaf_names.push_back(leaf.name);
  }
  for (const auto& [now, then] :
       leaf_renames(request.leaf_names, plan.target_name, plan.source.name)) {
    request.leaf_names_afterwards.push_back(then);
  }
  return request;
}

Result<MadeTarget> examine_made_target(const JobDescription& job, WindowState& state) {
  MadeTarget made;
  PGFANOUT_TRY_ASSIGN(made.source, state.source_table());
  PGFANOUT_TRY_ASSIGN(made.target, state.target_table());
  PGFANOUT_TRY_ASSIGN(made.key, compile_key(job, made.source));
  std::vector<std::pair<std::int64_t, const Leaf*>> leaves;
  for (const Leaf& leaf : made.target.leaves) {
    PGFANOUT_TRY_ASSIGN(const ListBound bound, parse_list_bound(leaf.bound));
    leaves.emplace_back(bound.keys.empty() ? -1 : bound.keys.front(), &leaf);
  }
  std::sort(leaves.begin(), leaves.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  CarryRequest request{job,
                       made.source,
                       made.target.schema,
                       made.target.name,
                       made.target.qualified,
                       {},
                       {},
                       {},
                       *made.key,
                       state.entry()->key_sql_on_target,
                       state.entry()->key_column,
                       state.same_database()};
  for (const auto& [key, leaf] : leaves) {
    request.target_leaves.push_back(leaf->qualified);
    request.leaf_names.push_back(leaf->name);
  }
  made.names = {made.source.schema, made.source.name, made.target.name, {}, {}};
  made.names.leaves = leaf_renames(request.leaf_names, made.target.name, made.source.name);
  for (const auto& [now, then] : made.names.leaves) request.leaf_names_afterwards.push_back(then);
  // What the copy set aside goes with the table.
  for (const MadeRelation& relation : state.entry()->made) {
    if (relation.name != reject_table_name(made.target.name)) continue;
    made.names.leaves.emplace_back(relation.name, reject_table_name(made.source.name));
  }
  PGFANOUT_TRY_ASSIGN(made.carry, make_carry_plan(request, state.source(), state.target()));
  std::map<std::string, std::uint64_t> bytes;
  for (const Leaf& leaf : made.target.leaves) bytes[leaf.qualified] = leaf.total_bytes;
  for (auto* steps : {&made.carry.leaf_indexes, &made.carry.leaf_constraints}) {
    for (CarryStep& step : *steps) step.bytes = bytes[step.leaf];
  }
  return made;
}

}  // namespace pgfanout
