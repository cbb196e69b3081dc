// Grants of one relation, repeated for another.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/carry/carry_context.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct GrantedRelation {
  std::uint32_t oid = 0;             ///< In the source's database.
  std::string_view words = "TABLE";  ///< As in GRANT ... ON: TABLE or SEQUENCE.
  std::string on;                    ///< Quoted: whom the statements are about.
  bool has_mapped_columns = true;    ///< Columns are those of the job's source, and may be renamed.
};

/// Statements to be run after `on` belongs to its owner, who makes the grants. Empty where the
/// relation has nothing but its owner's own rights. Roles that the target's server lacks are left
/// behind.
Result<std::string> grants_of(CarryContext& context, const GrantedRelation& relation);

/// Whom ALTER DEFAULT PRIVILEGES gives rights on what this role creates: relations ('r') or
/// sequences ('S') of a schema. Quoted, separated by commas; empty: nobody.
Result<std::string> default_grantees(CarryContext& context, char kind, const std::string& schema);

}  // namespace pgfanout
