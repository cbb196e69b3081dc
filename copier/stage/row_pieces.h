// A sealed batch that may hold rows which the server refuses: sent piece by piece, and halved until
// the row in the way stands alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "copier/stage/lane_set.h"
#include "pgfanout/bytes.h"

namespace pgfanout {

class RowPieces {
 public:
  /// The batch knows where its rows come from.
  explicit RowPieces(LaneBatch batch);

  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  /// Of the piece that is next: its encoded rows, and how many.
  [[nodiscard]] ByteView bytes() const;
  [[nodiscard]] std::uint64_t rows() const { return pieces_.back().rows; }
  /// Its first row.
  [[nodiscard]] const RowOrigin& origin() const;
  /// The piece is dealt with; the one behind it is next.
  void pop() { pieces_.pop_back(); }
  /// Makes two of it, the first of which is next. False if it is a single row.
  bool halve();
  /// The batch, once nothing is left of it.
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
