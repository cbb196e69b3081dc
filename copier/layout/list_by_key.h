// LIST by a computed key: every leaf takes some integers, and a row belongs to the leaf that takes
// the value of the key expression. Four key modes say how rows inserted later get their key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "copier/layout/layout.h"

namespace pgfanout {

/// A LIST partition's bound: pg_get_expr(relpartbound, oid).
struct ListBound {
  bool is_default = false;
  std::vector<std::int64_t> keys;
};

/// Of "FOR VALUES IN (0, '1', NULL)" or "DEFAULT". Refuses other strategies and non-integers.
Result<ListBound> parse_list_bound(std::string_view bound);

/// "{table}_p{key:02}" for that table and key; refuses a pattern without {table} or {key}.
Result<std::string> name_by_pattern(std::string_view pattern, std::string_view table,
                                    std::int64_t key);

class ListByKey final : public Layout {
 public:
  /// `keys[i]` are those of leaf i. They are distinct (the server sees to it).
  ListByKey(std::vector<std::vector<std::int64_t>> keys, KeyExpression key);

  [[nodiscard]] std::size_t leaf_count() const override { return keys_.size(); }
  [[nodiscard]] std::optional<std::int64_t> leaf_key(std::uint32_t leaf) const override;
  [[nodiscard]] std::string leaf_name(std::string_view table, std::uint32_t leaf,
                                      std::string_view pattern) const override;
  [[nodiscard]] std::vector<std::string> missing_leaves(std::uint32_t wanted) const override;

  void route(const LayoutRows& rows, std::span<std::uint32_t> leaf_of_row) const override;
  [[nodiscard]] std::string group_sql(const std::string& key_sql) const override;
  [[nodiscard]] std::pair<std::string, std::string> why_no_leaf(const LayoutRows& rows,
                                                                std::size_t row) const override;

  Result<void> prove(Connection& source, const Table& table) const override;

  /// The leaf for `key`, or kNoLeaf: never the default partition.
  [[nodiscard]] std::uint32_t leaf_of(std::int64_t key) const {
    if (key >= 0 && static_cast<std::uint64_t>(key) < dense_.size()) {
      return dense_[static_cast<std::size_t>(key)];
    }
    const auto found = sparse_.find(key);
    return found == sparse_.end() ? kNoLeaf : found->second;
  }

 private:
  std::vector<std::vector<std::int64_t>> keys_;
  KeyExpression key_;
  std::vector<std::uint32_t> dense_;  ///< Keys 0 to 65535.
  std::unordered_map<std::int64_t, std::uint32_t> sparse_;
};

[[nodiscard]] const LayoutKind& list_by_key();

}  // namespace pgfanout
