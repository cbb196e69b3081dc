// What signals do: the first asks the job to stop at the next good place, the second at once, a
// third Ctrl-C ends the process.
#pragma once

#include "pgfanout/cancellation.h"

namespace pgfanout {

/// The first SIGINT, SIGTERM or SIGHUP sets `soon`, the second sets `now`; both live as long as the
/// process. One more SIGINT ends it with exit code 3, whatever it is doing. SIGHUP stays ignored if
/// the parent ignores it (nohup); a shell's background job, for which it ignores SIGINT, can still
/// be stopped by SIGINT. SIGPIPE is ignored. Call once, before any thread starts.
void handle_signals(Cancellation& soon, Cancellation& now);

}  // namespace pgfanout
