// COPY into the (parent) table, in text or binary format.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <string>

#include "bench/insert/insertion.h"
#include "copier/base/counted.h"
#include "copier/wire/encoder.h"

namespace pgfanout::bench {
namespace {

/// Rows are sent in blocks of about this size.
constexpr std::size_t kBlockBytes = 64 << 10U;

/// COPY FROM STDIN on one channel, by a thread that may block.
class CopyStream {
 public:
  /// Both outlive this.
  CopyStream(WriteChannel& channel, const Cancellation& cancellation)
      : channel_(channel), cancellation_(cancellation) {}

  /// Starts a COPY statement, which is a transaction of its own.
  Result<void> begin(std::string_view copy_sql) {
    PGFANOUT_TRY(channel_.send(copy_sql));
    return wait_for_answer();
  }

  Result<void> put(ByteView bytes) {
    while (!bytes.empty()) {
      while (channel_.must_flush()) PGFANOUT_TRY(wait());
      if (channel_.state() != ChannelState::copying) {
        PGFANOUT_TRY(wait_for_answer());
        return refused("bench-check", "the server ended a COPY before all rows were sent");
      }
      const ByteView piece = bytes.first(std::min(bytes.size(), WriteChannel::kPieceBytes));
      PGFANOUT_TRY(channel_.put(piece));
      bytes = bytes.subspan(piece.size());
    }
    return {};
  }

  /// Waits until the server has committed. An error if it took another number of rows.
  Result<void> end(std::uint64_t rows) {
    while (channel_.must_flush()) PGFANOUT_TRY(wait());
    if (channel_.state() == ChannelState::copying) PGFANOUT_TRY(channel_.end_copy());
    PGFANOUT_TRY(wait_for_answer());
    if (channel_.rows_copied() == rows) return {};
    return refused("bench-check", fmt::format("{} sent, but the server took {}", rows_text(rows),
                                              with_commas(channel_.rows_copied())));
  }

 private:
  Result<void> wait_for_answer() {
    while (channel_.state() == ChannelState::waiting) PGFANOUT_TRY(wait());
    return {};
  }

  Result<void> wait() {
    constexpr int kStepMilliseconds = 100;
    const int events = channel_.must_flush() ? POLLIN | POLLOUT : POLLIN;
    pollfd waiting{channel_.socket(), static_cast<short>(events), 0};
    while (poll(&waiting, 1, kStepMilliseconds) <= 0) {
      if (cancellation_.is_set()) return cancelled();
    }
    return channel_.step((waiting.revents & ~POLLOUT) != 0);
  }

  WriteChannel& channel_;
  const Cancellation& cancellation_;
};

/// One writer: a COPY for each batch of its share.
class CopyWriter {
 public:
  CopyWriter(const Insertion& insertion, std::uint32_t number, WriteChannel& channel)
      : insertion_(insertion),
        share_(share_of(insertion.rows.rows(), insertion.what.writers, number)),
        stream_(channel, insertion.cancellation),
        is_text_(insertion.what.method == Method::copy_text),
        sql_(copy_statement(insertion.what, kTable)),
        keys_(insertion) {
    for (std::uint64_t row = share_.from; is_text_ && row < share_.to; ++row) {
      append_text(make_row(row, insertion.rows.width()), lines_.emplace_back());
    }
  }

  Result<void> run() {
    const std::uint64_t batch = batch_rows_of(insertion_.what);
    for (std::uint64_t from = share_.from; from < share_.to; from += batch) {
      PGFANOUT_TRY(copy(from, std::min(share_.to, from + batch)));
    }
    return {};
  }

 private:
  Result<void> copy(std::uint64_t from, std::uint64_t to) {
    PGFANOUT_TRY(stream_.begin(sql_));
    PGFANOUT_TRY(keys_.compute(from, to));
    block_ = is_text_ ? "" : as_text(copy_header());
    for (std::uint64_t row = from; row < to; ++row) {
      is_text_ ? append_line(row) : append_row(row);
      if (block_.size() < kBlockBytes) continue;
      PGFANOUT_TRY(stream_.put(as_bytes(block_)));
      block_.clear();
    }
    if (!is_text_) block_ += as_text(copy_trailer());
    PGFANOUT_TRY(stream_.put(as_bytes(block_)));
    return stream_.end(to - from);
  }

  void append_line(std::uint64_t row) {
    block_ += lines_[row - share_.from];
    if (const auto key = keys_.of(row)) fmt::format_to(std::back_inserter(block_), "\t{}", *key);
    block_ += '\n';
  }

  void append_row(std::uint64_t row) {
    const ByteView fields = insertion_.rows.fields(row);
    const auto key = keys_.of(row);
    const KeyField field = key ? KeyField::int4 : KeyField::none;
    const std::size_t before = block_.size();
    block_.resize(before + encoded_row_bytes(fields.size(), field));
    encode_row(reinterpret_cast<std::uint8_t*>(block_.data()) + before, kColumns.size(), fields,
               field, key.value_or(0));
  }

  const Insertion& insertion_;
  Share share_;
  CopyStream stream_;
  bool is_text_;
  std::string sql_;
  std::vector<std::string> lines_;  ///< Text format: the rows, without key and end of line.
  Keys keys_;
  std::string block_;
};

}  // namespace

Result<double> insert_by_copy(Insertion& insertion) {
  PGFANOUT_TRY_ASSIGN(const auto channels, open_channels(insertion));
  std::vector<CopyWriter> writers;
  writers.reserve(channels.size());
  for (std::uint32_t number = 0; number < channels.size(); ++number) {
    writers.emplace_back(insertion, number, *channels[number]);
  }
  return time_writers(insertion.what.writers,
                      [&](std::uint32_t number) { return writers[number].run(); });
}

}  // namespace pgfanout::bench
