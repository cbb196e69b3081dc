// The search_path of the application. User code (functions in triggers, indexes, checks, generated
// columns, mappings) may rely on it, so statements that run such code run under it, by
// with_search_path(); all others keep the empty path of our sessions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// From version 17 on, CREATE INDEX, ANALYZE, REFRESH and the like ignore the session's path and
/// use this one.
inline constexpr int kFirstWithMaintenancePath = 170000;
inline constexpr const char* kMaintenancePath = "pg_catalog, pg_temp";

/// A role that uses the table, with the path that its sessions begin with.
struct PathCandidate {
  std::string role;
  std::string path;             ///< As stored: "\"$user\", public".
  bool is_owner = false;        ///< Of the table.
  bool is_of_role = false;      ///< Set for this very role, not for the database or the server.
  bool is_application = false;  ///< May log in, may write to the table, is no superuser.
  std::string origin = {};      ///< See ApplicationPath.
};

/// The path of the owner where one is set for that very role; else the one that all roles of the
/// application agree on; else the owner's. `candidates` has the owner first.
[[nodiscard]] ApplicationPath choose_path(const std::vector<PathCandidate>& candidates);

/// The schemas that a setting lists, "$user" replaced by `role`.
[[nodiscard]] std::vector<std::string> schemas_of_path(std::string_view path,
                                                       std::string_view role);

/// Of the table's application on this server: ALTER ROLE ... SET, ALTER DATABASE ... SET, the
/// server's setting. `given`: what the job says instead, or empty.
Result<ApplicationPath> find_application_path(Connection& connection, const Table& table,
                                              const std::string& given);

/// The same role's path in another database; that of the source where nothing is set there.
Result<ApplicationPath> find_application_path(Connection& connection,
                                              const ApplicationPath& of_source,
                                              const std::string& given);

/// The rows of a catalog query that is parsed under the empty path and executed under `path`:
/// definitions are printed so that they mean the same under `path`, and the query itself does not
/// depend on what that hides.
Result<Rows> print_under(Connection& connection, const std::string& path, std::string_view sql,
                         const std::vector<Parameter>& parameters);

}  // namespace pgfanout
