#include "copier/preflight/key_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/table.h"
#include "copier/key/key_plan.h"
#include "copier/key/key_proof.h"
#include "copier/pg/connection.h"
#include "copier/plan/copy_plan.h"
#include "copier/plan/job_key.h"
#include "copier/session/job_connections.h"
#include "copier/session/reporting_job.h"

namespace pgfanout {
namespace {

Result<Connection> open_for(const JobDescription& job, const std::string& dsn,
                            const Cancellation& cancellation) {
  ConnectOptions options = connect_options(job, dsn, "pgfanout/key/key", &cancellation);
  options.may_share_backend = true;
  return Connection::open(options);
}

/// Turns the command line's values into rows of the key's columns.
class Question {
 public:
  Question(Connection& connection, const Table& table, const RowFunction& key)
      : connection_(connection), types_(key.types) {
    for (const std::size_t column : key.columns) names_.push_back(table.columns[column].name);
  }

  Result<std::vector<ProbeRow>> rows(const std::vector<std::string>& values) {
    std::vector<ProbeRow> rows;
    std::vector<bool> given(names_.size(), true);
    for (const std::string& value : values) {
      PGFANOUT_TRY_ASSIGN(const Assignment assignment, split(value));
      const auto& [column, text] = assignment;
      if (given[column]) {
        // The column has its value already, so another row begins.
        PGFANOUT_TRY(check_complete(given));
        rows.emplace_back(names_.size());
        given.assign(names_.size(), false);
      }
      PGFANOUT_TRY_ASSIGN(rows.back()[column], binary(column, text));
      given[column] = true;
    }
    PGFANOUT_TRY(check_complete(given));
    return rows;
  }

 private:
  using Assignment = std::pair<std::size_t, std::string>;

  [[nodiscard]] Result<Assignment> split(const std::string& value) const {
    const auto equals = value.find('=');
    for (std::size_t column = 0; equals != std::string::npos && column < names_.size(); ++column) {
      const std::string_view name = std::string_view(value).substr(0, equals);
      if (name == names_[column] || parse_identifier(name) == names_[column]) {
        return Assignment{column, value.substr(equals + 1)};
      }
    }
    if (names_.size() == 1) return Assignment{0, value};
    std::string list;
    for (const std::string& name : names_) list += fmt::format(" {}=VALUE", display_name(name));
    return refused(
        "bad-value",
        names_.empty() ? "the key depends on no column" : "the key is made from several columns",
        names_.empty() ? "leave the values out" : "write" + list, value);
  }

  [[nodiscard]] Result<void> check_complete(const std::vector<bool>& given) const {
    const auto missing = std::find(given.begin(), given.end(), false);
    if (missing == given.end()) return {};
    const std::string& name = names_[static_cast<std::size_t>(missing - given.begin())];
    return refused("bad-value", fmt::format("no value for column {}", display_name(name)),
                   fmt::format("add {}=VALUE", display_name(name)));
  }

  /// The value as COPY carries it.
  Result<ProbeValue> binary(std::size_t column, const std::string& text) {
    PGFANOUT_TRY_ASSIGN(std::string bytes, connection_.text_encoding().to_server(text));
    auto row = connection_.query_binary(
        fmt::format("SELECT $1::text::{}", probe_type_sql(types_[column])), {std::move(bytes)});
    if (!row) {
      Error error = std::move(row).error();
      if (error.consequence == Consequence::refuse) {
        error.code = "bad-value";
        error.where = names_[column];
      }
      return error;
    }
    return ProbeValue(row->str(0, 0));
  }

