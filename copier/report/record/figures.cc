#include "copier/report/record/figures.h"

namespace pgfanout {

Figures figures_of(const JobCounters& counters) {
  Figures now;
  now.bytes_expected = counters.bytes_expected;
  now.rows_expected = counters.rows_expected;
  now.bytes_read = counters.bytes_read;
  now.rows_read = counters.rows_read;
  now.rows_written = counters.rows_written;
  now.bytes_written = counters.bytes_written;
  now.rows_rejected = counters.rows_rejected;
  now.rows_read_back = counters.rows_read_back;
  now.bytes_read_back = counters.bytes_read_back;
  now.leaves_committed = counters.leaves_committed;
  now.leaves_total = counters.leaves_total;
  now.steps_done = counters.steps_done;
  now.steps_total = counters.steps_total;
  now.build_blocks_done = counters.build_blocks_done;
  now.build_blocks_total = counters.build_blocks_total;
  now.readers = counters.readers;
  now.readers_busy = counters.readers_busy;
  now.writers = counters.writers;
  now.writers_busy = counters.writers_busy;
  now.memory_used = counters.memory_used;
  now.memory_budget = counters.memory_budget;
  now.source_wait_ns = counters.source_wait_ns;
  now.work_ns = counters.work_ns;
  now.target_wait_ns = counters.target_wait_ns;
  now.pace_wait_ns = counters.pace_wait_ns;
  const std::size_t leaves = counters.leaves.size();
  for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
    now.leaf_rows.push_back(counters.leaves.rows(leaf));
    now.leaf_states.push_back(counters.leaves.state(leaf));
  }
  return now;
}

}  // namespace pgfanout
