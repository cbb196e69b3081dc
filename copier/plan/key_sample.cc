#include "copier/plan/key_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "copier/base/byte_order.h"
#include "copier/pg/copy_out.h"
#include "copier/plan/mapping.h"
#include "copier/plan/source_range.h"
#include "copier/wire/decoder.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kFewestPages = 16;
constexpr std::uint64_t kMostPages = 200;
constexpr std::uint64_t kRowsAPage = 20;

struct Page {
  std::uint32_t leaf;
  std::uint64_t block;
  auto operator<=>(const Page&) const = default;
};

/// Distinct pages, every page equally likely; all of them if there are few.
std::vector<Page> draw_pages(const Table& table, std::uint64_t wanted, std::mt19937_64& random) {
  std::uint64_t total = 0;
  for (const Leaf& leaf : table.leaves) total += leaf.blocks;
  std::set<std::uint64_t> drawn;
  if (total <= wanted) {
    for (std::uint64_t at = 0; at < total; ++at) drawn.insert(at);
  }
  while (total > wanted && drawn.size() < wanted) drawn.insert(random() % total);
  std::vector<Page> pages;
  std::uint32_t leaf = 0;
  std::uint64_t first = 0;
  for (const std::uint64_t at : drawn) {
    while (at - first >= table.leaves[leaf].blocks) first += table.leaves[leaf++].blocks;
    pages.push_back({leaf, at - first});
  }
  std::shuffle(pages.begin(), pages.end(), random);
  return pages;
}

std::string copy_sql(const Table& table, const KeyExpression& key, const std::vector<Page>& pages,
                     std::uint64_t count, bool with_key) {
  std::string list;
  for (const std::size_t index : key.used_columns()) {
    list += (list.empty() ? "" : ", ") + table.columns[index].quoted;
  }
  if (with_key) {
    list +=
        fmt::format("{}{}::pg_catalog.int8", list.empty() ? "" : ", ", parenthesized(key.sql()));
  }
  std::string query;
  for (const Page& page : pages) {
    SourceRange range;
    range.first_block = page.block;
    range.end_block = page.block + 1;
    query += fmt::format("{}SELECT {} FROM ONLY {}{}", query.empty() ? "" : " UNION ALL ", list,
                         table.leaves[page.leaf].qualified, range_condition(range));
  }
  return fmt::format("COPY (SELECT * FROM ({}) AS sample LIMIT {}) TO STDOUT (FORMAT binary)",
                     query, count);
}

Result<std::vector<std::uint8_t>> read_stream(Connection& connection, const std::string& sql) {
  const Cancellation never;
  PGFANOUT_TRY_ASSIGN(const auto stream, CopyOut::start(connection, sql, never));
  std::vector<std::uint8_t> bytes;
  while (true) {
    PGFANOUT_TRY_ASSIGN(const CopyOutEvent event, stream->next());
    if (event == CopyOutEvent::end) return bytes;
    const ByteView message = stream->message();
    bytes.insert(bytes.end(), message.begin(), message.end());
  }
}

Result<std::vector<ProbeRow>> decode_rows(const std::vector<std::uint8_t>& bytes,
                                          std::size_t columns) {
  std::vector<std::uint16_t> wanted;
  for (std::uint16_t field = 0; field < columns; ++field) wanted.push_back(field);
  Decoder decoder(static_cast<std::uint16_t>(columns), wanted);
  decoder.start_stream();
  RowIndex index;
  const DecodeStep step = decoder.decode(bytes, 0, index);
  if (step.status != DecodeStatus::done) {
    return refused("bad-stream",
                   fmt::format("a sample of rows could not be read: {}", step.reason));
  }
  std::vector<ProbeRow> rows(index.rows.size());
  for (std::size_t at = 0; at < index.fields.size(); ++at) {
    const FieldRef& field = index.fields[at];
    ProbeValue value;
    if (!field.is_null()) {
      value.emplace(reinterpret_cast<const char*>(bytes.data()) + field.offset,
                    static_cast<std::size_t>(field.length));
    }
    rows[at / columns].push_back(std::move(value));
  }
  return rows;
}

KeyOutcome outcome_of(const ProbeValue& value) {
  if (!value) return {KeyState::null, 0};
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(value->data());
  return {KeyState::ok, static_cast<std::int64_t>(load_be64(bytes))};
}

/// The last field of every row is the server's key.
Result<KeySample> with_server_keys(const std::vector<std::uint8_t>& bytes, std::size_t columns) {
  KeySample sample;
  PGFANOUT_TRY_ASSIGN(sample.rows, decode_rows(bytes, columns + 1));
  for (ProbeRow& row : sample.rows) {
    sample.server.push_back(outcome_of(row.back()));
    row.pop_back();
  }
  return sample;
}

}  // namespace

Result<KeySample> sample_table(KeyOracle& oracle, const Table& table, const KeyExpression& key,
                               std::uint64_t count, std::mt19937_64& random) {
  const std::vector<Page> pages =
      draw_pages(table, std::clamp(count / kRowsAPage, kFewestPages, kMostPages), random);
  const std::size_t columns = key.used_columns().size();
  if (pages.empty() || count == 0 || columns == 0) return KeySample{};
  const auto read = [&](bool with_key) {
    const std::string sql = copy_sql(table, key, pages, count, with_key);
    return oracle.guarded([&] { return read_stream(oracle.connection(), sql); });
  };
  auto stream = read(true);
  if (stream) return with_server_keys(*stream, columns);
  // One of the rows has no key for the server: ask about each by its value.
  PGFANOUT_TRY(key_state_of(stream.error()));
  PGFANOUT_TRY_ASSIGN(const std::vector<std::uint8_t> bytes, read(false));
  KeySample sample;
  PGFANOUT_TRY_ASSIGN(sample.rows, decode_rows(bytes, columns));
  PGFANOUT_TRY_ASSIGN(sample.server, oracle.ask(sample.rows, evaluate_rows(key, sample.rows)));
  return sample;
}

}  // namespace pgfanout
