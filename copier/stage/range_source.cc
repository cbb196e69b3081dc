#include "copier/stage/range_source.h"

#include <fmt/format.h>

namespace pgfanout {
namespace {

/// The states of a snapshot that cannot be imported because its session has ended; they differ by
/// version. The other statements of a transaction's start do not fail with these.
bool is_snapshot_lost(const Error& error) {
  return error.sqlstate == "22023" || error.sqlstate == "42704" || error.sqlstate == "55000";
}

class ServerSource final : public RangeSource {
 public:
  ServerSource(Connection connection, std::function<Result<Connection>()> connect,
               std::string begin, std::function<RangeSelect(const SourceRange&)> select,
               const Cancellation& cancellation)
      : connection_(std::move(connection)),
        connect_(std::move(connect)),
        begin_(std::move(begin)),
        select_(std::move(select)),
        cancellation_(cancellation) {}

  Result<std::unique_ptr<CopyOutStream>> open(const SourceRange& range,
                                              const std::string& after_ctid) override {
    if (!connection_.is_open()) PGFANOUT_TRY(reconnect());
    if (!in_transaction_) PGFANOUT_TRY(begin());
    PGFANOUT_TRY_ASSIGN(auto stream,
                        CopyOut::start(connection_,
                                       fmt::format("COPY ({}) TO STDOUT (FORMAT binary)",
                                                   select_behind(range, after_ctid).sql()),
                                       cancellation_));
    return std::unique_ptr<CopyOutStream>(std::move(stream));
  }

  /// Rows come in physical order, and all rows before the failing one were delivered: so it is the
  /// next one. That is confirmed by reading it alone, which must fail in the same way.
  Result<UnreadableRow> find_unreadable(const SourceRange& range, const std::string& after_ctid,
                                        std::uint64_t rows_delivered, const Error& error) override {
    PGFANOUT_TRY(start_over());
    const RangeSelect select = select_behind(range, after_ctid);
    const RangeSelect ctids{"ctid", select.relation, select.condition};
    PGFANOUT_TRY_ASSIGN(
        const Rows found,
        connection_.query(fmt::format("{} OFFSET {} LIMIT 1", ctids.sql(), rows_delivered)));
    if (found.size() != 1) return error;
    UnreadableRow row{found.str(0, 0), error.message, error.sqlstate};
    const auto alone =
        connection_.query(fmt::format("{} AND ctid = '{}'::tid", select.sql(), row.ctid));
    const bool fails_alone = !alone && alone.error().sqlstate == error.sqlstate;
    PGFANOUT_TRY(start_over());
    if (!fails_alone) return error;
    return row;
  }

 private:
  Result<void> reconnect() {
    in_transaction_ = false;
    auto connection = connect_();
    if (connection) {
      connection_ = *std::move(connection);
      return {};
    }
    Error error = std::move(connection).error();
    error.consequence = Consequence::interrupt;
    error.code = "connection-lost";
    error.message = "could not reconnect: " + error.message;
    return error;
  }

  Result<void> begin() {
    auto begun = connection_.enlarge_input();
    if (begun) begun = connection_.run(begin_);
    in_transaction_ = static_cast<bool>(begun);
    if (begun || !is_snapshot_lost(begun.error())) return begun;
    return interrupted("snapshot-lost",
                       "the snapshot that this job reads ended with the session that held it: " +
                           begun.error().message,
                       "run the same command again: it resumes where it can",
                       connection_.description());
  }

  Result<void> start_over() {
    in_transaction_ = false;
    PGFANOUT_TRY(connection_.run("ROLLBACK"));
    return begin();
  }

  /// The rows of a range behind `after_ctid`.
  [[nodiscard]] RangeSelect select_behind(const SourceRange& range,
                                          const std::string& after_ctid) const {
    RangeSelect select = select_(range);
    if (!after_ctid.empty()) select.condition += fmt::format(" AND ctid > '{}'::tid", after_ctid);
    return select;
  }

  Connection connection_;
  const std::function<Result<Connection>()> connect_;
  const std::string begin_;
  const std::function<RangeSelect(const SourceRange&)> select_;
  const Cancellation& cancellation_;
  bool in_transaction_ = false;
};

}  // namespace

Result<std::unique_ptr<RangeSource>> make_server_source(
    std::function<Result<Connection>()> connect, std::string begin,
    std::function<RangeSelect(const SourceRange&)> select, const Cancellation& cancellation) {
  PGFANOUT_TRY_ASSIGN(Connection connection, connect());
  return std::unique_ptr<RangeSource>(
      std::make_unique<ServerSource>(std::move(connection), std::move(connect), std::move(begin),
                                     std::move(select), cancellation));
}

}  // namespace pgfanout
