// How a stream of rows counts its readers, its memory, and where its time goes.
#pragma once

#include <cstddef>

#include "copier/base/memory_budget.h"
#include "copier/stage/range_reader.h"
#include "pgfanout/observer.h"

namespace pgfanout {

/// Counts `readers` as long as it lives; what is held of memory is nothing then.
class StreamCounters {
 public:
  StreamCounters(JobCounters& counters, std::size_t readers, std::uint64_t memory_bytes)
      : counters_(counters) {
    counters_.readers = readers;
    counters_.memory_budget = memory_bytes;
  }
  ~StreamCounters() {
    counters_.readers = 0;
    counters_.memory_used = 0;
  }
  StreamCounters(const StreamCounters&) = delete;
  StreamCounters& operator=(const StreamCounters&) = delete;

  [[nodiscard]] MemoryCounters memory() const {
    return {&counters_.memory_used, &counters_.target_wait_ns};
  }
  /// Of rows that the copy, or the source's side of a comparison, reads.
  [[nodiscard]] ReaderCounters reading(bool counts_rejects = false) const {
    return with_times({&counters_.bytes_read, &counters_.rows_read,
                       counts_rejects ? &counters_.rows_rejected : nullptr});
  }
  /// Of rows that are read from the target.
  [[nodiscard]] ReaderCounters reading_back() const {
    return with_times({&counters_.bytes_read_back, &counters_.rows_read_back});
  }

 private:
  [[nodiscard]] ReaderCounters with_times(ReaderCounters all) const {
    all.pace_wait_ns = &counters_.pace_wait_ns;
    all.source_wait_ns = &counters_.source_wait_ns;
    all.work_ns = &counters_.work_ns;
    all.busy = &counters_.readers_busy;
    return all;
  }

  JobCounters& counters_;
};

}  // namespace pgfanout
