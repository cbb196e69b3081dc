#include "copier/carry/leaf_stages.h"

#include <algorithm>

namespace pgfanout {

LeafStage last_leaf_stage(LeafStage from, const std::vector<std::string>& gates) {
  auto at = static_cast<std::size_t>(from);
  while (at + 1 < kLeafStages.size() &&
         std::find(gates.begin(), gates.end(), kLeafStages[at]) == gates.end()) {
    ++at;
  }
  return static_cast<LeafStage>(at);
}

LeafStage stage_of_leaves(LeafStage of, const std::vector<std::string>& gates) {
  auto from = LeafStage::index;
  while (last_leaf_stage(from, gates) < of) {
    from = static_cast<LeafStage>(static_cast<std::size_t>(last_leaf_stage(from, gates)) + 1);
  }
  return from;
}

std::string_view name_of(LeafStage stage) {
  return kLeafStages.at(static_cast<std::size_t>(stage));
}

}  // namespace pgfanout
