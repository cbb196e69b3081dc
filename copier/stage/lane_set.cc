#include "copier/stage/lane_set.h"

#include <algorithm>
#include <utility>

#include "copier/wire/encoder.h"

namespace pgfanout {

LaneSet::LaneSet(std::size_t lanes, std::size_t batch_bytes, MemoryBudget& budget,
                 bool keeps_origins)
    : batch_bytes_(batch_bytes), keeps_origins_(keeps_origins), budget_(budget) {
  lanes_.reserve(lanes);
  for (std::size_t at = 0; at < lanes; ++at) lanes_.push_back(std::make_unique<Lane>());
}

std::uint64_t LaneSet::append(std::uint32_t lane, const RowFields& fields, const RowBatch& batch,
                              std::span<const std::uint32_t> rows) {
  const RowLayout& layout = fields.layout();
  std::uint64_t written = 0;
  const std::lock_guard lock(lanes_[lane]->mutex);
  LaneBatch& open = lanes_[lane]->open;
  for (const std::uint32_t row : rows) {
    const ByteView copied = fields.copied_bytes(batch, row);
    const std::size_t bytes = encoded_row_bytes(copied.size(), layout.written_key);
    if (open.bytes.room() < bytes) make_room(lane, bytes);
    encode_row(open.bytes.extend(bytes), layout.copied, copied, layout.written_key,
               batch.keys[row]);
    ++open.rows;
    if (keeps_origins_) {
      open.origins.push_back({batch.range, static_cast<std::uint32_t>(bytes), batch.first_row + row,
                              batch.digests[row]});
      open.lease.absorb(budget_.charge(sizeof(RowOrigin)));
    }
    written += bytes;
  }
  return written;
}

/// Called with the lane's mutex held.
void LaneSet::make_room(std::uint32_t lane, std::size_t bytes) {
  LaneBatch& open = lanes_[lane]->open;
  if (!open.bytes.empty()) seal(lane);
  const std::size_t capacity = std::max(batch_bytes_, bytes);
  open.lease = budget_.charge(capacity);
  open.bytes = Buffer(capacity);
}

/// Called with the lane's mutex held.
void LaneSet::seal(std::uint32_t lane) {
  lanes_[lane]->sealed.push_back(std::exchange(lanes_[lane]->open, LaneBatch()));
  waiting_batches_.fetch_add(1, std::memory_order_acq_rel);
  {
    const std::lock_guard lock(ready_mutex_);
    ready_.push_back(lane);
  }
  wakeup_.signal();
}

void LaneSet::seal_largest_if_idle() {
  if (waiting_batches_.load(std::memory_order_acquire) > 0) return;
  std::size_t largest_bytes = 0;
  std::uint32_t largest = 0;
  for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    const std::lock_guard lock(lanes_[lane]->mutex);
    if (lanes_[lane]->open.bytes.size() > largest_bytes) {
      largest_bytes = lanes_[lane]->open.bytes.size();
      largest = lane;
    }
  }
  if (largest_bytes == 0) return;
  const std::lock_guard lock(lanes_[largest]->mutex);
  if (!lanes_[largest]->open.bytes.empty()) seal(largest);
}

void LaneSet::close() {
  for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane) {
    const std::lock_guard lock(lanes_[lane]->mutex);
    if (!lanes_[lane]->open.bytes.empty()) seal(lane);
  }
  closed_.store(true, std::memory_order_release);
  wakeup_.signal();
}

std::optional<LaneBatch> LaneSet::take(std::uint32_t lane) {
  const std::lock_guard lock(lanes_[lane]->mutex);
  auto& sealed = lanes_[lane]->sealed;
  if (sealed.empty()) return std::nullopt;
  LaneBatch batch = std::move(sealed.front());
  sealed.pop_front();
  return batch;
}

std::vector<std::uint32_t> LaneSet::take_ready() {
  const std::lock_guard lock(ready_mutex_);
  return std::exchange(ready_, {});
}

void LaneSet::sent(LaneBatch&& batch) {
  const LaneBatch gone = std::move(batch);
  waiting_batches_.fetch_sub(1, std::memory_order_acq_rel);
}

RowPieces::RowPieces(LaneBatch batch) : batch_(std::move(batch)) {
  std::size_t offset = 0;
  offsets_.reserve(batch_.origins.size() + 1);
  for (const RowOrigin& origin : batch_.origins) {
    offsets_.push_back(offset);
    offset += origin.bytes;
  }
  offsets_.push_back(offset);
  if (!batch_.origins.empty()) pieces_.push_back({0, batch_.origins.size()});
}

ByteView RowPieces::bytes() const {
  const Piece& piece = pieces_.back();
  const std::size_t begin = offsets_[piece.first];
  return batch_.bytes.view().subspan(begin, offsets_[piece.first + piece.rows] - begin);
}

const RowOrigin& RowPieces::origin() const {
  return batch_.origins[pieces_.back().first];
}

bool RowPieces::halve() {
  const Piece whole = pieces_.back();
  if (whole.rows < 2) return false;
  const std::size_t half = whole.rows / 2;
  pieces_.back() = {whole.first + half, whole.rows - half};
  pieces_.push_back({whole.first, half});
  return true;
}

}  // namespace pgfanout
