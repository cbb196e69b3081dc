#include "copier/reconcile/comparison.h"

#include <algorithm>
#include <span>

#include "copier/base/lists.h"

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
  misplaced_count_ += batch.misplaced.size() + batch.misplaced_unseen;
  const std::size_t room = max_named_ - std::min(max_named_, misplaced_.size());
  append(misplaced_, std::span(batch.misplaced).first(std::min(room, batch.misplaced.size())));
}

MultisetDigest Comparison::total(Side side) const {
  MultisetDigest total;
  for (const GroupAccount& group : groups_) {
    total.merge(side == Side::source ? group.source : group.target);
  }
  return total;
}

bool Comparison::is_equal() const {
  return std::ranges::all_of(
      groups_, [](const GroupAccount& group) { return group.source == group.target; });
}

}  // namespace pgfanout
