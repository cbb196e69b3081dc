#include "copier/journal/leaf_states.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace pgfanout {

void show_copied_leaves(Connection& target, const std::string& job, LeafState state,
                        LeafBoard& board) {
  const auto leaves = target.query(
      "SELECT leaf_name, rows FROM pgfanout.leaf_load WHERE job = $1 ORDER BY leaf", {job});
  if (!leaves) return;
  std::vector<std::string> names;
  for (int row = 0; row < leaves->size(); ++row) names.push_back(leaves->str(row, 0));
  board.open(std::move(names));
  for (int row = 0; row < leaves->size(); ++row) {
    const auto leaf = static_cast<std::size_t>(row);
    board.set_rows(leaf, static_cast<std::uint64_t>(leaves->integer(row, 1)));
    board.set_state(leaf, state);
  }
}

}  // namespace pgfanout
