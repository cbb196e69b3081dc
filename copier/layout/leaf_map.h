// Leaves by integers: every leaf takes some keys, and a row belongs to the leaf that takes its key,
// be it the value of an expression or a partition key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "copier/layout/layout.h"

namespace pgfanout {

/// "{table}_p{key:02}" for that table and key. "{from}" and "{from:YYYY_MM}" are the lower bound of
/// a RANGE, as it is and with the fields of to_char() that formatted_bound() knows. Refuses a
/// pattern without {table}, or without {key} and {from}.
Result<std::string> name_by_pattern(std::string_view pattern, std::string_view table,
                                    std::int64_t key, std::string_view from = {});

/// A date or time as the server prints it, by YYYY, MM, DD, HH24, MI, SS, Q, IYYY, IW, "text" and
/// characters that are no letters. Absent: neither, or an unknown field.
[[nodiscard]] std::optional<std::string> formatted_bound(std::string_view bound,
                                                         std::string_view format);

class LeafMap final : public Layout {
 public:
  struct Leaves {
    std::vector<std::vector<std::int64_t>> keys;  ///< Of each leaf; distinct.
    std::optional<std::uint32_t> rest;            ///< The leaf of all other keys.
    /// Behind the table's name in those of leaves: "_p20250101"; empty: their numbers.
    std::vector<std::string> suffixes = {};
    std::vector<std::string> froms = {};  ///< RANGE: their lower bounds, for patterns of names.
  };

  LeafMap(Leaves leaves, KeyExpression key);

  [[nodiscard]] std::size_t leaf_count() const override { return leaves_.keys.size(); }
  [[nodiscard]] std::optional<std::int64_t> leaf_key(std::uint32_t leaf) const override;
  [[nodiscard]] std::string leaf_name(std::string_view table, std::uint32_t leaf,
                                      std::string_view pattern) const override;
  [[nodiscard]] std::vector<std::string> missing_leaves(std::uint32_t wanted) const override;

  void route(const LayoutRows& rows, std::span<std::uint32_t> leaf_of_row) const override;
  [[nodiscard]] std::string group_sql(const std::string& key_sql) const override;
  [[nodiscard]] std::pair<std::string, std::string> why_no_leaf(const LayoutRows& rows,
                                                                std::size_t row) const override;

  Result<void> prove(Connection& source, const Table& table) const override;

  [[nodiscard]] std::uint32_t leaf_of(std::int64_t key) const {
    if (key >= 0 && static_cast<std::uint64_t>(key) < dense_.size()) {
      return dense_[static_cast<std::size_t>(key)];
    }
    const auto found = sparse_.find(key);
    return found == sparse_.end() ? rest_ : found->second;
  }

 private:
  Leaves leaves_;
  KeyExpression key_;
  std::uint32_t rest_;
  std::vector<std::uint32_t> dense_;  ///< Keys 0 to 65535.
  std::unordered_map<std::int64_t, std::uint32_t> sparse_;
};

}  // namespace pgfanout
