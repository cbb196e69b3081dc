#include "copier/plan/lock_need.h"

#include <algorithm>

namespace pgfanout {

std::int64_t locks_of_statement(std::int64_t leaves, std::int64_t indexes) {
  return (leaves + 1) * (1 + indexes);
}

std::int64_t locks_setting(std::int64_t clients, std::int64_t locks_each,
                           std::int64_t lock_holders) {
  const std::int64_t holders = std::max<std::int64_t>(lock_holders, 1);
  return (clients * locks_each + holders - 1) / holders;
}

}  // namespace pgfanout
