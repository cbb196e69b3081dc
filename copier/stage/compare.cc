#include "copier/stage/compare.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "copier/base/lists.h"

namespace pgfanout {
namespace {

constexpr std::size_t kWordBytes = 4;

void put_digest(RowDigest digest, std::uint32_t* words) {
  words[0] = static_cast<std::uint32_t>(digest.low);
  words[1] = static_cast<std::uint32_t>(digest.low >> 32U);
  words[2] = static_cast<std::uint32_t>(digest.high);
  words[3] = static_cast<std::uint32_t>(digest.high >> 32U);
}

/// The last ones of a name are left: the misplaced, and of these such as stand for one row.
bool is_sorted_before(const CollectedRow& a, const CollectedRow& b) {
  return std::tie(a.name, a.is_misplaced, b.copies) < std::tie(b.name, b.is_misplaced, a.copies);
}

/// One name's rows in a sorted list, which begin at `begin`.
struct Run {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint64_t copies = 0;
};

Run run_at(const std::vector<CollectedRow>& rows, std::size_t begin) {
  Run run{begin, begin, 0};
  for (; run.end < rows.size() && rows[run.end].name == rows[begin].name; ++run.end) {
    run.copies += rows[run.end].copies;
  }
  return run;
}

/// The rows that are left of a list, which are moved to its front as the list is read.
class Leftovers {
 public:
  explicit Leftovers(std::vector<CollectedRow>& rows) : rows_(rows) {}
  /// Leaves the last `copies` of a run.
  void keep(const Run& run, std::uint64_t copies) {
    std::size_t first = run.end;
    std::uint64_t left = copies;
    while (left > 0) {
      CollectedRow& row = rows_[--first];
      row.copies = std::min(left, row.copies);
      left -= row.copies;
    }
    for (std::size_t at = first; at < run.end; ++at) rows_[kept_++] = rows_[at];
  }
  void finish() { rows_.resize(kept_); }

 private:
  std::vector<CollectedRow>& rows_;
  std::size_t kept_ = 0;
};

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

std::size_t bucket_of(const RowName& name, std::size_t buckets) {
  return name.identity.high % buckets;
}

/// In place: both lists may be as large as memory allows.
CollectedSides surplus_of(CollectedSides rows) {
  std::ranges::sort(rows.source, is_sorted_before);
  std::ranges::sort(rows.target, is_sorted_before);
  Leftovers source(rows.source);
  Leftovers target(rows.target);
  std::size_t a = 0;
  std::size_t b = 0;
  while (a < rows.source.size() || b < rows.target.size()) {
    const bool has_a = a < rows.source.size();
    const bool has_b = b < rows.target.size();
    const bool is_in_source = has_a && (!has_b || rows.source[a].name <= rows.target[b].name);
    const bool is_in_target = has_b && (!has_a || rows.target[b].name <= rows.source[a].name);
    const Run of_source = is_in_source ? run_at(rows.source, a) : Run{a, a, 0};
    const Run of_target = is_in_target ? run_at(rows.target, b) : Run{b, b, 0};
    const std::uint64_t equal = std::min(of_source.copies, of_target.copies);
    source.keep(of_source, of_source.copies - equal);
    target.keep(of_target, of_target.copies - equal);
    a = of_source.end;
    b = of_target.end;
  }
  source.finish();
  target.finish();
  return rows;
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
    const bool is_in_bucket =
        filter_.buckets.empty() || filter_.buckets[bucket_of(name, filter_.buckets.size())];
    if ((is_in_group && is_in_bucket) || filter_.wanted.contains(name)) {
      found.push_back({name,
                       {batch.range, batch.first_row + row},
                       comparer.is_misplaced(batch, row, belongs, leaf),
                       1});
    }
  }
  if (found.empty()) return;
  const std::lock_guard lock(mutex_);
  append(rows_, found);
  if (rows_.size() >= next_merge_) merge_copies();
}

/// Of each name, and of its misplaced rows, the last row that is kept stands for all further ones.
/// Called with the mutex held.
void RowCollector::merge_copies() {
  std::ranges::sort(rows_, is_sorted_before);
  std::size_t kept = 0;
  std::size_t first = 0;  // Of those like the row.
  for (std::size_t at = 0; at < rows_.size(); ++at) {
    const CollectedRow row = rows_[at];
    const bool is_alike = kept > 0 && rows_[kept - 1].name == row.name &&
                          rows_[kept - 1].is_misplaced == row.is_misplaced;
    if (!is_alike) first = kept;
    if (is_alike && kept - first >= filter_.kept_copies) {
      rows_[kept - 1].copies += row.copies;
    } else {
      rows_[kept++] = row;
    }
  }
  rows_.resize(kept);
  next_merge_ = std::max<std::uint64_t>(filter_.rows_before_merging, 2 * kept);
}

void BucketBooks::add(const Comparer& comparer, Side side, const RowBatch& batch) {
  thread_local std::vector<std::uint32_t> belongs;
  comparer.route(batch, belongs);
  const std::lock_guard lock(mutex_);
  for (std::size_t row = 0; row < batch.index.rows.size(); ++row) {
    if (!groups_[comparer.group_of(batch, row, belongs)]) continue;
    const RowName name =
        row_name(kind_, comparer.fields().copied_bytes(batch, row), batch.digests[row]);
    GroupAccount& bucket = buckets_[bucket_of(name, buckets_.size())];
    (side == Side::source ? bucket.source : bucket.target).add(batch.digests[row]);
  }
}

}  // namespace pgfanout
