// Rows of a table from pages drawn at random: cheap on a table of any size, since nothing but those
// pages is read.
#pragma once

#include <compare>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "copier/catalog/source_range.h"
#include "copier/catalog/table.h"
#include "copier/key/key_probe.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct SampledPage {
  std::uint32_t leaf = 0;
  std::uint64_t block = 0;
  auto operator<=>(const SampledPage&) const = default;
};

/// Distinct pages of all leaves, every page equally likely, in random order; all of them if there
/// are few.
[[nodiscard]] std::vector<SampledPage> draw_pages(const Table& table, std::uint64_t wanted,
                                                  std::mt19937_64& random);

/// Pieces of about `piece_bytes` of heap and TOAST in random order: all of a table that has no more
/// than `most`, else that many at random places, which may overlap.
[[nodiscard]] std::vector<SourceRange> draw_pieces(const Table& table, std::uint64_t piece_bytes,
                                                   std::uint64_t most, std::mt19937_64& random);

/// COPY ... TO STDOUT of `select_list` from those pages; `pages` must not be empty.
[[nodiscard]] std::string sample_sql(const Table& table, const std::string& select_list,
                                     const std::vector<SampledPage>& pages,
                                     std::uint64_t most_rows);

/// Runs what sample_sql() made. `columns` is the length of its select list.
Result<std::vector<ProbeRow>> read_sample(Connection& connection, const std::string& sql,
                                          std::size_t columns);

/// The table's rows, by those of pages drawn at random; exact for a small table.
Result<std::uint64_t> estimate_rows(Connection& connection, const Table& table);

}  // namespace pgfanout
