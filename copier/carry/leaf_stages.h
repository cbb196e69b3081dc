// The stages of a window that work on each leaf: with no gate between them, a leaf is finished
// while the server still has its pages in memory.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

enum class LeafStage : std::uint8_t { index, constraints, analyze };  ///< In this order.
inline constexpr std::array<std::string_view, 3> kLeafStages = {"index", "constraints", "analyze"};

/// The last stage whose work on a leaf stage `from` does as well: up to the first of `gates`, each
/// the name of a stage behind which a person is asked. Pure.
[[nodiscard]] LeafStage last_leaf_stage(LeafStage from, const std::vector<std::string>& gates);
/// The stage that does the work of stage `of` on leaves. Pure.
[[nodiscard]] LeafStage stage_of_leaves(LeafStage of, const std::vector<std::string>& gates);
[[nodiscard]] std::string_view name_of(LeafStage stage);

}  // namespace pgfanout
