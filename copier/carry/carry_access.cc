// Owner and grants, last of all: the role that carries the rest over must own the target for it,
// and a grant made before the owner changes is lost where the new owner is the grantee.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <utility>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

// An owner who revoked own rights lacks some of those that acldefault() lists.
constexpr const char* kGrantsSql = R"sql(
WITH rel AS (SELECT c.oid, c.relowner, c.relacl,
    acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) AS usual
  FROM pg_class c WHERE c.oid = $1::oid)
SELECT CASE g.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(g.grantee) END,
  g.is_grantable, g.privilege, g.number, g.column, g.grantee = rel.relowner,
  rel.relacl IS NOT NULL AND EXISTS (SELECT u.privilege_type FROM aclexplode(rel.usual) u
    WHERE u.grantee = rel.relowner AND u.privilege_type <> 'MAINTAIN'
    EXCEPT SELECT a.privilege_type FROM aclexplode(rel.relacl) a WHERE a.grantee = rel.relowner)
FROM rel CROSS JOIN LATERAL (
  SELECT x.grantee, x.is_grantable, x.privilege_type AS privilege, 0 AS number, NULL AS column
  FROM aclexplode(COALESCE(rel.relacl, rel.usual)) x
  UNION ALL
  SELECT x.grantee, x.is_grantable, x.privilege_type, a.attnum, a.attname
  FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
  WHERE a.attrelid = rel.oid AND NOT a.attisdropped) g
ORDER BY 4, 1, 2, 3)sql";

constexpr const char* kDefaultsSql = R"sql(
SELECT string_agg(DISTINCT COALESCE(NULLIF(x.grantee, 0)::regrole::text, 'PUBLIC'), ', ')
FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) x
WHERE d.defaclrole = quote_ident(CURRENT_USER)::regrole AND d.defaclobjtype = $1
  AND x.grantee <> d.defaclrole AND d.defaclnamespace IN (0,
    (SELECT n.oid FROM pg_namespace n WHERE n.nspname = $2)))sql";

// A superuser grants as the owner does. Another role would grant by its own rights where it has
// them, and the grant would depend on that role.
constexpr const char* kOwnerSql =
    "SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = $1::oid";
constexpr const char* kSuperuserSql = "SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER";

class Grants {
 public:
  Grants(CarryDraft& draft, const GrantedRelation& relation) : draft_(draft), relation_(relation) {}

  Result<std::string> make() {
    PGFANOUT_TRY_ASSIGN(const Rows rows,
                        draft_.source.query(kGrantsSql, {std::to_string(relation_.oid)}));
    for (int row = 0; row < rows.size(); ++row) PGFANOUT_TRY(take(rows, row));
    std::vector<std::string> statements;
    if (!owner_.empty()) {
      statements.push_back(
          fmt::format("REVOKE ALL ON {} {} FROM {}", relation_.words, relation_.on, owner_));
    }
    for (const auto& [grantee, privileges] : granted_) {
      statements.push_back(fmt::format("GRANT {} ON {} {} TO {}{}", privileges, relation_.words,
                                       relation_.on, grantee.first,
                                       grantee.second ? " WITH GRANT OPTION" : ""));
    }
    std::string sql = fmt::format("{}", fmt::join(statements, ";\n"));
    return sql.empty() ? sql : as_owner(std::move(sql));
  }

 private:
  Result<std::string> as_owner(std::string sql) {
    PGFANOUT_TRY_ASSIGN(const Rows me, draft_.target.query(kSuperuserSql));
    if (me.size() > 0 && me.boolean(0, 0)) return sql;
    PGFANOUT_TRY_ASSIGN(const Rows owner,
                        draft_.source.query(kOwnerSql, {std::to_string(relation_.oid)}));
    PGFANOUT_TRY_ASSIGN(const bool is_there, draft_.has_role(owner.str(0, 0)));
    if (!is_there) return sql;
    return fmt::format("SET ROLE {};\n{};\nRESET ROLE", quoted_name(owner.text(0, 0)), sql);
  }

  Result<void> take(const Rows& rows, int row) {
    std::string role;  // Empty: PUBLIC.
    bool has_grant_option = false;
    std::string privilege;
    std::int64_t column_number = 0;  // 0: on the relation itself.
    std::string column;
    bool is_owner = false;
    bool owner_lacks_rights = false;
    read_row(rows, row, role, has_grant_option, privilege, column_number, column, is_owner,
             owner_lacks_rights);
    const bool is_of_column = column_number != 0;
    const std::string grantee = role.empty() ? "PUBLIC" : quoted_name(role);
    if (is_owner && !is_of_column) {
      if (!owner_lacks_rights) return {};
      owner_ = grantee;
    }
    PGFANOUT_TRY_ASSIGN(const bool is_there, has_role(role));
    if (!is_there) return {};
    constexpr int kFirstWithMaintain = 170000;
    if (privilege == "MAINTAIN" && draft_.target.server_version() < kFirstWithMaintain) return {};
    if (is_of_column) {
      if (relation_.has_mapped_columns) {
        const ColumnMatch* match = draft_.columns.find(column_number);
        if (match == nullptr || !match->target) return {};
        column = *match->target;
      }
      privilege += fmt::format(" ({})", quoted_name(column));
    }
    // An owner's own rights need no grant option.
    std::string& all = granted_[{grantee, has_grant_option && !is_owner}];
    all += (all.empty() ? "" : ", ") + privilege;
    return {};
  }

