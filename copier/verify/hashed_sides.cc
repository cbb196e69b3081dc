#include "copier/verify/hashed_sides.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "copier/base/lists.h"
#include "copier/base/stop.h"

namespace pgfanout {
namespace {

/// The number of rows for which a condition holds.
std::string count_where(const std::string& condition) {
  return condition.empty() ? "0" : fmt::format("pg_catalog.count(*) FILTER (WHERE {})", condition);
}

HashedGroup group_in(const Rows& rows, int row) {
  HashedGroup group;
  if (!rows.is_null(row, 0)) group.value = rows.integer(row, 0);
  group.hashes = MultisetDigest(static_cast<std::uint64_t>(rows.integer(row, 1)),
                                sum_of_decimal(rows.text(row, 2)));
  group.wrong_keys = static_cast<std::uint64_t>(rows.integer(row, 3));
  group.keyless = static_cast<std::uint64_t>(rows.integer(row, 4));
  return group;
}

Result<void> hash_range(const HashPass& pass, Connection& connection, Side side,
                        const SourceRange& range) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(hash_sql(pass.plan, side, range)));
  std::vector<HashedGroup> groups;
  for (int row = 0; row < rows.size(); ++row) groups.push_back(group_in(rows, row));
  pass.hashes.add(side, range.leaf, groups);
  const std::uint64_t count =
      sum_of(groups, [](const HashedGroup& group) { return group.hashes.rows(); });
  const bool is_source = side == Side::source;
  (is_source ? pass.counters.rows_read : pass.counters.rows_read_back) += count;
  (is_source ? pass.counters.bytes_read : pass.counters.bytes_read_back) += range.estimated_bytes;
  if (!is_source && pass.leaves != nullptr) pass.leaves->add_rows(range.leaf, count);
  pass.books.complete_range(side);
  return {};
}

/// One reader's work: ranges that no other has taken, as `next` counts them.
Result<void> read_ranges(const HashPass& pass, Side side, std::atomic<std::size_t>& next,
                         Stop& stop) {
  using Clock = std::chrono::steady_clock;
  const std::vector<SourceRange>& ranges = pass.sides.ranges(side);
  std::size_t at = next++;
  if (at >= ranges.size()) return {};
  PGFANOUT_TRY_ASSIGN(Connection connection, pass.sides.open_reader(pass.plan, side));
  // Ranges are small: to compile their expressions would cost more than it saves.
  PGFANOUT_TRY(connection.run("SET LOCAL jit = off"));
  for (; at < ranges.size() && !stop.is_set(); at = next++) {
    const auto began = Clock::now();
    ++pass.counters.readers_busy;
    const auto read = hash_range(pass, connection, side, ranges[at]);
    --pass.counters.readers_busy;
    PGFANOUT_TRY(read);
    const auto worked = Clock::now() - began;
    pass.counters.source_wait_ns += static_cast<std::uint64_t>(worked.count());
    const auto waited = pass.pace.hold(worked, stop);
    pass.counters.pace_wait_ns += static_cast<std::uint64_t>(waited.count());
  }
  return {};
}

}  // namespace

std::string hash_sql(const VerifyPlan& plan, Side side, const SourceRange& range) {
  const RowSql& row = row_sql_of(plan, side);
  const auto& stored = side == Side::source ? plan.source_key_column : plan.target_key_column;
  std::string wrong_key;
  std::string keyless;
  if (stored) {
    wrong_key = fmt::format("NOT COALESCE({} OPERATOR(pg_catalog.=) {}, false)", row.key, *stored);
  }
  if (!row.key.empty() && !plan.layout) keyless = row.key + " IS NULL";
  return fmt::format(
      "SELECT {}, pg_catalog.count(*), pg_catalog.sum({}), {}, {} FROM ONLY {}{} GROUP BY 1",
      row.group, row.hash, count_where(wrong_key), count_where(keyless),
      table_of(plan, side).leaves[range.leaf].qualified, range_condition(range));
}

RowDigest sum_of_decimal(std::string_view decimal) {
  __extension__ using Wide = unsigned __int128;
  Wide sum = 0;
  const bool is_negative = decimal.starts_with('-');
  for (const char digit : decimal.substr(is_negative ? 1 : 0)) {
    sum = sum * 10 + static_cast<Wide>(digit - '0');
  }
  if (is_negative) sum = 0 - sum;
  return {static_cast<std::uint64_t>(sum), static_cast<std::uint64_t>(sum >> 64U)};
}

