#include "copier/layout/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/key/key_plan.h"
#include "copier/layout/by_columns.h"
#include "copier/layout/list_by_key.h"
#include "copier/layout/none.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\r";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

bool is_same_word(std::string_view text, std::string_view word) {
  return std::ranges::equal(text, word, [](char a, char b) {
    return std::toupper(static_cast<unsigned char>(a)) ==
           std::toupper(static_cast<unsigned char>(b));
  });
}

/// The place of the comma behind a name, or the text's end; a quoted name may hold commas.
std::size_t end_of_name(std::string_view text) {
  bool is_quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '"') is_quoted = !is_quoted;
    if (text[at] == ',' && !is_quoted) return at;
  }
  return text.size();
}

}  // namespace

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

SettledLayout settled_layout(const PartitionKey& key, const LayoutRequest& request) {
  using Strategy = PartitionKey::Strategy;
  std::size_t leaves = key.bounds.size();
  if (key.strategy == Strategy::hash) leaves = key.modulus;
  if (key.strategy == Strategy::range) leaves -= std::min<std::size_t>(leaves, 1);
  if (request.default_partition) ++leaves;
  return {text_of(key), static_cast<std::uint32_t>(leaves), {}};
}

std::uint32_t wanted_keys(const TableRequest& job, const KeyExpression& key) {
  if (key.partition_key() == nullptr && job.partitions) return *job.partitions;
  return static_cast<std::uint32_t>(std::min<std::int64_t>(key.modulus().value_or(0), UINT32_MAX));
}

const LayoutKind& layout_kind_of(const TableRequest& job) {
  const auto by = parse_partition_by(job.layout.by);
  switch (by ? by->strategy : 'k') {
    case 0:
      return no_layout();
    case 'h':
      return hash_layout();
    case 'r':
      return range_layout();
    case 'l':
      return list_by_column();
    default:
      return list_by_key();
  }
}

const LayoutKind& layout_kind_of(const Table& table, const KeyExpression* key) {
  if (table.strategy == 0) return no_layout();
  if (table.strategy == 'h') return hash_layout();
  if (table.strategy == 'r') return range_layout();
  if (key != nullptr) return key->partition_key() != nullptr ? list_by_column() : list_by_key();
  const Column* listed = table.find(table.partition_columns.front());
  return listed == nullptr || is_key_integer(key_type_of_oid(listed->type_oid)) ? list_by_key()
                                                                                : list_by_column();
}

Result<PartitionBy> parse_partition_by(std::string_view text) {
  constexpr std::array kStrategies = {std::pair("HASH", 'h'), std::pair("RANGE", 'r'),
                                      std::pair("LIST", 'l')};
  const auto bad = [&] {
    return refused(
        "usage", fmt::format("'{}' is no layout", text),
        "write 'HASH (column, ...)', 'RANGE (column)', 'LIST (column)' or none; only --key "
        "takes an expression",
        "--partition-by");
  };
  const std::string_view stated = trimmed(text);
  if (is_same_word(stated, "none")) return PartitionBy{};
  const std::size_t open = stated.find('(');
  if (open == std::string_view::npos || !stated.ends_with(')')) return bad();
  PartitionBy by;
  for (const auto& [word, strategy] : kStrategies) {
    if (is_same_word(trimmed(stated.substr(0, open)), word)) by.strategy = strategy;
  }
  if (by.strategy == 0) return bad();
  std::string_view rest = stated.substr(open + 1, stated.size() - open - 2);
  for (bool is_last = false; !is_last;) {
    const std::size_t comma = end_of_name(rest);
    is_last = comma == rest.size();
    const auto column = parse_identifier(trimmed(rest.substr(0, comma)));
    if (!column || contains(by.columns, *column)) return bad();
    by.columns.push_back(*column);
    if (!is_last) rest.remove_prefix(comma + 1);
  }
  const bool takes_one = by.strategy == 'l';
  if (takes_one && by.columns.size() > 1) return bad();
  return by;
}

}  // namespace pgfanout
