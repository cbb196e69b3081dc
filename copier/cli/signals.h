// What signals do: the first asks the job to stop, a second Ctrl-C ends the process.
#pragma once

#include "pgfanout/cancellation.h"

namespace pgfanout {

/// SIGINT, SIGTERM and SIGHUP set `cancellation`, which lives as long as the process; a second
/// SIGINT ends it at once with exit code 3. SIGHUP stays ignored if the parent ignores it (nohup);
/// a shell's background job, for which it ignores SIGINT, can still be stopped by SIGINT. SIGPIPE
/// is ignored. Call once, before any thread starts.
void handle_signals(Cancellation& cancellation);

}  // namespace pgfanout
