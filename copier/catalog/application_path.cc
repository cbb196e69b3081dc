#include "copier/catalog/application_path.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

/// $1: the owner; $2: OID of the table, 0 where it is not in this database. The owner comes first,
/// then other roles that may log in and write to the table, but for that of this session.
constexpr const char* kCandidatesSql = R"sql(
WITH setting AS (
  SELECT s.setrole, s.setdatabase, substr(c, length('search_path=') + 1) AS path
  FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
  WHERE starts_with(c, 'search_path=') AND s.setdatabase IN (0,
    (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))),
candidate AS (
  SELECT w.name, r.oid, true AS is_owner,
    COALESCE(r.rolcanlogin AND NOT r.rolsuper, false) AS is_application
  FROM (SELECT $1::text AS name) w LEFT JOIN pg_roles r ON r.rolname = w.name
  UNION ALL
  SELECT r.rolname, r.oid, false, true FROM pg_roles r
  WHERE $2::oid <> 0 AND r.rolname NOT IN ($1, session_user) AND r.rolcanlogin AND NOT r.rolsuper
  AND has_table_privilege(r.oid, $2::oid, 'INSERT, UPDATE, DELETE'))
SELECT c.name, best.path, c.is_owner, COALESCE(best.setrole <> 0, false), c.is_application,
  CASE WHEN best.setrole <> 0 THEN format('of role %I', c.name)
    || CASE WHEN best.setdatabase <> 0 THEN ' in this database' ELSE '' END
  WHEN best.setdatabase <> 0 THEN 'of the database' ELSE 'of all roles' END
FROM candidate c LEFT JOIN LATERAL (SELECT * FROM setting s WHERE s.setrole IN (0, c.oid)
  ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC LIMIT 1) best ON true
ORDER BY c.is_owner DESC, c.name)sql";

constexpr std::string_view kOfServer = "of the server";

std::string shown(const std::vector<std::string>& schemas) {
  return joined(schemas, ", ", [](const std::string& schema) {
    return schema.empty() ? "\"\"" : display_name(schema);
  });
}

ApplicationPath path_of(const PathCandidate& chosen) {
  const std::vector<std::string> schemas = schemas_of_path(chosen.path, chosen.role);
  ApplicationPath path;
  if (!schemas.empty()) {
    path.sql = joined(schemas, ", ", [](const std::string& schema) {
      return "'" + with_placeholder(schema, "'", "''") + "'";
    });
  }
  path.shown = shown(schemas);
  path.origin = chosen.origin;
  path.role = chosen.role;
  return path;
}

/// The path of sessions for which nothing is set, as far as this session can see it.
Result<std::string> server_default(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows row, with_search_path(connection, "DEFAULT", [&] {
                        return connection.query(
                            "SELECT setting, source, boot_val FROM pg_catalog.pg_settings"
                            " WHERE name OPERATOR(pg_catalog.=) 'search_path'");
                      }));
  constexpr std::string_view kOfThisSession[] = {"database", "user", "database user", "client",
                                                 "global"};
  const bool is_own = contains(kOfThisSession, row.text(0, 1));
  return row.str(0, is_own ? 2 : 0);
}

Result<ApplicationPath> find_path(Connection& connection, const std::string& owner,
                                  std::uint32_t table, const std::string& given) {
  if (!given.empty()) {
    return path_of({owner, given, true, false, false, "given by the job"});
  }
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      connection.query(kCandidatesSql, {owner, std::to_string(table)}));
  std::vector<PathCandidate> candidates;
  std::optional<std::string> otherwise;
  for (int row = 0; row < rows.size(); ++row) {
    PathCandidate& candidate = candidates.emplace_back();
    std::optional<std::string> path;
    read_row(rows, row, candidate.role, path, candidate.is_owner, candidate.is_of_role,
             candidate.is_application, candidate.origin);
    if (!path) {
      if (!otherwise) {
        PGFANOUT_TRY_ASSIGN(otherwise, server_default(connection));
      }
      path = otherwise;
      candidate.origin = kOfServer;
    }
    candidate.path = *std::move(path);
  }
  return choose_path(candidates);
}

}  // namespace

