// COPY into the (parent) table, in text or binary format.
#include <fmt/format.h>

#include <string>

#include "bench/insert/copy_driver.h"
#include "bench/insert/insertion.h"
#include "bench/insert/table_sql.h"
#include "copier/wire/encoder.h"

namespace pgfanout::bench {
namespace {

/// Rows are put together in blocks of about this size.
constexpr std::size_t kBlockBytes = 64 << 10U;

/// One writer: a COPY for each batch of its share.
class Writer {
 public:
  Writer(const Insertion& insertion, std::uint32_t number, WriteChannel& channel)
      : insertion_(insertion),
        share_(share_of(insertion.rows.rows(), insertion.what.writers, number)),
        driver_(channel, insertion.cancellation),
        is_text_(insertion.what.method == Method::copy_text),
        sql_(copy_statement(insertion.what, kTable)) {
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
    PGFANOUT_TRY(driver_.begin(sql_));
    keys_.clear();
    if (insertion_.what.sends_key()) {
      PGFANOUT_TRY(insertion_.rows.append_keys(insertion_.key, from, to, scratch_, keys_));
    }
    block_.clear();
    if (!is_text_) block_ += as_text(copy_header());
    for (std::uint64_t row = from; row < to; ++row) {
      const std::int64_t key = keys_.empty() ? 0 : keys_[row - from];
      is_text_ ? append_line(row, key) : append_row(row, key);
      if (block_.size() < kBlockBytes) continue;
      PGFANOUT_TRY(driver_.put(as_bytes(block_)));
      block_.clear();
    }
    if (!is_text_) block_ += as_text(copy_trailer());
    PGFANOUT_TRY(driver_.put(as_bytes(block_)));
    return driver_.end(to - from);
  }

  void append_line(std::uint64_t row, std::int64_t key) {
    block_ += lines_[row - share_.from];
    if (insertion_.what.sends_key()) fmt::format_to(std::back_inserter(block_), "\t{}", key);
    block_ += '\n';
  }

  void append_row(std::uint64_t row, std::int64_t key) {
    const ByteView fields = insertion_.rows.fields(row);
    const KeyField field = insertion_.what.sends_key() ? KeyField::int4 : KeyField::none;
    const std::size_t before = block_.size();
    block_.resize(before + encoded_row_bytes(fields.size(), field));
    encode_row(reinterpret_cast<std::uint8_t*>(block_.data()) + before, kColumns.size(), fields,
               field, key);
  }

  const Insertion& insertion_;
  Share share_;
  CopyDriver driver_;
  bool is_text_;
  std::string sql_;
  std::vector<std::string> lines_;  ///< Text format: the rows, without key and end of line.
  KeyScratch scratch_;
  std::vector<std::int64_t> keys_;
  std::string block_;
};

}  // namespace

Result<double> insert_by_copy(Insertion& insertion) {
  std::vector<std::unique_ptr<WriteChannel>> channels;
  std::vector<Writer> writers;
  writers.reserve(insertion.what.writers);
  for (std::uint32_t number = 0; number < insertion.what.writers; ++number) {
    PGFANOUT_TRY_ASSIGN(auto channel, make_write_channel(std::move(insertion.connections[number])));
    channels.push_back(std::move(channel));
    writers.emplace_back(insertion, number, *channels.back());
  }
  return time_writers(insertion.what.writers,
                      [&](std::uint32_t number) { return writers[number].run(); });
}

}  // namespace pgfanout::bench
