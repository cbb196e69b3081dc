// The machine that this program runs on.
#pragma once

#include <cstdint>
#include <string>

namespace pgfanout {

struct Machine {
  unsigned processors = 0;         ///< That this process may use.
  std::uint64_t memory_bytes = 0;  ///< 0: unknown.
  std::string system;              ///< "Linux 6.1.0 x86_64".
};

[[nodiscard]] Machine this_machine();

}  // namespace pgfanout
