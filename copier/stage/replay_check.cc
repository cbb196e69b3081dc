#include "copier/stage/replay_check.h"

#include <utility>

namespace pgfanout {

Result<bool> ReplayCheck::take(const RowBatch& batch, const MultisetDigest& digest) {
  Stream& stream = streams_[batch.range];
  if (batch.is_replay) {
    if (batch.is_first) stream.replayed = {};
    stream.is_replaying = true;
    stream.replayed.merge(digest);
    return false;
  }
  if (std::exchange(stream.is_replaying, false) && !(stream.replayed == stream.read)) {
    return interrupted("replay-differs",
                       "a range that was read again after its reader was lost gave other rows",
                       "run the same command again: it begins this epoch anew");
  }
  if (batch.is_first) stream.read = {};
  stream.read.merge(digest);
  return true;
}

}  // namespace pgfanout
