#include "copier/queries/layout_advice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/base/counted.h"
#include "copier/base/lists.h"
#include "copier/base/shell_word.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "hashing/key_expression.h"

namespace pgfanout {
namespace {

/// HASH spreads rows evenly enough where a leaf has that many values.
constexpr double kValuesOfLeaf = 10;
/// Less than that part of the leaves must be read for another layout to be named.
constexpr double kMuchLess = 0.5;

using Columns = std::set<std::string>;

/// A constant, or an array of constants.
bool is_fixed(std::string_view value) {
  const std::vector<SqlPiece> words = sql_words(value);
  std::size_t at = 0;
  const auto skips = [&](std::string_view word) { return at < words.size() && words[at].is(word); };
  if (at < words.size() && (words[at].text == "ANY" || words[at].text == "ARRAY")) ++at;
  while (skips("(")) ++at;
  if (at < words.size() && words[at].text == "ARRAY") ++at;
  while (skips("[") || skips("(")) ++at;
  return at < words.size() &&
         (words[at].kind == SqlPieceKind::literal || words[at].is("$") || words[at].is("-"));
}

PinnedColumns pinned_by(const std::vector<PlanCondition>& conditions) {
  constexpr std::string_view kBounds[] = {"<", "<=", ">", ">="};
  PinnedColumns pinned;
  for (const PlanCondition& condition : conditions) {
    if (condition.column.empty()) continue;
    if (condition.op == "IS NULL") pinned.equal.insert(condition.column);
    if (!is_fixed(condition.value)) continue;
    const bool is_list = condition.value.starts_with("ANY ");
    if (contains(kBounds, condition.op)) pinned.ranged.insert(condition.column);
    if (condition.op == "=") (is_list ? pinned.listed : pinned.equal).insert(condition.column);
  }
  return pinned;
}

void keep_common(Columns& columns, const Columns& others) {
  std::erase_if(columns, [&](const std::string& each) { return !others.contains(each); });
}

/// The part of a layout's leaves that a query reads.
double part_of(const std::string& leaves, std::uint32_t of) {
  if (leaves == "all") return 1;
  return leaves == "some" ? 0.5 : 1.0 / std::max(of, 2U);
}

double part_of(const LayoutCandidate& layout, const std::vector<LayoutQuery>& queries) {
  double part = 0;
  for (const LayoutQuery& query : queries) {
    part += query.calls * part_of(leaves_read(query, layout), layout.leaves);
  }
  return part;
}

bool may_hash(const LayoutFacts& facts, const Column& column) {
  const auto values = facts.distinct.find(column.name);
  const bool has_few = values != facts.distinct.end() &&
                       values->second < kValuesOfLeaf * std::max(facts.asked.leaves, 1U);
  return key_type_of_oid(column.base_type_oid) != KeyType::other && column.is_deterministic &&
         !has_few;
}

bool is_time(const Column& column) {
  const KeyType type = key_type_of_oid(column.base_type_oid);
  return type == KeyType::date || type == KeyType::timestamp || type == KeyType::timestamptz;
}

/// By the one column with which the queries read least; absent: none restricts the leaves.
template <class Predicate>
std::optional<LayoutCandidate> best_of(const LayoutFacts& facts, char strategy,
                                       std::string_view word, std::uint32_t leaves,
                                       const std::vector<LayoutQuery>& queries, Predicate fits) {
  std::optional<LayoutCandidate> best;
  double least = part_of(LayoutCandidate{}, queries);
  for (const Column& column : facts.columns) {
    if (column.generated != 0 || !fits(column)) continue;
    LayoutCandidate candidate{fmt::format("{} ({})", word, column.quoted),
                              strategy,
                              {column.name},
                              leaves,
                              changes_of(facts, {column.name})};
    const double part = part_of(candidate, queries);
    if (part >= least) continue;
    least = part;
    best = std::move(candidate);
  }
  return best;
}

}  // namespace

/// A heap scan has the conditions of its bitmap's nodes.
std::optional<PinnedColumns> pinned_columns(const QueryPlan& plan, const Columns& relations) {
  std::optional<PinnedColumns> common;
  for (const PlanScan& scan : plan.scans) {
    const bool reads = scan.node != "ModifyTable" && scan.node != "Bitmap Index Scan";
    if (!reads || !relations.contains(scan.relation)) continue;
    const PinnedColumns own = pinned_by(scan.conditions);
    if (common) {
      keep_common(common->equal, own.equal);
      keep_common(common->listed, own.listed);
      keep_common(common->ranged, own.ranged);
    } else {
      common = own;
    }
  }
  return common;
}

std::string leaves_read(const LayoutQuery& query, const LayoutCandidate& layout) {
  if (layout.columns.empty()) return layout.strategy != 0 && query.gives_key ? "1" : "all";
  const PinnedColumns& pinned = query.pinned;
  const auto all_in = [&](auto is_pinned) {
    return std::ranges::all_of(layout.columns, is_pinned);
  };
  if (all_in([&](const auto& each) { return pinned.equal.contains(each); })) return "1";
  const auto is_pinned = [&](const std::string& each) {
    return pinned.equal.contains(each) || pinned.listed.contains(each);
  };
  const std::string& first = layout.columns.front();
  const bool is_ordered = layout.strategy != 'h';
  const bool reads_some =
      is_ordered ? is_pinned(first) || pinned.ranged.contains(first) : all_in(is_pinned);
  return reads_some ? "some" : "all";
}

std::string changes_of(const LayoutFacts& facts, const std::vector<std::string>& columns) {
  const auto lacking = [&](const std::vector<std::string>& key) {
    std::vector<std::string> names;
    for (const std::string& column : columns) {
      if (!contains(key, column)) names.push_back(display_name(column));
    }
    return names;
  };
  std::vector<std::string> parts{"inserts unchanged"};
  if (!facts.primary_key.empty()) {
    const auto gained = lacking(facts.primary_key);
    parts.push_back(gained.empty() ? "primary key unchanged"
                                   : fmt::format("primary key gains {}", fmt::join(gained, ", ")));
  }
  const auto stay = std::ranges::count_if(facts.references,
                                          [&](const auto& key) { return lacking(key).empty(); });
  if (!facts.references.empty()) {
    parts.push_back(
        fmt::format("foreign keys to it: {} of {} stay", stay, facts.references.size()));
  }
  return joined(parts, "; ");
}

std::vector<LayoutOption> layout_options(const LayoutFacts& facts,
                                         const std::vector<LayoutQuery>& queries) {
  std::vector<LayoutCandidate> layouts{facts.asked};
  const auto add = [&](std::optional<LayoutCandidate> layout) {
    const auto is_same = [&](const LayoutCandidate& other) {
      return other.name == layout->name && (layout->leaves == 0 || other.leaves == layout->leaves);
    };
    if (layout && std::ranges::none_of(layouts, is_same)) layouts.push_back(*std::move(layout));
  };
  add(facts.present);
  const std::size_t first_other = layouts.size();
  if (facts.asked.strategy != 0) {
    add(best_of(facts, 'h', "HASH", facts.asked.leaves, queries,
                [&](const Column& column) { return may_hash(facts, column); }));
    add(best_of(facts, 'r', "RANGE", 0, queries, is_time));
  }
  std::vector<LayoutOption> options;
  for (const LayoutCandidate& layout : layouts) {
    LayoutOption& option = options.emplace_back(
        LayoutOption{layout.name, layout.leaves, false, false, false, {}, layout.changes});
    option.is_asked = options.size() == 1;
    option.is_present = layout.name == facts.present.name && layout.leaves == facts.present.leaves;
    for (const LayoutQuery& query : queries) {
      option.reads.push_back({query.name, leaves_read(query, layout)});
    }
  }
  std::size_t best = 0;
  double least = kMuchLess * part_of(facts.asked, queries);
  for (std::size_t at = first_other; at < layouts.size(); ++at) {
    const double part = part_of(layouts[at], queries);
    if (part >= least) continue;
    least = part;
    best = at;
  }
  if (best > 0) options[best].is_better = true;
  return options;
}

std::optional<Issue> layout_advice(const std::vector<LayoutOption>& options, bool are_known,
                                   const std::string& table) {
  const auto better = std::ranges::find_if(options, &LayoutOption::is_better);
  if (better == options.end()) return std::nullopt;
  const LayoutOption& asked = options.front();
  const auto count = [](const LayoutOption& option, std::string_view leaves) {
    return std::ranges::count(option.reads, leaves, &LayoutOption::Read::leaves);
  };
  const std::string in_asked =
      fmt::format("all {} leaves in the layout {}", asked.leaves, asked.layout);
  const std::string message =
      are_known ? fmt::format(
                      "of {}, {} would read {}; in the layout {}, {} would read one leaf "
                      "and {} some",
                      counted(asked.reads.size(), "query", "queries"), count(asked, "all"),
                      in_asked, better->layout, count(*better, "1"), count(*better, "some"))
                : fmt::format("a query {} reads {}, and one leaf in the layout {}",
                              asked.reads.front().query, in_asked, better->layout);
  return Issue{
      are_known ? Severity::warning : Severity::info, "layout-advice", message, table,
      fmt::format("to have that layout, write --partition-by {}{} in place of {}{}",
                  shell_word(better->layout), better->leaves == 0 ? " --interval '1 month'" : "",
                  asked.layout == kByKey ? "--key" : "--partition-by " + shell_word(asked.layout),
                  are_known ? "" : "; to weigh the application's queries, add --statements 20")};
}

}  // namespace pgfanout
