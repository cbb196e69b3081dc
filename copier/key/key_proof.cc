#include "copier/key/key_proof.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <random>

#include "copier/base/byte_order.h"
#include "copier/base/lists.h"
#include "copier/catalog/sql_text.h"
#include "copier/key/key_plan.h"
#include "copier/key/page_sample.h"
#include "copier/pg/transaction.h"
#include "hashing/ordered_value.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kFewestPages = 16;
constexpr std::uint64_t kMostPages = 200;
constexpr std::uint64_t kRowsAPage = 20;
constexpr std::size_t kRowsAQuery = 500;
constexpr std::uint64_t kRandomRows = 1000;
constexpr std::size_t kExamples = 5;
constexpr std::size_t kShownBytes = 60;

/// The state for a server's error about a row; any other error is returned.
Result<KeyState> key_state_of(const Error& error) {
  if (error.sqlstate == "22003") return KeyState::out_of_range;
  if (error.sqlstate == "22012") return KeyState::division_by_zero;
  return Error(error);
}

std::string text_of(const KeyOutcome& outcome) {
  if (outcome.state == KeyState::ok) return fmt::format("key {}", outcome.key);
  return fmt::format("no key: {}", to_string(outcome.state));
}

/// "'abc'", printable whatever the value.
std::string printable(const std::string& value) {
  std::string text = "'";
  for (const char byte : value.substr(0, kShownBytes)) {
    const auto code = static_cast<unsigned char>(byte);
    text += code < 0x20 || code >= 0x7f ? fmt::format("\\x{:02x}", code) : std::string(1, byte);
  }
  return text + (value.size() > kShownBytes ? "...'" : "'");
}

/// "collection_id='abc', n='7'".
std::string text_of(const RowFunction& function, const ProbeRow& row) {
  return joined(row.size(), ", ", [&](std::size_t at) {
    return fmt::format("{}={}", function.names[at],
                       row[at] ? printable(probe_text(function.types[at], *row[at])) : "NULL");
  });
}

void book(const RowFunction& function, const std::vector<ProbeRow>& rows,
          const std::vector<KeyOutcome>& server, KeyProof& proof) {
  const std::vector<KeyOutcome> client = function.compute(rows);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    ++proof.compared;
    if (client[row] == server[row]) continue;
    ++proof.disagreements;
    if (proof.examples.size() == kExamples) continue;
    proof.examples.push_back(fmt::format("{}: pgfanout says {}, the server says {}",
                                         text_of(function, rows[row]), text_of(client[row]),
                                         text_of(server[row])));
  }
}

class Oracle {
 public:
  Oracle(Connection& connection, const RowFunction& function)
      : connection_(connection), function_(function) {}

  Result<std::vector<KeyOutcome>> ask(const std::vector<ProbeRow>& rows) {
    std::vector<KeyOutcome> outcomes;
    for (std::size_t first = 0; first < rows.size(); first += kRowsAQuery) {
      const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(first);
      const std::size_t count = std::min(kRowsAQuery, rows.size() - first);
      PGFANOUT_TRY_ASSIGN(const std::vector<KeyOutcome> answers,
                          ask_or_split({begin, begin + static_cast<std::ptrdiff_t>(count)}));
      append(outcomes, answers);
    }
    return outcomes;
  }

  /// Up to `count` rows of the table, from pages drawn at random over all leaves; all rows of a
  /// small table, none if the function has no columns.
  Result<std::vector<KeyOutcome>> ask_sample(const Table& table, std::uint64_t count,
                                             std::mt19937_64& random, std::vector<ProbeRow>& rows) {
    const std::vector<SampledPage> pages =
        draw_pages(table, std::clamp(count / kRowsAPage, kFewestPages, kMostPages), random);
    const std::size_t columns = function_.names.size();
    std::vector<KeyOutcome> outcomes;
    if (pages.empty() || count == 0 || columns == 0) return outcomes;
    const std::string list = fmt::format("{}", fmt::join(function_.names, ", "));
    const auto read = [&](const std::string& select_list, std::size_t fields) {
      const std::string sql = sample_sql(table, select_list, pages, count);
      return in_savepoint(connection_, [&] { return read_sample(connection_, sql, fields); });
    };
    auto with_keys =
        read(fmt::format("{}, {}::int8", list, parenthesized(function_.sql)), columns + 1);
    if (!with_keys) {
      // One of the rows has no key for the server: ask about each by its value.
      PGFANOUT_TRY(key_state_of(with_keys.error()));
      PGFANOUT_TRY_ASSIGN(rows, read(list, columns));
      return ask(rows);
    }
    rows = *std::move(with_keys);
    for (ProbeRow& row : rows) {
      const ProbeValue key = std::move(row.back());
      row.pop_back();
      if (!key) {
        outcomes.push_back({KeyState::null, 0});
        continue;
      }
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(key->data());
      outcomes.push_back({KeyState::ok, static_cast<std::int64_t>(load_be64(bytes))});
    }
    return outcomes;
  }

 private:
  [[nodiscard]] std::string query_for(const std::vector<ProbeRow>& rows) const {
    const auto& names = function_.names;
    const char* place = contains(names, "place") ? "row_number_of_probe" : "place";
    const std::string values = joined(rows.size(), ",", [&](std::size_t row) {
      std::string text = fmt::format("({}", row);
      for (std::size_t column = 0; column < names.size(); ++column) {
        text += ',' + probe_literal(function_.types[column], rows[row][column]);
      }
      return text + ')';
    });
    return fmt::format("SELECT {}::int8 FROM (VALUES {}) AS probe({}{}{}) ORDER BY {}",
                       parenthesized(function_.sql), values, place, names.empty() ? "" : ", ",
                       fmt::join(names, ", "), place);
  }

