// Rows without a parent: of each foreign key out of the source that the target will have as valid,
// the SQL that finds them, and the SQL that mends them. Changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Rows that are asked for their parents, as SQL.
struct ReferringRows {
  std::string from;               ///< As in FROM.
  std::vector<std::string> keys;  ///< Values of the key's columns, over those.
  std::string place = "tableoid::pg_catalog.regclass::text || ' ctid ' || ctid::text";
  std::string identity;                  ///< Text that names a row to people.
  std::string parents;                   ///< As in FROM; in place of the referenced table's.
  std::vector<std::string> parent_keys;  ///< The same of its columns.
};

/// Three columns: how many rows there are (0 unless `counts_all`), how many of them have no parent,
/// and the identities of the first few. MATCH FULL refuses keys that are NULL in part.
[[nodiscard]] std::string orphans_sql(const CarriedReference& reference, const ReferringRows& rows,
                                      bool counts_all);

/// "id = 1, part = x": text of a row's identity; its place for a table without a primary key.
[[nodiscard]] std::string identity_sql(const Connection& connection,
                                       const std::vector<std::string>& primary_key);

/// The referenced rows that are missing, as a statement that inserts them into its table.
[[nodiscard]] std::string insert_parents_sql(const CarriedReference& reference,
                                             const ReferringRows& rows);
/// A condition on the rows themselves that is true of those; `rows` has tableoid as its place and
/// ctid as its identity.
[[nodiscard]] std::string orphans_condition_sql(const CarriedReference& reference,
                                                const ReferringRows& rows);
/// Columns of the referenced table that need values beside the key's: "x, y"; empty: none.
Result<std::string> columns_beside(Connection& connection, const CarriedReference& reference);
/// " (add values for x, y)"; empty for no columns.
[[nodiscard]] std::string beside_text(const std::string& columns);

/// Begins an entry of --accept; the key's name follows.
inline constexpr std::string_view kOrphansOf = "orphans of foreign key ";
/// As --accept takes it.
[[nodiscard]] std::string orphans_accepted_as(std::string_view key);

}  // namespace pgfanout
