// Resources of the machine that this process has used.
#pragma once

#include <cstdint>

namespace pgfanout {

struct Resources {
  std::uint64_t peak_rss_bytes = 0;
  double cpu_seconds = 0;  ///< User and system time of all threads.
};

[[nodiscard]] Resources resources_used();
/// Resident memory at this moment; 0 if it cannot be learned.
[[nodiscard]] std::uint64_t resident_bytes();

}  // namespace pgfanout
