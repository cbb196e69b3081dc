// A running job in words: thresholds, speed, deadline, waits, and the effect of Ctrl-C. Pure
// functions.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/base/server_waits.h"
#include "pgfanout/lock_waits.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// In the order of LeafState.
inline constexpr std::array<const char*, 6> kLeafStateNames = {"waiting", "loading", "committed",
                                                               "proven",  "indexed", "verified"};
/// In the order of Speed.
inline constexpr std::array<const char*, 3> kSpeedNames = {"full", "slow", "paused"};

/// "83 %", "1.2 s", "5.0 GB", "0.5/min".
[[nodiscard]] std::string measure_text(Measure measure, double value);
/// "full speed", "slowed down", "paused".
[[nodiscard]] std::string speed_text(Speed speed);
/// "threshold: cpu is at 91 %, beyond its limit of 80 %: slow", or within it again.
[[nodiscard]] std::string threshold_line(const ThresholdState& threshold);
/// "deadline 04:00: makes it; 0:31 to 0:45 are left to do".
[[nodiscard]] std::string deadline_line(const DeadlineState& deadline);
/// "IO/DataFileRead 2, cpu 1": the most frequent `most` of a side.
[[nodiscard]] std::string waits_text(const std::vector<WaitCount>& waits, const std::string& side,
                                     std::size_t most);

/// "12 s for a lock (Lock/relation; session 4711 (writer) on the target); pid 4711 of the job ...".
[[nodiscard]] std::string wait_text(const SessionWait& wait);
/// "waits: " with the above and what ends it; "waited: 40.0 s for a lock".
[[nodiscard]] std::string wait_line(const SessionWait& wait, WaitChange change);

/// How the copy commits.
enum class CommitMode : std::uint8_t { unknown, by_leaf, by_epoch };

/// The effect of Ctrl-C at this moment (docs/WINDOW.md, "Interrupted?"). `stage` as
/// "copy/read-back"; empty: between two stages.
[[nodiscard]] std::string interrupt_text(std::string_view command, std::string_view stage,
                                         CommitMode mode);

/// The line for a user who has asked for a stop. `leaves`: those that are committed first; `lock`:
/// a wait for locks of others; `waits`: for servers, the longest first.
[[nodiscard]] std::string stopping_line(std::uint64_t leaves,
                                        const std::optional<LockWaits::Wait>& lock,
                                        const std::vector<ServerWait>& waits,
                                        std::chrono::steady_clock::time_point now);

}  // namespace pgfanout
