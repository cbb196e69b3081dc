#include "copier/verify/difference_finder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <tuple>

namespace pgfanout {
namespace {

/// Bytes that the second pass keeps of each row.
constexpr std::uint64_t kNoteBytes = 64;

auto order_of(const RowName& name) {
  return std::tuple(name.identity.high, name.identity.low, name.digest.high, name.digest.low);
}

bool comes_before(const FetchedRow& a, const FetchedRow& b) {
  return order_of(a.name) < order_of(b.name);
}

/// Of copies, a difference of lists leaves the last ones: those that are misplaced.
bool is_sorted_before(const FetchedRow& a, const FetchedRow& b) {
  return std::tuple(order_of(a.name), a.is_misplaced) <
         std::tuple(order_of(b.name), b.is_misplaced);
}

bool is_integer_type(std::uint32_t type_oid) {
  constexpr std::uint32_t kInt8 = 20;
  constexpr std::uint32_t kInt2 = 21;
  constexpr std::uint32_t kInt4 = 23;
  return type_oid == kInt8 || type_oid == kInt2 || type_oid == kInt4;
}

RowDigest digest_at(const std::uint32_t* words) {
  return {words[0] | static_cast<std::uint64_t>(words[1]) << 32U,
          words[2] | static_cast<std::uint64_t>(words[3]) << 32U};
}

template <class Row>
std::vector<Row> difference_of(const std::vector<Row>& a, const std::vector<Row>& b) {
  std::vector<Row> left;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(left),
                      [](const Row& x, const Row& y) { return comes_before(x, y); });
  return left;
}

/// How many pairs of equal identity two sorted lists of rows make.
std::uint64_t pairs_of(const CollectedSides& rows) {
  std::uint64_t pairs = 0;
  auto a = rows.source.begin();
  auto b = rows.target.begin();
  const auto who = [](const CollectedRow& row) {
    return std::tuple(row.name.identity.high, row.name.identity.low);
  };
  while (a != rows.source.end() && b != rows.target.end()) {
    if (who(*a) < who(*b)) {
      ++a;
    } else if (who(*b) < who(*a)) {
      ++b;
    } else {
      ++pairs;
      ++a;
      ++b;
    }
  }
  return pairs;
}

std::vector<RowPlace> places_of(const std::vector<CollectedRow>& rows) {
  std::vector<RowPlace> places;
  for (const CollectedRow& row : rows) places.push_back(row.place);
  return places;
}

}  // namespace

DifferenceFinder::DifferenceFinder(const VerifyPlan& plan, FinderAccess access,
                                   std::size_t max_named, JobCounters& counters,
                                   const Cancellation& cancellation)
    : plan_(plan),
      access_(std::move(access)),
      max_named_(max_named),
      counters_(counters),
      cancellation_(cancellation),
      source_(plan, Side::source, access_.source, cancellation),
      target_(plan, Side::target, access_.target, cancellation) {
  std::sort(access_.set_aside.begin(), access_.set_aside.end());
}

Result<FoundDifferences> DifferenceFinder::find(DifferenceSketch sketch, const Comparison& books) {
  const DifferenceSketch::Answer answer = std::move(sketch).peel();
  was_complete_ = answer.is_complete;
  PGFANOUT_TRY_ASSIGN(misplaced_, target_.resolve(access_.target_ranges, books.misplaced()));
  std::sort(misplaced_.begin(), misplaced_.end());
  const bool has_all_places = misplaced_.size() == books.misplaced_count();
  const bool can_look_up =
      plan_.identity != IdentityKind::fixed ||
      std::none_of(answer.differences.begin(), answer.differences.end(), [](const auto& found) {
        return found.element.front() == RowElements::kNoIdentity;
      });
  if (!answer.is_complete || !can_look_up || !has_all_places) {
    PGFANOUT_TRY(find_by_group(books));
  } else if (!answer.differences.empty()) {
    PGFANOUT_TRY(plan_.identity == IdentityKind::fixed ? find_by_identity(answer.differences)
                                                       : find_by_name(answer.differences));
  }
  PGFANOUT_TRY(add_misplaced(books));
  return std::move(found_);
}

