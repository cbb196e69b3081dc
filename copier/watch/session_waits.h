// The sessions of a job, and which of them wait for something that is no work, and since when.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "copier/pg/connection.h"
#include "copier/watch/thresholds.h"
#include "pgfanout/result.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// A session of the job, as pg_stat_activity has it.
struct JobSession {
  std::string side;  ///< "source" or "target".
  int pid = 0;
  std::string role;  ///< "writer".
  bool is_active = false;
  std::string event;             ///< "IPC/SyncRep"; "cpu" for running ones.
  std::string statement;         ///< When its statement began: tells it from the one before.
  double statement_seconds = 0;  ///< How long ago that was.
};

/// The sessions of a job on one server.
struct JobSessions {
  std::vector<JobSession> all;
  /// The longest wait for a lock in seconds, "pid 4711 of the job waits for ..., blocked by ...".
  Reading lock = {0.0, ""};
  std::string standbys;  ///< Which synchronous standbys are missing; empty: none.

  /// Those on another server.
  void add(JobSessions others);
};

/// `prefix`: that of the job's application_name. `side` is that of the database, whose sessions
/// alone count; empty: the server holds both, and a session's role tells its side.
Result<JobSessions> read_job_sessions(Connection& connection, const std::string& prefix,
                                      const std::string& side);

/// Active sessions by what they wait for.
[[nodiscard]] std::vector<WaitCount> wait_counts(const std::vector<JobSession>& sessions);

using WaitNews = std::vector<std::pair<SessionWait, WaitChange>>;

/// Judges look after look. Pure: sessions and times are given.
class WaitJudge {
 public:
  using Moment = std::chrono::steady_clock::time_point;
  /// How long a wait may be before it counts.
  static constexpr double kPatience = 3;

  /// One wait for each side and cause, the longest first. A wait that an earlier look has not seen
  /// began with the statement, or after that look; one for a lock is as long as its attempts
  /// together.
  [[nodiscard]] std::vector<SessionWait> judge(const JobSessions& sessions, Moment now);
  /// The news of what judge() returned: a wait lasts when it was last told a minute ago, and ends
  /// when some looks have not seen it.
  [[nodiscard]] WaitNews news(const std::vector<SessionWait>& waits, Moment now);
  /// The same once nobody looks any more.
  [[nodiscard]] WaitNews last_news() { return news({}, Moment::max()); }

 private:
  struct Seen {
    std::string event;
    std::string statement;
    Moment since;
    Moment last;
  };
  struct Told {
    SessionWait wait;
    Moment told_at;
    Moment seen_at;
  };
  using Place = std::pair<std::string, int>;         // side, pid
  using Kind = std::pair<std::string, std::string>;  // side, cause
  std::map<Place, Seen> seen_;
  std::optional<Moment> last_look_;
  std::map<Kind, Told> told_;
};

}  // namespace pgfanout
