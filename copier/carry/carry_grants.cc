#include "copier/carry/carry_grants.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "copier/catalog/relation_name.h"

namespace pgfanout {
namespace {

// An owner who took rights from himself is told apart by what acldefault() would give him.
constexpr const char* kGrantsSql = R"sql(
WITH rel AS (SELECT c.oid, c.relowner, c.relacl,
    acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) AS usual
  FROM pg_class c WHERE c.oid = $1::oid)
SELECT g.grantee, CASE g.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(g.grantee) END,
  g.is_grantable, g.privilege, g.number, g.column, g.grantee = rel.relowner,
  rel.relacl IS NOT NULL AND EXISTS (
    SELECT u.privilege_type FROM aclexplode(rel.usual) u
    WHERE u.grantee = rel.relowner AND u.privilege_type <> 'MAINTAIN'
    EXCEPT SELECT a.privilege_type FROM aclexplode(rel.relacl) a
    WHERE a.grantee = rel.relowner)
FROM rel CROSS JOIN LATERAL (
  SELECT x.grantee, x.is_grantable, x.privilege_type AS privilege, 0 AS number, NULL AS column
  FROM aclexplode(COALESCE(rel.relacl, rel.usual)) x
  UNION ALL
  SELECT x.grantee, x.is_grantable, x.privilege_type, a.attnum, a.attname
  FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
  WHERE a.attrelid = rel.oid AND NOT a.attisdropped) g
ORDER BY 5, 2, 3, 4)sql";

constexpr const char* kDefaultsSql = R"sql(
SELECT string_agg(DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC'
  ELSE quote_ident(pg_get_userbyid(x.grantee)) END, ', ')
FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) x
JOIN pg_roles me ON me.oid = d.defaclrole AND me.rolname = CURRENT_USER
WHERE d.defaclobjtype = $1 AND x.grantee <> d.defaclrole AND d.defaclnamespace IN (0,
  (SELECT n.oid FROM pg_namespace n WHERE n.nspname = $2)))sql";

// A superuser grants as the owner does. Anybody else would grant by rights of his own where he has
// them, and be the one on whom the grant depends.
constexpr const char* kOwnerSql =
    "SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = $1::oid";
constexpr const char* kSuperuserSql = "SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER";

constexpr int kFirstWithMaintain = 170000;

class Grants {
 public:
  Grants(CarryContext& context, const GrantedRelation& relation)
      : context_(context), relation_(relation) {}

  Result<std::string> make() {
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        context_.source.query(kGrantsSql, {std::to_string(relation_.oid)}));
    for (int row = 0; row < rows.size(); ++row) PGFANOUT_TRY(take(rows, row));
    std::string sql;
    const auto add = [&](const std::string& statement) {
      sql += (sql.empty() ? "" : ";\n") + statement;
    };
    if (!owner_.empty()) {
      add(fmt::format("REVOKE ALL ON {} {} FROM {}", relation_.words, relation_.on, owner_));
    }
    for (const auto& [grantee, privileges] : granted_) {
      add(fmt::format("GRANT {} ON {} {} TO {}{}", privileges, relation_.words, relation_.on,
                      grantee.first, grantee.second ? " WITH GRANT OPTION" : ""));
    }
    return sql.empty() ? sql : as_owner(std::move(sql));
  }

 private:
  Result<std::string> as_owner(std::string sql) {
    PGFANOUT_TRY_ASSIGN(const Rows me, context_.target.query(kSuperuserSql));
    if (me.size() > 0 && me.boolean(0, 0)) return sql;
    PGFANOUT_TRY_ASSIGN(const Rows owner,
                        context_.source.query(kOwnerSql, {std::to_string(relation_.oid)}));
    PGFANOUT_TRY_ASSIGN(const bool is_there, context_.has_role(owner.str(0, 0)));
    if (!is_there) return sql;
    return fmt::format("SET ROLE {};\n{};\nRESET ROLE", quoted_name(owner.text(0, 0)), sql);
  }

  Result<void> take(const Rows& rows, int row) {
    const bool is_owner = rows.boolean(row, 6);
    const bool owner_lacks_rights = rows.boolean(row, 7);
    const bool is_of_column = rows.integer(row, 4) != 0;
    const std::string role = rows.str(row, 1);
    const std::string grantee = role.empty() ? "PUBLIC" : quoted_name(role);
    if (is_owner && !is_of_column) {
      if (!owner_lacks_rights) return {};
      owner_ = grantee;
    }
    PGFANOUT_TRY_ASSIGN(const bool is_there, has_role(role));
    if (!is_there) return {};
    std::string privilege = rows.str(row, 3);
    if (privilege == "MAINTAIN" && context_.target.server_version() < kFirstWithMaintain) return {};
    if (is_of_column) {
      const std::string column = column_of(rows, row);
      if (column.empty()) return {};
      privilege += fmt::format(" ({})", quoted_name(column));
    }
    // An owner's own rights need no grant option.
    std::string& all = granted_[{grantee, rows.boolean(row, 2) && !is_owner}];
    all += (all.empty() ? "" : ", ") + privilege;
    return {};
  }

  Result<bool> has_role(const std::string& role) {
    if (role.empty()) return true;
    PGFANOUT_TRY_ASSIGN(const bool is_there, context_.has_role(role));
    if (!is_there && missing_.insert({role, true}).second) {
      context_.leave_behind("grant", display_name(role), "the target's server has no such role",
                            "create the role there, or accept the loss by this name");
    }
    return is_there;
  }

  /// Target column; empty: it is gone, and its grants with it.
  std::string column_of(const Rows& rows, int row) {
    if (!relation_.has_mapped_columns) return rows.str(row, 5);
    const ColumnFate* fate = context_.columns.find(static_cast<int>(rows.integer(row, 4)));
    return fate != nullptr && fate->target ? *fate->target : std::string();
  }

  CarryContext& context_;
  const GrantedRelation& relation_;
  std::string owner_;  ///< Of a relation whose owner lacks rights; else empty.
  std::map<std::pair<std::string, bool>, std::string> granted_;  ///< By grantee and grant option.
  std::map<std::string, bool> missing_;
};

}  // namespace

Result<std::string> grants_of(CarryContext& context, const GrantedRelation& relation) {
  return Grants(context, relation).make();
}

Result<std::string> default_grantees(CarryContext& context, char kind, const std::string& schema) {
  PGFANOUT_TRY_ASSIGN(const Rows row,
                      context.target.query(kDefaultsSql, {std::string(1, kind), schema}));
  return row.str(0, 0);
}

}  // namespace pgfanout
