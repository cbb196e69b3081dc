#include "copier/stage/range_source.h"

#include <fmt/format.h>

namespace pgfanout {
namespace {

class ServerSource final : public RangeSource {
 public:
  ServerSource(Connection connection, std::string begin,
               std::function<std::string(const SourceRange&)> select,
               const Cancellation& cancellation)
      : connection_(std::move(connection)),
        begin_(std::move(begin)),
        select_(std::move(select)),
        cancellation_(cancellation) {}

  Result<std::unique_ptr<CopyOutStream>> open(const SourceRange& range,
                                              const std::string& after_ctid) override {
    if (!in_transaction_) PGFANOUT_TRY(connection_.run(begin_));
    in_transaction_ = true;
    PGFANOUT_TRY_ASSIGN(auto stream,
                        CopyOut::start(connection_,
                                       fmt::format("COPY ({}) TO STDOUT (FORMAT binary)",
                                                   statement(range, after_ctid)),
                                       cancellation_));
    return std::unique_ptr<CopyOutStream>(std::move(stream));
  }

  /// Rows come in physical order, and all rows before the failing one were delivered: so it is the
  /// next one. That is confirmed by reading it alone, which must fail in the same way.
  Result<UnreadableRow> find_unreadable(const SourceRange& range, const std::string& after_ctid,
                                        std::uint64_t rows_delivered, const Error& error) override {
    PGFANOUT_TRY(start_over());
    const std::string from = from_clause(range, after_ctid);
    PGFANOUT_TRY_ASSIGN(
        const Rows found,
        connection_.query(fmt::format("SELECT ctid {} OFFSET {} LIMIT 1", from, rows_delivered)));
    if (found.size() != 1) return error;
    UnreadableRow row{found.str(0, 0), error.message, error.sqlstate};
    const auto alone = connection_.query(
        fmt::format("{} AND ctid = '{}'::pg_catalog.tid", statement(range, after_ctid), row.ctid));
    const bool fails_alone = !alone && alone.error().sqlstate == error.sqlstate;
    PGFANOUT_TRY(start_over());
    if (!fails_alone) return error;
    return row;
  }

 private:
  Result<void> start_over() {
    in_transaction_ = false;
    PGFANOUT_TRY(connection_.run("ROLLBACK"));
    PGFANOUT_TRY(connection_.run(begin_));
    in_transaction_ = true;
    return {};
  }

  [[nodiscard]] std::string statement(const SourceRange& range,
                                      const std::string& after_ctid) const {
    std::string sql = select_(range);
    if (!after_ctid.empty()) sql += fmt::format(" AND ctid > '{}'::pg_catalog.tid", after_ctid);
    return sql;
  }

  /// " FROM ONLY leaf WHERE ...": the select list is the only part that can hold a FROM of its own,
  /// so the last one at the top is the table's.
  [[nodiscard]] std::string from_clause(const SourceRange& range,
                                        const std::string& after_ctid) const {
    const std::string sql = statement(range, after_ctid);
    return sql.substr(sql.rfind(" FROM ONLY "));
  }

  Connection connection_;
  const std::string begin_;
  const std::function<std::string(const SourceRange&)> select_;
  const Cancellation& cancellation_;
  bool in_transaction_ = false;
};

}  // namespace

std::unique_ptr<RangeSource> make_server_source(
    Connection connection, std::string begin, std::function<std::string(const SourceRange&)> select,
    const Cancellation& cancellation) {
  return std::make_unique<ServerSource>(std::move(connection), std::move(begin), std::move(select),
                                        cancellation);
}

}  // namespace pgfanout
