#include "copier/verify/difference_finder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <span>
#include <tuple>

#include "copier/base/byte_order.h"
#include "copier/base/lists.h"
#include "copier/catalog/type_catalog.h"
#include "copier/journal/reject_table.h"
#include "copier/key/key_plan.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

/// Bytes that the second pass keeps of each row.
constexpr std::uint64_t kNoteBytes = sizeof(CollectedRow);

/// Of copies, a difference of lists leaves the last ones: those that are misplaced.
bool is_sorted_before(const FetchedRow& a, const FetchedRow& b) {
  return std::tie(a.name, a.is_misplaced) < std::tie(b.name, b.is_misplaced);
}

RowDigest digest_at(const std::uint32_t* words) {
  return {words[0] | static_cast<std::uint64_t>(words[1]) << 32U,
          words[2] | static_cast<std::uint64_t>(words[3]) << 32U};
}

std::vector<FetchedRow> difference_of(const std::vector<FetchedRow>& a,
                                      const std::vector<FetchedRow>& b) {
  std::vector<FetchedRow> left;
  std::ranges::set_difference(a, b, std::back_inserter(left), {}, &FetchedRow::name,
                              &FetchedRow::name);
  return left;
}

/// Of two sorted lists of rows, those of the first that make no pair of equal identity with one of
/// the second.
template <class Row>
std::vector<std::size_t> without_pair(const std::vector<Row>& a, const std::vector<Row>& b) {
  std::vector<std::size_t> alone;
  auto other = b.begin();
  for (std::size_t at = 0; at < a.size(); ++at) {
    while (other != b.end() && other->name.identity < a[at].name.identity) ++other;
    if (other != b.end() && other->name.identity == a[at].name.identity) {
      ++other;
    } else {
      alone.push_back(at);
    }
  }
  return alone;
}

/// All rows that those of a list stand for.
std::uint64_t count_of(const std::vector<CollectedRow>& rows) {
  return sum_of(rows, &CollectedRow::copies);
}

/// How many pairs of equal identity two sorted lists of rows make.
std::uint64_t pairs_of(const CollectedSides& rows) {
  std::uint64_t pairs = 0;
  auto a = rows.source.begin();
  auto b = rows.target.begin();
  const auto pass = [&](auto& at, auto end, const auto& identity) {
    std::uint64_t copies = 0;
    for (; at != end && at->name.identity == identity; ++at) copies += at->copies;
    return copies;
  };
  while (a != rows.source.end() && b != rows.target.end()) {
    if (a->name.identity < b->name.identity) {
      ++a;
    } else if (b->name.identity < a->name.identity) {
      ++b;
    } else {
      const auto identity = a->name.identity;
      const std::uint64_t of_source = pass(a, rows.source.end(), identity);
      pairs += std::min(of_source, pass(b, rows.target.end(), identity));
    }
  }
  return pairs;
}

constexpr std::size_t kRowsAtOnce = 200;

Error vanished(const Table& table) {
  return unproven("row-vanished", "a row that was read no longer exists",
                  "verify again while nothing changes the tables", table.qualified);
}

void append_be32(std::string& bytes, std::uint32_t value) {
  std::uint8_t word[4];
  store_be32(word, value);
  bytes.append(reinterpret_cast<const char*>(word), sizeof word);
}

/// One-dimensional arrays in binary form, one for each identity column. `types`: OIDs of these.
std::vector<Parameter> identity_arrays(const std::vector<std::uint32_t>& types,
                                       const std::vector<std::string>& identities) {
  std::vector<Parameter> arrays;
  // Where each identity goes on: values may be of any width.
  std::vector<std::size_t> offsets(identities.size());
  for (const std::uint32_t type : types) {
    std::string bytes;
    append_be32(bytes, 1);  // Dimensions.
    append_be32(bytes, 0);  // No NULL.
    append_be32(bytes, type);
    append_be32(bytes, static_cast<std::uint32_t>(identities.size()));
    append_be32(bytes, 1);  // Lower bound.
    for (std::size_t at = 0; at < identities.size(); ++at) {
      const std::string& identity = identities[at];
      const std::size_t length =
          4 + load_be32(reinterpret_cast<const std::uint8_t*>(identity.data()) + offsets[at]);
      bytes.append(identity, offsets[at], length);
      offsets[at] += length;
    }
    arrays.emplace_back(std::move(bytes));
  }
  return arrays;
}

}  // namespace

