// CPU time of this process and of the whole machine, for reports. Reading costs microseconds.
#pragma once

#include <optional>

namespace pgfanout {

struct CpuUsage {
  double client_seconds = 0;                   ///< User and system time of this process.
  std::optional<double> machine_busy_seconds;  ///< Of all cores since boot, from /proc/stat.
  std::optional<double> machine_idle_seconds;
};

[[nodiscard]] CpuUsage cpu_usage_now();

}  // namespace pgfanout
