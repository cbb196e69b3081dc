#include "copier/report/record/figures.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace pgfanout {
namespace {

/// A line such as "VmHWM:   12345 kB" of /proc/self/status, in bytes; 0 if there is none.
std::uint64_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kilobytes = 0;
    if (word == name && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

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
  now.fence_stands = counters.fence_stands;
  const std::size_t leaves = counters.leaves.size();
  for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
    now.leaf_rows.push_back(counters.leaves.rows(leaf));
    now.leaf_states.push_back(counters.leaves.state(leaf));
  }
  return now;
}

void OpenStages::start(std::string_view stage) {
  open_.emplace_back((empty() ? std::string() : label() + "/").append(stage), Clock::now());
}

std::string OpenStages::finish() {
  std::string ended = label();
  open_.pop_back();
  return ended;
}

std::vector<std::pair<std::string, double>> OpenStages::seconds() const {
  std::vector<std::pair<std::string, double>> all;
  for (const auto& [stage, start] : open_) {
    all.emplace_back(stage, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return all;
}

Resources resources_used() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  Resources used;
  used.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  // ru_maxrss survives exec() and may be the parent's; VmHWM is this program's own.
  used.peak_rss_bytes = status_bytes("VmHWM:");
  if (used.peak_rss_bytes == 0) {
    used.peak_rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  }
  return used;
}

std::uint64_t resident_bytes() {
  return status_bytes("VmRSS:");
}

Machine this_machine() {
  Machine machine;
  machine.processors = std::thread::hardware_concurrency();
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page_size > 0) {
    machine.memory_bytes =
        static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_size);
  }
  utsname name{};
  // Not its node name: the report goes to other people.
  if (uname(&name) == 0) {
    machine.system = fmt::format("{} {} {}", name.sysname, name.release, name.machine);
  }
  return machine;
}

}  // namespace pgfanout