/// The types are the target's. A type that a user made has another OID in another database.
Result<std::vector<std::uint32_t>> RowFetcher::identity_types() {
  constexpr std::uint32_t kFirstOfUsers = 16384;
  std::vector<std::uint32_t> types;
  for (std::size_t at = 0; at < plan_.identity_columns; ++at) {
    types.push_back(plan_.columns[at].type_oid);
    if (types.back() < kFirstOfUsers || side_ == Side::target || plan_.same_database) continue;
    PGFANOUT_TRY_ASSIGN(const Rows here,
                        connection_.query("SELECT $1::regtype::oid", {plan_.columns[at].type_sql}));
    types.back() = here.oid(0, 0);
  }
  return types;
}

Result<std::vector<RowAddress>> RowFetcher::locate(const std::vector<std::string>& identities,
                                                   bool by_key) {
  constexpr std::uint32_t kInt8 = 20;
  PGFANOUT_TRY_ASSIGN(std::vector<std::uint32_t> types, identity_types());
  const Table& table = table_of(plan_, side_);
  std::vector<std::string> arrays;
  std::vector<std::string> names;
  std::vector<std::string> values;
  std::vector<std::string> conditions;
  const auto match = [&](const std::string& type_sql, const std::string& value) {
    const std::size_t at = arrays.size() + 1;
    arrays.push_back(fmt::format("unnest(${}::{}[])", at, type_sql));
    names.push_back(fmt::format("wanted_{}", at));
    values.push_back(fmt::format("({}) AS value_{}", value, at));
    conditions.push_back(fmt::format("t.value_{0} = k.wanted_{0}", at));
  };
  for (std::size_t at = 0; at < plan_.identity_columns; ++at) {
    match(plan_.columns[at].type_sql, sql_of(plan_.columns[at], side_));
  }
  if (by_key) {
    match("pg_catalog.int8", *plan_.target_key_column);
    types.push_back(kInt8);
  }
  std::map<std::uint32_t, std::uint32_t> leaf_of_oid;
  for (std::uint32_t leaf = 0; leaf < table.leaves.size(); ++leaf) {
    leaf_of_oid[table.leaves[leaf].oid] = leaf;
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection_.query_binary(
          // The table's own names stay inside the inner SELECT: none of them can be mistaken.
          fmt::format(
              "SELECT t.leaf::text, t.place::text"
              " FROM ROWS FROM ({}) AS k ({}) JOIN (SELECT tableoid AS leaf, ctid AS place, {}"
              " FROM {}{}) AS t ON {}",
              fmt::join(arrays, ", "), fmt::join(names, ", "), fmt::join(values, ", "),
              table.kind == 'p' || table.has_heirs() ? "" : "ONLY ", table.qualified,
              fmt::join(conditions, " AND ")),
          identity_arrays(types, identities)));
  std::vector<RowAddress> found;
  for (int row = 0; row < rows.size(); ++row) {
    const auto leaf = leaf_of_oid.find(rows.oid(row, 0));
    if (leaf == leaf_of_oid.end()) return vanished(table);
    found.push_back({leaf->second, rows.str(row, 1)});
  }
  // Identities of other bytes may be equal to the server (0 and -0): both lead to the same rows.
  sort_unique(found);
  return found;
}

