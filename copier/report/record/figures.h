// A job's counters at one moment, as plain numbers: what the live view, the event stream, the
// metrics and the report show are all made of these.
#pragma once

#include <cstdint>
#include <vector>

#include "pgfanout/observer.h"

namespace pgfanout {

struct Figures {
  std::uint64_t bytes_expected = 0;
  std::uint64_t rows_expected = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t rows_read = 0;
  std::uint64_t rows_written = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t rows_rejected = 0;
  std::uint64_t rows_read_back = 0;
  std::uint64_t bytes_read_back = 0;
  std::uint64_t leaves_committed = 0;
  std::uint64_t leaves_total = 0;
  std::uint64_t steps_done = 0;
  std::uint64_t steps_total = 0;
  std::uint64_t build_blocks_done = 0;
  std::uint64_t build_blocks_total = 0;
  std::uint64_t readers = 0;
  std::uint64_t readers_busy = 0;
  std::uint64_t writers = 0;
  std::uint64_t writers_busy = 0;
  std::uint64_t memory_used = 0;
  std::uint64_t memory_budget = 0;
  std::uint64_t source_wait_ns = 0;
  std::uint64_t work_ns = 0;
  std::uint64_t target_wait_ns = 0;
  std::uint64_t pace_wait_ns = 0;
  std::vector<std::uint64_t> leaf_rows;  ///< One a leaf of the board.
  std::vector<LeafState> leaf_states;
};

[[nodiscard]] Figures figures_of(const JobCounters& counters);

}  // namespace pgfanout
