#include "bench/insert/copy_driver.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>

#include "copier/base/counted.h"

namespace pgfanout::bench {

Result<void> CopyDriver::begin(std::string_view copy_sql) {
  PGFANOUT_TRY(channel_.send(copy_sql));
  return wait_while_waiting();
}

Result<void> CopyDriver::put(ByteView bytes) {
  while (!bytes.empty()) {
    while (channel_.must_flush()) PGFANOUT_TRY(wait());
    if (channel_.state() != ChannelState::copying) {
      PGFANOUT_TRY(wait_while_waiting());
      return refused("bench-check", "the server ended a COPY before all rows were sent");
    }
    const ByteView piece = bytes.first(std::min(bytes.size(), WriteChannel::kPieceBytes));
    PGFANOUT_TRY(channel_.put(piece));
    bytes = bytes.subspan(piece.size());
  }
  return {};
}

Result<void> CopyDriver::end(std::uint64_t rows) {
  while (channel_.must_flush()) PGFANOUT_TRY(wait());
  if (channel_.state() == ChannelState::copying) PGFANOUT_TRY(channel_.end_copy());
  PGFANOUT_TRY(wait_while_waiting());
  if (channel_.rows_copied() == rows) return {};
  return refused("bench-check", fmt::format("{} sent, but the server took {}", rows_text(rows),
                                            with_commas(channel_.rows_copied())));
}

Result<void> CopyDriver::wait_while_waiting() {
  while (channel_.state() == ChannelState::waiting) PGFANOUT_TRY(wait());
  return {};
}

/// For the socket, and takes what it has to offer.
Result<void> CopyDriver::wait() {
  constexpr int kStepMilliseconds = 100;
  pollfd waiting{channel_.socket(),
                 static_cast<short>(channel_.must_flush() ? POLLIN | POLLOUT : POLLIN), 0};
  while (poll(&waiting, 1, kStepMilliseconds) <= 0) {
    if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
  }
  return channel_.step((waiting.revents & ~POLLOUT) != 0);
}

}  // namespace pgfanout::bench