/// All rows of either side that have an identity which occurs in the difference.
Result<void> DifferenceFinder::find_by_identity(
    const std::vector<DifferenceSketch::Difference>& elements) {
  std::vector<std::string> identities;
  for (const auto& difference : elements) {
    std::string bytes(plan_.identity_bytes, '\0');
    std::memcpy(bytes.data(), difference.element.data(), bytes.size());
    identities.push_back(std::move(bytes));
  }
  std::sort(identities.begin(), identities.end());
  identities.erase(std::unique(identities.begin(), identities.end()), identities.end());
  const auto look_up = [&](RowFetcher& side) -> Result<std::vector<FetchedRow>> {
    PGFANOUT_TRY_ASSIGN(const auto addresses, side.locate(identities));
    return side.fetch(addresses);
  };
  FetchedSides rows;
  auto in_source = std::async(std::launch::async, [&] { return look_up(source_); });
  auto in_target = look_up(target_);
  PGFANOUT_TRY_ASSIGN(rows.source, in_source.get());
  PGFANOUT_TRY_ASSIGN(rows.target, std::move(in_target));
  for (FetchedRow& row : rows.target) {
    row.is_misplaced = std::binary_search(misplaced_.begin(), misplaced_.end(), row.address);
  }
  std::sort(rows.source.begin(), rows.source.end(), is_sorted_before);
  std::sort(rows.target.begin(), rows.target.end(), is_sorted_before);
  add_pairs({difference_of(rows.source, rows.target), difference_of(rows.target, rows.source)});
  return {};
}

/// The sketch knows hashes only: another pass finds the rows that have them.
Result<void> DifferenceFinder::find_by_name(
    const std::vector<DifferenceSketch::Difference>& elements) {
  CollectFilter filter;
  for (const auto& difference : elements) {
    const std::uint32_t* words = difference.element.data();
    const RowDigest digest = digest_at(words + difference.element.size() - 4);
    filter.wanted.insert({plan_.identity == IdentityKind::row ? digest : digest_at(words), digest});
  }
  PGFANOUT_TRY_ASSIGN(BothSides sides, access_.open_sides());
  PGFANOUT_TRY_ASSIGN(CollectedSides rows,
                      run_collection(std::move(sides), filter, counters_, cancellation_));
  return take_collected(surplus_of(std::move(rows)));
}

/// More differs than the sketch can name: all rows of the groups that differ are looked at.
Result<void> DifferenceFinder::find_by_group(const Comparison& books) {
  const std::vector<GroupAccount>& groups = books.groups();
  const std::uint64_t room = std::max<std::uint64_t>(1, access_.memory_bytes / kNoteBytes);
  for (std::size_t next = 0; next < groups.size();) {
    CollectFilter filter;
    filter.groups.assign(groups.size(), false);
    std::uint64_t rows = 0;
    for (; next < groups.size(); ++next) {
      const GroupAccount& group = groups[next];
      if (group.source == group.target) continue;
      const std::uint64_t more = group.source.rows() + group.target.rows();
      if (rows > 0 && rows + more > room) break;
      filter.groups[next] = true;
      rows += more;
    }
    if (rows == 0) continue;
    PGFANOUT_TRY_ASSIGN(BothSides sides, access_.open_sides());
    PGFANOUT_TRY_ASSIGN(CollectedSides collected,
                        run_collection(std::move(sides), filter, counters_, cancellation_));
    PGFANOUT_TRY(take_collected(surplus_of(std::move(collected))));
  }
  return {};
}

/// Rows that were set aside are not missing.
Result<void> DifferenceFinder::take_out_set_aside(std::vector<CollectedRow>& rows) {
  if (access_.set_aside.empty()) return {};
  PGFANOUT_TRY_ASSIGN(const auto addresses,
                      source_.resolve(access_.source_ranges, places_of(rows)));
  std::vector<CollectedRow> left;
  for (std::size_t at = 0; at < rows.size(); ++at) {
    if (is_set_aside(addresses[at])) {
      ++found_.set_aside;
    } else {
      left.push_back(rows[at]);
    }
  }
  rows = std::move(left);
  return {};
}

