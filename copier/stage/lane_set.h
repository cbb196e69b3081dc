// The lanes: one outgoing batch per leaf that the router fills, and the sealed batches behind it
// that wait for their connection. Thread-safe: many routers append, one writer thread takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "copier/base/buffer.h"
#include "copier/base/memory_budget.h"
#include "copier/base/wakeup.h"
#include "copier/stage/row_batch.h"
#include "hashing/row_digest.h"

namespace pgfanout {

/// Where a row of a batch comes from, for rows that may be set aside.
struct RowOrigin {
  std::uint32_t range = 0;
  std::uint32_t bytes = 0;  ///< Encoded.
  std::uint64_t row = 0;    ///< Ordinal in its range.
  RowDigest digest;
};

/// Whole encoded rows for one leaf, without header and trailer.
struct LaneBatch {
  Buffer bytes;
  std::uint64_t rows = 0;
  std::vector<RowOrigin> origins;  ///< One a row, if they are kept.
  Lease lease;
};

class LaneSet {
 public:
  /// A batch is sealed when the next row does not fit into `batch_bytes`; a row larger than that is
  /// a batch of its own. The budget outlives the lanes.
  LaneSet(std::size_t lanes, std::size_t batch_bytes, MemoryBudget& budget,
          bool keeps_origins = false);

  /// Encodes the given rows of a batch, in order, at the end of a lane. Returns bytes written.
  std::uint64_t append(std::uint32_t lane, const RowFields& fields, const RowBatch& batch,
                       std::span<const std::uint32_t> rows);
  /// Seals the largest partial batch if nothing sealed is waiting: keeps a spent budget moving.
  void seal_largest_if_idle();
  /// No more rows will come: seals everything.
  void close();

  /// The oldest sealed batch of a lane.
  std::optional<LaneBatch> take(std::uint32_t lane);
  /// Lanes that got sealed batches since the last call.
  std::vector<std::uint32_t> take_ready();
  [[nodiscard]] bool is_closed() const { return closed_.load(std::memory_order_acquire); }
  /// To be called when a taken batch has been handed to the server.
  void sent(LaneBatch&& batch);
  [[nodiscard]] const Wakeup& wakeup() const { return wakeup_; }
  [[nodiscard]] std::size_t size() const { return lanes_.size(); }

 private:
  struct Lane {
    std::mutex mutex;
    LaneBatch open;                // guarded by mutex
    std::deque<LaneBatch> sealed;  // guarded by mutex
  };
  void make_room(std::uint32_t lane, std::size_t bytes);
  void seal(std::uint32_t lane);

  const std::size_t batch_bytes_;
  const bool keeps_origins_;
  MemoryBudget& budget_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Wakeup wakeup_;
  std::atomic<std::uint64_t> waiting_batches_{0};  ///< Sealed and not yet sent().
  std::atomic<bool> closed_{false};
  std::mutex ready_mutex_;
  std::vector<std::uint32_t> ready_;  // guarded by ready_mutex_
};

/// A sealed batch that may hold rows which the server refuses: written piece by piece, and halved
/// until the row that it refuses is alone.
class RowPieces {
 public:
  /// The batch knows its rows' origins.
  explicit RowPieces(LaneBatch batch);

  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  /// The next piece: its encoded rows, their number, and the first one's origin.
  [[nodiscard]] ByteView bytes() const;
  [[nodiscard]] std::uint64_t rows() const { return pieces_.back().rows; }
  [[nodiscard]] const RowOrigin& origin() const;
  /// Drops the piece; the one behind it is next.
  void pop() { pieces_.pop_back(); }
  /// Makes two of the piece, the first of which is next. False if it is a single row.
  bool halve();
  /// The batch, once no piece is left.
  LaneBatch take() { return std::move(batch_); }

 private:
  struct Piece {
    std::size_t first = 0;
    std::size_t rows = 0;
  };
  LaneBatch batch_;
  std::vector<std::size_t> offsets_;  // Of each row, and of the end.
  std::vector<Piece> pieces_;         // The next one is last.
};

}  // namespace pgfanout
