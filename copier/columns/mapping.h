// The options --map and --skip, checked against the source and parsed by its server.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// One --map: a target column and where its value comes from.
struct Mapping {
  std::string column;                  ///< Of the target, as in the catalog.
  std::string sql;                     ///< As given.
  std::optional<std::size_t> renames;  ///< The source column, where the expression is just that.
  Column value;                        ///< The column's name, and the type of the value.
  bool is_volatile = false;
  std::string sequence = {};  ///< That it draws from and that the job makes: qualified; or empty.
};

struct Mappings {
  std::vector<Mapping> entries;   ///< In the order given; no column twice.
  std::set<std::string> skipped;  ///< Source columns.

  [[nodiscard]] const Mapping* find(std::string_view column) const;
};

/// The catalog's name for a column that a person wrote: exactly so if there is one among `columns`,
/// else as an SQL identifier, else as it stands.
[[nodiscard]] std::string column_name_of(std::string_view written,
                                         const std::vector<Column>& columns);

/// A hint that suggests what to write in place of a column that the table does not have.
[[nodiscard]] std::string missing_column_hint(std::string_view name, const Table& table);

/// Asks the server about every expression. Refusals: "bad-mapping", "no-such-column".
Result<Mappings> read_mappings(const TableRequest& job, Connection& source, const Table& table);

}  // namespace pgfanout
