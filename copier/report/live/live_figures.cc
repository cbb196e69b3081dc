#include "copier/report/live/live_figures.h"

#include <cstddef>

namespace pgfanout {
namespace {

constexpr std::size_t kMostRates = 300;
constexpr double kShareSeconds = 10;

}  // namespace

void show_figures(const Figures& now, JobView& view) {
  view.readers = now.readers;
  view.readers_busy = now.readers_busy;
  view.writers = now.writers;
  view.writers_busy = now.writers_busy;
  view.memory_used = now.memory_used;
  if (now.readers > 0) view.memory_budget = now.memory_budget;
  std::uint64_t rows = 0;
  for (std::size_t leaf = 0; leaf < now.leaf_rows.size(); ++leaf) {
    view.leaves.push_back({now.leaf_states[leaf], now.leaf_rows[leaf]});
    rows += now.leaf_rows[leaf];
  }
  // Expected: the rows of this call, and those that earlier calls have committed.
  const std::uint64_t earlier = rows > now.rows_written ? rows - now.rows_written : 0;
  if (now.rows_expected > 0) view.rows_expected = now.rows_expected + earlier;
}

void LiveFigures::add(double seconds, const Figures& now) {
  times_.push_back(
      {seconds, now.source_wait_ns, now.work_ns, now.target_wait_ns, now.pace_wait_ns});
  while (times_.size() > 2 && times_[1].seconds <= seconds - kShareSeconds) times_.pop_front();
  if (seconds < rated_at_ + 1) return;
  // A stage that reads again counts from zero.
  const std::uint64_t rows = now.rows_read + now.rows_read_back;
  const std::uint64_t more = rows > rows_then_ ? rows - rows_then_ : 0;
  const double rate = static_cast<double>(more) / (seconds - rated_at_);
  // The time before the first row is no rate of it.
  if (!rates_.empty() || more > 0) rates_.push_back(rate);
  if (rates_.size() > kMostRates) rates_.pop_front();
  rows_then_ = rows;
  rated_at_ = seconds;
}

std::optional<JobView::Shares> LiveFigures::shares() const {
  if (times_.size() < 2) return {};
  const Times& then = times_.front();
  const Times& now = times_.back();
  const auto since = [](std::uint64_t before, std::uint64_t after) {
    return after > before ? static_cast<double>(after - before) : 0;
  };
  const JobView::Shares spent{since(then.source, now.source), since(then.work, now.work),
                              since(then.target, now.target), since(then.held, now.held)};
  const double all = spent.source + spent.work + spent.target + spent.held;
  if (!(all > 0)) return {};
  const double percent = 100 / all;
  return JobView::Shares{spent.source * percent, spent.work * percent, spent.target * percent,
                         spent.held * percent};
}

}  // namespace pgfanout
