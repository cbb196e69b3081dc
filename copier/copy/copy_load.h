// The copy's rows, epoch by epoch: each is streamed, balanced, noted in the journal, and committed
// with its markers. After a lost connection the copy resumes from the journal.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "copier/copy/copy_state.h"
#include "copier/pg/write_channel.h"
#include "copier/stage/lane_writer.h"
#include "copier/stage/range_source.h"
#include "pgfanout/result.h"

namespace pgfanout {

class CopyLoad {
 public:
  explicit CopyLoad(CopyState& state) : state_(state) {}

  /// Puts what the journal knows into ledger and rejects: all of it belongs to the books.
  Result<void> restore();
  /// Runs to the last epoch. Lost connections are opened again, and their epoch is restarted, a few
  /// times; every other error ends it. Rows that an earlier call committed are not written again.
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
  [[nodiscard]] std::vector<LaneStatement> statements_of(std::uint32_t leaf, std::uint32_t epoch);
  [[nodiscard]] LeafProgress progress_of(std::uint32_t leaf, std::uint32_t epoch) const;
  [[nodiscard]] bool has_volatile_values() const;
  Result<void> tell_mended_keys();
  Error located(Error error);

  CopyState& state_;
  std::vector<std::unique_ptr<RangeSource>> sources_;
  std::vector<std::unique_ptr<WriteChannel>> channels_;
  std::vector<LaneTarget> targets_;
};

}  // namespace pgfanout
