// The values of options, from text, and hints about mistyped names. Pure functions. A refusal says
// what the value may be and quotes the given one; callers put the option's name in front.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The refusal of a value: "must be <expected>, not '<given>'", code "usage".
[[nodiscard]] Error bad_value(std::string_view expected, std::string_view given);

/// Whether `text` has letters, digits and `others` only, and at least one of them.
[[nodiscard]] bool is_plain_word(std::string_view text, std::string_view others);

/// A decimal number without sign from `least` to `most`.
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t least, std::uint64_t most);

/// "auto" (no value) or a number of connections from 1 to 1000.
Result<std::optional<std::uint32_t>> parse_connections(std::string_view text);

/// Bytes, or a number with a unit. As in postgresql.conf kB, MB, GB and TB are powers of 1024; KiB,
/// MiB, GiB and TiB are the same. Upper or lower case; "1.5GB" and "64 MB" are fine.
Result<std::uint64_t> parse_size(std::string_view text);

/// "500ms", "5s", "2min", "1h". A bare number counts `bare_unit`. At least `least`, at most a day.
Result<std::chrono::milliseconds> parse_duration(std::string_view text,
                                                 std::chrono::milliseconds bare_unit,
                                                 std::chrono::milliseconds least);

/// "leaf", "auto", a size with a unit, or a bare number of rows.
Result<CommitEvery> parse_commit_every(std::string_view text);

/// "12" rows or "0.5%" of all rows.
Result<RejectLimit> parse_reject_limit(std::string_view text);

/// "cpu=80%", "cpu=80%:slow", "cpu=warn" or "cpu=off"; the unit is the measure's: % for cpu, memory
/// and errors, a time for lock_wait and replica_lag, a size for disk_free, a number for
/// checkpoints.
Result<ThresholdSetting> parse_threshold(std::string_view text);

/// "HH:MM" or "HH:MM:SS" of this host's clock: the next such moment after `now`.
Result<std::chrono::system_clock::time_point> parse_clock_time(
    std::string_view text, std::chrono::system_clock::time_point now);

/// "column=expression"; the first '=' outside double quotes divides. Both parts stay as written.
Result<ColumnMapping> parse_mapping(std::string_view text);

/// The one of `names` that `typed` abbreviates or differs from by a few typing errors; empty: none.
[[nodiscard]] std::string_view nearest_name(std::string_view typed,
                                            std::span<const std::string_view> names);

/// The hint about an unknown name: "did you mean ...?", or `otherwise` if none is close.
[[nodiscard]] std::string did_you_mean(std::string_view typed,
                                       std::span<const std::string_view> names,
                                       std::string otherwise);

}  // namespace pgfanout
