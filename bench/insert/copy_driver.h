// COPY FROM STDIN on one WriteChannel, by a thread that has nothing else to do.
#pragma once

#include <cstdint>
#include <string_view>

#include "copier/pg/write_channel.h"
#include "pgfanout/bytes.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout::bench {

class CopyDriver {
 public:
  /// Both outlive this.
  CopyDriver(WriteChannel& channel, const Cancellation& cancellation)
      : channel_(channel), cancellation_(cancellation) {}

  /// Starts a COPY statement, which is a transaction of its own.
  Result<void> begin(std::string_view copy_sql);
  Result<void> put(ByteView bytes);
  /// Waits until the server has committed; it must have taken so many rows.
  Result<void> end(std::uint64_t rows);

 private:
  Result<void> wait();
  Result<void> wait_while_waiting();

  WriteChannel& channel_;
  const Cancellation& cancellation_;
};

}  // namespace pgfanout::bench
