// The standbys that a commit waits for, and which of them are missing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// synchronous_standby_names, parsed. A commit waits for `needed` of the names, whether the setting
/// says FIRST or ANY.
struct StandbyRule {
  std::uint32_t needed = 0;  ///< 0: no commit waits.
  std::vector<std::string> names;
};

/// `setting` is one that a server has accepted.
[[nodiscard]] StandbyRule parse_standby_names(std::string_view setting);

/// A row of pg_stat_replication.
struct ConnectedStandby {
  std::string name;   ///< application_name.
  std::string state;  ///< "streaming"; empty: the role may not see it.
  bool has_flushed = false;
};

/// Too few standbys for a commit to return.
struct MissingStandbys {
  std::uint32_t needed = 0;
  std::uint32_t connected = 0;
  std::vector<std::string> absent;  ///< Names of the setting; the setting if each is there.
};

/// A standby whose state is hidden counts as connected. Absent: there are enough.
[[nodiscard]] std::optional<MissingStandbys> missing_standbys(
    std::string_view setting, const std::vector<ConnectedStandby>& connected);

/// "1 of 2 needed synchronous standbys are streaming (missing: s2)", and what to do about it.
[[nodiscard]] std::string text_of(const MissingStandbys& missing);
inline constexpr const char* kStandbyAdvice =
    "start the standby, or take it out of synchronous_standby_names and SELECT pg_reload_conf()";

/// How the job's list of accepted objects names an absent one.
inline constexpr std::string_view kAcceptedStandby = "standby ";

/// Those that a commit of this session would wait for in vain.
Result<std::optional<MissingStandbys>> find_missing_standbys(Connection& connection);

}  // namespace pgfanout