/// One scan for each range: rows come in the order in which they were streamed.
Result<std::vector<RowAddress>> RowFetcher::resolve(const std::vector<SourceRange>& ranges,
                                                    const std::vector<RowPlace>& places) {
  const Table& table = table_of(plan_, side_);
  std::map<std::uint32_t, std::vector<std::size_t>> by_range;
  for (std::size_t at = 0; at < places.size(); ++at) by_range[places[at].range].push_back(at);
  std::vector<RowAddress> addresses(places.size());
  for (const auto& [number, members] : by_range) {
    if (cancellation_.is_set()) return cancelled();
    const SourceRange& range = ranges[number];
    std::map<std::uint64_t, std::string> ctids;
    const auto ordinals = parts_of(members, [&](std::size_t at) { return places[at].row; });
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        connection_.query(
            fmt::format("SELECT n - 1, ctid FROM (SELECT row_number() OVER () AS n, ctid"
                        " FROM ONLY {}{}) AS numbered WHERE n - 1 = ANY ($1::int8[])",
                        table.leaves[range.leaf].qualified, stream_condition(plan_, side_, range)),
            {fmt::format("{{{}}}", fmt::join(ordinals, ","))}));
    for (int row = 0; row < rows.size(); ++row) {
      ctids[static_cast<std::uint64_t>(rows.integer(row, 0))] = rows.str(row, 1);
    }
    for (const std::size_t at : members) {
      const auto ctid = ctids.find(places[at].row);
      if (ctid == ctids.end()) return vanished(table);
      addresses[at] = {range.leaf, ctid->second};
    }
  }
  return addresses;
}

/// The digest of a fetched row is made as that of a streamed one: fields with their length words.
RowName RowFetcher::name_of(const Rows& rows, int row) const {
  RowDigester digester;  // Of values where they are: a row may be large.
  RowDigest identity;
  std::string patched;
  const auto add_word = [&digester](std::size_t value) {
    std::uint8_t word[4];
    store_be32(word, static_cast<std::uint32_t>(value));
    digester.add(word);
  };
  for (std::size_t column = 0; column < plan_.columns.size(); ++column) {
    if (column == plan_.identity_columns) identity = digester.digest();
    const int at = static_cast<int>(column);
    if (rows.is_null(row, at)) {
      add_word(UINT32_MAX);
      continue;
    }
    ByteView value = as_bytes(rows.text(row, at));
    add_word(value.size());
    for (const OidPatch& patch : layout_of(plan_, side_).oid_patches) {
      if (patch.field != column) continue;
      // A value of another form keeps its bytes, and so has another digest than the streamed row.
      patched = as_text(value);
      (void)rewrite_oids(patch.shape,
                         {reinterpret_cast<std::uint8_t*>(patched.data()), patched.size()});
      value = as_bytes(patched);
    }
    digester.add(value);
  }
  const RowDigest whole = digester.digest();
  if (plan_.identity_columns == plan_.columns.size()) identity = whole;
  return {plan_.identity == IdentityKind::row ? whole : identity, whole};
}

/// Fetches in pieces of one leaf each: compared columns, identity as text, ctid, then `more`.
template <class Row, class Take>
Result<std::vector<Row>> RowFetcher::fetch_with(const std::vector<RowAddress>& addresses,
                                                const std::string& more, Take take) {
  const Table& table = table_of(plan_, side_);
  std::vector<std::size_t> order(addresses.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return addresses[a].leaf < addresses[b].leaf; });
  std::string list;
  for (const ComparedColumn& column : plan_.columns) list += sql_of(column, side_) + ", ";
  std::vector<Row> fetched(addresses.size());
  for (std::size_t begin = 0; begin < order.size();) {
    if (cancellation_.is_set()) return cancelled();
    const std::uint32_t leaf = addresses[order[begin]].leaf;
    std::size_t end = begin;
    std::map<std::string, std::vector<std::size_t>, std::less<>> wanted;
    while (end < order.size() && end - begin < kRowsAtOnce && addresses[order[end]].leaf == leaf) {
      wanted[addresses[order[end]].ctid].push_back(order[end]);
      ++end;
    }
    const std::string sql = fmt::format(
        "SELECT {}ctid::pg_catalog.text{} FROM ONLY {} WHERE ctid OPERATOR(pg_catalog.=)"
        " ANY ('{}'::pg_catalog.tid[])",
        list, more, table.leaves[leaf].qualified,
        text_array(parts_of(std::span(order).subspan(begin, end - begin),
                            [&](std::size_t at) { return addresses[at].ctid; })));
    const int ctid_column = static_cast<int>(plan_.columns.size());
    std::size_t found_rows = 0;
    const auto take_row = [&](const Rows& rows) -> Result<void> {
      const auto found = wanted.find(rows.text(0, ctid_column));
      if (found == wanted.end()) return vanished(table);
      for (const std::size_t at : found->second) fetched[at] = take(rows, 0, addresses[at]);
      ++found_rows;
      return {};
    };
    PGFANOUT_TRY(with_search_path(connection_, table.application.sql,
                                  [&] { return connection_.query_binary_each(sql, take_row); }));
    if (found_rows != wanted.size()) return vanished(table);
    begin = end;
  }
  return fetched;
}

