// INSERT with binary parameters, parsed and planned each time, as most applications send it: a
// statement for each row, or one for many rows.
#include <algorithm>
#include <array>
#include <string>

#include "bench/insert/insertion.h"
#include "copier/base/byte_order.h"

namespace pgfanout::bench {
namespace {

/// One writer: transactions of `batch` rows, or statements of so many.
class StatementWriter {
 public:
  StatementWriter(const Insertion& insertion, std::uint32_t number)
      : insertion_(insertion),
        connection_(insertion.connections[number]),
        share_(share_of(insertion.rows.rows(), insertion.what.writers, number)),
        is_multirow_(insertion.what.method == Method::multirow),
        batch_rows_(batch_rows_of(insertion.what)),
        statement_rows_(is_multirow_ ? batch_rows_ : 1),
        sql_(insert_statement(insertion.what, statement_rows_)),
        keys_(insertion) {
    for (std::uint64_t row = share_.from; row < share_.to; ++row) {
      if ((row - share_.from) % statement_rows_ == 0) statements_.emplace_back();
      for (const ByteView value : values_of(insertion.rows.fields(row))) {
        statements_.back().emplace_back(as_text(value));
      }
      if (insertion.what.sends_key()) statements_.back().emplace_back(std::string(4, '\0'));
    }
  }

  Result<void> run() {
    std::uint64_t row = share_.from;
    for (std::vector<Parameter>& parameters : statements_) {
      const std::uint64_t end = std::min<std::uint64_t>(row + statement_rows_, share_.to);
      const bool is_first = (row - share_.from) % batch_rows_ == 0;
      if (!is_multirow_ && is_first) PGFANOUT_TRY(connection_.run("BEGIN"));
      PGFANOUT_TRY(send(row, end, parameters));
      const bool is_last = end == share_.to || (end - share_.from) % batch_rows_ == 0;
      if (!is_multirow_ && is_last) PGFANOUT_TRY(connection_.run("COMMIT"));
      row = end;
    }
    return {};
  }

 private:
  Result<void> send(std::uint64_t from, std::uint64_t to, std::vector<Parameter>& parameters) {
    PGFANOUT_TRY(keys_.compute(from, to));
    const std::size_t row_values = parameters.size() / (to - from);
    for (std::uint64_t row = from; row < to; ++row) {
      const auto key = keys_.of(row);
      if (!key) break;
      std::array<std::uint8_t, 4> image{};
      store_be32(image.data(), static_cast<std::uint32_t>(*key));
      parameters[(row - from) * row_values + kColumns.size()]->assign(as_text(image));
    }
    const auto rows = static_cast<std::uint32_t>(to - from);
    PGFANOUT_TRY(connection_.query_binary(
        rows == statement_rows_ ? sql_ : insert_statement(insertion_.what, rows), parameters));
    return {};
  }

  const Insertion& insertion_;
  Connection& connection_;
  Share share_;
  bool is_multirow_;
  std::uint32_t batch_rows_;
  std::uint32_t statement_rows_;
  std::string sql_;
  std::vector<std::vector<Parameter>> statements_;  ///< Their parameters; zero in place of keys.
  Keys keys_;
};

}  // namespace

Result<double> insert_by_statements(Insertion& insertion) {
  std::vector<StatementWriter> writers;
  writers.reserve(insertion.what.writers);
  for (std::uint32_t number = 0; number < insertion.what.writers; ++number) {
    writers.emplace_back(insertion, number);
  }
  return time_writers(insertion.what.writers,
                      [&](std::uint32_t number) { return writers[number].run(); });
}

}  // namespace pgfanout::bench