  Result<bool> has_role(const std::string& role) {
    if (role.empty()) return true;
    PGFANOUT_TRY_ASSIGN(const bool is_there, draft_.has_role(role));
    if (!is_there && missing_.insert({role, true}).second) {
      draft_.leave_behind("grant", display_name(role), "the target's server has no such role",
                          "create the role there, or accept the loss by this name");
    }
    return is_there;
  }

  CarryDraft& draft_;
  const GrantedRelation& relation_;
  std::string owner_;  ///< Of a relation whose owner lacks rights; else empty.
  std::map<std::pair<std::string, bool>, std::string> granted_;  ///< By grantee and grant option.
  std::map<std::string, bool> missing_;
};

/// Grants on leaves: how many different ones there are, how many leaves have some, and one leaf.
constexpr const char* kLeafGrantsSql = R"sql(
SELECT count(DISTINCT COALESCE(c.relacl::text, '')), count(c.relacl), min(c.oid)
FROM {0} JOIN pg_class c ON c.oid = leaf.oid WHERE leaf.oid <> $1::oid)sql";

constexpr std::string_view kLeafPlaceholder = "{leaf of the target}";

/// Adds `sql` with the name of each leaf in place of kLeafPlaceholder; nothing if it is empty.
void add_to_leaves(CarryDraft& draft, std::string_view sql) {
  for (std::size_t leaf = 0; !sql.empty() && leaf < draft.request.target_leaves.size(); ++leaf) {
    draft.add_leaf_attribute(
        leaf, with_placeholder(sql, kLeafPlaceholder, draft.request.target_leaves[leaf]));
  }
}

/// The leaf of the source whose grants every leaf of the target gets; 0: none.
Result<std::uint32_t> leaf_model(CarryDraft& draft) {
  if (draft.request.source.kind != 'p') return 0U;
  PGFANOUT_TRY_ASSIGN(const Rows row, draft.read(fmt::format(kLeafGrantsSql, kTableLeaves)));
  if (row.integer(0, 1) == 0) return 0U;
  if (row.integer(0, 0) == 1) return row.oid(0, 2);
  draft.note(Severity::warning, "leaf-object",
             "the source's leaves differ in their grants: the target's leaves get none",
             "grant on the table itself, or on the target's leaves after the swap");
  return 0U;
}

Result<void> carry_leaves(CarryDraft& draft, bool has_owner) {
  const std::string leaf_of(kLeafPlaceholder);
  std::string grants;
  PGFANOUT_TRY_ASSIGN(const std::uint32_t model, leaf_model(draft));
  if (model != 0) {
    PGFANOUT_TRY_ASSIGN(grants, grants_of(draft, {model, "TABLE", leaf_of, false}));
  }
  if (has_owner) draft.alter_leaves("OWNER TO " + quoted_name(draft.request.source.owner));
  add_to_leaves(draft, grants);
  return {};
}

}  // namespace

Result<std::string> grants_of(CarryDraft& draft, const GrantedRelation& relation) {
  return Grants(draft, relation).make();
}

Result<std::string> revoke_defaults(CarryDraft& draft, std::string_view words,
                                    const std::string& schema, std::string_view on) {
  PGFANOUT_TRY_ASSIGN(
      const Rows row,
      draft.target.query(kDefaultsSql, {std::string(words == "TABLE" ? "r" : "S"), schema}));
  if (row.is_null(0, 0)) return std::string();
  return fmt::format("REVOKE ALL ON {} {} FROM {}", words, on, row.text(0, 0));
}

Result<void> carry_access(CarryDraft& draft) {
  const CarryRequest& request = draft.request;
  PGFANOUT_TRY_ASSIGN(std::string revoke,
                      revoke_defaults(draft, "TABLE", request.target_schema, kLeafPlaceholder));
  if (!revoke.empty()) {
    draft.add_attribute("default privileges",
                        with_placeholder(revoke, kLeafPlaceholder, draft.table));
    add_to_leaves(draft, revoke);
  }
  PGFANOUT_TRY_ASSIGN(const bool has_owner, draft.has_role(request.source.owner));
  if (!has_owner) {
    draft.leave_behind("owner", display_name(request.source.owner),
                       "the target's server has no such role",
                       "create the role there, or accept the loss by this name");
  }
  PGFANOUT_TRY(carry_leaves(draft, has_owner));
  if (has_owner) {
    draft.last.push_back({fmt::format("owner {}", draft.table),
                          fmt::format("ALTER TABLE {} OWNER TO {}", draft.table,
                                      quoted_name(request.source.owner))});
  }
  PGFANOUT_TRY_ASSIGN(std::string grants,
                      grants_of(draft, {request.source.oid, "TABLE", draft.table, true}));
  if (!grants.empty()) {
    draft.grants.push_back({fmt::format("grants {}", draft.table), std::move(grants)});
  }
  return {};
}

}  // namespace pgfanout
