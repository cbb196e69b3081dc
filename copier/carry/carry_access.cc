// Owner and grants, last of all: the role that carries the rest over must own the target for it,
// and a grant made before the owner changes is lost where the new owner is the grantee.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/carry/carry_grants.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// Grants on leaves: how many differ, how many leaves have some, and one leaf that has.
constexpr const char* kLeafGrantsSql = R"sql(
SELECT count(DISTINCT COALESCE(c.relacl::text, '')),
  count(c.relacl), count(*), min(c.oid)
FROM {0} JOIN pg_class c ON c.oid = leaf.oid WHERE leaf.oid <> $1::oid)sql";

Result<void> revoke_defaults(CarryContext& context) {
  const CarryRequest& request = context.request;
  PGFANOUT_TRY_ASSIGN(const std::string grantees,
                      default_grantees(context, 'r', request.target_schema));
  if (grantees.empty()) return {};
  const auto revoke = [&](const std::string& table) {
    return fmt::format("REVOKE ALL ON TABLE {} FROM {}", table, grantees);
  };
  context.add_attribute("default privileges", revoke(request.target_qualified));
  for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
    context.add_leaf_attribute(leaf, revoke(request.target_leaves[leaf]));
  }
  return {};
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
  constexpr std::string_view kPlaceholder = "{leaf of the target}";
  std::string grants;
  if (model != 0) {
    PGFANOUT_TRY_ASSIGN(grants,
                        grants_of(context, {model, "TABLE", std::string(kPlaceholder), false}));
  }
  for (std::size_t leaf = 0; leaf < request.target_leaves.size(); ++leaf) {
    const std::string& table = request.target_leaves[leaf];
    if (has_owner) {
      context.add_leaf_attribute(leaf, fmt::format("ALTER TABLE {} OWNER TO {}", table,
                                                   quoted_name(request.source.owner)));
    }
    if (grants.empty()) continue;
    context.add_leaf_attribute(leaf, with_placeholder(grants, kPlaceholder, table));
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
  PGFANOUT_TRY_ASSIGN(std::string grants, grants_of(context, {request.source.oid, "TABLE",
                                                              request.target_qualified, true}));
  if (!grants.empty()) {
    context.grants.push_back(
        {fmt::format("grants {}", request.target_qualified), std::move(grants), {}, 0});
  }
  return {};
}

}  // namespace pgfanout
