// Waiting for a connection's socket in short steps, so that a cancellation is seen within 100 ms.
#pragma once

#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

struct pg_conn;

namespace pgfanout {

/// Waits until the socket has input and lets libpq take it.
Result<void> wait_for_input(pg_conn* connection, const Cancellation& cancellation);

}  // namespace pgfanout
