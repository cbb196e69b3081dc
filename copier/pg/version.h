// Which libpq the program runs with.
#pragma once

#include <string>

namespace pgfanout {

/// Of the library that is loaded, not of the header: "15.18", or "9.6.24" before version 10.
[[nodiscard]] std::string libpq_version();

}  // namespace pgfanout
