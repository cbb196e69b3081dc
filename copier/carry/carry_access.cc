// Owner and grants, last of all: the role that carries the rest over must own the target for it,
// and a grant made before the owner changes is lost where the new owner is the grantee.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

// An owner who revoked own rights lacks some of those that acldefault() lists. {}: an object.
constexpr const char* kGrantsSql = R"sql(
WITH object AS ({})
SELECT pg_get_userbyid(g.grantor), CASE g.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(g.grantee) END,
  g.is_grantable, g.privilege, g.number, g.column, g.grantee = object.owner, pg_get_userbyid(owner),
  object.acl IS NOT NULL AND EXISTS (SELECT u.privilege_type FROM aclexplode(object.usual) u
    WHERE u.grantee = object.owner AND u.privilege_type <> 'MAINTAIN'
    EXCEPT SELECT a.privilege_type FROM aclexplode(object.acl) a WHERE a.grantee = object.owner)
FROM object LEFT JOIN LATERAL (
  SELECT x.grantor, x.grantee, x.is_grantable, x.privilege_type AS privilege, 0 AS number,
    NULL AS column
  FROM aclexplode(COALESCE(object.acl, object.usual)) x
  UNION ALL
  SELECT x.grantor, x.grantee, x.is_grantable, x.privilege_type, a.attnum, a.attname
  FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x
  WHERE object.is_relation AND a.attrelid = object.oid AND NOT a.attisdropped) g ON true
ORDER BY 5, 1, 2, 3, 4)sql";

constexpr const char* kRelationSql =
    "SELECT c.oid, c.relowner AS owner, c.relacl AS acl, true AS is_relation,"
    " acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner) AS usual"
    " FROM pg_class c WHERE c.oid = $1::oid";

constexpr const char* kRoutineSql =
    "SELECT p.oid, p.proowner AS owner, p.proacl AS acl, false AS is_relation,"
    " acldefault('f', p.proowner) AS usual FROM pg_proc p WHERE p.oid = $1::oid";

constexpr const char* kDefaultsSql = R"sql(
SELECT string_agg(DISTINCT COALESCE(NULLIF(x.grantee, 0)::regrole::text, 'PUBLIC'), ', ')
FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) x
WHERE d.defaclrole = quote_ident(CURRENT_USER)::regrole AND d.defaclobjtype = $1
  AND x.grantee <> d.defaclrole AND d.defaclnamespace IN (0,
    (SELECT n.oid FROM pg_namespace n WHERE n.nspname = $2)))sql";

constexpr const char* kSuperuserSql = "SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER";
/// {}: SET or MEMBER.
constexpr const char* kMayBecomeSql = "SELECT pg_has_role($1, '{}')";

struct Grant {
  std::string grantor;
  std::string grantee;  ///< Empty: PUBLIC.
  bool has_option = false;
  std::string privilege;
  std::int64_t column_number = 0;  ///< 0: on the object itself.
  std::string column;
  bool is_owner = false;
  std::string owner;
  bool owner_lacks_rights = false;
};

std::string role_words(const std::string& role) {
  return role.empty() ? "PUBLIC" : quoted_name(role);
}

class Grants {
 public:
  Grants(CarryDraft& draft, const GrantedObject& object) : draft_(draft), object_(object) {}

  Result<std::string> make() {
    const bool is_routine = object_.words == "ROUTINE";
    PGFANOUT_TRY_ASSIGN(
        const Rows rows,
        draft_.source.query(fmt::format(kGrantsSql, is_routine ? kRoutineSql : kRelationSql),
                            {std::to_string(object_.oid)}));
    for (int row = 0; row < rows.size(); ++row) {
      Grant grant;
      read_row(rows, row, grant.grantor, grant.grantee, grant.has_option, grant.privilege,
               grant.column_number, grant.column, grant.is_owner, grant.owner,
               grant.owner_lacks_rights);
      PGFANOUT_TRY(take(std::move(grant)));
    }
    if (object_.has_mapped_columns) extend_to_key();
    return statements();
  }

 private:
  Result<void> take(Grant grant) {
    owner_ = grant.owner;
    owner_lacks_rights_ = grant.owner_lacks_rights;
    if (grant.privilege.empty()) return {};  // Nobody has any right.
    if (grant.is_owner && grant.column_number == 0) {
      if (!grant.owner_lacks_rights && object_.words != "ROUTINE") return {};
      grant.has_option = false;  // An owner's own rights need none.
    }
    PGFANOUT_TRY_ASSIGN(const bool is_there, has_role(grant.grantee));
    if (!is_there) return {};
    constexpr int kFirstWithMaintain = 170000;
    if (grant.privilege == "MAINTAIN" && draft_.target.server_version() < kFirstWithMaintain) {
      return {};
    }
    if (grant.column_number != 0 && object_.has_mapped_columns) {
      const ColumnMatch* match = draft_.columns.find(grant.column_number);
      if (match == nullptr || !match->target) return {};
      grant.column = *match->target;
    }
    grants_.push_back(std::move(grant));
    return {};
  }

