#include "copier/report/record/resources.h"

#include <sys/resource.h>

#include <fstream>
#include <string>

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

}  // namespace pgfanout
