#include "copier/layout/leaf_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

constexpr std::int64_t kDenseKeys = 65536;
/// As many groups as a statement may well have.
constexpr std::int64_t kFewKeys = 10000;

bool take_text(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// "{key:02}"
bool take_key_width(std::string_view& text, int& width) {
  std::string_view rest = text;
  if (!take_text(rest, "{key:0") || rest.size() < 2 || rest[0] < '1' || rest[0] > '9' ||
      rest[1] != '}')
    return false;
  width = rest[0] - '0';
  text = rest.substr(2);
  return true;
}

}  // namespace

Result<std::string> name_by_pattern(std::string_view pattern, std::string_view table,
                                    std::int64_t key) {
  std::string name;
  bool has_table = false;
  bool has_key = false;
  for (std::string_view rest = pattern; !rest.empty();) {
    int width = 0;
    if (take_text(rest, "{table}")) {
      name += table;
      has_table = true;
    } else if (take_text(rest, "{key}") || take_key_width(rest, width)) {
      name += fmt::format("{:0{}}", key, width);
      has_key = true;
    } else if (rest.front() == '{' || rest.front() == '}') {
      has_key = false;
      break;
    } else {
      name += rest.front();
      rest.remove_prefix(1);
    }
  }
  if (has_table && has_key) return name;
  return refused("bad-leaf-name",
                 fmt::format("'{}' is no pattern for the names of leaves", pattern),
                 "write {table} and {key} into it, or {key:02} for two digits at least: "
                 "\"{table}_p{key:02}\"",
                 "--leaf-name");
}

LeafMap::LeafMap(Leaves leaves, KeyExpression key)
    : leaves_(std::move(leaves)), key_(std::move(key)), rest_(leaves_.rest.value_or(kNoLeaf)) {
  for (std::uint32_t leaf = 0; leaf < leaves_.keys.size(); ++leaf) {
    for (const std::int64_t key_of_leaf : leaves_.keys[leaf]) {
      if (key_of_leaf < 0 || key_of_leaf >= kDenseKeys) {
        sparse_.emplace(key_of_leaf, leaf);
        continue;
      }
      const auto at = static_cast<std::size_t>(key_of_leaf);
      if (at >= dense_.size()) dense_.resize(at + 1, rest_);
      dense_[at] = leaf;
    }
  }
}

std::optional<std::int64_t> LeafMap::leaf_key(std::uint32_t leaf) const {
  const std::vector<std::int64_t>& keys = leaves_.keys[leaf];
  return keys.empty() ? std::nullopt : std::optional(keys.front());
}

std::string LeafMap::leaf_name(std::string_view table, std::uint32_t leaf,
                               std::string_view pattern) const {
  // The request's pattern has been checked.
  if (!pattern.empty()) return name_by_pattern(pattern, table, *leaf_key(leaf)).value_or("");
  if (!leaves_.suffixes.empty()) return suffixed_name(table, leaves_.suffixes[leaf]);
  const std::size_t digits = std::to_string(leaf_count() - 1).size();
  return suffixed_name(table, fmt::format("_p{:0{}}", leaf, digits));
}

std::vector<std::string> LeafMap::missing_leaves(std::uint32_t wanted) const {
  std::vector<std::string> missing;
  for (std::uint32_t key = 0; key < wanted; ++key) {
    if (leaf_of(key) == rest_) missing.push_back(std::to_string(key));
  }
  return missing;
}

void LeafMap::route(const LayoutRows& rows, std::span<std::uint32_t> leaf_of_row) const {
  for (std::size_t row = 0; row < leaf_of_row.size(); ++row) {
    leaf_of_row[row] = rows.states[row] == KeyState::ok ? leaf_of(rows.keys[row]) : kNoLeaf;
  }
}

/// A remainder and a partition key have few values as they are.
std::string LeafMap::group_sql(const std::string& key_sql) const {
  const bool is_few =
      key_.partition_key() != nullptr || key_.modulus().value_or(INT64_MAX) <= kFewKeys;
  if (is_few) return key_sql;
  std::vector<std::int64_t> all;
  for (const std::vector<std::int64_t>& keys : leaves_.keys) append(all, keys);
  return fmt::format(
      "CASE WHEN {0} OPERATOR(pg_catalog.=) ANY ('{{{1}}}'::pg_catalog.int8[]) THEN {0} END",
      key_sql, fmt::join(all, ","));
}

std::pair<std::string, std::string> LeafMap::why_no_leaf(const LayoutRows& rows,
                                                         std::size_t row) const {
  const KeyState state = rows.states[row];
  if (state == KeyState::ok) {
    return {"key-no-leaf",
            fmt::format("a row has key {}, for which the target has no leaf", rows.keys[row])};
  }
  constexpr std::array<const char*, 5> kCodes = {"key-no-leaf", "key-null", "key-overflow",
                                                 "key-division-by-zero", "key-malformed"};
  return {kCodes[static_cast<std::size_t>(state)],
          fmt::format("a row's key is {}", to_string(state))};
}

Result<void> LeafMap::prove(Connection& source, const Table& table) const {
  PGFANOUT_TRY(prove_key(source, table, key_));
  return {};
}

}  // namespace pgfanout