std::vector<std::string> schemas_of_path(std::string_view path, std::string_view role) {
  std::vector<std::string> schemas;
  std::string schema;
  bool is_quoted = false;
  bool was_quoted = false;
  const auto end = [&] {
    if (!was_quoted) {
      const auto first = schema.find_first_not_of(" \t\r\n");
      schema = first == std::string::npos
                   ? std::string()
                   : lower_case(std::string_view(schema).substr(
                         first, schema.find_last_not_of(" \t\r\n") - first + 1));
    }
    if (was_quoted || !schema.empty()) {
      schemas.push_back(schema == "$user" ? std::string(role) : schema);
    }
    schema.clear();
    was_quoted = false;
  };
  for (std::size_t at = 0; at < path.size(); ++at) {
    const char byte = path[at];
    if (byte == '"') {
      if (is_quoted && at + 1 < path.size() && path[at + 1] == '"') {
        schema += path[++at];
        continue;
      }
      if (!is_quoted && !was_quoted) schema.clear();  // Blanks before the quote.
      is_quoted = !is_quoted;
      was_quoted = true;
    } else if (byte == ',' && !is_quoted) {
      end();
    } else if (is_quoted || !was_quoted) {
      schema += byte;
    }
  }
  end();
  return schemas;
}

Result<Rows> print_under(Connection& connection, const std::string& path, std::string_view sql,
                         const std::vector<Parameter>& parameters) {
  const bool has_transaction = connection.is_in_transaction();
  if (!has_transaction) PGFANOUT_TRY(connection.run("BEGIN"));
  // A cursor is parsed when it is declared, and prints its rows when they are fetched.
  const auto print = [&]() -> Result<Rows> {
    PGFANOUT_TRY(
        connection.run(fmt::format("DECLARE pgfanout_printed CURSOR FOR {}", sql), parameters));
    PGFANOUT_TRY_ASSIGN(Rows rows, with_search_path(connection, path, [&] {
                          return connection.query("FETCH ALL FROM pgfanout_printed");
                        }));
    PGFANOUT_TRY(connection.run("CLOSE pgfanout_printed"));
    return rows;
  };
  auto rows = print();
  if (!has_transaction && connection.is_open()) {
    PGFANOUT_TRY(connection.run(rows ? "COMMIT" : "ROLLBACK"));
  }
  return rows;
}

ApplicationPath choose_path(const std::vector<PathCandidate>& candidates) {
  const PathCandidate* chosen = &candidates.front();
  std::vector<const PathCandidate*> application;
  for (const PathCandidate& candidate : candidates) {
    if (candidate.is_application) application.push_back(&candidate);
  }
  const auto agree = [&](const PathCandidate* candidate) {
    return candidate->path == application.front()->path;
  };
  if (!chosen->is_of_role && !application.empty() && std::ranges::all_of(application, agree)) {
    chosen = application.front();
  }
  ApplicationPath path = path_of(*chosen);
  for (const PathCandidate* other : application) {
    if (other->path == chosen->path) continue;
    path.others.push_back(fmt::format("role {}: {}", display_name(other->role),
                                      shown(schemas_of_path(other->path, other->role))));
  }
  return path;
}

Result<ApplicationPath> find_application_path(Connection& connection, const Table& table,
                                              const std::string& given) {
  return find_path(connection, table.owner, table.oid, given);
}

Result<ApplicationPath> find_application_path(Connection& connection,
                                              const ApplicationPath& of_source,
                                              const std::string& given) {
  PGFANOUT_TRY_ASSIGN(ApplicationPath path, find_path(connection, of_source.role, 0, given));
  if (path.origin == kOfServer) path = of_source;
  return path;
}

}  // namespace pgfanout
