#include "copier/verify/quick_look.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <random>

#include "copier/base/byte_order.h"
#include "copier/verify/row_fetcher.h"
#include "copier/verify/verify_findings.h"

namespace pgfanout {
namespace {

/// Larger sides are not counted: their statistics answer.
constexpr std::uint64_t kCountedBytes = 2ULL << 30U;
constexpr std::size_t kSampledPages = 40;
constexpr std::size_t kRowsAPage = 25;

struct Count {
  std::uint64_t rows = 0;
  bool is_exact = true;
  std::vector<std::uint64_t> leaves;
};

Result<Count> count_rows(Connection& connection, const Table& table) {
  Count count;
  std::uint64_t bytes = 0;
  for (const Leaf& leaf : table.leaves) bytes += leaf.total_bytes;
  count.is_exact = bytes <= kCountedBytes;
  for (const Leaf& leaf : table.leaves) {
    const std::string sql =
        count.is_exact
            ? fmt::format("SELECT count(*) FROM ONLY {}", leaf.qualified)
            : fmt::format("SELECT greatest(reltuples, 0)::int8 FROM pg_class WHERE oid = {}",
                          leaf.oid);
    PGFANOUT_TRY_ASSIGN(const Rows row, connection.query(sql));
    count.leaves.push_back(static_cast<std::uint64_t>(row.integer(0, 0)));
    count.rows += count.leaves.back();
  }
  return count;
}

/// Some rows of some pages of some leaves.
Result<std::vector<RowAddress>> sample(Connection& connection, const Table& table) {
  std::mt19937_64 random(1);
  std::vector<double> weights;
  for (const Leaf& leaf : table.leaves) weights.push_back(static_cast<double>(leaf.blocks));
  std::vector<RowAddress> addresses;
  if (std::all_of(weights.begin(), weights.end(), [](double weight) { return weight == 0; })) {
    return addresses;
  }
  std::discrete_distribution<std::uint32_t> any_leaf(weights.begin(), weights.end());
  std::vector<std::pair<std::uint32_t, std::uint64_t>> pages;
  for (std::size_t at = 0; at < kSampledPages; ++at) {
    const std::uint32_t leaf = any_leaf(random);
    pages.emplace_back(leaf, random() % table.leaves[leaf].blocks);
  }
  std::sort(pages.begin(), pages.end());
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  for (const auto& [leaf, page] : pages) {
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        connection.query(fmt::format("SELECT ctid FROM ONLY {} WHERE ctid >= '({},0)'::"
                                     "tid AND ctid < '({},0)'::tid LIMIT {}",
                                     table.leaves[leaf].qualified, page, page + 1, kRowsAPage)));
    for (int row = 0; row < rows.size(); ++row) addresses.push_back({leaf, rows.str(row, 0)});
  }
  return addresses;
}

/// Nothing if the identity has a NULL: then no row of the other side can have it.
std::optional<std::string> identity_bytes(const VerifyPlan& plan, const RowValues& row) {
  std::string bytes;
  for (std::size_t at = 0; at < plan.identity_columns; ++at) {
    if (!row.values[at]) return std::nullopt;
    const std::string& value = *row.values[at];
    std::uint8_t length[4];
    store_be32(length, static_cast<std::uint32_t>(value.size()));
    bytes.append(reinterpret_cast<const char*>(length), sizeof length);
    bytes += value;
  }
  return bytes;
}

/// Nothing if it takes longer than a quick look may.
Result<std::optional<std::vector<RowAddress>>> locate_in_time(
    RowFetcher& side, Connection& connection, const std::vector<std::string>& identities) {
  PGFANOUT_TRY(connection.run("SAVEPOINT pgfanout_sample; SET LOCAL statement_timeout = '10s'"));
  auto found = side.locate(identities);
  if (!found) {
    if (found.error().sqlstate != "57014") return std::move(found).error();
    PGFANOUT_TRY(connection.run("ROLLBACK TO SAVEPOINT pgfanout_sample"));
    return std::optional<std::vector<RowAddress>>();
  }
  PGFANOUT_TRY(
      connection.run("RELEASE SAVEPOINT pgfanout_sample; SET LOCAL statement_timeout = 0"));
  return std::optional(std::move(*found));
}

/// Looks up a sample of one side's rows on the other one.
/// `set_aside`: rows of this side that need not be on the other, sorted.
Result<void> compare_sample(const VerifyPlan& plan, Side from, Connection& here, Connection& there,
                            const std::vector<std::string>& set_aside,
                            const Cancellation& cancellation, const IssueSink& report) {
  const Side to = from == Side::source ? Side::target : Side::source;
  RowFetcher own(plan, from, here, cancellation);
  RowFetcher other(plan, to, there, cancellation);
  PGFANOUT_TRY_ASSIGN(auto addresses, sample(here, table_of(plan, from)));
  std::erase_if(addresses, [&](const RowAddress& address) {
    return std::binary_search(
        set_aside.begin(), set_aside.end(),
        table_of(plan, from).leaves[address.leaf].qualified + " " + address.ctid);
  });
  PGFANOUT_TRY_ASSIGN(const auto rows, own.fetch_values(addresses));
  if (rows.empty()) return {};
  std::vector<std::string> identities;
  std::vector<RowName> names;
  for (const RowValues& row : rows) {
    if (auto identity = identity_bytes(plan, row)) identities.push_back(std::move(*identity));
    names.push_back(row.name);
  }
  PGFANOUT_TRY_ASSIGN(const auto found, locate_in_time(other, there, identities));
  if (!found) {
    report({Severity::info, "no-sample",
            "no sample was compared: without an index on the key, finding its rows takes too long",
            table_of(plan, to).qualified, "create the primary key first, or use --data"});
    return {};
  }
  PGFANOUT_TRY_ASSIGN(const auto fetched, other.fetch(*found));
  std::size_t lost = 0;
  for (const RowName& name : names) {
    if (std::none_of(fetched.begin(), fetched.end(),
                     [&](const FetchedRow& row) { return row.name == name; })) {
      ++lost;
    }
  }
  report(sample_issue(lost, names.size(), from, table_of(plan, from)));
  return {};
}

}  // namespace

Result<void> look_quickly(const VerifyPlan& plan, Connection& source, Connection& target,
                          std::vector<std::string> set_aside, const Cancellation& cancellation,
                          JobResult& result, const IssueSink& report) {
  std::sort(set_aside.begin(), set_aside.end());
  PGFANOUT_TRY_ASSIGN(const Count ours, count_rows(source, plan.source));
  PGFANOUT_TRY_ASSIGN(const Count theirs, count_rows(target, plan.target));
  result.source->rows = ours.rows;
  result.target->rows = theirs.rows;
  for (std::size_t at = 0; at < theirs.leaves.size(); ++at) {
    result.partitions.push_back(
        {std::nullopt, plan.target.leaves[at].qualified, theirs.leaves[at], {}, 0});
  }
  result.skew = skew_of(theirs.leaves);
  const RowCounts counts{ours.rows, theirs.rows, set_aside.size(),
                         ours.is_exact && theirs.is_exact};
  if (auto issue = issue_of(counts, plan.target)) report(*std::move(issue));
  if (plan.identity != IdentityKind::fixed) {
    report({Severity::info, "no-sample",
            "no sample was compared: the tables share no primary key of fixed width",
            plan.target.qualified, "--data compares all rows"});
    return {};
  }
  PGFANOUT_TRY(compare_sample(plan, Side::source, source, target, set_aside, cancellation, report));
  return compare_sample(plan, Side::target, target, source, {}, cancellation, report);
}

}  // namespace pgfanout
