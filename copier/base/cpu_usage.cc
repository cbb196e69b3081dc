#include "copier/base/cpu_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

namespace pgfanout {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

CpuUsage cpu_usage_now() {
  CpuUsage usage;
  rusage self{};
  getrusage(RUSAGE_SELF, &self);
  usage.client_seconds = seconds_of(self.ru_utime) + seconds_of(self.ru_stime);
  // "cpu  user nice system idle iowait irq softirq steal ...": ticks since boot, over all cores.
  std::ifstream stat("/proc/stat");
  std::string label;
  std::array<double, 8> ticks{};
  if (stat >> label && label == "cpu") {
    for (double& value : ticks) stat >> value;
    if (stat) {
      const double second = static_cast<double>(sysconf(_SC_CLK_TCK));
      usage.machine_idle_seconds = (ticks[3] + ticks[4]) / second;
      usage.machine_busy_seconds = (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / second;
    }
  }
  return usage;
}

}  // namespace pgfanout
