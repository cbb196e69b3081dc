// CPU and memory of a server's Linux host, from /proc: read through the server where the role may
// read its files, else on this host where the server certainly runs on it. They are the whole
// machine's, also where a container may use only a part of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Processor time since the start, in the kernel's ticks.
struct CpuTicks {
  std::uint64_t busy = 0;
  std::uint64_t all = 0;
};

/// From the text of /proc/stat.
[[nodiscard]] std::optional<CpuTicks> cpu_ticks_of(std::string_view proc_stat);
/// Percent that is not available without swapping, from the text of /proc/meminfo.
[[nodiscard]] std::optional<double> memory_used_of(std::string_view proc_meminfo);

/// Percent of all processors between two calls.
class CpuMeter {
 public:
  /// Absent at the first call, and where the clock has not moved.
  std::optional<double> percent(std::optional<CpuTicks> now);

 private:
  std::optional<CpuTicks> before_;
};

/// The first bytes of a file of this host; empty if it cannot be read.
[[nodiscard]] std::string head_of_file(const char* path);

struct HostFigures {
  std::optional<double> cpu;     ///< Percent, since the last sample.
  std::optional<double> memory;  ///< Percent.
};

class HostMeter {
 public:
  /// Finds out where /proc can be read. `is_here`: the server's files are this host's.
  static Result<HostMeter> open(Connection& connection, bool is_here);
  /// Empty, or why nothing can be measured and what to grant.
  [[nodiscard]] const std::string& unmeasurable() const { return unmeasurable_; }
  Result<HostFigures> sample(Connection& connection);

 private:
  enum class Way { none, server, here };
  Way way_ = Way::none;
  std::string unmeasurable_;
  CpuMeter cpu_;
};

}  // namespace pgfanout
