// One live job per target: the claim on it, which the session holds until it ends. Every command
// that changes a target takes it here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "copier/catalog/relation_name.h"
#include "copier/pg/connection.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The session that has the claim, as pg_stat_activity shows it at one moment.
struct ClaimHolder {
  std::string pid;
  std::string application;
  std::string host;         ///< Of its client.
  std::string since;        ///< When the session began.
  std::string state;        ///< Empty: this role may not see it.
  std::string wait_event;   ///< "Client/ClientRead"; empty: none.
  std::string query_start;  ///< Changes with each statement.
};

/// The state of a holder's client. A server notices that a client is gone as soon as it waits
/// for its next statement, and within seconds while it executes one.
enum class HolderClient : std::uint8_t {
  is_there,     ///< It sent a statement meanwhile, or the session waits for one: or it is stopped.
  may_be_gone,  ///< The session has executed one statement all the time.
};
/// `first` and `now` are of the same session, with some time in between.
[[nodiscard]] HolderClient client_of(const ClaimHolder& first, const ClaimHolder& now);

/// How long to wait for a session to end.
struct ClaimPatience {
  std::chrono::milliseconds if_there{1000};
  std::chrono::milliseconds if_gone{10'000};
};

/// Takes the target for this session. A session whose client may be gone is waited for, and
/// `report` is told so; then the command may be repeated (exit 3). Refuses while a client is there,
/// with who and where it is.
Result<void> claim_target(Connection& connection, const RelationName& target,
                          const Cancellation& cancellation, const IssueSink& report,
                          const ClaimPatience& patience = {});

}  // namespace pgfanout
