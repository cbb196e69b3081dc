#include "copier/pg/version.h"

#include <fmt/format.h>
#include <libpq-fe.h>

namespace pgfanout {

std::string libpq_version() {
  const int number = PQlibVersion();
  if (number >= 100000) return fmt::format("{}.{}", number / 10000, number % 10000);
  return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

}  // namespace pgfanout
