// The activity of the job's own sessions on one server: what they wait for, and who blocks them by
// a lock. Reads statistics views only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// The longest wait for a lock.
struct LockWait {
  double seconds = 0;
  std::string blocker;  ///< "pid 4711 (alice, psql, idle in transaction for 42 s) ..."; no query.
};

struct SessionLook {
  std::vector<WaitCount> waits;
  std::optional<LockWait> lock;
};

/// Which server it is, for one that holds both sides: then a session's role tells its side.
enum class ServerPart : std::uint8_t { source, target, both };

/// Of sessions whose application_name begins with `prefix`, but for those that watch.
Result<SessionLook> look_at_sessions(Connection& connection, const std::string& prefix,
                                     ServerPart part);

}  // namespace pgfanout
