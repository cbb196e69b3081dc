#include "copier/key/page_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "copier/base/lists.h"
#include "copier/pg/copy_out.h"
#include "copier/wire/decoder.h"

namespace pgfanout {
namespace {

Result<std::vector<std::uint8_t>> read_stream(Connection& connection, const std::string& sql) {
  const Cancellation never;
  PGFANOUT_TRY_ASSIGN(const auto stream, CopyOut::start(connection, sql, never));
  std::vector<std::uint8_t> bytes;
  while (true) {
    PGFANOUT_TRY_ASSIGN(const std::optional<ByteView> message, stream->next());
    if (!message) return bytes;
    append(bytes, *message);
  }
}

}  // namespace

std::vector<SampledPage> draw_pages(const Table& table, std::uint64_t wanted,
                                    std::mt19937_64& random) {
  const std::uint64_t total = sum_of(table.leaves, &Leaf::blocks);
  std::set<std::uint64_t> drawn;
  if (total <= wanted) {
    for (std::uint64_t at = 0; at < total; ++at) drawn.insert(at);
  }
  while (total > wanted && drawn.size() < wanted) drawn.insert(random() % total);
  std::vector<SampledPage> pages;
  std::uint32_t leaf = 0;
  std::uint64_t first = 0;
  for (const std::uint64_t at : drawn) {
    while (at - first >= table.leaves[leaf].blocks) first += table.leaves[leaf++].blocks;
    pages.push_back({leaf, at - first});
  }
  std::shuffle(pages.begin(), pages.end(), random);
  return pages;
}

std::vector<SourceRange> draw_pieces(const Table& table, std::uint64_t piece_bytes,
                                     std::uint64_t most, std::mt19937_64& random) {
  std::vector<SourceRange> pieces;
  if (sum_of(table.leaves, &Leaf::total_bytes) / piece_bytes <= most) {
    pieces = cut_ranges(table.leaf_sizes(), piece_bytes);
  } else {
    for (const SampledPage& page : draw_pages(table, most, random)) {
      const Leaf& size = table.leaves[page.leaf];
      const std::uint64_t block_bytes = std::max<std::uint64_t>(size.total_bytes / size.blocks, 1);
      const std::uint64_t blocks = std::max<std::uint64_t>(piece_bytes / block_bytes, 1);
      const std::uint64_t end = std::min(size.blocks, page.block + blocks);
      pieces.push_back({page.leaf, page.block, end, (end - page.block) * block_bytes});
    }
  }
  std::erase_if(pieces, [](const SourceRange& piece) { return piece.estimated_bytes == 0; });
  std::shuffle(pieces.begin(), pieces.end(), random);
  return pieces;
}

std::string sample_sql(const Table& table, const std::string& select_list,
                       const std::vector<SampledPage>& pages, std::uint64_t most_rows) {
  const auto select_of = [&](const SampledPage& page) {
    const SourceRange range{page.leaf, page.block, page.block + 1, 0};
    return RangeSelect{select_list, table.leaves[page.leaf].qualified, range_condition(range)}
        .sql();
  };
  return fmt::format("COPY (SELECT * FROM ({}) AS sample LIMIT {}) TO STDOUT (FORMAT binary)",
                     joined(pages, " UNION ALL ", select_of), most_rows);
}

Result<std::vector<ProbeRow>> read_sample(Connection& connection, const std::string& sql,
                                          std::size_t columns) {
  PGFANOUT_TRY_ASSIGN(const std::vector<std::uint8_t> bytes, read_stream(connection, sql));
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

Result<std::uint64_t> estimate_rows(Connection& connection, const Table& table) {
  constexpr std::uint64_t kPages = 200;
  std::mt19937_64 random(std::random_device{}());
  const std::vector<SampledPage> pages = draw_pages(table, kPages, random);
  if (pages.empty()) return 0;
  constexpr std::uint64_t kMostRowsOfPage = 3000;
  PGFANOUT_TRY_ASSIGN(
      const auto rows,
      read_sample(connection, sample_sql(table, "1", pages, kPages * kMostRowsOfPage), 1));
  return rows.size() * sum_of(table.leaves, &Leaf::blocks) / pages.size();
}

}  // namespace pgfanout
