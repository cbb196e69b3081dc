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

MultisetDigest Ledger::rejected() const {
  const std::lock_guard lock(mutex_);
  return rejected_;
}

}  // namespace pgfanout
