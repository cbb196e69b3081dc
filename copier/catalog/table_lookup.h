// Finds a relation by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "copier/catalog/relation_name.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct FoundRelation {
  std::uint32_t oid = 0;   ///< 0: there is none.
  char kind = 0;           ///< pg_class.relkind.
  char persistence = 0;    ///< pg_class.relpersistence.
  bool is_system = false;  ///< In a schema of the server's own.
};

/// The relation that psql would find under this name: an unqualified one is looked up in the
/// search_path that the role, the database or the connection string sets, not in the session's
/// empty one. Works in and outside of a transaction.
Result<FoundRelation> find_relation(Connection& connection, const RelationName& name);

/// "a view", "a sequence", ... for pg_class.relkind.
[[nodiscard]] std::string_view kind_name(char kind);

}  // namespace pgfanout
