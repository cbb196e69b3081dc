#include "copier/stage/row_pieces.h"

#include <utility>

namespace pgfanout {

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
