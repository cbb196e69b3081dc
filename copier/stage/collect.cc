#include "copier/stage/collect.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace pgfanout {
namespace {

auto order_of(const CollectedRow& row) {
  const RowName& name = row.name;
  return std::tuple(name.identity.high, name.identity.low, name.digest.high, name.digest.low);
}

bool comes_before(const CollectedRow& a, const CollectedRow& b) {
  return order_of(a) < order_of(b);
}

/// A multiset difference leaves the last ones of a name: the misplaced.
bool is_sorted_before(const CollectedRow& a, const CollectedRow& b) {
  return std::tuple(order_of(a), a.is_misplaced) < std::tuple(order_of(b), b.is_misplaced);
}

}  // namespace

CollectedSides surplus_of(CollectedSides rows) {
  std::sort(rows.source.begin(), rows.source.end(), is_sorted_before);
  std::sort(rows.target.begin(), rows.target.end(), is_sorted_before);
  CollectedSides surplus;
  // Both compare by name alone and take copies into account.
  std::set_difference(rows.source.begin(), rows.source.end(), rows.target.begin(),
                      rows.target.end(), std::back_inserter(surplus.source), comes_before);
  std::set_difference(rows.target.begin(), rows.target.end(), rows.source.begin(),
                      rows.source.end(), std::back_inserter(surplus.target), comes_before);
  return surplus;
}

RowName row_name(IdentityKind kind, ByteView identity, RowDigest digest) {
  return {kind == IdentityKind::row ? digest : row_digest(identity), digest};
}

void RowCollector::collect(const Comparer& comparer, const RowBatch& batch, std::uint32_t leaf) {
  std::vector<CollectedRow> found;
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    const bool is_in_group =
        !filter_.groups.empty() && filter_.groups[comparer.group_of(batch, row)];
    if (!is_in_group && filter_.wanted.empty()) continue;
    const RowName name =
        row_name(kind_, comparer.fields().copied_bytes(batch, row), batch.digests[row]);
    if (is_in_group || filter_.wanted.contains(name)) {
      found.push_back(
          {name, {batch.range, batch.first_row + row}, comparer.is_misplaced(batch, row, leaf)});
    }
  }
  if (found.empty()) return;
  const std::lock_guard lock(mutex_);
  rows_.insert(rows_.end(), found.begin(), found.end());
}

}  // namespace pgfanout
