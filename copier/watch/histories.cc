#include "copier/watch/histories.h"

namespace pgfanout {
namespace {

/// Two hours, a look a second.
constexpr std::size_t kMostEnds = 7200;

}  // namespace

void WalHistory::note(Moment now, std::int64_t position) {
  if (!ends_.empty() && position <= ends_.back().second) return;
  ends_.emplace_back(now, position);
  if (ends_.size() > kMostEnds) ends_.pop_front();
}

double WalHistory::seconds_behind(Moment now, std::int64_t replayed) const {
  for (const auto& [when, position] : ends_) {
    if (position > replayed) return std::chrono::duration<double>(now - when).count();
  }
  return 0;
}

std::int64_t LastMinute::note(Moment now, std::int64_t counter) {
  if (!counts_.empty() && counter < counts_.back().second) counts_.clear();
  counts_.emplace_back(now, counter);
  while (now - counts_.front().first > std::chrono::minutes(1)) counts_.pop_front();
  return counter - counts_.front().second;
}

}  // namespace pgfanout
