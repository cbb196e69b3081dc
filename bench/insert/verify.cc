#include "bench/insert/verify.h"

#include <fmt/format.h>

#include "bench/insert/row_generator.h"
#include "bench/insert/table_sql.h"
#include "copier/base/counted.h"
#include "copier/pg/copy_out.h"
#include "copier/wire/encoder.h"

namespace pgfanout::bench {
namespace {

/// A message is a row. The first begins with the stream's header, the last is the trailer.
Result<MultisetDigest> read_digest(Connection& connection, const Cancellation& cancellation) {
  constexpr std::size_t kFieldCountBytes = 2;
  const std::string sql = fmt::format("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)",
                                      fmt::join(kColumns, ", "), kTable);
  PGFANOUT_TRY_ASSIGN(const auto stream, CopyOut::start(connection, sql, cancellation));
  MultisetDigest digest;
  bool is_first = true;
  while (true) {
    PGFANOUT_TRY_ASSIGN(const CopyOutEvent event, stream->next());
    if (event == CopyOutEvent::end) return digest;
    ByteView message = stream->message();
    if (is_first) message = message.subspan(std::min(message.size(), copy_header().size()));
    is_first = false;
    if (message.size() > kFieldCountBytes)
      digest.add(row_digest(message.subspan(kFieldCountBytes)));
  }
}

Error check_failed(std::string message) {
  return refused("bench-check", std::move(message),
                 "what arrived is not what was sent: look for triggers and rules of the database");
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
  if (arrived.wrong_keys > 0) {
    return check_failed(
        fmt::format("{} a wrong key", counted(arrived.wrong_keys, "row has", "rows have")));
  }
  if (arrived.wrong_leaves > 0) {
    return check_failed(
        fmt::format("{} in a wrong leaf", counted(arrived.wrong_leaves, "row is", "rows are")));
  }
  return {};
}

}  // namespace pgfanout::bench
