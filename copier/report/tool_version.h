// The program's own version, and what built it.
#pragma once

#include <string>
#include <string_view>

namespace pgfanout {

/// As the CMake project says, for example "0.1.0".
[[nodiscard]] std::string_view tool_version();
/// For example "g++ 12.2.0".
[[nodiscard]] std::string compiler();

}  // namespace pgfanout