  Connection& connection_;
  std::vector<std::string> names_;
  std::vector<KeyType> types_;
};

/// The job's key, and the leaves of the target, if it exists and the key decides about them;
/// without a target, those of a table that was converted itself.
struct KeyAndLeaves {
  KeyExpression key;
  LayoutPointer layout;
  std::vector<Leaf> leaves;
  std::vector<Issue> issues;
  bool is_plain = false;  ///< The target is one table that is not partitioned.
};

Result<KeyAndLeaves> read_key(const JobDescription& job, Connection& source, const Table& table,
                              const Cancellation& cancellation) {
  PGFANOUT_TRY_ASSIGN(const RelationName name, target_name_of(job, table));
  PGFANOUT_TRY_ASSIGN(Connection connection, open_for(job, target_dsn_of(job), cancellation));
  PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(connection, name));
  std::optional<Table> target;
  if (found.kind == 'p') {
    PGFANOUT_TRY_ASSIGN(target, describe_table(connection, found.oid));
  }
  // Without a target and a wish, the question is about the table as it is.
  const bool is_about_itself = !target && job.key.empty() && !job.partitions &&
                               layout_kind_of(table).key_count(table).has_value();
  if (is_about_itself) target = table;
  PGFANOUT_TRY_ASSIGN(JobKey settled,
                      key_of_copy(job, source, table, is_about_itself ? source : connection,
                                  target ? &*target : nullptr));
  PGFANOUT_TRY_ASSIGN(KeyExpression key, compile_key(with_key(job, settled), table));
  KeyAndLeaves answer{std::move(key), nullptr, {}, std::move(settled.issues)};
  const JobDescription asked = with_key(job, settled);
  answer.is_plain = layout_kind_of(asked).rules(asked).is_plain;
  if (answer.is_plain) {
    const std::string shown =
        fmt::format("{}.{}", display_name(name.schema), display_name(name.name));
    answer.issues.push_back({Severity::info, "one-leaf",
                             fmt::format("{} is one plain table: it takes every row, and there is "
                                         "no key to compute",
                                         shown),
                             shown});
  }
  if (!target) return answer;
  auto layout = layout_kind_of(*target, &answer.key).layout_of(target->leaves, answer.key);
  if (!layout) return answer;
  answer.layout = *std::move(layout);
  answer.leaves = std::move(target->leaves);
  return answer;
}

KeyAnswer answer_for(const KeyExpression& key, const KeyOutcome& client, const KeyOutcome& server,
                     const KeyAndLeaves& leaves) {
  KeyAnswer answer;
  answer.expression = key.sql();
  if (client.state == KeyState::ok) {
    answer.key = client.key;
    const std::uint32_t leaf =
        leaves.layout ? leaves_of(*leaves.layout, {&client, 1}).front() : Layout::kNoLeaf;
    if (leaf != Layout::kNoLeaf) answer.leaf = leaves.leaves[leaf].qualified;
  } else {
    answer.reason = to_string(client.state);
  }
  if (server.state == KeyState::ok) answer.server_key = server.key;
  answer.server_agrees = client == server;
  return answer;
}

Result<void> answer_question(const JobDescription& job, const KeyQuestion& question,
                             JobResult& result, const Cancellation& cancellation) {
  auto& report = std::get<KeyResult>(result.details);
  PGFANOUT_TRY_ASSIGN(Connection source, open_for(job, job.source_dsn, cancellation));
  PGFANOUT_TRY_ASSIGN(const Table table, describe_table(source, job.table));
  PGFANOUT_TRY_ASSIGN(const KeyAndLeaves leaves, read_key(job, source, table, cancellation));
  const KeyExpression& key = leaves.key;
  PGFANOUT_TRY(check_key_functions(source, key));
  result.issues = leaves.issues;
  if (leaves.is_plain) return {};
  if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");

  const RowFunction function = row_function(table, key);
  PGFANOUT_TRY_ASSIGN(const std::vector<ProbeRow> rows,
                      Question(source, table, function).rows(question.values));
  const std::vector<KeyOutcome> client = function.compute(rows);
  PGFANOUT_TRY_ASSIGN(const std::vector<KeyOutcome> server, ask_server(source, function, rows));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    report.answers.push_back(answer_for(key, client[row], server[row], leaves));
  }
  if (question.check == 0) return {};
  if (cancellation.is_set()) return interrupted("cancelled", "stopped on request");
  PGFANOUT_TRY_ASSIGN(KeyProof proof, compare_keys(source, table, function, question.check,
                                                   question.seed, &cancellation));
  report.compared = proof.compared;
  report.disagreements = proof.disagreements;
  report.examples = std::move(proof.examples);
  return {};
}

/// Match, or differs with an issue that says how many.
void judge(const KeyResult& report, const JobDescription& job, JobResult& result) {
  std::uint64_t disagreements = report.disagreements;
  for (const KeyAnswer& answer : report.answers) disagreements += answer.server_agrees ? 0 : 1;
  result.verdict = disagreements == 0 ? Verdict::match : Verdict::differs;
  if (disagreements == 0) return;
  result.issues.push_back(
      {Severity::critical, "key-disagrees",
       fmt::format("pgfanout and the server disagree on {} keys", disagreements), job.table,
       "please report the expression and the values"});
}

}  // namespace

JobResult run_key(const JobDescription& job, const KeyQuestion& question,
                  const Cancellation& cancellation) {
  return without_exceptions("key", [&] {
    JobResult result("key");
    auto& report = std::get<KeyResult>(result.details);
    if (auto done = answer_question(job, question, result, cancellation); !done) {
      result.error = std::move(done).error();
    } else {
      judge(report, job, result);
    }
    return result;
  });
}

}  // namespace pgfanout
