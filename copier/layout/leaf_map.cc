#include "copier/layout/leaf_map.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

namespace pgfanout {
namespace {

constexpr std::int64_t kDenseKeys = 65536;

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

void skip_blanks(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
}

/// One entry of the list: NULL, 7, -7, '7'.
bool take_entry(std::string_view& text, ListBound& bound) {
  if (take(text, "NULL")) {
    bound.takes_null = true;
    return true;
  }
  const bool is_quoted = take(text, "'");
  std::int64_t key = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (is_quoted && !take(text, "'")) return false;
  bound.keys.push_back(key);
  return true;
}

}  // namespace

Result<ListBound> parse_list_bound(std::string_view bound) {
  ListBound parsed;
  if (bound == "DEFAULT") {
    parsed.is_default = true;
    return parsed;
  }
  std::string_view rest = bound;
  if (!take(rest, "FOR VALUES IN (")) {
    return refused("not-list", fmt::format("the bound \"{}\" is not one of LIST", bound),
                   "the target must be partitioned by LIST on the key");
  }
  do {
    skip_blanks(rest);
    if (!take_entry(rest, parsed)) {
      return refused("not-integer", fmt::format("the bound \"{}\" holds no integers", bound),
                     "the target must be partitioned by LIST on an integer key");
    }
  } while (take(rest, ","));
  if (rest != ")") {
    return refused("not-integer", fmt::format("the bound \"{}\" holds no integers", bound),
                   "the target must be partitioned by LIST on an integer key");
  }
  return parsed;
}

LeafMap::LeafMap(const std::vector<ListBound>& bounds) : leaf_count_(bounds.size()) {
  for (std::uint32_t leaf = 0; leaf < bounds.size(); ++leaf) {
    for (const std::int64_t key : bounds[leaf].keys) {
      if (key < 0 || key >= kDenseKeys) {
        sparse_.emplace(key, leaf);
        continue;
      }
      const auto at = static_cast<std::size_t>(key);
      if (at >= dense_.size()) dense_.resize(at + 1, kNoLeaf);
      dense_[at] = leaf;
    }
  }
}

std::uint32_t LeafMap::sparse_leaf_of(std::int64_t key) const {
  const auto found = sparse_.find(key);
  return found == sparse_.end() ? kNoLeaf : found->second;
}

}  // namespace pgfanout
