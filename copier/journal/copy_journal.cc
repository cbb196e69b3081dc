#include "copier/journal/copy_journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "copier/base/counted.h"

namespace pgfanout {
namespace {

Error damaged() {
  return refused("journal-damaged", "the journal's record of this copy cannot be read",
                 "start over with --restart", "schema pgfanout");
}

Result<MultisetDigest> digest_at(const Rows& rows, int row, int column) {
  const auto digest = MultisetDigest::parse(static_cast<std::uint64_t>(rows.integer(row, column)),
                                            rows.text(row, column + 1));
  if (!digest || rows.integer(row, column) < 0) return damaged();
  return *digest;
}

std::string signed_text(std::uint64_t number) {
  return std::to_string(static_cast<std::int64_t>(number));
}

}  // namespace

std::uint32_t CopyProgress::last_epoch() const {
  return ranges.empty() ? 1 : ranges.back().epoch;
}

std::uint32_t CopyProgress::next_epoch() const {
  std::uint32_t least = last_epoch();
  for (const LeafProgress& leaf : leaves) least = std::min(least, leaf.epoch);
  return least + 1;
}

std::uint64_t CopyProgress::rows_committed() const {
  std::uint64_t rows = 0;
  for (const LeafProgress& leaf : leaves) rows += leaf.rows.rows();
  return rows;
}

CopyProgress progress_of(const CopyPlan& plan) {
  CopyProgress progress;
  progress.by_leaf = plan.commits.by_leaf;
  progress.ranges = ranges_of(plan);
  progress.leaves.resize(plan.target.leaves.size());
  return progress;
}

Result<void> CopyJournal::begin(const CopyProgress& progress, const CopyPlan& plan) {
  constexpr std::size_t kRowsAStatement = 1000;
  const std::string job = connection_.quote_literal(job_);
  std::string values;
  for (std::size_t at = 0; at < progress.ranges.size(); ++at) {
    const SourceRange& range = progress.ranges[at];
    values += fmt::format("{}({}, {}, {}, {}, {}, {}, {})", values.empty() ? "" : ", ", job, at,
                          plan.source.leaves[range.leaf].oid, range.first_block,
                          range.end_block ? std::to_string(*range.end_block) : "NULL",
                          range.estimated_bytes, range.epoch);
    if ((at + 1) % kRowsAStatement != 0 && at + 1 != progress.ranges.size()) continue;
    PGFANOUT_TRY(connection_.run(
        "INSERT INTO pgfanout.source_range (job, number, leaf, first_block, end_block, bytes,"
        " epoch) VALUES " +
        std::exchange(values, {})));
  }
  for (std::size_t leaf = 0; leaf < plan.target.leaves.size(); ++leaf) {
    const MultisetDigest& before = progress.leaves[leaf].before;
    values += fmt::format("{}({}, {}, {}, {}, '{}')", values.empty() ? "" : ", ", job, leaf,
                          connection_.quote_literal(plan.target.leaves[leaf].qualified),
                          before.rows(), before.hex());
  }
  return connection_.run(
      fmt::format("INSERT INTO pgfanout.leaf_load (job, leaf, leaf_name, before_rows,"
                  " before_digest) VALUES {};"
                  "UPDATE pgfanout.job SET commits = '{}' WHERE job = {}",
                  values, progress.by_leaf ? "by leaf" : "by epoch, checked first", job));
}

Result<std::optional<CopyProgress>> CopyJournal::load(const Table& source) {
  CopyProgress progress;
  PGFANOUT_TRY_ASSIGN(const Rows leaves,
                      connection_.query("SELECT l.leaf, l.epoch, l.rows, l.digest, l.bytes,"
                                        " l.refused_rows, l.refused_digest, l.before_rows,"
                                        " l.before_digest, l.leaf_name, j.commits"
                                        " FROM pgfanout.leaf_load l JOIN pgfanout.job j USING (job)"
                                        " WHERE l.job = $1 ORDER BY l.leaf",
                                        {job_}));
  if (leaves.size() == 0) return std::optional<CopyProgress>();
  progress.by_leaf = leaves.text(0, 10) == "by leaf";
  for (int row = 0; row < leaves.size(); ++row) {
    LeafProgress leaf;
    if (leaves.integer(row, 0) != row) return damaged();
    leaf.epoch = static_cast<std::uint32_t>(leaves.integer(row, 1));
    PGFANOUT_TRY_ASSIGN(leaf.rows, digest_at(leaves, row, 2));
    leaf.bytes = static_cast<std::uint64_t>(leaves.integer(row, 4));
    PGFANOUT_TRY_ASSIGN(leaf.refused, digest_at(leaves, row, 5));
    PGFANOUT_TRY_ASSIGN(leaf.before, digest_at(leaves, row, 7));
    progress.leaves.push_back(leaf);
    progress.leaf_names.push_back(leaves.str(row, 9));
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows ranges,
      connection_.query("SELECT number, leaf, first_block, end_block, bytes, epoch"
                        " FROM pgfanout.source_range WHERE job = $1 ORDER BY number",
                        {job_}));
  for (int row = 0; row < ranges.size(); ++row) {
    if (ranges.integer(row, 0) != row) return damaged();
    const std::uint32_t oid = ranges.oid(row, 1);
    const auto leaf = std::find_if(source.leaves.begin(), source.leaves.end(),
                                   [&](const Leaf& each) { return each.oid == oid; });
    if (leaf == source.leaves.end()) {
      return refused("source-changed", "the source has lost a partition since the copy began",
                     "start over with --restart", source.qualified);
    }
    SourceRange range;
    range.leaf = static_cast<std::uint32_t>(leaf - source.leaves.begin());
    range.first_block = static_cast<std::uint64_t>(ranges.integer(row, 2));
    if (!ranges.is_null(row, 3)) {
      range.end_block = static_cast<std::uint64_t>(ranges.integer(row, 3));
    }
    range.estimated_bytes = static_cast<std::uint64_t>(ranges.integer(row, 4));
    range.epoch = static_cast<std::uint32_t>(ranges.integer(row, 5));
    progress.ranges.push_back(range);
  }
  PGFANOUT_TRY_ASSIGN(const Rows epochs,
                      connection_.query("SELECT epoch, rows, digest, rejected_rows,"
                                        " rejected_digest FROM pgfanout.epoch WHERE job = $1",
                                        {job_}));
  for (int row = 0; row < epochs.size(); ++row) {
    EpochBooks books;
    PGFANOUT_TRY_ASSIGN(books.read, digest_at(epochs, row, 1));
    PGFANOUT_TRY_ASSIGN(books.rejected, digest_at(epochs, row, 3));
    progress.books[static_cast<std::uint32_t>(epochs.integer(row, 0))] = books;
  }
  return std::optional<CopyProgress>(std::move(progress));
}

Result<std::string> CopyJournal::committed_text() {
  PGFANOUT_TRY_ASSIGN(
      const Rows now,
      connection_.query(
          "SELECT count(*), count(*) FILTER (WHERE l.epoch > 0), min(l.epoch),"
          " (SELECT max(r.epoch) FROM pgfanout.source_range r WHERE r.job = $1), sum(l.rows),"
          " (SELECT j.commits = 'by leaf' FROM pgfanout.job j WHERE j.job = $1)"
          " FROM pgfanout.leaf_load l WHERE l.job = $1",
          {job_}));
  const bool by_leaf = now.boolean(0, 5);
  return fmt::format("{} of {} committed, {}", now.text(0, by_leaf ? 1 : 2),
                     counted(static_cast<std::uint64_t>(now.integer(0, by_leaf ? 0 : 3)),
                             by_leaf ? "leaf" : "epoch", by_leaf ? "leaves" : "epochs"),
                     rows_text(static_cast<std::uint64_t>(now.integer(0, 4))));
}

Result<void> CopyJournal::note_epoch(std::uint32_t epoch, const EpochBooks& books) {
  return connection_.run(
      "INSERT INTO pgfanout.epoch (job, epoch, rows, digest, rejected_rows, rejected_digest)"
      " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (job, epoch) DO UPDATE SET"
      " rows = EXCLUDED.rows, digest = EXCLUDED.digest, rejected_rows = EXCLUDED.rejected_rows,"
      " rejected_digest = EXCLUDED.rejected_digest, noted_at = clock_timestamp()",
      {job_, std::to_string(epoch), signed_text(books.read.rows()), books.read.hex(),
       signed_text(books.rejected.rows()), books.rejected.hex()});
}

LaneStatement CopyJournal::mark_leaf(std::uint32_t leaf, const LeafProgress& now) const {
  return {fmt::format("UPDATE pgfanout.leaf_load SET epoch = {}, rows = {}, digest = '{}',"
                      " bytes = {}, refused_rows = {}, refused_digest = '{}',"
                      " committed_at = clock_timestamp()"
                      " WHERE job = {} AND leaf = {} AND epoch = {}",
                      now.epoch, now.rows.rows(), now.rows.hex(), now.bytes, now.refused.rows(),
                      now.refused.hex(), connection_.quote_literal(job_), leaf, now.epoch - 1),
          "UPDATE 1"};
}

void show_copied_leaves(Connection& target, const std::string& job, LeafState state,
                        LeafBoard& board) {
  const auto leaves = target.query(
      "SELECT leaf_name, rows FROM pgfanout.leaf_load WHERE job = $1 ORDER BY leaf", {job});
  if (!leaves) return;
  board.open(leaves->column(0));
  for (int row = 0; row < leaves->size(); ++row) {
    const auto leaf = static_cast<std::size_t>(row);
    board.set_rows(leaf, static_cast<std::uint64_t>(leaves->integer(row, 1)));
    board.set_state(leaf, state);
  }
}

}  // namespace pgfanout
