// Which leaf takes a key: made from the bounds that the target's server states, never from names.
// A strategy behind one function, so that other partitionings can take its place. Immutable after
// construction; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pgfanout/result.h"

namespace pgfanout {

/// A LIST partition's bound: pg_get_expr(relpartbound, oid).
struct ListBound {
  bool is_default = false;
  bool takes_null = false;
  std::vector<std::int64_t> keys;
};

/// Parses "FOR VALUES IN (0, '1', NULL)" or "DEFAULT". Refuses other strategies and non-integers.
Result<ListBound> parse_list_bound(std::string_view bound);

class LeafMap {
 public:
  static constexpr std::uint32_t kNoLeaf = UINT32_MAX;

  LeafMap() = default;
  /// `bounds[i]` belongs to leaf i. Keys are distinct (the server sees to it).
  explicit LeafMap(const std::vector<ListBound>& bounds);

  /// The leaf for `key`, or kNoLeaf: never the default partition.
  [[nodiscard]] std::uint32_t leaf_of(std::int64_t key) const {
    if (key >= 0 && static_cast<std::uint64_t>(key) < dense_.size()) {
      return dense_[static_cast<std::size_t>(key)];
    }
    return sparse_.empty() ? kNoLeaf : sparse_leaf_of(key);
  }
  [[nodiscard]] std::size_t leaf_count() const { return leaf_count_; }

 private:
  [[nodiscard]] std::uint32_t sparse_leaf_of(std::int64_t key) const;

  std::vector<std::uint32_t> dense_;  ///< Keys 0 to 65535.
  std::unordered_map<std::int64_t, std::uint32_t> sparse_;
  std::size_t leaf_count_ = 0;
};

}  // namespace pgfanout