  /// An error ends a statement: a batch with one is halved until that row is alone.
  Result<std::vector<KeyOutcome>> ask_or_split(const std::vector<ProbeRow>& rows) {
    const std::string query = query_for(rows);
    const auto answer =
        in_savepoint(connection_, [&]() -> Result<Rows> { return connection_.query(query); });
    std::vector<KeyOutcome> outcomes;
    if (answer) {
      for (int row = 0; row < answer->size(); ++row) {
        outcomes.push_back(answer->is_null(row, 0)
                               ? KeyOutcome{KeyState::null, 0}
                               : KeyOutcome{KeyState::ok, answer->integer(row, 0)});
      }
      return outcomes;
    }
    PGFANOUT_TRY_ASSIGN(const KeyState state, key_state_of(answer.error()));
    if (rows.size() == 1) return std::vector<KeyOutcome>{{state, 0}};
    const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / 2);
    PGFANOUT_TRY_ASSIGN(outcomes, ask_or_split({rows.begin(), middle}));
    PGFANOUT_TRY_ASSIGN(const std::vector<KeyOutcome> rest, ask_or_split({middle, rows.end()}));
    append(outcomes, rest);
    return outcomes;
  }

  Connection& connection_;
  const RowFunction& function_;
};

}  // namespace

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
      append(bytes, *value);
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

namespace {

/// The next byte of these is the next value, or at least one.
bool has_neighbours(KeyType type) {
  switch (type) {
    case KeyType::int2:
    case KeyType::int4:
    case KeyType::int8:
    case KeyType::oid:
    case KeyType::date:
    case KeyType::timestamp:
    case KeyType::timestamptz:
    case KeyType::uuid:
    case KeyType::bytea:
      return true;
    default:
      return false;
  }
}

/// Each bound of RANGE, or listed value, and those below and above it. About 1,000 at most.
std::vector<ProbeRow> rows_on_bounds(const PartitionKey& key, const std::vector<KeyType>& types) {
  std::vector<ProbeRow> rows;
  for (const std::vector<BoundValue>& bound : key.bounds) {
    if (rows.size() >= kRandomRows) break;
    ProbeRow row;
    for (std::size_t column = 0; column < types.size(); ++column) {
      row.push_back(binary_form(types[column], bound[column].text));
    }
    rows.push_back(row);
    const ProbeValue last = row.back();
    if (!last || last->empty() || !has_neighbours(types.back())) continue;
    // There is none beside an infinity.
    if (bound.back().text.ends_with("infinity")) continue;
    for (const int step : {-1, 1}) {
      const int byte = static_cast<unsigned char>(last->back()) + step;
      if (byte < 0 || byte > 255) continue;
      row.back()->back() = static_cast<char>(byte);
      rows.push_back(row);
    }
  }
  return rows;
}

}  // namespace

RowFunction row_function(const Table& table, const KeyExpression& key) {
  const std::vector<KeyColumn> columns = key_columns_of(table);
  RowFunction function;
  function.sql = key.partition_key() != nullptr ? key.qualified_sql({}) : key.sql();
  function.columns = key.used_columns();
  for (const std::size_t column : function.columns) {
    function.names.push_back(table.columns[column].quoted);
    function.types.push_back(columns[column].type);
  }
  if (key.partition_key() != nullptr && !key.is_by_server()) {
    function.more = rows_on_bounds(*key.partition_key(), function.types);
  }
  function.compute = [key](const std::vector<ProbeRow>& rows) { return evaluate_rows(key, rows); };
  return function;
}

Result<std::vector<KeyOutcome>> ask_server(Connection& connection, const RowFunction& function,
                                           const std::vector<ProbeRow>& rows) {
  Oracle oracle(connection, function);
  return oracle.ask(rows);
}

Result<KeyProof> compare_keys(Connection& source, const Table& table, const RowFunction& function,
                              std::uint64_t count, std::uint64_t seed,
                              const Cancellation* cancellation) {
  Oracle oracle(source, function);
  std::mt19937_64 random(seed);
  KeyProof proof;
  std::vector<ProbeRow> rows;
  PGFANOUT_TRY_ASSIGN(std::vector<KeyOutcome> server,
                      oracle.ask_sample(table, count, random, rows));
  book(function, rows, server, proof);
  rows = adversarial_rows(function.types, source.encoding(), random);
  append(rows, function.more);
  PGFANOUT_TRY_ASSIGN(server, oracle.ask(rows));
  book(function, rows, server, proof);
  for (std::uint64_t done = 0; done < count; done += rows.size()) {
    if (cancellation != nullptr && cancellation->is_set()) {
      return cancelled();
    }
    rows.assign(std::min(kRandomRows, count - done), {});
    for (ProbeRow& row : rows) {
      for (const KeyType type : function.types) row.push_back(random_value(type, random));
    }
    PGFANOUT_TRY_ASSIGN(server, oracle.ask(rows));
    book(function, rows, server, proof);
  }
  return proof;
}

Result<KeyProof> prove_key(Connection& source, const Table& table, const KeyExpression& key,
                           std::uint64_t count, std::uint64_t seed) {
  if (key.is_by_server()) return KeyProof{};
  PGFANOUT_TRY_ASSIGN(KeyProof proof,
                      compare_keys(source, table, row_function(table, key), count, seed));
  if (proof.disagreements == 0) return proof;
  return refused(
      "key-disagrees",
      fmt::format("pgfanout and the server disagree on the key {} for {} of {} values: {}",
                  key.sql(), proof.disagreements, proof.compared, proof.examples.front()),
      "a server on a big-endian machine hashes otherwise and is not supported; in all other cases "
      "please report this expression",
      table.qualified);
}

}  // namespace pgfanout