/// Counts all, fetches as many as are still to be named.
Result<void> DifferenceFinder::take_collected(CollectedSides rows) {
  const std::size_t room = max_named_ - std::min(max_named_, found_.rows.size());
  const bool fits = rows.source.size() + rows.target.size() <= 2 * room;
  const auto is_misplaced = [](const CollectedRow& row) { return row.is_misplaced; };
  const auto misplaced = std::count_if(rows.target.begin(), rows.target.end(), is_misplaced);
  const std::uint64_t otherwise = counted_otherwise_ + static_cast<std::uint64_t>(misplaced);
  if (!fits) {
    PGFANOUT_TRY(take_out_set_aside(rows.source));
    const std::uint64_t changed = plan_.identity == IdentityKind::row ? 0 : pairs_of(rows);
    found_.counts.changed += changed;
    found_.counts.missing += rows.source.size() - changed;
    found_.counts.extra += rows.target.size() - changed;
    rows.source.resize(std::min(rows.source.size(), room));
    rows.target.resize(std::min(rows.target.size(), room));
  }
  FetchedSides fetched;
  PGFANOUT_TRY_ASSIGN(const auto in_source,
                      source_.resolve(access_.source_ranges, places_of(rows.source)));
  PGFANOUT_TRY_ASSIGN(fetched.source, source_.fetch(in_source));
  PGFANOUT_TRY_ASSIGN(const auto in_target,
                      target_.resolve(access_.target_ranges, places_of(rows.target)));
  PGFANOUT_TRY_ASSIGN(fetched.target, target_.fetch(in_target));
  const Differences exact = found_.counts;
  add_pairs(std::move(fetched));
  counted_otherwise_ = otherwise;
  if (!fits) found_.counts = exact;
  return {};
}

/// Rows of both sides that the other lacks, sorted by identity: those of one identity are one
/// changed row.
void DifferenceFinder::add_pairs(FetchedSides rows) {
  auto a = rows.source.begin();
  auto b = rows.target.begin();
  const bool has_identity = plan_.identity != IdentityKind::row;
  const auto who = [](const FetchedRow& row) {
    return std::tuple(row.name.identity.high, row.name.identity.low);
  };
  while (a != rows.source.end() || b != rows.target.end()) {
    const bool has_a = a != rows.source.end();
    const bool has_b = b != rows.target.end();
    if (has_a && has_b && has_identity && who(*a) == who(*b)) {
      ++found_.counts.changed;
      if (b->is_misplaced) ++counted_otherwise_;
      add("changed", std::move(*a++), std::move(*b++));
    } else if (has_a && (!has_b || !(who(*b) < who(*a)))) {
      if (is_set_aside(a->address)) {
        ++found_.set_aside;
        ++a;
      } else {
        ++found_.counts.missing;
        add("missing", std::move(*a++), std::nullopt);
      }
    } else {
      ++found_.counts.extra;
      if (b->is_misplaced) ++counted_otherwise_;
      add("extra", std::nullopt, std::move(*b++));
    }
  }
}

/// Rows with a wrong key or in a wrong leaf whose content is right; the others are named already.
Result<void> DifferenceFinder::add_misplaced(const Comparison& books) {
  found_.counts.misplaced += books.misplaced_count() - counted_otherwise_;
  std::vector<RowAddress> named;
  for (const FoundDifference& difference : found_.rows) {
    if (difference.target) named.push_back(difference.target->address);
  }
  std::sort(named.begin(), named.end());
  std::vector<RowAddress> others;
  std::set_difference(misplaced_.begin(), misplaced_.end(), named.begin(), named.end(),
                      std::back_inserter(others));
  others.resize(std::min(others.size(), max_named_ - std::min(max_named_, found_.rows.size())));
  PGFANOUT_TRY_ASSIGN(std::vector<FetchedRow> rows, target_.fetch(others));
  for (FetchedRow& row : rows) add("misplaced", std::nullopt, std::move(row));
  return {};
}

void DifferenceFinder::add(std::string kind, std::optional<FetchedRow> source,
                           std::optional<FetchedRow> target) {
  if (found_.rows.size() >= max_named_) return;
  FoundDifference difference;
  difference.named.kind = std::move(kind);
  const FetchedRow& any = source ? *source : *target;
  for (std::size_t at = 0; at < any.identity.size(); ++at) {
    const ComparedColumn& column = plan_.columns[at];
    difference.named.identity.push_back(
        {column.name, any.identity[at], is_integer_type(column.type_oid)});
  }
  if (source) difference.named.source = text_of(Side::source, source->address);
  if (target) difference.named.target = text_of(Side::target, target->address);
  if (source && target) {
    for (std::size_t at = 0; at < plan_.columns.size(); ++at) {
      if (source->column_hashes[at] != target->column_hashes[at]) {
        difference.named.columns.push_back(plan_.columns[at].name);
      }
    }
  }
  difference.source = std::move(source);
  difference.target = std::move(target);
  found_.rows.push_back(std::move(difference));
}

bool DifferenceFinder::is_set_aside(const RowAddress& address) const {
  return std::binary_search(access_.set_aside.begin(), access_.set_aside.end(),
                            text_of(Side::source, address));
}

std::string DifferenceFinder::text_of(Side side, const RowAddress& address) const {
  return table_of(plan_, side).leaves[address.leaf].qualified + " " + address.ctid;
}

}  // namespace pgfanout
