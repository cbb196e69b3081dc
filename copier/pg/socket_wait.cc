#include "copier/pg/socket_wait.h"

#include <libpq-fe.h>
#include <poll.h>

#include "copier/pg/server_error.h"

namespace pgfanout {

Result<void> wait_for_input(pg_conn* connection, const Cancellation& cancellation) {
  constexpr int kStepMilliseconds = 100;
  const bool must_flush = PQflush(connection) == 1;
  pollfd waiting{PQsocket(connection), static_cast<short>(must_flush ? POLLIN | POLLOUT : POLLIN),
                 0};
  while (true) {
    if (cancellation.is_set())
      return interrupted("cancelled", "cancelled while waiting for the server");
    const int ready = poll(&waiting, 1, kStepMilliseconds);
    if (ready < 0 && errno != EINTR) return error_of_connection(connection, "wait for the server");
    if (ready > 0) break;
  }
  if (PQconsumeInput(connection) == 0)
    return error_of_connection(connection, "read from the server");
  return {};
}

}  // namespace pgfanout
