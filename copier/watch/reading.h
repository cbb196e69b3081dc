// A measure at one moment.
#pragma once

#include <optional>
#include <string>

namespace pgfanout {

struct Reading {
  std::optional<double> value;
  std::string detail;  ///< Its subject, or why there is no value.
};

}  // namespace pgfanout
