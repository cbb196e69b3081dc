// The effect that Ctrl-C would have at this moment, in words (docs/WINDOW.md, "Interrupted?").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgfanout {

/// How the copy commits.
enum class CommitMode : std::uint8_t { unknown, by_leaf, by_epoch };

/// `stage` as "copy/read-back"; empty: between two stages.
[[nodiscard]] std::string interrupt_text(std::string_view command, std::string_view stage,
                                         CommitMode mode);

}  // namespace pgfanout
