// Waiting for a connection's socket in short steps, so that a cancellation is seen within 100 ms
// and a stalled link at all.
#pragma once

#include "copier/pg/connection.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Waits until the socket has input, or takes output, and lets libpq have it. An error of code
/// "cancelled" when the cancellation, if there is one, was set meanwhile.
Result<void> wait_for_input(Connection& connection, const Cancellation* cancellation);

}  // namespace pgfanout
