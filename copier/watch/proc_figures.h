// Figures of a Linux host from the text of /proc/stat and /proc/meminfo. They are the whole
// machine's, also where a container may use only a part of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgfanout {

/// Processor time since the start, in the kernel's ticks.
struct CpuTicks {
  std::uint64_t busy = 0;
  std::uint64_t all = 0;
};

[[nodiscard]] std::optional<CpuTicks> cpu_ticks_of(std::string_view proc_stat);
/// Percent that cannot be had without swapping.
[[nodiscard]] std::optional<double> memory_used_of(std::string_view proc_meminfo);

/// Percent of all processors between two looks.
class CpuMeter {
 public:
  /// Absent at the first look, and where the clock has not moved.
  std::optional<double> look(std::optional<CpuTicks> now);

 private:
  std::optional<CpuTicks> before_;
};

/// The first bytes of a file of this host; empty if it cannot be read.
[[nodiscard]] std::string head_of_file(const char* path);

}  // namespace pgfanout
