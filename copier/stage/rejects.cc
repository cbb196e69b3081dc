#include "copier/stage/rejects.h"

#include <fmt/format.h>

#include "copier/base/counted.h"

namespace pgfanout {

Result<void> Rejects::add(Reject reject) {
  const std::lock_guard lock(mutex_);
  if (!rows_.empty() && earlier_ + rows_.size() > limit_) {
    return refused(rows_.back().code, rows_.back().reason);
  }
  rows_.push_back(std::move(reject));
  if (earlier_ + rows_.size() <= limit_) return {};
  const Reject& last = rows_.back();
  Error error = refused(last.code, last.reason);
  error.sqlstate = last.sqlstate;
  error.hint = limit_ == 0 ? "mend the row, change --map or --key, or set rows aside with "
                             "--reject-limit"
                           : counted(limit_, "row was", "rows were") +
                                 " set aside already: --reject-limit is used up";
  return error;
}

void Rejects::add_key_mismatch(Reject mismatch) {
  const std::lock_guard lock(mutex_);
  ++key_mismatch_count_;
  if (key_mismatches_.size() < kMismatchesKept) key_mismatches_.push_back(std::move(mismatch));
}

std::vector<Reject> Rejects::rows() const {
  const std::lock_guard lock(mutex_);
  return rows_;
}

std::vector<Reject> Rejects::key_mismatches() const {
  const std::lock_guard lock(mutex_);
  return key_mismatches_;
}

std::uint64_t Rejects::key_mismatch_count() const {
  const std::lock_guard lock(mutex_);
  return key_mismatch_count_;
}

bool Rejects::is_over_limit() const {
  const std::lock_guard lock(mutex_);
  return earlier_ + rows_.size() > limit_ && !rows_.empty();
}

void Rejects::forget_rows() {
  const std::lock_guard lock(mutex_);
  earlier_ += rows_.size();
  rows_.clear();
}

}  // namespace pgfanout
