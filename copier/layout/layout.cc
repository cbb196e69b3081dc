#include "copier/layout/layout.h"

#include <algorithm>

#include "copier/layout/list_by_key.h"

namespace pgfanout {

std::vector<std::uint32_t> leaves_of(const Layout& layout, std::span<const KeyOutcome> keys) {
  std::vector<std::int64_t> values;
  std::vector<KeyState> states;
  for (const KeyOutcome& key : keys) {
    values.push_back(key.key);
    states.push_back(key.state);
  }
  std::vector<std::uint32_t> leaves(keys.size());
  layout.route({values, states}, leaves);
  return leaves;
}

std::vector<std::pair<std::string, std::string>> leaf_renames(
    const Layout& layout, const std::vector<std::string>& leaves, const std::string& target,
    const std::string& source, std::string_view pattern) {
  std::vector<std::pair<std::string, std::string>> renames;
  for (std::uint32_t leaf = 0; leaf < leaves.size(); ++leaf) {
    const bool is_ours = leaves[leaf] == layout.leaf_name(target, leaf, pattern);
    renames.emplace_back(leaves[leaf],
                         is_ours ? layout.leaf_name(source, leaf, pattern) : leaves[leaf]);
  }
  return renames;
}

std::uint32_t wanted_keys(const TableRequest& job, const KeyExpression& key) {
  if (job.partitions) return *job.partitions;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(key.modulus().value_or(0), UINT32_MAX));
}

// LIST by a computed key is the only kind so far. What a job asks for, and pg_partitioned_table's
// strategy of a table that exists, decide here once there are others.
const LayoutKind& layout_kind_of(const JobDescription& /*job*/) {
  return list_by_key();
}

const LayoutKind& layout_kind_of(const Table& /*table*/) {
  return list_by_key();
}

}  // namespace pgfanout
