// A measure at one moment.
#pragma once

#include <optional>
#include <string>

namespace pgfanout {

struct Reading {
  std::optional<double> value;
  std::string detail;  ///< What it is about, or why there is no value.
};

}  // namespace pgfanout
