// The name closest to one that was mistyped.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pgfanout {

/// The one of `names` that `typed` abbreviates, or that is a few slips of the keyboard away; empty
/// if none is close. The view is one of `names`.
[[nodiscard]] std::string_view nearest_name(std::string_view typed,
                                            std::span<const std::string_view> names);

/// The hint about a name that is not known: "did you mean ...?", or `otherwise` if none is close.
[[nodiscard]] std::string did_you_mean(std::string_view typed,
                                       std::span<const std::string_view> names,
                                       std::string otherwise);

}  // namespace pgfanout
