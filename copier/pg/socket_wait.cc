#include "copier/pg/socket_wait.h"

#include <libpq-fe.h>
#include <poll.h>

#include <cerrno>
#include <utility>

#include "copier/pg/server_error.h"

namespace pgfanout {

Result<void> wait_for_input(Connection& connection, const Cancellation* cancellation,
                            WaitTime* waited) {
  using Clock = std::chrono::steady_clock;
  constexpr int kStepMilliseconds = 100;
  PGconn* raw = connection.raw();
  const bool must_flush = PQflush(raw) == 1;
  pollfd waiting{PQsocket(raw), static_cast<short>(must_flush ? POLLIN | POLLOUT : POLLIN), 0};
  auto silent_since = Clock::now();
  auto counted_until = silent_since;
  while (true) {
    if (cancellation != nullptr && cancellation->is_set())
      return interrupted("cancelled", "cancelled while waiting for the server");
    const int ready = poll(&waiting, 1, kStepMilliseconds);
    if (waited != nullptr) {
      const auto now = Clock::now();
      waited->add(now - std::exchange(counted_until, now));
    }
    if (ready < 0 && errno != EINTR) return error_of_connection(raw, "wait for the server");
    if (ready > 0) break;
    PGFANOUT_TRY(connection.check_stalled(silent_since));
  }
  if (PQconsumeInput(raw) == 0) return error_of_connection(raw, "read from the server");
  return {};
}

}  // namespace pgfanout