Result<std::vector<FetchedRow>> RowFetcher::fetch(const std::vector<RowAddress>& addresses) {
  std::string identity;
  for (std::size_t at = 0; at < plan_.identity_columns; ++at) {
    identity += fmt::format(", ({})::pg_catalog.text", sql_of(plan_.columns[at], side_));
  }
  return fetch_with<FetchedRow>(
      addresses, identity, [&](const Rows& rows, int row, const RowAddress& address) {
        FetchedRow fetched{address, name_of(rows, row), {}, {}, false};
        const std::size_t columns = plan_.columns.size();
        for (std::size_t at = 0; at < columns; ++at) {
          const std::string_view value = rows.text(row, static_cast<int>(at));
          const RowDigest hash =
              row_digest({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
          fetched.column_hashes.push_back(rows.is_null(row, static_cast<int>(at)) ? 0
                                                                                  : hash.low | 1U);
        }
        for (std::size_t at = 0; at < plan_.identity_columns; ++at) {
          const int column = static_cast<int>(columns + 1 + at);
          fetched.identity.push_back(
              rows.is_null(row, column)
                  ? Parameter()
                  : Parameter(connection_.text_encoding().to_utf8(rows.text(row, column))));
        }
        return fetched;
      });
}

Result<std::vector<RowValues>> RowFetcher::fetch_values(const std::vector<RowAddress>& addresses) {
  return fetch_with<RowValues>(addresses, "", [&](const Rows& rows, int row, const RowAddress&) {
    RowValues fetched{name_of(rows, row), {}};
    for (int at = 0; at < static_cast<int>(plan_.columns.size()); ++at) {
      fetched.values.push_back(rows.is_null(row, at) ? Parameter() : Parameter(rows.str(row, at)));
    }
    for (const OidPatch& patch : layout_of(plan_, side_).oid_patches) {
      Parameter& value = fetched.values[patch.field];
      if (!value) continue;
      (void)rewrite_oids(patch.shape,
                         {reinterpret_cast<std::uint8_t*>(value->data()), value->size()});
    }
    return fetched;
  });
}

Result<std::vector<std::string>> RowFetcher::fetch_digests(
    const std::vector<RowAddress>& addresses) {
  const std::string digest =
      reject_digest_sql(parts_of(plan_.columns, [](const ComparedColumn& column) {
        return std::pair(column.name, column.source_sql);
      }));
  std::map<RowAddress, std::vector<std::size_t>> wanted;
  for (std::size_t at = 0; at < addresses.size(); ++at) wanted[addresses[at]].push_back(at);
  std::vector<std::string> digests(addresses.size());
  for (auto next = wanted.begin(); next != wanted.end();) {
    if (cancellation_.is_set()) return cancelled();
    const std::uint32_t leaf = next->first.leaf;
    std::vector<std::string> tids;
    for (; next != wanted.end() && tids.size() < kRowsAtOnce; ++next) {
      if (next->first.leaf != leaf) break;
      tids.push_back(next->first.ctid);
    }
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        connection_.query(
            fmt::format("SELECT ctid::text, {} FROM ONLY {} WHERE ctid = ANY ('{}'::tid[])", digest,
                        table_of(plan_, side_).leaves[leaf].qualified, text_array(tids))));
    for (int row = 0; row < rows.size(); ++row) {
      for (const std::size_t at : wanted[{leaf, rows.str(row, 0)}]) digests[at] = rows.str(row, 1);
    }
  }
  return digests;
}

namespace {

class DifferenceFinder {
 public:
  /// Connections are in transactions under the snapshots that were streamed.
  DifferenceFinder(const VerifyPlan& plan, VerifySides& sides, Connection& source,
                   Connection& target, SetAsideDigests set_aside, std::size_t max_named,
                   std::uint64_t memory_bytes, JobCounters& counters,
                   const Cancellation& cancellation)
      : plan_(plan),
        sides_(sides),
        max_named_(max_named),
        memory_bytes_(memory_bytes),
        counters_(counters),
        cancellation_(cancellation),
        source_(plan, Side::source, source, cancellation),
        target_(plan, Side::target, target, cancellation),
        set_aside_(std::move(set_aside)) {}

  Result<FoundDifferences> find(DifferenceSketch sketch, const Comparison& books) {
    const DifferenceSketch::Answer answer = std::move(sketch).peel();
    found_.is_complete = answer.is_complete;
    PGFANOUT_TRY_ASSIGN(misplaced_,
                        target_.resolve(sides_.ranges(Side::target), books.misplaced()));
    std::ranges::sort(misplaced_);
    const bool has_all_places = misplaced_.size() == books.misplaced_count();
    const bool can_look_up = plan_.identity != IdentityKind::fixed ||
                             std::ranges::none_of(answer.differences, [](const auto& found) {
                               return found.element.front() == RowElements::kNoIdentity;
                             });
    if (!answer.is_complete || !can_look_up || !has_all_places) {
      PGFANOUT_TRY(find_by_group(books));
    } else if (!answer.differences.empty()) {
      PGFANOUT_TRY(plan_.identity == IdentityKind::fixed ? find_by_identity(answer.differences)
                                                         : find_by_name(answer.differences));
    }
    PGFANOUT_TRY(add_misplaced(books));
    gap_.merge(books.total(Side::target));
    found_.adds_up = gap_ == books.total(Side::source);
    return std::move(found_);
  }

 private:
  struct FetchedSides {
    std::vector<FetchedRow> source;
    std::vector<FetchedRow> target;
  };
  /// All rows of either side that have an identity which occurs in the difference.
  Result<void> find_by_identity(const std::vector<DifferenceSketch::Difference>& elements) {
    std::vector<std::string> identities;
    for (const auto& difference : elements) {
      std::string bytes(plan_.identity_bytes, '\0');
      std::memcpy(bytes.data(), difference.element.data(), bytes.size());
      identities.push_back(std::move(bytes));
    }
    sort_unique(identities);
    const auto look_up = [&](RowFetcher& side) -> Result<std::vector<FetchedRow>> {
      PGFANOUT_TRY_ASSIGN(const auto addresses, side.locate(identities));
      return side.fetch(addresses);
    };
    FetchedSides rows;
    // One after the other: a large row is held once.
    PGFANOUT_TRY_ASSIGN(rows.source, look_up(source_));
    PGFANOUT_TRY_ASSIGN(rows.target, look_up(target_));
    for (FetchedRow& row : rows.target) {
      row.is_misplaced = std::binary_search(misplaced_.begin(), misplaced_.end(), row.address);
    }
    std::ranges::sort(rows.source, is_sorted_before);
    std::ranges::sort(rows.target, is_sorted_before);
    FetchedSides left{difference_of(rows.source, rows.target),
                      difference_of(rows.target, rows.source)};
    account(left.source, left.target);
    PGFANOUT_TRY(take_out_set_aside(left.source, left.target, [&](const auto& alone) {
      return Result<std::vector<RowAddress>>(
          parts_of(alone, [&](std::size_t at) { return left.source[at].address; }));
    }));
    add_pairs(std::move(left));
    return {};
  }

  /// The sketch knows hashes only: another pass finds the rows that have them.
  Result<void> find_by_name(const std::vector<DifferenceSketch::Difference>& elements) {
    CollectFilter filter;
    for (const auto& difference : elements) {
      const std::uint32_t* words = difference.element.data();
      const RowDigest digest = digest_at(words + difference.element.size() - 4);
      filter.wanted.insert(
          {plan_.identity == IdentityKind::row ? digest : digest_at(words), digest});
    }
    PGFANOUT_TRY_ASSIGN(CollectedSides rows, collect(std::move(filter)));
    return take_collected(std::move(rows));
  }

  /// More differs than the sketch can name: all rows of the groups that differ are looked at. A
  /// group of more rows than memory holds is cut into buckets, of which only those that differ are.
  Result<void> find_by_group(const Comparison& books) {
    const std::vector<GroupAccount>& groups = books.groups();
    CollectFilter small;
    CollectFilter large;
    small.groups.assign(groups.size(), false);
    large.groups = small.groups;
    for (std::size_t at = 0; at < groups.size(); ++at) {
      if (groups[at].source == groups[at].target) continue;
      (rows_of(groups[at]) <= room() ? small : large).groups[at] = true;
    }
    PGFANOUT_TRY(find_within(groups, small, &CollectFilter::groups));
    if (!contains(large.groups, true)) return {};
    const auto buckets = std::max<std::uint64_t>(64, memory_bytes_ / 4 / sizeof(GroupAccount));
    PGFANOUT_TRY_ASSIGN(BothSides sides, sides_.streams(plan_));
    PGFANOUT_TRY_ASSIGN(
        const std::vector<GroupAccount> accounts,
        run_bucket_count(std::move(sides), large.groups, buckets, counters_, cancellation_));
    large.buckets.assign(buckets, true);
    return find_within(accounts, large, &CollectFilter::buckets);
  }

  /// Looks at all rows of the parts (groups or buckets) that differ and are marked in `chosen`, as
  /// many at a time as memory holds.
  Result<void> find_within(const std::vector<GroupAccount>& parts, const CollectFilter& chosen,
                           std::vector<bool> CollectFilter::*marks) {
    for (std::size_t next = 0; next < parts.size();) {
      CollectFilter filter = chosen;
      (filter.*marks).assign(parts.size(), false);
      std::uint64_t rows = 0;
      for (; next < parts.size(); ++next) {
        const GroupAccount& part = parts[next];
        if (part.source == part.target || !(chosen.*marks)[next] || is_counted(part)) continue;
        if (rows > 0 && rows + rows_of(part) > room()) break;
        (filter.*marks)[next] = true;
        rows += rows_of(part);
      }
      if (rows == 0) continue;
      PGFANOUT_TRY_ASSIGN(CollectedSides collected, collect(std::move(filter)));
      PGFANOUT_TRY(take_collected(std::move(collected)));
    }
    return {};
  }

  /// Rows of either side that the other lacks.
  template <class Row>
  void account(const std::vector<Row>& source, const std::vector<Row>& target) {
    MultisetDigest extra;
    const auto add = [](MultisetDigest& to, const Row& row) {
      for (std::uint64_t copy = 0; copy < row.copies; ++copy) to.add(row.name.digest);
    };
    for (const Row& row : source) add(gap_, row);
    for (const Row& row : target) add(extra, row);
    gap_.subtract(extra);
  }

  /// Rows that were set aside are not missing: each of the reject table stands for one that has its
  /// content. `addresses_of` takes indexes into `source`.
  template <class Row, class AddressesOf>
  Result<void> take_out_set_aside(std::vector<Row>& source, const std::vector<Row>& target,
                                  AddressesOf addresses_of) {
    constexpr std::size_t kAtOnce = 10'000;
    if (set_aside_.empty()) return {};
    const std::vector<std::size_t> all = without_pair(source, target);
    std::vector<bool> is_set_aside(source.size(), false);
    for (std::size_t begin = 0; begin < all.size(); begin += kAtOnce) {
      const std::span<const std::size_t> alone =
          std::span(all).subspan(begin, std::min(kAtOnce, all.size() - begin));
      PGFANOUT_TRY_ASSIGN(const std::vector<RowAddress> addresses, addresses_of(alone));
      PGFANOUT_TRY_ASSIGN(const std::vector<std::string> digests, source_.fetch_digests(addresses));
      for (std::size_t at = 0; at < alone.size(); ++at) {
        const auto found = set_aside_.find(digests[at]);
        if (found == set_aside_.end() || found->second == 0) continue;
        Row& row = source[alone[at]];
        const std::uint64_t taken = std::min(found->second, row.copies);
        found->second -= taken;
        found_.set_aside += taken;
        row.copies -= taken;
        is_set_aside[alone[at]] = row.copies == 0;
      }
    }
    std::size_t at = 0;
    std::erase_if(source, [&](const Row&) { return is_set_aside[at++]; });
    return {};
  }

  /// A part that the target lacks as a whole needs no look once enough rows are named.
  bool is_counted(const GroupAccount& part) {
    const bool needs_a_look =
        part.target.rows() > 0 || !set_aside_.empty() || found_.rows.size() < max_named_;
    if (!needs_a_look) {
      found_.counts.missing += part.source.rows();
      gap_.merge(part.source);
    }
    return !needs_a_look;
  }

  /// The rest of the rows that the filter lets through.
  Result<CollectedSides> collect(CollectFilter filter) {
    filter.rows_before_merging = room();
    // So many that all copies of which there are too many can be named.
    filter.kept_copies = 2 * max_named_ + 1;
    PGFANOUT_TRY_ASSIGN(BothSides sides, sides_.streams(plan_));
    PGFANOUT_TRY_ASSIGN(CollectedSides rows,
                        run_collection(std::move(sides), filter, counters_, cancellation_));
    return surplus_of(std::move(rows));
  }

  /// Rows of both sides that are held at a time. The streams take as much again.
  [[nodiscard]] std::uint64_t room() const {
    return std::max<std::uint64_t>(1000, memory_bytes_ / 4 / kNoteBytes);
  }
  static std::uint64_t rows_of(const GroupAccount& part) {
    return part.source.rows() + part.target.rows();
  }

  /// Counts all, fetches as many as are still to be named.
  Result<void> take_collected(CollectedSides rows) {
    const std::size_t left = max_named_ - std::min(max_named_, found_.rows.size());
    account(rows.source, rows.target);
    PGFANOUT_TRY(take_out_set_aside(rows.source, rows.target, [&](const auto& alone) {
      const auto place_of = [&](std::size_t at) { return rows.source[at].place; };
      return source_.resolve(sides_.ranges(Side::source), parts_of(alone, place_of));
    }));
    const bool fits = count_of(rows.source) + count_of(rows.target) <= 2 * left;
    std::uint64_t otherwise = counted_otherwise_;
    for (const CollectedRow& row : rows.target) otherwise += row.is_misplaced ? row.copies : 0;
    if (!fits) {
      const std::uint64_t changed = pairs_of(rows);
      found_.counts.changed += changed;
      found_.counts.missing += count_of(rows.source) - changed;
      found_.counts.extra += count_of(rows.target) - changed;
      rows.source.resize(std::min(rows.source.size(), left));
      rows.target.resize(std::min(rows.target.size(), left));
    }
    FetchedSides fetched;
    PGFANOUT_TRY_ASSIGN(
        const auto in_source,
        source_.resolve(sides_.ranges(Side::source), parts_of(rows.source, &CollectedRow::place)));
    PGFANOUT_TRY_ASSIGN(fetched.source, source_.fetch(in_source));
    PGFANOUT_TRY_ASSIGN(
        const auto in_target,
        target_.resolve(sides_.ranges(Side::target), parts_of(rows.target, &CollectedRow::place)));
    PGFANOUT_TRY_ASSIGN(fetched.target, target_.fetch(in_target));
    const Differences exact = found_.counts;
    add_pairs(std::move(fetched));
    counted_otherwise_ = otherwise;
    if (!fits) found_.counts = exact;
    return {};
  }

  /// Rows of both sides that the other lacks, sorted by identity: those of one identity are one
  /// changed row.
  void add_pairs(FetchedSides rows) {
    auto a = rows.source.begin();
    auto b = rows.target.begin();
    while (a != rows.source.end() || b != rows.target.end()) {
      const bool has_a = a != rows.source.end();
      const bool has_b = b != rows.target.end();
      if (has_a && has_b && a->name.identity == b->name.identity) {
        ++found_.counts.changed;
        if (b->is_misplaced) ++counted_otherwise_;
        add("changed", std::move(*a++), std::move(*b++));
      } else if (has_a && (!has_b || a->name.identity <= b->name.identity)) {
        ++found_.counts.missing;
        add("missing", std::move(*a++), std::nullopt);
      } else {
        ++found_.counts.extra;
        if (b->is_misplaced) ++counted_otherwise_;
        add("extra", std::nullopt, std::move(*b++));
      }
    }
  }

  /// Rows with a wrong key or in a wrong leaf whose content is right; the others are named already.
  Result<void> add_misplaced(const Comparison& books) {
    found_.counts.misplaced += books.misplaced_count() - counted_otherwise_;
    std::vector<RowAddress> named;
    for (const FoundDifference& difference : found_.rows) {
      if (difference.target) named.push_back(difference.target->address);
    }
    std::ranges::sort(named);
    std::vector<RowAddress> others;
    std::set_difference(misplaced_.begin(), misplaced_.end(), named.begin(), named.end(),
                        std::back_inserter(others));
    others.resize(std::min(others.size(), max_named_ - std::min(max_named_, found_.rows.size())));
    PGFANOUT_TRY_ASSIGN(std::vector<FetchedRow> rows, target_.fetch(others));
    for (FetchedRow& row : rows) add("misplaced", std::nullopt, std::move(row));
    return {};
  }

  void add(std::string kind, std::optional<FetchedRow> source, std::optional<FetchedRow> target) {
    if (found_.rows.size() >= max_named_) return;
    FoundDifference difference;
    difference.named.kind = std::move(kind);
    const FetchedRow& any = source ? *source : *target;
    for (std::size_t at = 0; at < any.identity.size(); ++at) {
      const ComparedColumn& column = plan_.columns[at];
      difference.named.identity.push_back(
          {column.name, any.identity[at], is_key_integer(key_type_of_oid(column.type_oid))});
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

  [[nodiscard]] std::string text_of(Side side, const RowAddress& address) const {
    return table_of(plan_, side).leaves[address.leaf].qualified + " " + address.ctid;
  }

  const VerifyPlan& plan_;
  VerifySides& sides_;
  const std::size_t max_named_;
  const std::uint64_t memory_bytes_;
  JobCounters& counters_;
  const Cancellation& cancellation_;
  RowFetcher source_;
  RowFetcher target_;
  std::vector<RowAddress> misplaced_;    // Sorted; as many as the books name.
  std::uint64_t counted_otherwise_ = 0;  // Misplaced rows that are changed or extra as well.
  SetAsideDigests set_aside_;            // Those that no missing row was found for so far.
  MultisetDigest gap_;                   // Rows found in the source, less those in the target.
  FoundDifferences found_;
};

}  // namespace

Result<FoundDifferences> find_differences(const VerifyPlan& plan, VerifySides& sides,
                                          DifferenceSketch sketch, const Comparison& books,
                                          SetAsideDigests set_aside, std::size_t max_named,
                                          std::uint64_t memory_bytes, JobCounters& counters,
                                          const Cancellation& cancellation) {
  PGFANOUT_TRY_ASSIGN(Connection source, sides.join_snapshot(Side::source));
  PGFANOUT_TRY_ASSIGN(Connection target, sides.join_snapshot(Side::target));
  return DifferenceFinder(plan, sides, source, target, std::move(set_aside), max_named,
                          memory_bytes, counters, cancellation)
      .find(std::move(sketch), books);
}

}  // namespace pgfanout
