// INSERT with parameters, parsed and planned each time, as most applications send it: a statement a
// row, or one for many rows. Parameters are in binary form.
#include <algorithm>
#include <array>
#include <string>

#include "bench/insert/insertion.h"
#include "bench/insert/table_sql.h"
#include "copier/base/byte_order.h"

namespace pgfanout::bench {
namespace {

using Parameters = std::vector<Parameter>;

/// The statements of one writer: the parameters of each, all but the keys.
struct Statements {
  std::uint32_t rows_each = 1;
  std::vector<Parameters> parameters;
};

Statements prepare(const Insertion& insertion, Share share) {
  const bool is_multirow = insertion.what.method == Method::multirow;
  Statements prepared;
  prepared.rows_each = is_multirow ? batch_rows_of(insertion.what) : 1;
  for (std::uint64_t row = share.from; row < share.to; ++row) {
    if ((row - share.from) % prepared.rows_each == 0) prepared.parameters.emplace_back();
    Parameters& parameters = prepared.parameters.back();
    for (const ByteView value : values_of(insertion.rows.fields(row))) {
      parameters.emplace_back(as_text(value));
    }
    if (insertion.what.sends_key()) parameters.emplace_back(std::string(4, '\0'));
  }
  return prepared;
}

void set_keys(std::span<const std::int64_t> keys, Parameters& parameters) {
  constexpr std::size_t kValues = kColumns.size() + 1;
  for (std::size_t row = 0; row < keys.size(); ++row) {
    std::array<std::uint8_t, 4> image{};
    store_be32(image.data(), static_cast<std::uint32_t>(keys[row]));
    parameters[row * kValues + kColumns.size()]->assign(as_text(image));
  }
}

/// One writer: in transactions of `batch` rows, or statements of so many.
class Writer {
 public:
  Writer(const Insertion& insertion, std::uint32_t number)
      : insertion_(insertion),
        connection_(insertion.connections[number]),
        share_(share_of(insertion.rows.rows(), insertion.what.writers, number)),
        statements_(prepare(insertion, share_)),
        sql_(insert_statement(insertion.what, statements_.rows_each)) {}

  Result<void> run() {
    const bool has_transactions = insertion_.what.method == Method::row;
    const std::uint32_t each = statements_.rows_each;
    const std::uint64_t batch = batch_rows_of(insertion_.what);
    std::uint64_t row = share_.from;
    for (Parameters& parameters : statements_.parameters) {
      const std::uint64_t end = std::min<std::uint64_t>(row + each, share_.to);
      const bool is_first = (row - share_.from) % batch == 0;
      if (has_transactions && is_first) PGFANOUT_TRY(connection_.run("BEGIN"));
      PGFANOUT_TRY(send(row, end, parameters));
      const bool is_last = end == share_.to || (end - share_.from) % batch == 0;
      if (has_transactions && is_last) PGFANOUT_TRY(connection_.run("COMMIT"));
      row = end;
    }
    return {};
  }

 private:
  Result<void> send(std::uint64_t from, std::uint64_t to, Parameters& parameters) {
    if (insertion_.what.sends_key()) {
      keys_.clear();
      PGFANOUT_TRY(insertion_.rows.append_keys(insertion_.key, from, to, scratch_, keys_));
      set_keys(keys_, parameters);
    }
    if (to - from == statements_.rows_each) {
      PGFANOUT_TRY(connection_.query_binary(sql_, parameters));
    } else {
      const auto rows = static_cast<std::uint32_t>(to - from);
      PGFANOUT_TRY(connection_.query_binary(insert_statement(insertion_.what, rows), parameters));
    }
    return {};
  }

  const Insertion& insertion_;
  Connection& connection_;
  Share share_;
  Statements statements_;
  std::string sql_;
  KeyScratch scratch_;
  std::vector<std::int64_t> keys_;
};

}  // namespace

Result<double> insert_by_statements(Insertion& insertion) {
  std::vector<Writer> writers;
  writers.reserve(insertion.what.writers);
  for (std::uint32_t number = 0; number < insertion.what.writers; ++number) {
    writers.emplace_back(insertion, number);
  }
  return time_writers(insertion.what.writers,
                      [&](std::uint32_t number) { return writers[number].run(); });
}

}  // namespace pgfanout::bench
