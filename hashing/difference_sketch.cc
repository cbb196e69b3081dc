// Adding to the sketch is done for every row of both sides: an element's three cells are contiguous
// pieces that change side by side, and batches fetch them ahead. Sums are unsigned throughout, so a
// negative count is the two's complement of its magnitude, and so are its other sums.
#include "hashing/difference_sketch.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace pgfanout {
namespace {

constexpr std::size_t fewest_cells_per_table = 64;

/// Sums of that many copies of a word or check do not wrap.
constexpr std::uint64_t most_copies = std::uint64_t{1} << 32;

/// Peeling many elements needs 0.41 cells for each in a sub-table; they have 0.5. Few elements have
/// more, since two that share all three cells block each other: the chance that any two do stays at
/// 2 in 10,000.
std::size_t cells_for(std::size_t max_elements) {
  const double elements = static_cast<double>(max_elements);
  const double against_sharing = std::cbrt(elements * elements / 2 / 2e-4);
  return std::max(
      {fewest_cells_per_table, (max_elements + 1) / 2, static_cast<std::size_t>(against_sharing)});
}

bool divide_exactly(std::uint64_t sum, std::uint64_t count, std::uint64_t& quotient) {
  quotient = count == 1 ? sum : sum / count;
  return quotient * count == sum && quotient <= std::numeric_limits<std::uint32_t>::max();
}

template <bool adds>
void change_pair(std::uint64_t* sums, std::uint64_t low, std::uint64_t high) {
  sums[0] = adds ? sums[0] + low : sums[0] - low;
  sums[1] = adds ? sums[1] + high : sums[1] - high;
}

}  // namespace

DifferenceSketch::DifferenceSketch(std::size_t element_words, std::size_t max_elements)
    : element_words_(element_words),
      cell_sums_((2 + element_words + 1) / 2 * 2),
      cells_per_table_(cells_for(max_elements)),
      sums_(sub_tables * cells_per_table_ * cell_sums_) {
  assert(element_words > 0);
  assert(cells_per_table_ <= std::numeric_limits<std::uint32_t>::max());
}

DifferenceSketch::Place DifferenceSketch::place_of(const std::uint32_t* element) const {
  const XXH128_hash_t hash = XXH3_128bits(element, element_words_ * sizeof(*element));
  const std::array<std::uint64_t, sub_tables> parts = {hash.low64 & 0xffffffffU, hash.low64 >> 32,
                                                       hash.high64 & 0xffffffffU};
  Place place;
  for (std::size_t table = 0; table < sub_tables; ++table) {
    const std::size_t cell = (parts[table] * cells_per_table_) >> 32;
    place.cells[table] = (table * cells_per_table_ + cell) * cell_sums_;
  }
  place.check = hash.high64 >> 32;
  return place;
}

void DifferenceSketch::prefetch(const Place& place) const {
  constexpr std::size_t line_sums = 8;
  for (const std::size_t cell : place.cells) {
    const std::uint64_t* const sums = sums_.data() + cell;
    for (std::size_t i = 0; i < cell_sums_; i += line_sums) __builtin_prefetch(sums + i, 1);
    __builtin_prefetch(sums + cell_sums_ - 1, 1);
  }
}

template <bool adds>
void DifferenceSketch::apply(const Place& place, const std::uint32_t* element) {
  static_assert(sub_tables == 3);
  std::uint64_t* const __restrict first = sums_.data() + place.cells[0];
  std::uint64_t* const __restrict second = sums_.data() + place.cells[1];
  std::uint64_t* const __restrict third = sums_.data() + place.cells[2];
  const auto change = [=](std::size_t i, std::uint64_t low, std::uint64_t high) {
    change_pair<adds>(first + i, low, high);
    change_pair<adds>(second + i, low, high);
    change_pair<adds>(third + i, low, high);
  };
  const std::size_t words = element_words_;
  change(0, 1, place.check);
  for (std::size_t i = 0; i + 1 < words; i += 2) change(2 + i, element[i], element[i + 1]);
  if (words % 2 != 0) change(1 + words, element[words - 1], 0);
}

