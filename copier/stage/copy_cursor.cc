#include "copier/stage/copy_cursor.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/counted.h"
#include "copier/base/crash_point.h"
#include "copier/wire/encoder.h"

namespace pgfanout {

Result<void> CopyCursor::begin(std::string_view copy_sql) {
  next_ = Next::header;
  left_ = {};
  rows_ = 0;
  return channel_.send(copy_sql);
}

void CopyCursor::give(ByteView rows, std::uint64_t count) {
  left_ = rows;
  rows_ += count;
}

Result<bool> CopyCursor::put_piece() {
  switch (next_) {
    case Next::header:
      next_ = Next::rows;
      PGFANOUT_TRY(channel_.put(copy_header()));
      return true;
    case Next::rows: {
      if (left_.empty()) return false;
      const std::size_t bytes = std::min(WriteChannel::kPieceBytes, left_.size());
      PGFANOUT_TRY(channel_.put(left_.first(bytes)));
      left_ = left_.subspan(bytes);
      bytes_written_.fetch_add(bytes, std::memory_order_relaxed);
      return true;
    }
    case Next::trailer:
      next_ = Next::end;
      PGFANOUT_TRY(channel_.put(copy_trailer()));
      return true;
    case Next::end:
      PGFANOUT_TRY(channel_.end_copy());
      return true;
    case Next::nothing:
      break;
  }
  return false;
}

Result<void> CopyCursor::account(std::uint32_t leaf, Ledger& ledger) {
  next_ = Next::nothing;
  const std::uint64_t copied = channel_.rows_copied();
  ledger.add_copied(leaf, copied);
  crash_point("lane-taken");
  if (copied == rows_) return {};
  return refused(
      "ledger-rows",
      fmt::format("{} sent, but the server took {}", rows_text(rows_), with_commas(copied)),
      "look for triggers or rules on the leaf that drop rows");
}

}  // namespace pgfanout
