#include "copier/catalog/role_rights.h"

#include <fmt/format.h>

#include <vector>

#include "copier/base/lists.h"
#include "copier/catalog/type_catalog.h"

namespace pgfanout {
namespace {

constexpr int kFirstWithInheritOption = 160000;

/// {0}: grant_role_sql(), {1}: 'SET' or 'MEMBER', {2}: which role `r` is wanted. A superuser's
/// rights are not inherited by its members.
constexpr const char* kMemberSql =
    "SELECT r.rolname, {0}, pg_has_role(r.oid, '{1}'), pg_has_role(r.oid, 'MEMBER'),"
    " quote_ident(CURRENT_USER), quote_ident(r.rolname)"
    " FROM pg_roles r JOIN pg_class c ON c.oid = ANY ($1::oid[])"
    " WHERE NOT r.rolsuper AND NOT pg_has_role(r.oid, 'USAGE') AND {2}"
    " ORDER BY r.oid = c.relowner DESC, EXISTS (SELECT FROM pg_auth_members m"
    "  JOIN pg_roles me ON me.oid = m.member AND me.rolname = CURRENT_USER"
    "  WHERE m.roleid = r.oid) DESC, r.oid LIMIT 1";

/// The statement for the first role that `which` finds, and, where it is possible, how to do
/// without it; empty if there is none.
Result<std::string> hint_for_role(Connection& connection, const std::vector<std::uint32_t>& tables,
                                  std::string_view which) {
  const char* can_be = connection.server_version() >= kFirstWithInheritOption ? "SET" : "MEMBER";
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(fmt::format(kMemberSql, grant_role_sql(connection, "r.oid"), can_be, which),
                       {oid_array(tables)}));
  if (rows.size() == 0) return std::string();
  if (!rows.boolean(0, 3)) return rows.str(0, 1);
  std::string hint = fmt::format("role {} is a member of {} that does not inherit its rights: {}",
                                 rows.text(0, 4), rows.text(0, 5), rows.text(0, 1));
  const std::string_view role = rows.text(0, 0);
  if (rows.boolean(0, 2) && role == rows.text(0, 5)) {
    hint +=
        fmt::format("; or run as {0}, with options='-c role={0}' in the connection string", role);
  }
  return hint;
}

}  // namespace

Result<std::string> current_role(Connection& connection) {
  PGFANOUT_TRY_ASSIGN(const Rows row, connection.query("SELECT quote_ident(CURRENT_USER)"));
  return row.str(0, 0);
}

std::string grant_role_sql(const Connection& connection, std::string_view role) {
  if (connection.server_version() >= kFirstWithInheritOption) {
    return fmt::format(
        "format('GRANT %I TO %I WITH INHERIT TRUE', pg_get_userbyid({}), CURRENT_USER)", role);
  }
  return fmt::format(
      "(SELECT concat_ws('; ', CASE WHEN NOT me.rolinherit THEN"
      "  format('ALTER ROLE %I INHERIT', CURRENT_USER) END,"
      "  CASE WHEN me.rolinherit OR NOT pg_has_role({0}, 'MEMBER') THEN"
      "  format('GRANT %I TO %I', pg_get_userbyid({0}), CURRENT_USER) END)"
      " FROM pg_roles me WHERE me.rolname = CURRENT_USER)",
      role);
}

Result<std::string> hint_for_right(Connection& connection, const Leaf& leaf,
                                   std::string_view rights) {
  std::string which = "pg_has_role(r.oid, 'MEMBER')";
  for (const std::string_view right : {"SELECT", "INSERT"}) {
    if (rights.find(right) == std::string_view::npos) continue;
    which += fmt::format(" AND has_table_privilege(r.oid, c.oid, '{}')", right);
  }
  PGFANOUT_TRY_ASSIGN(std::string hint, hint_for_role(connection, {leaf.oid}, which));
  if (!hint.empty()) return hint;
  PGFANOUT_TRY_ASSIGN(const std::string role, current_role(connection));
  return fmt::format("GRANT {} ON {} TO {}", rights, leaf.qualified, role);
}

Result<std::string> hint_for_hidden_rows(Connection& connection, const Leaf& leaf) {
  // FORCE ROW LEVEL SECURITY hides them from the owner, too.
  PGFANOUT_TRY_ASSIGN(std::string hint,
                      hint_for_role(connection, {leaf.oid},
                                    "NOT c.relforcerowsecurity AND r.oid = c.relowner"
                                    " AND pg_has_role(r.oid, 'MEMBER')"));
  if (!hint.empty()) return hint;
  PGFANOUT_TRY_ASSIGN(const Rows role,
                      connection.query("SELECT quote_ident(CURRENT_USER),"
                                       " quote_ident(pg_get_userbyid(c.relowner)),"
                                       " c.relforcerowsecurity FROM pg_class c WHERE c.oid = $1",
                                       {std::to_string(leaf.oid)}));
  hint = fmt::format("ALTER ROLE {} BYPASSRLS", role.text(0, 0));
  if (!role.boolean(0, 2)) hint += fmt::format(", or run as its owner, {}", role.text(0, 1));
  return hint;
}

Result<std::string> hint_for_owner(Connection& connection, const Table& table) {
  std::vector<std::uint32_t> oids{table.oid};
  append(oids, parts_of(table.leaves, &Leaf::oid));
  return hint_for_role(connection, oids, "r.oid = c.relowner");
}

}  // namespace pgfanout
