// Stand-ins for servers that speak COPY bytes, so that the pipeline can be broken at any point.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "copier/base/wakeup.h"
#include "copier/pg/write_channel.h"
#include "copier/stage/range_reader.h"
#include "tests/stage/copy_bytes.h"

namespace pgfanout::testing {

/// One message a row, as the server sends it; ends with `error` instead of the trailer if it is
/// set.
class FakeStream final : public CopyOutStream {
 public:
  FakeStream(std::vector<std::string> rows, std::optional<Error> error) : error_(std::move(error)) {
    if (!rows.empty()) rows.front().insert(0, header_text());
    messages_.assign(rows.begin(), rows.end());
    if (!error_)
      messages_.push_back(rows.empty() ? header_text() + trailer_text() : trailer_text());
  }
  Result<std::optional<ByteView>> next() override {
    if (messages_.empty()) {
      if (error_) return *error_;
      return std::nullopt;
    }
    message_ = std::move(messages_.front());
    messages_.pop_front();
    return as_bytes(message_);
  }

 private:
  std::deque<std::string> messages_;
  std::string message_;
  std::optional<Error> error_;
};

/// A table in memory: for each range its rows; a row of `kUnreadable` breaks the stream.
class FakeSource final : public RangeSource {
 public:
  static inline const std::string kUnreadable = "unreadable";
  using Table = std::vector<std::vector<std::string>>;

  explicit FakeSource(const Table& table) : table_(table) {}

  Result<std::unique_ptr<CopyOutStream>> open(const SourceRange& range,
                                              const std::string& after_ctid) override {
    if (on_open) on_open();
    const auto& all = table_[range.leaf];
    const std::size_t from = after_ctid.empty() ? 0 : std::stoul(after_ctid) + 1;
    std::vector<std::string> rows;
    for (std::size_t at = from; at < all.size(); ++at) {
      if (all[at] == kUnreadable) {
        Error error = refused("server-error", "invalid input");
        error.sqlstate = "22P02";
        return std::unique_ptr<CopyOutStream>(std::make_unique<FakeStream>(rows, error));
      }
      rows.push_back(all[at]);
    }
    return std::unique_ptr<CopyOutStream>(std::make_unique<FakeStream>(rows, stream_error));
  }

  Result<UnreadableRow> find_unreadable(const SourceRange& range, const std::string& after_ctid,
                                        std::uint64_t rows_delivered, const Error& error) override {
    const std::size_t from = after_ctid.empty() ? 0 : std::stoul(after_ctid) + 1;
    const std::size_t at = from + rows_delivered;
    if (table_[range.leaf][at] != kUnreadable) return error;
    return UnreadableRow{std::to_string(at), error.message, error.sqlstate};
  }

  std::optional<Error> stream_error;
  std::function<void()> on_open;

 private:
  const Table& table_;
};

/// The data that the fake servers received, shared by all channels.
struct FakeTarget {
  std::mutex mutex;
  std::map<std::string, std::string>
      committed;  ///< COPY statement -> rows without header, trailer.
  std::vector<std::string> statements;
};

/// A server connection: takes COPY data, answers from a thread's point of view at once.
class FakeChannel final : public WriteChannel {
 public:
  explicit FakeChannel(FakeTarget& target) : target_(target) {}

  [[nodiscard]] int socket() const override { return wakeup_.descriptor(); }
  [[nodiscard]] ChannelState state() const override { return state_; }
  [[nodiscard]] bool must_flush() const override { return false; }
  [[nodiscard]] std::uint64_t rows_copied() const override { return rows_copied_ + extra_rows; }
  [[nodiscard]] std::string command_tag() const override { return tag_; }

  Result<void> send(std::string_view sql) override {
    statement_ = sql;
    {
      const std::lock_guard lock(target_.mutex);
      target_.statements.emplace_back(sql);
    }
    state_ = ChannelState::waiting;
    if (!never_answers) wakeup_.signal();
    return {};
  }
  Result<void> put(ByteView piece) override {
    if (throws) throw std::runtime_error("a channel throws");
    if (piece.size() > kPieceBytes) return refused("test", "piece too large");
    bytes_ += as_text(piece);
    if (fail_after_bytes && bytes_.size() > *fail_after_bytes) {
      Error error = interrupted("server-error", "disk full");
      error.sqlstate = "53100";
      return error;
    }
    return {};
  }
  Result<void> check_stalled() override { return {}; }
  Result<void> end_copy() override {
    rows_copied_ = count_rows();
    is_refused_ = !refuse_rows_with.empty() && bytes_.find(refuse_rows_with) != std::string::npos;
    if (!is_refused_) pending_[copy_statement_] += bytes_.substr(19, bytes_.size() - 21);
    state_ = ChannelState::waiting;
    ended_copy_ = true;
    wakeup_.signal();
    return {};
  }
  Result<void> step(bool readable) override {
    if (!readable) return {};
    wakeup_.clear();
    if (state_ != ChannelState::waiting || never_answers) return {};
    if (std::exchange(ended_copy_, false)) {
      state_ = ChannelState::ready;
      tag_ = "COPY";
      if (std::exchange(is_refused_, false)) {
        Error error = refused("server-error", "could not write: a check is violated");
        error.sqlstate = "23514";
        return error;
      }
    } else if (statement_.starts_with("COPY")) {
      copy_statement_ = statement_;
      bytes_.clear();
      state_ = ChannelState::copying;
    } else {
      state_ = ChannelState::ready;
      const bool is_commit = statement_ == "COMMIT";
      tag_ = is_commit && rolls_back ? "ROLLBACK" : statement_;
      if (tag_ == "COMMIT") commit();
    }
    return {};
  }

  bool never_answers = false;
  bool throws = false;
  bool rolls_back = false;  ///< As a server does whose transaction has failed.
  std::optional<std::size_t> fail_after_bytes;
  std::uint64_t extra_rows = 0;
  std::string refuse_rows_with;  ///< A COPY with a row that contains this fails.

 private:
  std::uint64_t count_rows() const {
    Decoder decoder(rows_fields, {});
    decoder.start_stream();
    RowIndex index;
    const auto step = decoder.decode(as_bytes(bytes_), 0, index);
    return step.status == DecodeStatus::done ? index.rows.size() : 0;
  }
  void commit() {
    const std::lock_guard lock(target_.mutex);
    for (const auto& [statement, rows] : pending_) target_.committed[statement] += rows;
  }

 public:
  std::uint16_t rows_fields = 3;

 private:
  FakeTarget& target_;
  Wakeup wakeup_;
  ChannelState state_ = ChannelState::ready;
  bool ended_copy_ = false;
  bool is_refused_ = false;
  std::string statement_;
  std::string copy_statement_;
  std::string bytes_;
  std::string tag_;
  std::uint64_t rows_copied_ = 0;
  std::map<std::string, std::string> pending_;
};

}  // namespace pgfanout::testing
