#include "copier/reconcile/comparison.h"

#include <algorithm>

namespace pgfanout {

void Comparison::add(Side side, const BatchAccount& batch) {
  const bool is_source = side == Side::source;
  const std::lock_guard lock(mutex_);
  LeafCount& leaf = leaves_[index_of(side)][batch.leaf];
  leaf.rows += batch.count.rows;
  leaf.bytes += batch.count.bytes;
  leaf.digest.merge(batch.count.digest);
  for (std::size_t at = 0; at < batch.groups.size(); ++at) {
    if (batch.groups[at].rows() == 0) continue;
    GroupAccount& group = groups_[at];
    (is_source ? group.source : group.target).merge(batch.groups[at]);
  }
  key_errors_[index_of(side)] += batch.key_errors;
  if (is_source) {
    stored_key_errors_ += batch.stored_key_errors;
    return;
  }
  misplaced_count_ += batch.misplaced.size();
  const std::size_t room = max_named_ - std::min(max_named_, misplaced_.size());
  const std::size_t taken = std::min(room, batch.misplaced.size());
  misplaced_.insert(misplaced_.end(), batch.misplaced.begin(),
                    batch.misplaced.begin() + static_cast<std::ptrdiff_t>(taken));
}

MultisetDigest Comparison::total(Side side) const {
  MultisetDigest total;
  for (const GroupAccount& group : groups_) {
    total.merge(side == Side::source ? group.source : group.target);
  }
  return total;
}

bool Comparison::is_equal() const {
  return std::all_of(groups_.begin(), groups_.end(),
                     [](const GroupAccount& group) { return group.source == group.target; });
}

}  // namespace pgfanout
