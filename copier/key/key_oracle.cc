#include "copier/key/key_oracle.h"

#include <fmt/format.h>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/key/key_plan.h"

namespace pgfanout {
namespace {

constexpr std::size_t kBatchRows = 500;

}  // namespace

std::string describe(const KeyOutcome& outcome) {
  if (outcome.state == KeyState::ok) return fmt::format("key {}", outcome.key);
  return fmt::format("no key: {}", to_string(outcome.state));
}

std::vector<KeyType> used_types(const Table& table, const KeyExpression& key) {
  const std::vector<KeyColumn> columns = key_columns_of(table);
  std::vector<KeyType> types;
  for (const std::size_t index : key.used_columns()) types.push_back(columns[index].type);
  return types;
}

std::vector<KeyOutcome> evaluate_rows(const KeyExpression& key, const std::vector<ProbeRow>& rows) {
  std::vector<std::uint8_t> bytes;
  std::vector<FieldRef> fields;
  for (const ProbeRow& row : rows) {
    for (const ProbeValue& value : row) {
      if (!value) {
        fields.push_back({});
        continue;
      }
      fields.push_back(
          {static_cast<std::uint32_t>(bytes.size()), static_cast<std::int32_t>(value->size())});
      bytes.insert(bytes.end(), value->begin(), value->end());
    }
  }
  bytes.push_back(0);
  std::vector<std::int64_t> keys(rows.size());
  std::vector<KeyState> states(rows.size());
  KeyScratch scratch;
  key.evaluate(bytes.data(), fields, rows.size(), scratch, keys, states);
  std::vector<KeyOutcome> outcomes;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    outcomes.push_back({states[row], states[row] == KeyState::ok ? keys[row] : 0});
  }
  return outcomes;
}

Result<KeyState> key_state_of(const Error& error) {
  if (error.sqlstate == "22003") return KeyState::out_of_range;
  if (error.sqlstate == "22012") return KeyState::division_by_zero;
  return Error(error);
}

Result<KeyOracle> KeyOracle::make(Connection& connection, const Table& table,
                                  const KeyExpression& key) {
  KeyOracle oracle(connection, table, key);
  // Outside of a transaction a savepoint is an error without consequences.
  if (connection.run("SAVEPOINT pgfanout_key")) {
    oracle.is_in_transaction_ = true;
    PGFANOUT_TRY(connection.run("RELEASE SAVEPOINT pgfanout_key"));
  }
  return oracle;
}

std::string KeyOracle::query_for(const std::vector<ProbeRow>& rows) const {
  std::string place = "place";
  std::string names;
  for (const std::size_t index : key_->used_columns()) {
    names += ", " + table_->columns[index].quoted;
    if (table_->columns[index].name == place) place = "row_number_of_probe";
  }
  std::string values;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    values += fmt::format("{}({}", row == 0 ? "" : ",", row);
    for (std::size_t column = 0; column < types_.size(); ++column) {
      values +=
          ',' + probe_literal(types_[column], rows[row][column], [&](const std::string& text) {
            return connection_->quote_literal(text);
          });
    }
    values += ')';
  }
  return fmt::format("SELECT {}::int8 FROM (VALUES {}) AS probe({}{}) ORDER BY {}",
                     parenthesized(key_->sql()), values, place, names, place);
}

Result<std::vector<KeyOutcome>> KeyOracle::ask_batch(const std::vector<ProbeRow>& rows) {
  const std::string query = query_for(rows);
  PGFANOUT_TRY_ASSIGN(const Rows answer,
                      guarded([&]() -> Result<Rows> { return connection_->query(query); }));
  std::vector<KeyOutcome> outcomes;
  for (int row = 0; row < answer.size(); ++row) {
    outcomes.push_back(answer.is_null(row, 0) ? KeyOutcome{KeyState::null, 0}
                                              : KeyOutcome{KeyState::ok, answer.integer(row, 0)});
  }
  return outcomes;
}

/// Halves a batch with an error until the row that has it stands alone.
Result<std::vector<KeyOutcome>> KeyOracle::ask_or_split(const std::vector<ProbeRow>& rows) {
  auto answer = ask_batch(rows);
  if (answer) return answer;
  PGFANOUT_TRY_ASSIGN(const KeyState state, key_state_of(answer.error()));
  if (rows.size() == 1) return std::vector<KeyOutcome>{{state, 0}};
  const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
  PGFANOUT_TRY_ASSIGN(std::vector<KeyOutcome> outcomes, ask_or_split({rows.begin(), middle}));
  PGFANOUT_TRY_ASSIGN(const std::vector<KeyOutcome> rest, ask_or_split({middle, rows.end()}));
  outcomes.insert(outcomes.end(), rest.begin(), rest.end());
  return outcomes;
}

Result<std::vector<KeyOutcome>> KeyOracle::ask(const std::vector<ProbeRow>& rows,
                                               const std::vector<KeyOutcome>& expected) {
  std::vector<KeyOutcome> outcomes(rows.size());
  std::vector<ProbeRow> batch;
  std::vector<std::size_t> places;
  const auto flush = [&]() -> Result<void> {
    if (batch.empty()) return {};
    PGFANOUT_TRY_ASSIGN(const std::vector<KeyOutcome> answers, ask_or_split(batch));
    for (std::size_t at = 0; at < answers.size(); ++at) outcomes[places[at]] = answers[at];
    batch.clear();
    places.clear();
    return {};
  };
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const bool is_error =
        expected[row].state != KeyState::ok && expected[row].state != KeyState::null;
    if (is_error) {
      PGFANOUT_TRY_ASSIGN(const std::vector<KeyOutcome> answer, ask_or_split({rows[row]}));
      outcomes[row] = answer.front();
      continue;
    }
    batch.push_back(rows[row]);
    places.push_back(row);
    if (batch.size() == kBatchRows) PGFANOUT_TRY(flush());
  }
  PGFANOUT_TRY(flush());
  return outcomes;
}

}  // namespace pgfanout
