#include "bench/insert/insert_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench/insert/insertion.h"
#include "bench/insert/verify.h"

namespace pgfanout::bench {

Result<InsertRunner> InsertRunner::make(BenchServer& server, std::uint64_t rows,
                                        const Cancellation& cancellation) {
  PGFANOUT_TRY_ASSIGN(KeyExpression key, compile_key());
  return InsertRunner(server, rows, cancellation, std::move(key));
}

std::uint64_t InsertRunner::rows_of(Width width) const {
  constexpr std::uint64_t kMostBytes = 128ULL << 20U;
  constexpr std::uint64_t kOtherFields = 84;
  return std::min(rows_, kMostBytes / (content_bytes(width) + kOtherFields));
}

Result<Timing> InsertRunner::run(const InsertCase& each) {
  if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
  if (each.writers > server_.free_connections()) {
    return refused("no-connections",
                   fmt::format("{} writers need more connections than the server has left ({})",
                               each.writers, server_.free_connections()));
  }
  PGFANOUT_TRY_ASSIGN(RowSet* const rows, rows_for(each.width));
  PGFANOUT_TRY(server_.make_table(each));
  PGFANOUT_TRY_ASSIGN(const double seconds, insert_all(each, *rows));
  PGFANOUT_TRY_ASSIGN(const Arrived arrived, read_arrived(server_.session(), each, cancellation_));
  PGFANOUT_TRY(compare_arrived(arrived, rows->digest()));
  return Timing{seconds, rows->rows(), rows->bytes()};
}

Result<double> InsertRunner::insert_all(const InsertCase& each, RowSet& rows) {
  PGFANOUT_TRY_ASSIGN(std::vector<Connection> connections, connect(each.writers));
  Insertion insertion{each, rows, key_, connections, cancellation_};
  PGFANOUT_TRY_ASSIGN(const double seconds, insert(insertion));
  if (each.indexes != Indexes::deferred) return seconds;
  const auto start = std::chrono::steady_clock::now();
  PGFANOUT_TRY(server_.build_indexes(each));
  const std::chrono::duration<double> building = std::chrono::steady_clock::now() - start;
  return seconds + building.count();
}

Result<RowSet*> InsertRunner::rows_for(Width width) {
  if (!set_ || set_->width() != width) {
    set_.reset();
    PGFANOUT_TRY_ASSIGN(set_, RowSet::make(rows_of(width), width));
  }
  return &*set_;
}

Result<std::vector<Connection>> InsertRunner::connect(std::uint32_t writers) {
  std::vector<Connection> connections;
  for (std::uint32_t writer = 0; writer < writers; ++writer) {
    PGFANOUT_TRY_ASSIGN(Connection connection, server_.connect());
    connections.push_back(std::move(connection));
  }
  return connections;
}

}  // namespace pgfanout::bench