std::uint32_t HashBooks::group_of(std::optional<std::int64_t> value) const {
  if (!plan_.layout) return static_cast<std::uint32_t>(value.value_or(0));
  const auto none = static_cast<std::uint32_t>(plan_.target.leaves.size());
  if (!value) return none;
  const KeyOutcome key{KeyState::ok, *value};
  return std::min(none, leaves_of(*plan_.layout, std::span(&key, 1)).front());
}

void HashBooks::add(Side side, std::uint32_t leaf, const std::vector<HashedGroup>& groups) {
  BatchAccount account;
  account.leaf = leaf;
  account.groups.resize(group_count(plan_));
  std::vector<std::uint32_t> own;
  const std::lock_guard lock(mutex_);
  for (const HashedGroup& each : groups) {
    const std::uint32_t group = group_of(each.value);
    const std::uint64_t rows = each.hashes.rows();
    group_of_value_.emplace(each.value, group);
    own.push_back(group);
    account.groups[group].merge(each.hashes);
    account.count.digest.merge(each.hashes);
    account.count.rows += rows;
    account.stored_key_errors += each.wrong_keys;
    const bool has_leaf = group < plan_.target.leaves.size();
    account.key_errors += plan_.layout ? (has_leaf ? 0 : rows) : each.keyless;
    const bool is_in_leaf = !plan_.layout || group == leaf;
    account.misplaced_unseen += is_in_leaf ? std::max(each.wrong_keys, each.keyless) : rows;
  }
  books_.add(side, account);
  if (side == Side::source) return;
  LeafGroups& all = groups_of_leaf_[leaf];
  append(all.groups, own);
  sort_unique(all.groups);
  all.has_misplaced = all.has_misplaced || account.misplaced_unseen > 0;
}

/// A group is streamed from all leaves that have rows of it: what is left out is the same on both
/// sides.
SuspectRows HashBooks::suspects() const {
  const std::lock_guard lock(mutex_);
  SuspectRows suspects;
  std::vector<bool> groups;
  for (const GroupAccount& group : books_.groups()) {
    groups.push_back(!(group.source == group.target));
  }
  for (const LeafGroups& leaf : groups_of_leaf_) {
    if (!leaf.has_misplaced) continue;
    for (const std::uint32_t group : leaf.groups) groups[group] = true;
  }
  for (const LeafGroups& leaf : groups_of_leaf_) {
    suspects.target_leaves.push_back(
        std::ranges::any_of(leaf.groups, [&](std::uint32_t group) { return groups[group]; }));
  }
  suspects.source_only = condition(Side::source, groups);
  suspects.target_only = condition(Side::target, groups);
  return suspects;
}

std::string HashBooks::condition(Side side, const std::vector<bool>& groups) const {
  std::vector<std::int64_t> values;
  bool has_null = false;
  for (const auto& [value, group] : group_of_value_) {
    if (!groups[group]) continue;
    if (value) values.push_back(*value);
    has_null = has_null || !value;
  }
  const std::string& sql = row_sql_of(plan_, side).group;
  const std::string any = fmt::format("{} OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.int8[])",
                                      sql, fmt::join(values, ","));
  return has_null ? fmt::format("({} IS NULL OR {})", sql, any) : any;
}

Result<void> hash_sides(const HashPass& pass, const Cancellation& cancellation) {
  // A server that hashes both sides is busy with the readers of one.
  const bool is_one_server = pass.plan.same_database;
  const std::uint32_t readers = (is_one_server ? 1 : 2) * pass.plan.readers;
  Stop stop(cancellation);
  std::array<std::atomic<std::size_t>, 2> next{};
  pass.counters.readers = readers;
  {
    const auto read = [&](bool begins_with_target) -> Result<void> {
      for (const bool is_target : {begins_with_target, !begins_with_target}) {
        const Side side = is_target ? Side::target : Side::source;
        PGFANOUT_TRY(read_ranges(pass, side, next.at(is_target ? 1 : 0), stop));
        if (!is_one_server) break;
      }
      return {};
    };
    std::vector<std::jthread> threads;
    stop.guard("the start of the readers", [&] {
      for (std::uint32_t reader = 0; reader < readers; ++reader) {
        threads.emplace_back(
            [&, reader] { stop.guard("the reader", [&] { return read(reader % 2 == 1); }); });
      }
    });
  }
  pass.counters.readers = 0;
  if (auto error = stop.error()) return *std::move(error);
  for (const Side side : {Side::source, Side::target}) {
    if (pass.books.complete_ranges(side) == pass.sides.ranges(side).size()) continue;
    return unproven("incomplete", "a side was not read to its end");
  }
  return {};
}

}  // namespace pgfanout