template <bool adds>
void DifferenceSketch::apply_many(const std::uint32_t* elements, std::size_t count) {
  constexpr std::size_t ahead = 16;
  std::array<Place, ahead> places;
  for (std::size_t done = 0; done < count;) {
    const std::size_t now = std::min(ahead, count - done);
    for (std::size_t i = 0; i < now; ++i) {
      places[i] = place_of(elements + (done + i) * element_words_);
      prefetch(places[i]);
    }
    for (std::size_t i = 0; i < now; ++i) {
      apply<adds>(places[i], elements + (done + i) * element_words_);
    }
    done += now;
  }
}

void DifferenceSketch::add_many(const std::uint32_t* elements, std::size_t count) {
  apply_many<true>(elements, count);
}

void DifferenceSketch::subtract_many(const std::uint32_t* elements, std::size_t count) {
  apply_many<false>(elements, count);
}

void DifferenceSketch::merge(const DifferenceSketch& other) {
  assert(element_words_ == other.element_words_ && cells_per_table_ == other.cells_per_table_);
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
}

bool DifferenceSketch::is_zero() const {
  return std::ranges::all_of(sums_, [](std::uint64_t sum) { return sum == 0; });
}

std::size_t DifferenceSketch::memory_bytes() const {
  return sums_.capacity() * sizeof(std::uint64_t);
}

/// Whether the cell holds copies of one element only, and then which and how many.
bool DifferenceSketch::read_cell(std::size_t cell, Difference& difference, Place& place) const {
  const std::uint64_t* const sums = sums_.data() + cell;
  const bool is_negative = (sums[0] >> 63) != 0;
  const auto magnitude = [is_negative](std::uint64_t sum) { return is_negative ? 0 - sum : sum; };
  const std::uint64_t count = magnitude(sums[0]);
  std::uint64_t check = 0;
  if (count == 0 || count > most_copies) return false;
  if (!divide_exactly(magnitude(sums[1]), count, check)) return false;
  difference.element.resize(element_words_);
  for (std::size_t i = 0; i < element_words_; ++i) {
    std::uint64_t word = 0;
    if (!divide_exactly(magnitude(sums[2 + i]), count, word)) return false;
    difference.element[i] = static_cast<std::uint32_t>(word);
  }
  difference.count = static_cast<std::int64_t>(sums[0]);
  place = place_of(difference.element.data());
  return place.check == check && std::ranges::count(place.cells, cell) == 1;
}

void DifferenceSketch::take_out(const Place& place, const Difference& difference) {
  const auto count = static_cast<std::uint64_t>(difference.count);
  for (const std::size_t cell : place.cells) {
    std::uint64_t* const sums = sums_.data() + cell;
    sums[0] -= count;
    sums[1] -= count * place.check;
    for (std::size_t i = 0; i < element_words_; ++i) sums[2 + i] -= count * difference.element[i];
  }
}

DifferenceSketch::Answer DifferenceSketch::peel() && {
  Answer answer;
  std::vector<Difference>& found = answer.differences;
  // A peel empties a cell for good. Only a mixture that is taken for an element could go on longer.
  const std::size_t most = sub_tables * cells_per_table_;
  std::vector<std::size_t> open;
  Difference difference;
  Place place;
  for (std::size_t first = 0; first < sums_.size(); first += cell_sums_) {
    open.assign(1, first);
    while (!open.empty() && found.size() < most) {
      const std::size_t cell = open.back();
      open.pop_back();
      if (!read_cell(cell, difference, place)) continue;
      take_out(place, difference);
      found.push_back(difference);
      for (const std::size_t other : place.cells) {
        if (other != cell) open.push_back(other);
      }
    }
  }
  const auto same = [](const auto& a, const auto& b) { return a.element == b.element; };
  std::ranges::sort(found, [](const auto& a, const auto& b) { return a.element < b.element; });
  answer.is_complete =
      is_zero() && std::adjacent_find(found.begin(), found.end(), same) == found.end();
  return answer;
}

}  // namespace pgfanout