  /// A role that has a privilege on columns needs it on the key column as well: to insert in any
  /// case, to update where it may change what the key is computed from, and else where it has it on
  /// all of that, which then tells it nothing new.
  void extend_to_key() {
    const auto& key = draft_.request.key_column;
    const bool is_new = key && draft_.request.source.find(*key) == nullptr;
    if (!is_new) return;
    const auto& inputs = draft_.columns.key_inputs();
    std::map<std::pair<std::string, std::string>, std::vector<Grant>> groups;
    for (const Grant& grant : grants_) groups[{grant.grantee, grant.privilege}].push_back(grant);
    for (const auto& group : groups) {
      const auto& [grantee, privilege] = group.first;
      const std::vector<Grant>& grants = group.second;
      const auto has = [&](const std::string& column) {
        return std::any_of(grants.begin(), grants.end(),
                           [&](const Grant& grant) { return grant.column == column; });
      };
      const bool is_of_table = std::any_of(grants.begin(), grants.end(), [](const Grant& grant) {
        return grant.column_number == 0;
      });
      const bool writes = privilege == "INSERT" || privilege == "UPDATE";
      if (is_of_table || (writes && !draft_.rules.supplies_key)) continue;
      const bool needs_key =
          privilege == "INSERT" ||
          (privilege == "UPDATE" ? std::any_of(inputs.begin(), inputs.end(), has)
                                 : std::all_of(inputs.begin(), inputs.end(), has));
      if (!needs_key) continue;
      Grant more = *std::max_element(
          grants.begin(), grants.end(),
          [](const Grant& one, const Grant& other) { return one.has_option < other.has_option; });
      more.column = *key;
      grants_.push_back(more);
      draft_.plan.key_grants.push_back(
          fmt::format("{} ({}) to {}", privilege, display_name(*key),
                      grantee.empty() ? "PUBLIC" : display_name(grantee)));
    }
  }

  /// A grantor other than the owner must have the right to grant already.
  [[nodiscard]] bool may_grant(const std::vector<Grant>& made, const Grant& grant) const {
    return grant.grantor == owner_ ||
           std::any_of(made.begin(), made.end(), [&](const Grant& before) {
             return before.has_option && before.grantee == grant.grantor &&
                    before.privilege == grant.privilege &&
                    (before.column_number == 0 || before.column == grant.column);
           });
  }

  /// Each by its grantor, in the order in which they were possible.
  Result<std::string> statements() {
    std::vector<std::string> all;
    if (owner_lacks_rights_) {
      all.push_back(fmt::format("REVOKE ALL ON {} {} FROM {}", object_.words, object_.on,
                                role_words(owner_)));
      PGFANOUT_TRY(run_as(owner_, all));
    }
    std::vector<Grant> made;
    std::vector<Grant> left = std::move(grants_);
    while (!left.empty()) {
      std::vector<Grant> now;
      const auto rest = std::stable_partition(
          left.begin(), left.end(), [&](const Grant& grant) { return !may_grant(made, grant); });
      now.assign(rest, left.end());
      left.erase(rest, left.end());
      if (now.empty()) {  // The key column joined some that others may grant.
        now.swap(left);
        for (Grant& grant : now) grant.grantor = owner_;
      }
      std::map<std::string, std::vector<Grant>> by_grantor;
      for (const Grant& grant : now) {
        PGFANOUT_TRY_ASSIGN(const std::string grantor, grantor_of(grant));
        by_grantor[grantor].push_back(grant);
      }
      for (const auto& [grantor, grants] : by_grantor) {
        std::vector<std::string> sql = sentences(grants);
        PGFANOUT_TRY(run_as(grantor, sql));
        all.insert(all.end(), sql.begin(), sql.end());
      }
      made.insert(made.end(), now.begin(), now.end());
    }
    return fmt::format("{}", fmt::join(all, ";\n"));
  }

  /// "GRANT a, b (c) ON ... TO ...", one for each grantee and grant option.
  [[nodiscard]] std::vector<std::string> sentences(const std::vector<Grant>& grants) const {
    std::map<std::pair<std::string, bool>, std::string> by_grantee;
    for (const Grant& grant : grants) {
      std::string& privileges = by_grantee[{role_words(grant.grantee), grant.has_option}];
      privileges += (privileges.empty() ? "" : ", ") + grant.privilege;
      if (!grant.column.empty()) privileges += fmt::format(" ({})", quoted_name(grant.column));
    }
    std::vector<std::string> sql;
    for (const auto& [grantee, privileges] : by_grantee) {
      sql.push_back(fmt::format("GRANT {} ON {} {} TO {}{}", privileges, object_.words, object_.on,
                                grantee.first, grantee.second ? " WITH GRANT OPTION" : ""));
    }
    return sql;
  }

