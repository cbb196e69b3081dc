// The verdict of a comparison. Unknown is never success.
#pragma once

#include <cstdint>

namespace pgfanout {

enum class Verdict : std::uint8_t {
  match,     ///< Every check ran to its end and passed.
  differs,   ///< Every check ran to its end and at least one failed.
  unproven,  ///< A check did not run to its end, or a side may have changed meanwhile.
};

}  // namespace pgfanout
