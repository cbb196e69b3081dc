// One COPY ... FROM STDIN (FORMAT binary) on a channel, from the statement to the server's count.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "copier/pg/write_channel.h"
#include "copier/reconcile/ledger.h"
#include "pgfanout/bytes.h"
#include "pgfanout/result.h"

namespace pgfanout {

class CopyCursor {
 public:
  /// `bytes_written` counts the bytes of rows. Both outlive the cursor.
  CopyCursor(WriteChannel& channel, std::atomic<std::uint64_t>& bytes_written)
      : channel_(channel), bytes_written_(bytes_written) {}

  /// Sends the statement; the channel is ready.
  Result<void> begin(std::string_view copy_sql);
  /// The statement was sent, and its answer is not accounted for yet.
  [[nodiscard]] bool is_open() const { return next_ != Next::nothing; }
  /// Whole encoded rows that follow those before, which were put. They outlive the puts.
  void give(ByteView rows, std::uint64_t count);
  /// No more rows follow those that were given.
  void finish() { next_ = Next::trailer; }
  /// While the channel takes data, and has nothing to flush: puts the header, the next piece of the
  /// rows, the trailer, or the end. False: more rows must be given first, or the end.
  Result<bool> put_piece();
  /// The server has answered: books its count, which must be that of the rows given.
  Result<void> account(std::uint32_t leaf, Ledger& ledger);

 private:
  enum class Next : std::uint8_t { nothing, header, rows, trailer, end };

  WriteChannel& channel_;
  std::atomic<std::uint64_t>& bytes_written_;
  Next next_ = Next::nothing;
  ByteView left_;  ///< Of the rows given: not put yet.
  std::uint64_t rows_ = 0;
};

}  // namespace pgfanout
