#include "copier/journal/job_id.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <random>

namespace pgfanout {

std::string new_job_id() {
  std::random_device device;
  return fmt::format("{:%Y%m%dT%H%M%S}-{:04x}", fmt::gmtime(std::time(nullptr)),
                     device() & 0xFFFFU);
}

}  // namespace pgfanout
