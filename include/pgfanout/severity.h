// How much a finding matters.
#pragma once

#include <cstdint>

namespace pgfanout {

enum class Severity : std::uint8_t { critical, error, warning, info };

}  // namespace pgfanout
