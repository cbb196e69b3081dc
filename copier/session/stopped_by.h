// The error of a command that an exception ended: a defect, so nothing is proven.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <utility>

#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

inline JobResult stopped_by(const std::exception& exception, std::string command) {
  JobResult result;
  result.command = std::move(command);
  result.error = interrupted("internal", fmt::format("stopped by {}", exception.what()));
  result.error->consequence = Consequence::unproven;
  return result;
}

}  // namespace pgfanout
