#include "copier/verify/row_fetcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "copier/base/byte_order.h"

namespace pgfanout {
namespace {

constexpr std::size_t kRowsAtOnce = 200;

Error vanished(const Table& table) {
  Error error = interrupted("row-vanished", "a row that was read is not there any more",
                            "verify again while nothing changes the tables", table.qualified);
  error.consequence = Consequence::unproven;
  return error;
}

void append_be32(std::string& bytes, std::uint32_t value) {
  std::uint8_t word[4];
  store_be32(word, value);
  bytes.append(reinterpret_cast<const char*>(word), sizeof word);
}

/// One-dimensional arrays in binary form, one for each identity column.
std::vector<Parameter> identity_arrays(const VerifyPlan& plan,
                                       const std::vector<std::string>& identities) {
  std::vector<Parameter> arrays;
  std::size_t offset = 0;
  for (std::size_t column = 0; column < plan.identity_columns; ++column) {
    std::string bytes;
    append_be32(bytes, 1);  // Dimensions.
    append_be32(bytes, 0);  // No NULL.
    append_be32(bytes, plan.columns[column].type_oid);
    append_be32(bytes, static_cast<std::uint32_t>(identities.size()));
    append_be32(bytes, 1);  // Lower bound.
    std::size_t length = 0;
    for (const std::string& identity : identities) {
      length = 4 + load_be32(reinterpret_cast<const std::uint8_t*>(identity.data()) + offset);
      bytes.append(identity, offset, length);
    }
    offset += length;
    arrays.emplace_back(std::move(bytes));
  }
  return arrays;
}

std::string tid_array(const std::vector<RowAddress>& addresses,
                      std::span<const std::size_t> chosen) {
  std::string text = "{";
  for (const std::size_t at : chosen) {
    text += fmt::format("{}\"{}\"", text.size() > 1 ? "," : "", addresses[at].ctid);
  }
  return text + "}";
}

}  // namespace

Result<std::vector<RowAddress>> RowFetcher::locate(const std::vector<std::string>& identities) {
  const Table& table = table_of(plan_, side_);
  std::string arrays;
  std::string names;
  std::string values;
  std::string conditions;
  for (std::size_t at = 0; at < plan_.identity_columns; ++at) {
    const ComparedColumn& column = plan_.columns[at];
    const std::string separator = at == 0 ? "" : ", ";
    arrays += fmt::format("{}unnest(${}::{}[])", separator, at + 1, column.type_sql);
    names += fmt::format("{}wanted_{}", separator, at + 1);
    values += fmt::format(", ({}) AS value_{}", sql_of(column, side_), at + 1);
    conditions += fmt::format("{0}t.value_{1} = k.wanted_{1}", at == 0 ? "" : " AND ", at + 1);
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
              " FROM ROWS FROM ({}) AS k ({}) JOIN (SELECT tableoid AS leaf, ctid AS place{}"
              " FROM {}{}) AS t ON {}",
              arrays, names, values, table.kind == 'p' ? "" : "ONLY ", table.qualified, conditions),
          identity_arrays(plan_, identities)));
  std::vector<RowAddress> found;
  for (int row = 0; row < rows.size(); ++row) {
    const auto leaf = leaf_of_oid.find(rows.oid(row, 0));
    if (leaf == leaf_of_oid.end()) return vanished(table);
    found.push_back({leaf->second, rows.str(row, 1)});
  }
  // Identities of other bytes may be equal to the server (0 and -0): both lead to the same rows.
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
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
    if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
    const SourceRange& range = ranges[number];
    std::map<std::uint64_t, std::string> ctids;
    std::string ordinals = "{";
    for (const std::size_t at : members) {
      ordinals += fmt::format("{}{}", ordinals.size() > 1 ? "," : "", places[at].row);
    }
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        connection_.query(
            fmt::format("SELECT n - 1, ctid FROM (SELECT row_number() OVER () AS n, ctid"
                        " FROM ONLY {}{}) AS numbered WHERE n - 1 = ANY ($1::int8[])",
                        table.leaves[range.leaf].qualified, range_condition(range)),
            {ordinals + "}"}));
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
  std::string bytes;
  std::size_t identity_end = 0;
  for (std::size_t column = 0; column < plan_.columns.size(); ++column) {
    if (column == plan_.identity_columns) identity_end = bytes.size();
    const int at = static_cast<int>(column);
    if (rows.is_null(row, at)) {
      append_be32(bytes, UINT32_MAX);
      continue;
    }
    const std::string_view value = rows.text(row, at);
    append_be32(bytes, static_cast<std::uint32_t>(value.size()));
    bytes.append(value);
    for (const OidPatch& patch : layout_of(plan_, side_).oid_patches) {
      if (patch.field != column || value.size() < 12) continue;
      store_be32(reinterpret_cast<std::uint8_t*>(bytes.data()) + bytes.size() - value.size() + 8,
                 patch.to_oid);
    }
  }
  if (plan_.identity_columns == plan_.columns.size()) identity_end = bytes.size();
  const ByteView whole(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return row_name(plan_.identity, whole.first(identity_end), row_digest(whole));
}

/// Fetches in pieces of one leaf each: compared columns, identity as text, ctid, then `more`.
template <class Row, class Take>
Result<std::vector<Row>> RowFetcher::fetch_with(const std::vector<RowAddress>& addresses,
                                                const std::string& more, Take take) {
  const Table& table = table_of(plan_, side_);
  std::vector<std::size_t> order(addresses.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return addresses[a].leaf < addresses[b].leaf;
  });
  std::string list;
  for (const ComparedColumn& column : plan_.columns) list += sql_of(column, side_) + ", ";
  std::vector<Row> fetched(addresses.size());
  for (std::size_t begin = 0; begin < order.size();) {
    if (cancellation_.is_set()) return interrupted("cancelled", "stopped on request");
    const std::uint32_t leaf = addresses[order[begin]].leaf;
    std::size_t end = begin;
    std::map<std::string, std::vector<std::size_t>, std::less<>> wanted;
    while (end < order.size() && end - begin < kRowsAtOnce && addresses[order[end]].leaf == leaf) {
      wanted[addresses[order[end]].ctid].push_back(order[end]);
      ++end;
    }
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        connection_.query_binary(fmt::format(
                            "SELECT {}ctid::text{} FROM ONLY {} WHERE ctid = ANY ('{}'::tid[])",
                            list, more, table.leaves[leaf].qualified,
                            tid_array(addresses, std::span(order).subspan(begin, end - begin)))));
    if (rows.size() != static_cast<int>(wanted.size())) return vanished(table);
    const int ctid_column = static_cast<int>(plan_.columns.size());
    for (int row = 0; row < rows.size(); ++row) {
      const auto found = wanted.find(rows.text(row, ctid_column));
      if (found == wanted.end()) return vanished(table);
      for (const std::size_t at : found->second) fetched[at] = take(rows, row, addresses[at]);
    }
    begin = end;
  }
  return fetched;
}

Result<std::vector<FetchedRow>> RowFetcher::fetch(const std::vector<RowAddress>& addresses) {
  std::string identity;
  for (std::size_t at = 0; at < plan_.identity_columns; ++at) {
    identity += fmt::format(", ({})::text", sql_of(plan_.columns[at], side_));
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
          fetched.identity.push_back(rows.is_null(row, column) ? Parameter()
                                                               : Parameter(rows.str(row, column)));
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
      if (value) store_be32(reinterpret_cast<std::uint8_t*>(value->data()) + 8, patch.to_oid);
    }
    return fetched;
  });
}

}  // namespace pgfanout
