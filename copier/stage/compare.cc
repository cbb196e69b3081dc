#include "copier/stage/compare.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <tuple>

namespace pgfanout {
namespace {

constexpr std::size_t kHashGroups = 64;
constexpr std::size_t kWordBytes = 4;

void put_digest(RowDigest digest, std::uint32_t* words) {
  words[0] = static_cast<std::uint32_t>(digest.low);
  words[1] = static_cast<std::uint32_t>(digest.low >> 32U);
  words[2] = static_cast<std::uint32_t>(digest.high);
  words[3] = static_cast<std::uint32_t>(digest.high >> 32U);
}

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

std::size_t RowElements::identity_words() const {
  switch (identity_) {
    case IdentityKind::fixed:
      return (identity_bytes_ + kWordBytes - 1) / kWordBytes;
    case IdentityKind::hashed:
      return kDigestWords;
    case IdentityKind::row:
      return 0;
  }
  return 0;
}

void RowElements::make(ByteView identity, RowDigest digest, std::uint32_t* element) const {
  const std::size_t words = identity_words();
  if (identity_ == IdentityKind::hashed) {
    put_digest(row_digest(identity), element);
  } else if (identity_ == IdentityKind::fixed) {
    const bool is_whole = identity.size() == identity_bytes_;
    std::memset(element, is_whole ? 0 : 0xff, words * kWordBytes);
    if (is_whole) std::memcpy(element, identity.data(), identity.size());
  }
  put_digest(digest, element + words);
}

std::size_t group_count(const VerifyPlan& plan) {
  return plan.layout ? plan.target.leaves.size() + 1 : kHashGroups;
}

Comparer::Comparer(const VerifyPlan& plan, Side side, const RowFields& fields, Comparison& books)
    : plan_(plan), side_(side), fields_(fields), books_(books), elements_(plan) {}

void Comparer::route(const RowBatch& batch, std::vector<std::uint32_t>& belongs) const {
  belongs.resize(plan_.layout ? batch.index.rows.size() : 0);
  if (plan_.layout) plan_.layout->route(layout_rows(fields_, batch), belongs);
}

std::uint32_t Comparer::group_of(const RowBatch& batch, std::size_t row,
                                 std::span<const std::uint32_t> belongs) const {
  if (plan_.layout) {
    return std::min(belongs[row], static_cast<std::uint32_t>(plan_.target.leaves.size()));
  }
  const RowDigest identity = plan_.identity == IdentityKind::row
                                 ? batch.digests[row]
                                 : row_digest(fields_.copied_bytes(batch, row));
  return static_cast<std::uint32_t>(identity.low % kHashGroups);
}

void Comparer::compare(const RowBatch& batch, std::uint32_t leaf, DifferenceSketch* sketch) const {
  thread_local BatchAccount account;
  thread_local std::vector<std::uint32_t> belongs;
  route(batch, belongs);
  account.leaf = leaf;
  account.count = {};
  account.groups.assign(group_count(plan_), MultisetDigest());
  account.misplaced.clear();
  account.key_errors = account.stored_key_errors = 0;
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    account.groups[group_of(batch, row, belongs)].add(batch.digests[row]);
    account.count.digest.add(batch.digests[row]);
    account.count.bytes += batch.index.rows[row].length;
    if (plan_.has_key) check_place(batch, row, belongs, account);
  }
  account.count.rows = batch.index.rows.size();
  books_.add(side_, account);
  if (sketch != nullptr) feed(batch, *sketch);
}

Comparer::Placing Comparer::placing_of(const RowBatch& batch, std::size_t row,
                                       std::span<const std::uint32_t> belongs,
                                       std::uint32_t leaf) const {
  Placing placing;
  const bool is_computed = batch.states[row] == KeyState::ok;
  placing.has_key = is_computed;
  if (plan_.layout) {
    placing.has_key = belongs[row] != Layout::kNoLeaf;
    placing.is_in_leaf = belongs[row] == leaf;
  }
  if (const FieldRef* stored = fields_.stored_key(batch, row)) {
    placing.is_stored = is_computed && integer_field(batch, *stored) == batch.keys[row];
  }
  return placing;
}

/// A row of the target belongs where its recomputed key says, and stores that key.
bool Comparer::is_misplaced(const RowBatch& batch, std::size_t row,
                            std::span<const std::uint32_t> belongs, std::uint32_t leaf) const {
  return side_ == Side::target && plan_.has_key &&
         !placing_of(batch, row, belongs, leaf).is_right();
}

void Comparer::check_place(const RowBatch& batch, std::size_t row,
                           std::span<const std::uint32_t> belongs, BatchAccount& account) const {
  const Placing placing = placing_of(batch, row, belongs, account.leaf);
  if (!placing.has_key) ++account.key_errors;
  if (side_ == Side::source) {
    if (!placing.is_stored) ++account.stored_key_errors;
  } else if (!placing.is_right()) {
    account.misplaced.push_back({batch.range, batch.first_row + row});
  }
}

void Comparer::feed(const RowBatch& batch, DifferenceSketch& sketch) const {
  thread_local std::vector<std::uint32_t> elements;
  const std::size_t words = elements_.words();
  const std::size_t rows = batch.index.rows.size();
  elements.resize(rows * words);
  for (std::size_t row = 0; row < rows; ++row) {
    elements_.make(fields_.copied_bytes(batch, row), batch.digests[row],
                   elements.data() + row * words);
  }
  if (side_ == Side::source) {
    sketch.add_many(elements.data(), rows);
  } else {
    sketch.subtract_many(elements.data(), rows);
  }
}

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
  thread_local std::vector<std::uint32_t> belongs;
  comparer.route(batch, belongs);
  std::vector<CollectedRow> found;
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    const bool is_in_group =
        !filter_.groups.empty() && filter_.groups[comparer.group_of(batch, row, belongs)];
    if (!is_in_group && filter_.wanted.empty()) continue;
    const RowName name =
        row_name(kind_, comparer.fields().copied_bytes(batch, row), batch.digests[row]);
    if (is_in_group || filter_.wanted.contains(name)) {
      found.push_back({name,
                       {batch.range, batch.first_row + row},
                       comparer.is_misplaced(batch, row, belongs, leaf)});
    }
  }
  if (found.empty()) return;
  const std::lock_guard lock(mutex_);
  rows_.insert(rows_.end(), found.begin(), found.end());
}

}  // namespace pgfanout
