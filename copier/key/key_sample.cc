#include "copier/key/key_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/byte_order.h"
#include "copier/catalog/sql_text.h"
#include "copier/key/page_sample.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kFewestPages = 16;
constexpr std::uint64_t kMostPages = 200;
constexpr std::uint64_t kRowsAPage = 20;

std::string select_list(const Table& table, const KeyExpression& key, bool with_key) {
  std::string list;
  for (const std::size_t index : key.used_columns()) {
    list += (list.empty() ? "" : ", ") + table.columns[index].quoted;
  }
  if (with_key) list += fmt::format(", {}::int8", parenthesized(key.sql()));
  return list;
}

KeyOutcome outcome_of(const ProbeValue& value) {
  if (!value) return {KeyState::null, 0};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(value->data());
  return {KeyState::ok, static_cast<std::int64_t>(load_be64(bytes))};
}

/// The last field of every row is the server's key.
KeySample with_server_keys(std::vector<ProbeRow> rows) {
  KeySample sample;
  sample.rows = std::move(rows);
  for (ProbeRow& row : sample.rows) {
    sample.server.push_back(outcome_of(row.back()));
    row.pop_back();
  }
  return sample;
}

}  // namespace

Result<KeySample> sample_table(KeyOracle& oracle, const Table& table, const KeyExpression& key,
                               std::uint64_t count, std::mt19937_64& random) {
  const std::vector<SampledPage> pages =
      draw_pages(table, std::clamp(count / kRowsAPage, kFewestPages, kMostPages), random);
  const std::size_t columns = key.used_columns().size();
  if (pages.empty() || count == 0 || columns == 0) return KeySample{};
  const auto read = [&](bool with_key) {
    const std::string sql = sample_sql(table, select_list(table, key, with_key), pages, count);
    return oracle.guarded(
        [&] { return read_sample(oracle.connection(), sql, columns + (with_key ? 1 : 0)); });
  };
  auto rows = read(true);
  if (rows) return with_server_keys(std::move(*rows));
  // One of the rows has no key for the server: ask about each by its value.
  PGFANOUT_TRY(key_state_of(rows.error()));
  KeySample sample;
  PGFANOUT_TRY_ASSIGN(sample.rows, read(false));
  PGFANOUT_TRY_ASSIGN(sample.server, oracle.ask(sample.rows, evaluate_rows(key, sample.rows)));
  return sample;
}

}  // namespace pgfanout
