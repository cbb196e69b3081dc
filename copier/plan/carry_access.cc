// Owner and grants, last of all: whoever carries the rest over must own the target for it, and what
// an owner grants before the table changes hands is lost where the new owner is the grantee.
#include <fmt/format.h>

#include "copier/plan/carry_context.h"
#include "copier/plan/carry_grants.h"
#include "copier/plan/relation_name.h"
#include "copier/plan/schema_queries.h"

namespace pgfanout {
namespace {

/// Whom ALTER DEFAULT PRIVILEGES gives rights on the tables that this role creates here.
constexpr const char* kDefaultsSql = R"sql(
SELECT pg_catalog.string_agg(DISTINCT CASE x.grantee WHEN 0 THEN 'PUBLIC'
  ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END, ', ')
FROM pg_catalog.pg_default_acl d CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) x
WHERE d.defaclobjtype = 'r' AND d.defaclrole = CURRENT_USER::pg_catalog.regrole
  AND x.grantee <> d.defaclrole AND d.defaclnamespace IN (0,
    (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1)))sql";

/// Grants on leaves: how many differ, how many leaves have some, and one leaf that has.
constexpr const char* kLeafGrantsSql = R"sql(
SELECT pg_catalog.count(DISTINCT COALESCE(c.relacl::pg_catalog.text, '')),
  pg_catalog.count(c.relacl), pg_catalog.count(*), pg_catalog.min(c.oid)
FROM {0} JOIN pg_catalog.pg_class c ON c.oid = leaf.oid WHERE leaf.oid <> $1::pg_catalog.oid)sql";

std::string joined(const std::vector<std::string>& statements) {
  std::string sql;
  for (const std::string& statement : statements) sql += (sql.empty() ? "" : ";\n") + statement;
  return sql;
}

Result<void> revoke_defaults(CarryContext& context) {
  const CarryRequest& request = context.request;
  PGFANOUT_TRY_ASSIGN(const Rows row, context.target.query(kDefaultsSql, {request.target_schema}));
  if (row.is_null(0, 0)) return {};
  context.add_attribute(
      "default privileges",
      fmt::format("REVOKE ALL ON TABLE {} FROM {}", request.target_qualified, row.text(0, 0)));
  for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
    context.add_leaf_attribute(leaf, fmt::format("REVOKE ALL ON TABLE {} FROM {}",
                                                 request.target_leaves[leaf], row.text(0, 0)));
  }
  return {};
}

/// For all leaves, if those of the source have the same ones.
Result<std::vector<std::string>> leaf_grants(CarryContext& context, const std::string& leaf,
                                             std::uint32_t model) {
  return grants_of(context, {model, "TABLE", leaf, false});
}

Result<std::uint32_t> leaf_model(CarryContext& context) {
  if (context.request.source.kind != 'p') return 0U;
  PGFANOUT_TRY_ASSIGN(const Rows row, context.read(fmt::format(kLeafGrantsSql, kSchemaLeaves)));
  if (row.integer(0, 1) == 0) return 0U;
  if (row.integer(0, 0) == 1) return row.oid(0, 3);
  context.note(Severity::warning, "leaf-object",
               "the source's leaves differ in their grants: the target's leaves get none",
               "grant on the table itself, or on the target's leaves after the swap");
  return 0U;
}

Result<void> carry_leaves(CarryContext& context, bool has_owner) {
  const CarryRequest& request = context.request;
  PGFANOUT_TRY_ASSIGN(const std::uint32_t model, leaf_model(context));
  constexpr std::string_view kPlaceholder = "{leaf}";
  std::vector<std::string> grants;
  if (model != 0) {
    PGFANOUT_TRY_ASSIGN(grants, leaf_grants(context, std::string(kPlaceholder), model));
  }
  for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
    if (has_owner) {
      context.add_leaf_attribute(
          leaf, fmt::format("ALTER TABLE {} OWNER TO {}", request.target_leaves[leaf],
                            quoted_name(request.source.owner)));
    }
    for (std::string statement : grants) {
      const std::size_t at = statement.find(kPlaceholder);
      statement.replace(at, kPlaceholder.size(), request.target_leaves[leaf]);
      context.add_leaf_attribute(leaf, statement);
    }
  }
  return {};
}

}  // namespace

Result<void> carry_access(CarryContext& context) {
  const CarryRequest& request = context.request;
  PGFANOUT_TRY(revoke_defaults(context));
  PGFANOUT_TRY_ASSIGN(const bool has_owner, context.has_role(request.source.owner));
  if (!has_owner) {
    context.leave_behind("owner", display_name(request.source.owner),
                         "the target's server has no such role",
                         "create the role there, or accept the loss by this name");
  }
  PGFANOUT_TRY(carry_leaves(context, has_owner));
  if (has_owner) {
    context.last.push_back({fmt::format("owner {}", request.target_qualified),
                            fmt::format("ALTER TABLE {} OWNER TO {}", request.target_qualified,
                                        quoted_name(request.source.owner)),
                            {},
                            0});
  }
  PGFANOUT_TRY_ASSIGN(
      const std::vector<std::string> grants,
      grants_of(context, {request.source.oid, "TABLE", request.target_qualified, true}));
  if (!grants.empty()) {
    context.last.push_back(
        {fmt::format("grants {}", request.target_qualified), joined(grants), {}, 0});
  }
  return {};
}

}  // namespace pgfanout
