// The copy's rows, epoch by epoch: each is loaded, balanced, journaled, and committed with its
// markers. After a lost connection the copy resumes from the journal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "copier/copy/copy_state.h"
#include "copier/journal/reject_table.h"
#include "copier/stage/lane_writer.h"
#include "copier/stage/range_reader.h"
#include "pgfanout/result.h"

namespace pgfanout {

class CopyLoad {
 public:
  explicit CopyLoad(CopyState& state) : state_(state) {}

  /// Sets ledger and rejects to what earlier calls have journaled.
  Result<void> restore();
  /// Runs to the last epoch. After a lost connection it retries the epoch, a few times; every other
  /// error ends it. Rows that an earlier call committed are not written again.
  Result<void> run();

 private:
  Result<void> run_epochs();
  Result<void> run_epoch(std::uint32_t epoch);
  Result<bool> recover(const Error& error, int attempt);
  Result<void> open();
  Result<void> may_commit(std::uint32_t epoch);
  Result<void> note_epoch(std::uint32_t epoch);
  [[nodiscard]] std::vector<std::string> kept_leaves(std::uint32_t epoch) const;
  [[nodiscard]] std::vector<bool> leaves_done(std::uint32_t epoch) const;
  [[nodiscard]] LaneStatement marker_of(std::uint32_t leaf, std::uint32_t epoch);
  [[nodiscard]] LeafProgress progress_of(std::uint32_t leaf, std::uint32_t epoch) const;
  [[nodiscard]] bool has_volatile_values() const;
  Result<void> report_corrected_keys();
  Result<std::uint64_t> count_set_aside(std::uint32_t next_epoch) const;
  Result<void> check_rejects() const;
  [[nodiscard]] std::string reject_digest() const;
  Result<RowLocation> locate(const Reject& row, const std::string& digest_sql = {});
  Error located(Error error);

  CopyState& state_;
  std::vector<std::unique_ptr<RangeSource>> sources_;
  LaneChannels writers_;
  std::vector<LaneTarget> targets_;
};

}  // namespace pgfanout
