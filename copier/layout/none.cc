#include "copier/layout/none.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace pgfanout {
namespace {

class PlainLayout final : public Layout {
 public:
  [[nodiscard]] std::size_t leaf_count() const override { return 1; }
  [[nodiscard]] std::optional<std::int64_t> leaf_key(std::uint32_t /*leaf*/) const override {
    return std::nullopt;
  }
  [[nodiscard]] std::string leaf_name(std::string_view table, std::uint32_t /*leaf*/,
                                      std::string_view /*pattern*/) const override {
    return std::string(table);
  }
  [[nodiscard]] std::vector<std::string> missing_leaves(std::uint32_t /*wanted*/) const override {
    return {};
  }

  void route(const LayoutRows& /*rows*/, std::span<std::uint32_t> leaf_of_row) const override {
    std::ranges::fill(leaf_of_row, 0U);
  }
  [[nodiscard]] std::string group_sql(const std::string& /*key_sql*/) const override { return "0"; }
  [[nodiscard]] std::pair<std::string, std::string> why_no_leaf(
      const LayoutRows& /*rows*/, std::size_t /*row*/) const override {
    return {"key-no-leaf", "a plain table takes every row"};
  }

  Result<void> prove(Connection& /*source*/, const Table& /*table*/) const override { return {}; }
};

LayoutPointer plain_layout() {
  static const LayoutPointer layout = std::make_shared<PlainLayout>();
  return layout;
}

class PlainKind final : public LayoutKind {
 public:
  Result<std::string> key_of(const Table& /*table*/) const override { return std::string(); }
  Result<std::vector<Leaf>> leaves_in_order(const Table& table) const override {
    return table.leaves;
  }
  Result<LayoutPointer> layout_of(const std::vector<Leaf>& leaves,
                                  const KeyExpression& /*key*/) const override {
    if (leaves.size() == 1) return plain_layout();
    return refused("not-partitioned",
                   fmt::format("{} is not partitioned, and other tables inherit from it",
                               leaves.front().qualified),
                   "name a table without heirs, or one that is partitioned",
                   leaves.front().qualified);
  }
  std::optional<std::uint32_t> key_count(const Table& /*table*/) const override {
    return std::nullopt;
  }
  bool is_by_key(const Table& /*table*/, const Column* /*key_column*/) const override {
    return false;
  }
  Result<ExistingLayout> examine(const JobDescription& /*job*/, const Table& /*source*/,
                                 const Table& target, const std::string& /*key_column*/,
                                 const KeyExpression& key) const override {
    ExistingLayout existing;
    existing.leaves = target.leaves;
    PGFANOUT_TRY_ASSIGN(existing.layout, layout_of(existing.leaves, key));
    return existing;
  }
  Result<void> check_expression(Connection& /*connection*/, const Table& /*target*/,
                                const ExistingLayout& /*existing*/,
                                const std::string& /*key_sql*/) const override {
    return {};
  }

  Result<void> check_request(const JobDescription& job) const override {
    if (!job.target.leaf_name.empty()) {
      return refused("bad-leaf-name", "a plain table has no leaves that a pattern could name",
                     "leave --leaf-name out, or --partition-by none", "--leaf-name");
    }
    if (job.partitions.value_or(1) == 1) return {};
    return refused("bad-partitions",
                   fmt::format("a plain table has no {} partitions", *job.partitions),
                   "leave --partitions out, or --partition-by none", "--partitions");
  }
  Result<SettledLayout> settle(const TableRequest& /*job*/, Connection& /*source*/,
                               const Table& /*table*/) const override {
    return SettledLayout{std::string(kKeyOfPlainTable), 1};
  }
  NewLayout make(const NewLayoutRequest& /*request*/) const override {
    return {plain_layout(), {}, {}};
  }

  LayoutRules rules(const JobDescription& /*job*/) const override {
    return {false, false, false, true, true};
  }
  std::string note(const JobDescription& /*job*/,
                   const std::optional<std::string>& /*key_column*/) const override {
    return "the target is one plain table: inserts need no change, keys need no partition column, "
           "and no query can leave a part of the table out";
  }
  std::optional<std::string> wrong_key_sql(const JobDescription& /*job*/,
                                           std::string_view /*key*/) const override {
    return std::nullopt;
  }
};

}  // namespace

const LayoutKind& no_layout() {
  static const PlainKind kind;
  return kind;
}

}  // namespace pgfanout
