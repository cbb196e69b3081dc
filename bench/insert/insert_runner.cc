#include "bench/insert/insert_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench/insert/insertion.h"
#include "copier/base/counted.h"
#include "copier/pg/copy_out.h"
#include "copier/wire/encoder.h"

namespace pgfanout::bench {
namespace {

/// Each message of the stream is a row; the first begins with the header, the last is the trailer.
Result<MultisetDigest> read_digest(Connection& connection, const Cancellation& cancellation) {
  constexpr std::size_t kFieldCountBytes = 2;
  const std::string sql = fmt::format("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)",
                                      fmt::join(kColumns, ", "), kTable);
  PGFANOUT_TRY_ASSIGN(const auto stream, CopyOut::start(connection, sql, cancellation));
  MultisetDigest digest;
  bool is_first = true;
  while (true) {
    PGFANOUT_TRY_ASSIGN(std::optional<ByteView> next, stream->next());
    if (!next) return digest;
    ByteView message = *next;
    if (is_first) message = message.subspan(std::min(message.size(), copy_header().size()));
    is_first = false;
    if (message.size() <= kFieldCountBytes) continue;
    digest.add(row_digest(message.subspan(kFieldCountBytes)));
  }
}

Error check_failed(std::string message) {
  return refused("bench-check", std::move(message),
                 "drop or disable the triggers and rules of this database that change rows");
}

}  // namespace

Result<Arrived> read_arrived(Connection& connection, const InsertCase& each,
                             const Cancellation& cancellation) {
  Arrived arrived;
  PGFANOUT_TRY_ASSIGN(arrived.digest, read_digest(connection, cancellation));
  PGFANOUT_TRY_ASSIGN(const Rows wrong, connection.query(wrong_keys_query(each)));
  arrived.wrong_keys = static_cast<std::uint64_t>(wrong.integer(0, 0));
  arrived.wrong_leaves = static_cast<std::uint64_t>(wrong.integer(0, 1));
  return arrived;
}

Result<void> compare_arrived(const Arrived& arrived, const MultisetDigest& sent) {
  if (arrived.digest.rows() != sent.rows()) {
    return check_failed(fmt::format("{} sent, {} in the table", rows_text(sent.rows()),
                                    with_commas(arrived.digest.rows())));
  }
  if (arrived.digest != sent) {
    return check_failed(fmt::format("the digest of the {} in the table is {}, of those sent {}",
                                    rows_text(sent.rows()), arrived.digest.hex(), sent.hex()));
  }
  if (arrived.wrong_keys > 0 || arrived.wrong_leaves > 0) {
    return check_failed(fmt::format("{} a wrong key, {} in a wrong leaf",
                                    counted(arrived.wrong_keys, "row has", "rows have"),
                                    counted(arrived.wrong_leaves, "row is", "rows are")));
  }
  return {};
}

Result<InsertRunner> InsertRunner::make(BenchServer& server, std::uint64_t rows,
                                        const Cancellation& cancellation) {
  PGFANOUT_TRY_ASSIGN(KeyExpression key, compile_key(kKeySql));
  return InsertRunner(server, rows, cancellation, std::move(key));
}

std::uint64_t InsertRunner::rows_of(Width width) const {
  constexpr std::uint64_t kMostBytes = 128ULL << 20U;
  constexpr std::uint64_t kOtherFields = 84;
  return std::min(rows_, kMostBytes / (content_bytes(width) + kOtherFields));
}

Result<Timing> InsertRunner::run(const InsertCase& each) {
  if (cancellation_.is_set()) return cancelled();
  if (each.writers > server_.free_connections()) {
    return refused("no-connections",
                   fmt::format("{} writers need more connections than the server has left ({})",
                               each.writers, server_.free_connections()));
  }
  if (!rows_of_width_ || rows_of_width_->width() != each.width) {
    rows_of_width_.reset();
    PGFANOUT_TRY_ASSIGN(rows_of_width_, RowSet::make(rows_of(each.width), each.width));
  }
  RowSet& rows = *rows_of_width_;
  PGFANOUT_TRY(server_.make_table(each));
  PGFANOUT_TRY_ASSIGN(const double seconds, insert_all(each, rows));
  PGFANOUT_TRY_ASSIGN(const Arrived arrived, read_arrived(server_.session(), each, cancellation_));
  PGFANOUT_TRY(compare_arrived(arrived, rows.digest()));
  return Timing{seconds, rows.rows(), rows.bytes()};
}

Result<double> InsertRunner::insert_all(const InsertCase& each, RowSet& rows) {
  std::vector<Connection> connections;
  for (std::uint32_t writer = 0; writer < each.writers; ++writer) {
    PGFANOUT_TRY_ASSIGN(Connection connection, server_.connect());
    connections.push_back(std::move(connection));
  }
  Insertion insertion{each, rows, key_, connections, cancellation_};
  PGFANOUT_TRY_ASSIGN(const double seconds, insert(insertion));
  if (each.indexes != Indexes::deferred) return seconds;
  const auto start = std::chrono::steady_clock::now();
  PGFANOUT_TRY(server_.build_indexes(each));
  const std::chrono::duration<double> building = std::chrono::steady_clock::now() - start;
  return seconds + building.count();
}

}  // namespace pgfanout::bench
