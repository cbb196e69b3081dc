// A prepared INSERT for each row in libpq's pipeline mode: the rows up to a sync travel together,
// and are one transaction. Only this file uses that mode, so it calls libpq directly.
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "bench/insert/insertion.h"
#include "copier/base/byte_order.h"
#include "copier/pg/server_error.h"

namespace pgfanout::bench {
namespace {

constexpr const char* kStatement = "pgfanout_insert";
constexpr std::size_t kMostValues = kColumns.size() + 1;
using ResultOwner = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// One writer's connection in pipeline mode.
class Pipeline {
 public:
  Pipeline(Connection& connection, const Cancellation& cancellation)
      : connection_(connection), raw_(connection.raw()), cancellation_(cancellation) {}

  Result<void> begin(const std::string& insert) {
    PGFANOUT_TRY(connection_.run(std::string("PREPARE ") + kStatement + " AS " + insert));
    if (PQenterPipelineMode(raw_) != 1) return broken("begin a pipeline");
    return {};
  }

  /// `key`: absent if the client sends none.
  Result<void> send(ByteView fields, std::optional<std::int64_t> key) {
    std::array<const char*, kMostValues> values{};
    std::array<int, kMostValues> lengths{};
    std::array<int, kMostValues> formats{};
    formats.fill(1);
    std::size_t count = 0;
    const auto add = [&](ByteView value) {
      values.at(count) = reinterpret_cast<const char*>(value.data());
      lengths.at(count++) = static_cast<int>(value.size());
    };
    for (const ByteView value : values_of(fields)) add(value);
    std::array<std::uint8_t, 4> image{};
    if (key) {
      store_be32(image.data(), static_cast<std::uint32_t>(*key));
      add(image);
    }
    if (PQsendQueryPrepared(raw_, kStatement, static_cast<int>(count), values.data(),
                            lengths.data(), formats.data(), 1) != 1) {
      return broken("send a row");
    }
    const int left = PQflush(raw_);
    if (left < 0) return broken("send a row");
    return left == 0 ? Result<void>() : wait(false);
  }

  /// Ends the transaction: waits for the answers to all that was sent.
  Result<void> sync(std::uint64_t rows) {
    if (PQpipelineSync(raw_) != 1) return broken("end a transaction");
    std::uint64_t inserted = 0;
    std::optional<Error> failure;
    while (true) {
      while (PQisBusy(raw_) == 1) PGFANOUT_TRY(wait(true));
      const ResultOwner result(PQgetResult(raw_), &PQclear);
      if (result == nullptr) {
        if (PQstatus(raw_) != CONNECTION_OK) return broken("insert");
        continue;  // Between two statements.
      }
      const ExecStatusType status = PQresultStatus(result.get());
      if (status == PGRES_PIPELINE_SYNC) break;
      if (status == PGRES_COMMAND_OK) {
        ++inserted;
      } else if (!failure) {
        failure = error_of_result(result.get(), "insert");
      }
    }
    if (failure) return *std::move(failure);
    if (inserted != rows) return refused("internal", "a pipeline has lost answers");
    return {};
  }

 private:
  [[nodiscard]] Error broken(std::string_view doing) const {
    return error_of_connection(raw_, doing);
  }

  /// Waits until there is input, or room for output. It reads answers in both cases, since a server
  /// that cannot send stops reading.
  Result<void> wait(bool for_input) {
    while (true) {
      if (cancellation_.is_set()) return cancelled();
      const int left = PQflush(raw_);
      if (left < 0) return broken("send rows");
      if (left == 0 && !for_input) return {};
      pollfd waiting{PQsocket(raw_), static_cast<short>(left == 0 ? POLLIN : POLLIN | POLLOUT), 0};
      constexpr int kStepMilliseconds = 100;
      if (poll(&waiting, 1, kStepMilliseconds) <= 0) continue;
      if ((waiting.revents & ~POLLOUT) != 0) {
        if (PQconsumeInput(raw_) != 1) return broken("read from the server");
        if (for_input) return {};
      }
    }
  }

  Connection& connection_;
  PGconn* raw_;
  const Cancellation& cancellation_;
};

Result<void> write(const Insertion& insertion, std::uint32_t number, Pipeline& pipeline) {
  const Share share = share_of(insertion.rows.rows(), insertion.what.writers, number);
  const std::uint64_t batch = batch_rows_of(insertion.what);
  Keys keys(insertion);
  for (std::uint64_t from = share.from; from < share.to; from += batch) {
    const std::uint64_t to = std::min(share.to, from + batch);
    PGFANOUT_TRY(keys.compute(from, to));
    for (std::uint64_t row = from; row < to; ++row) {
      PGFANOUT_TRY(pipeline.send(insertion.rows.fields(row), keys.of(row)));
    }
    PGFANOUT_TRY(pipeline.sync(to - from));
  }
  return {};
}

}  // namespace

Result<double> insert_by_pipeline(Insertion& insertion) {
  std::vector<Pipeline> pipelines;
  for (Connection& connection : insertion.connections) {
    pipelines.emplace_back(connection, insertion.cancellation);
    PGFANOUT_TRY(pipelines.back().begin(insert_statement(insertion.what, 1)));
  }
  return time_writers(insertion.what.writers, [&](std::uint32_t number) {
    return write(insertion, number, pipelines[number]);
  });
}

}  // namespace pgfanout::bench
