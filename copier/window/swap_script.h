// The swap as SQL: the renames in their order, and the statements that undo them. It only renames,
// so it takes milliseconds for tables of any size.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/catalog/name_holders.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct SwapNames {
  std::string schema;  ///< Of both tables.
  std::string source;
  std::string target;
  std::string stamp;  ///< "20261121_020000".
  /// Of the target's leaves and of other tables that go with it, now and afterwards.
  std::vector<std::pair<std::string, std::string>> leaves;
  /// The source's leaves that bear the names that this tool gives them: they leave these names to
  /// later targets, needed now or not.
  std::vector<std::string> given_up;
};

struct SwapScript {
  std::string backup_name;
  std::vector<std::string> forward;   ///< In one transaction, under the locks.
  std::vector<std::string> backward;  ///< Undoes it, in the order of a rollback.
  /// Each in a transaction of its own, once the swap has committed.
  std::vector<std::string> after;
};

/// "<table>_backup_<stamp>".
[[nodiscard]] std::string backup_name_of(const SwapNames& names);

/// The holders of the names that the swap needs. `source_oid`: the table that gives them up.
Result<std::vector<NameHolder>> find_swap_holders(Connection& connection, const SwapNames& names,
                                                  const CarryPlan& carry, std::uint32_t source_oid);

/// An error "name-taken" for each name that a stranger has, or that two parts of the new table
/// would have.
[[nodiscard]] std::vector<Issue> taken_names(const SwapNames& names, const CarryPlan& carry,
                                             const std::vector<NameHolder>& holders);

/// Refuses with the first of taken_names().
Result<SwapScript> make_swap_script(const SwapNames& names, const CarryPlan& carry,
                                    const std::vector<NameHolder>& holders);

}  // namespace pgfanout