  /// The owner, where this session cannot become the grantor.
  Result<std::string> grantor_of(const Grant& grant) {
    if (grant.grantor == owner_) return owner_;
    PGFANOUT_TRY_ASSIGN(const bool is_there, draft_.has_role(grant.grantor));
    if (is_there) {
      const bool has_set = draft_.target.server_version() >= kFirstWithSetOption;
      PGFANOUT_TRY_ASSIGN(
          const Rows may,
          draft_.target.query(fmt::format(kMayBecomeSql, has_set ? "SET" : "MEMBER"),
                              {grant.grantor}));
      if (may.boolean(0, 0)) return grant.grantor;
    }
    if (missing_.insert({grant.grantor, true}).second) {
      draft_.note(Severity::info, "grantor-changes",
                  fmt::format("the owner repeats the grants that role {} has made on {}",
                              display_name(grant.grantor), object_.on),
                  fmt::format("GRANT {} TO the role that runs the job, if {} is to revoke them "
                              "later",
                              quoted_name(grant.grantor), display_name(grant.grantor)));
    }
    return owner_;
  }

  /// A superuser grants as the owner does. Another role would grant by its own rights where it has
  /// them, and the grant would depend on that role.
  Result<void> run_as(const std::string& role, std::vector<std::string>& sql) {
    if (role == owner_) {
      PGFANOUT_TRY_ASSIGN(const Rows me, draft_.target.query(kSuperuserSql));
      if (me.size() > 0 && me.boolean(0, 0)) return {};
      PGFANOUT_TRY_ASSIGN(const bool is_there, draft_.has_role(owner_));
      if (!is_there) return {};
    }
    sql.insert(sql.begin(), "SET ROLE " + quoted_name(role));
    sql.emplace_back("RESET ROLE");
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
  const GrantedObject& object_;
  std::string owner_;
  bool owner_lacks_rights_ = false;
  std::vector<Grant> grants_;
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
    draft.add_of_leaf(draft.leaf_access, leaf,
                      with_placeholder(sql, kLeafPlaceholder, draft.request.target_leaves[leaf]));
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
  for (std::size_t leaf = 0; has_owner && leaf < draft.request.target_leaves.size(); ++leaf) {
    draft.add_of_leaf(draft.leaf_access, leaf,
                      fmt::format("ALTER TABLE {} OWNER TO {}", draft.request.target_leaves[leaf],
                                  quoted_name(draft.request.source.owner)));
  }
  add_to_leaves(draft, grants);
  return {};
}

}  // namespace

Result<std::string> grants_of(CarryDraft& draft, const GrantedObject& object) {
  return Grants(draft, object).make();
}

Result<std::string> revoke_defaults(CarryDraft& draft, std::string_view words,
                                    const std::string& schema, std::string_view on) {
  PGFANOUT_TRY_ASSIGN(const Rows row,
                      draft.target.query(kDefaultsSql, {std::string(words == "TABLE"     ? "r"
                                                                    : words == "ROUTINE" ? "f"
                                                                                         : "S"),
                                                        schema}));
  std::string roles = row.str(0, 0);
  // PUBLIC may execute any new routine.
  if (words == "ROUTINE") roles += roles.empty() ? "PUBLIC" : ", PUBLIC";
  if (roles.empty()) return std::string();
  return fmt::format("REVOKE ALL ON {} {} FROM {}", words, on, roles);
}

Result<void> carry_access(CarryDraft& draft) {
  const CarryRequest& request = draft.request;
  PGFANOUT_TRY_ASSIGN(std::string revoke,
                      revoke_defaults(draft, "TABLE", request.target_schema, kLeafPlaceholder));
  if (!revoke.empty()) {
    draft.add_attribute("default privileges",
                        with_placeholder(revoke, kLeafPlaceholder, draft.table));
    if (!draft.rules.is_plain) add_to_leaves(draft, revoke);
  }
  PGFANOUT_TRY_ASSIGN(const bool has_owner, draft.has_role(request.source.owner));
  if (!has_owner) {
    draft.leave_behind("owner", display_name(request.source.owner),
                       "the target's server has no such role",
                       "create the role there, or accept the loss by this name");
  }
  if (!draft.rules.is_plain) PGFANOUT_TRY(carry_leaves(draft, has_owner));
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
