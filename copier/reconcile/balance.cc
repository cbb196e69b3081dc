#include "copier/reconcile/balance.h"

#include <fmt/format.h>

#include "copier/base/counted.h"

namespace pgfanout {
namespace {

MultisetDigest total_read(const Ledger& ledger) {
  MultisetDigest total = ledger.read_earlier();
  for (const RangeAccount& range : ledger.ranges()) total.merge(range.read);
  return total;
}

/// Adds a failed check. Unknown goes before difference: a check that did not run may hide more.
void fail(Balance& balance, Verdict verdict, std::string code, std::string message,
          std::string where) {
  balance.issues.push_back(
      {Severity::critical, std::move(code), std::move(message), std::move(where)});
  if (balance.verdict != Verdict::unproven) balance.verdict = verdict;
}

bool is_equal(const Ledger& ledger, const MultisetDigest& a, const MultisetDigest& b) {
  return ledger.compares_counts_only() ? a.rows() == b.rows() : a == b;
}

/// `must_be_read` says which ranges have to be complete; empty: all.
void check_reading(const Ledger& ledger, const std::vector<bool>& must_be_read, Balance& balance) {
  std::size_t incomplete = 0;
  const auto ranges = ledger.ranges();
  for (std::size_t at = 0; at < ranges.size(); ++at) {
    const RangeAccount& range = ranges[at];
    const bool is_due = must_be_read.empty() || must_be_read[at];
    incomplete += range.is_complete || !is_due ? 0 : 1;
    if (range.is_complete && range.announced_rows != range.read.rows()) {
      fail(balance, Verdict::differs, "ledger-reading",
           fmt::format("{} arrived, but {} went through the hash", rows_text(range.announced_rows),
                       with_commas(range.read.rows())),
           "a source range");
    }
  }
  if (incomplete > 0) {
    fail(balance, Verdict::unproven, "range-incomplete",
         fmt::format("{} source ranges were not read to their end", incomplete), "");
  }
  MultisetDigest handed_on = ledger.rejected();
  for (const LeafAccount& leaf : ledger.leaves()) {
    handed_on.merge(leaf.earlier);
    handed_on.merge(leaf.refused_earlier);
    handed_on.merge(leaf.routed);
  }
  balance.source = total_read(ledger);
  if (!is_equal(ledger, handed_on, balance.source)) {
    fail(balance, Verdict::differs, "ledger-routing",
         fmt::format("{} read, but {} routed or set aside", rows_text(balance.source.rows()),
                     with_commas(handed_on.rows())),
         "");
  }
}

void check_sending(const LeafAccount& leaf, const std::string& name, Balance& balance) {
  const std::uint64_t expected = leaf.routed.rows() - leaf.refused.rows();
  if (leaf.sent_rows != expected || leaf.copied_rows != leaf.sent_rows) {
    fail(balance, Verdict::differs, "ledger-rows",
         fmt::format("{} routed, {} sent, {} taken by the server", rows_text(expected),
                     with_commas(leaf.sent_rows), with_commas(leaf.copied_rows)),
         name);
  }
}

void check_read_back(const LeafAccount& leaf, const std::string& name, Balance& balance) {
  if (!leaf.is_committed) {
    fail(balance, Verdict::unproven, "leaf-not-committed", "the leaf was not committed", name);
  }
  if (!leaf.is_read_back) {
    fail(balance, Verdict::unproven, "leaf-not-read-back", "the leaf was not read back to its end",
         name);
  }
  MultisetDigest added = leaf.read_back;
  added.subtract(leaf.before);
  balance.target.merge(added);
  const MultisetDigest written = leaf.taken();
  if (!(added == written)) {
    fail(
        balance, Verdict::differs, "digest-differs",
        fmt::format("{} with digest {} written, {} with digest {} read back",
                    rows_text(written.rows()), written.hex(), rows_text(added.rows()), added.hex()),
        name);
  }
  if (leaf.wrong_key > 0) {
    fail(balance, Verdict::differs, "key-wrong",
         counted(leaf.wrong_key, "row stores", "rows store") + " a wrong key", name);
  }
  if (leaf.wrong_leaf > 0) {
    fail(balance, Verdict::differs, "row-misplaced",
         counted(leaf.wrong_leaf, "row belongs", "rows belong") + " to another leaf", name);
  }
}

}  // namespace

Balance balance_before_commit(const Ledger& ledger, const std::vector<std::string>& leaf_names,
                              const std::vector<bool>& must_be_read) {
  Balance balance{Verdict::match, {}, {}, {}};
  check_reading(ledger, must_be_read, balance);
  const auto leaves = ledger.leaves();
  for (std::size_t at = 0; at < leaves.size(); ++at) {
    check_sending(leaves[at], leaf_names[at], balance);
  }
  return balance;
}

Balance balance_after_read_back(const Ledger& ledger, const std::vector<std::string>& leaf_names) {
  Balance balance{Verdict::match, {}, {}, {}};
  check_reading(ledger, {}, balance);
  const auto leaves = ledger.leaves();
  for (std::size_t at = 0; at < leaves.size(); ++at) {
    check_sending(leaves[at], leaf_names[at], balance);
    check_read_back(leaves[at], leaf_names[at], balance);
  }
  return balance;
}

}  // namespace pgfanout
