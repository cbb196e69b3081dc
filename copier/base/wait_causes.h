// The wait events of PostgreSQL that are no work: somebody else must act, or be done, before the
// session goes on. All other events are work, a pause, or a wait for this program. The names are
// those of versions 14 to 18.
#pragma once

#include <string_view>

namespace pgfanout {

struct WaitCause {
  std::string_view event;  ///< "type/event", or how it begins.
  const char* cause;
  const char* what;
  const char* help;
};

inline constexpr WaitCause kWaitCauses[] = {
    // LWLock/SyncRep is the lock on the list of standbys, and work.
    {"IPC/SyncRep", "standby", "a synchronous standby to confirm a commit",
     "start the standby, or take it out of synchronous_standby_names and SELECT pg_reload_conf()"},
    {"Lock/", "lock", "a lock", "end the transaction that holds it"},
    {"BufferPin/", "page", "another session to let go of a page",
     "end the cursor or statement that rests on that page"},
    {"IPC/Checkpoint", "checkpoint", "a checkpoint", "the server's log says why it is slow"},
    {"IPC/BackupWaitWalArchive", "archive", "WAL to be archived",
     "repair archive_command; the server's log says why it fails"},
};

/// nullptr: the event is work.
[[nodiscard]] constexpr const WaitCause* cause_of(std::string_view event) {
  for (const WaitCause& each : kWaitCauses) {
    if (event.starts_with(each.event)) return &each;
  }
  return nullptr;
}

}  // namespace pgfanout
