// Tables in which migration tools keep what they have applied: by whom, whether a migration is
// half-done, and what has to be recorded there, since the swap changes the table behind the tool's
// back. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

enum class MigrationTool : std::uint8_t {
  golang_migrate,
  alembic,
  flyway,
  liquibase,
  liquibase_lock,
  django,
  rails,
};

/// Names that the tools give their tables.
[[nodiscard]] const std::vector<std::string>& migration_tables();
/// The tool whose table this is, by its columns: several use the name schema_migrations. Absent:
/// none that is known.
[[nodiscard]] std::optional<MigrationTool> tool_of(std::string_view table,
                                                   const std::vector<std::string>& columns);

/// A query of two columns over table {}: whether something is half-done (NULL: there is no row),
/// and the latest version in words.
[[nodiscard]] const char* migration_state_sql(MigrationTool tool);

struct MigrationAdvice {
  std::string name;       ///< "golang-migrate".
  std::string trouble;    ///< If something is half-done: "a migration failed half-way".
  std::string cure;       ///< For that.
  std::string recording;  ///< To be done after the swap; empty for a table of locks.
};
/// `table` is the user's table, `version` as found.
[[nodiscard]] MigrationAdvice advice_of(MigrationTool tool, std::string_view table,
                                        std::string_view version);

}  // namespace pgfanout
