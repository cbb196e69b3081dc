// Holders of names that something new needs. Relations of every kind share one set of names in a
// schema; a table also needs its name for its row type, so a type can be in its way. Extended
// statistics have names of their own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Kinds are as in ALTER: "TABLE", "INDEX", "MATERIALIZED VIEW", "STATISTICS", ...
struct WantedName {
  std::string kind;  ///< Of the object that is to have the name.
  std::string schema;
  std::string name;
};

struct NameHolder {
  std::string kind;
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  /// The table that gives its names up, its partitions, or what belongs to them and has to go with
  /// it. A sequence that a column owns does not: the new table goes on using it.
  bool is_of_source = false;

  /// "view public.t_p0".
  [[nodiscard]] std::string text() const;
  /// The way out, for a person.
  [[nodiscard]] std::string hint() const;
};

/// Sorted by schema and name. `source_oid`: the table that gives its names up; 0: none does.
Result<std::vector<NameHolder>> find_name_holders(Connection& connection,
                                                  const std::vector<WantedName>& wanted,
                                                  std::uint32_t source_oid = 0);

/// Whether a copy made the table for rows that it set aside: a table of that name may be another's.
Result<bool> is_reject_table(Connection& connection, const std::string& qualified);

}  // namespace pgfanout
