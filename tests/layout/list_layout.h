// Layouts by LIST for tests, without a table.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "copier/layout/leaf_map.h"

namespace pgfanout::testing {

using LeafKeys = std::vector<std::vector<std::int64_t>>;

/// Leaf i takes keys[i].
inline std::shared_ptr<const LeafMap> list_layout(LeafKeys keys) {
  const KeyColumn columns[] = {{"id", KeyType::int4, "integer"}};
  return std::make_shared<LeafMap>(LeafMap::Leaves{std::move(keys), {}, {}},
                                   KeyExpression::compile("id", columns).value());
}

/// Leaf i takes key i.
inline std::shared_ptr<const LeafMap> list_layout(std::int64_t leaves) {
  LeafKeys keys;
  for (std::int64_t key = 0; key < leaves; ++key) keys.push_back({key});
  return list_layout(std::move(keys));
}

}  // namespace pgfanout::testing
