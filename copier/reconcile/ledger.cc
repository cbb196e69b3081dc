#include "copier/reconcile/ledger.h"

namespace pgfanout {

void Ledger::add_read(std::uint32_t range, const MultisetDigest& rows) {
  const std::lock_guard lock(mutex_);
  ranges_[range].read.merge(rows);
}

void Ledger::complete_range(std::uint32_t range, std::uint64_t announced_rows) {
  const std::lock_guard lock(mutex_);
  ranges_[range].announced_rows = announced_rows;
  ranges_[range].is_complete = true;
}

void Ledger::add_rejected(const MultisetDigest& rows) {
  const std::lock_guard lock(mutex_);
  rejected_.merge(rows);
}

void Ledger::add_routed(std::uint32_t leaf, const MultisetDigest& rows, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].routed.merge(rows);
  leaves_[leaf].routed_bytes += bytes;
}

void Ledger::add_sent(std::uint32_t leaf, std::uint64_t rows) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].sent_rows += rows;
}

void Ledger::add_copied(std::uint32_t leaf, std::uint64_t rows) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].copied_rows += rows;
}

void Ledger::mark_committed(std::uint32_t leaf) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].is_committed = true;
}

void Ledger::add_repeated(std::uint32_t leaf, const MultisetDigest& rows) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].repeated.merge(rows);
}

void Ledger::add_refused(std::uint32_t leaf, const MultisetDigest& rows) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].refused.merge(rows);
}

void Ledger::restore_leaf(std::uint32_t leaf, const MultisetDigest& rows, std::uint64_t bytes,
                          const MultisetDigest& refused, bool is_committed) {
  const std::lock_guard lock(mutex_);
  LeafAccount& account = leaves_[leaf];
  account.earlier = rows;
  account.earlier_bytes = bytes;
  account.refused_earlier = refused;
  account.is_committed = is_committed;
}

void Ledger::restore_read(const MultisetDigest& rows, const MultisetDigest& rejected) {
  const std::lock_guard lock(mutex_);
  read_earlier_.merge(rows);
  rejected_.merge(rejected);
}

void Ledger::restore_range(std::uint32_t range) {
  const std::lock_guard lock(mutex_);
  ranges_[range].is_complete = true;
}

void Ledger::begin_epoch(const std::vector<bool>& done) {
  const std::lock_guard lock(mutex_);
  for (std::size_t leaf = 0; leaf < leaves_.size(); ++leaf) {
    leaves_[leaf].is_committed = done[leaf];
  }
}

void Ledger::set_before(std::uint32_t leaf, const MultisetDigest& rows) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].before = rows;
}

void Ledger::add_read_back(std::uint32_t leaf, const MultisetDigest& rows, std::uint64_t wrong_key,
                           std::uint64_t wrong_leaf) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].read_back.merge(rows);
  leaves_[leaf].wrong_key += wrong_key;
  leaves_[leaf].wrong_leaf += wrong_leaf;
}

void Ledger::mark_read_back(std::uint32_t leaf) {
  const std::lock_guard lock(mutex_);
  leaves_[leaf].is_read_back = true;
}

std::vector<RangeAccount> Ledger::ranges() const {
  const std::lock_guard lock(mutex_);
  return ranges_;
}

std::vector<LeafAccount> Ledger::leaves() const {
  const std::lock_guard lock(mutex_);
  return leaves_;
}

LeafAccount Ledger::leaf(std::uint32_t leaf) const {
  const std::lock_guard lock(mutex_);
  return leaves_[leaf];
}

MultisetDigest Ledger::read_earlier() const {
  const std::lock_guard lock(mutex_);
  return read_earlier_;
}

MultisetDigest Ledger::rejected() const {
  const std::lock_guard lock(mutex_);
  return rejected_;
}

}  // namespace pgfanout
