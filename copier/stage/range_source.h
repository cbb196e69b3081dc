// The source of a range's rows, one a reader. The real one reads from a server; tests have a fake
// that speaks COPY bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "copier/catalog/source_range.h"
#include "copier/pg/connection.h"
#include "copier/pg/copy_out.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A row that the server cannot produce, found after a range's stream ended with an error.
struct UnreadableRow {
  std::string ctid;    ///< "(12,3)"
  std::string reason;  ///< The server's message.
  std::string sqlstate;
};

class RangeSource {
 public:
  virtual ~RangeSource() = default;
  /// Begins to stream a range, or what is left of it behind the row `after_ctid` (empty: all of
  /// it). Rows come in physical order.
  virtual Result<std::unique_ptr<CopyOutStream>> open(const SourceRange& range,
                                                      const std::string& after_ctid) = 0;
  /// After a stream ended with `error` behind `rows_delivered` rows (counted from the start of the
  /// range's remainder): the row that the server could not produce. `error` if it is none.
  virtual Result<UnreadableRow> find_unreadable(const SourceRange& range,
                                                const std::string& after_ctid,
                                                std::uint64_t rows_delivered,
                                                const Error& error) = 0;
};

/// Reads under a snapshot. Connects at once, and again when a range is opened after the connection
/// was lost; if that fails, the error is again of code "connection-lost". `select` gives the rows
/// of a range; `begin` is the transaction's start, repeated after an error, and an error of code
/// "snapshot-lost" if it imports a snapshot that has ended.
Result<std::unique_ptr<RangeSource>> make_server_source(
    std::function<Result<Connection>()> connect, std::string begin,
    std::function<RangeSelect(const SourceRange&)> select, const Cancellation& cancellation);

}  // namespace pgfanout
