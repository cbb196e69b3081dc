// Who else depends on how rows of the table are seen: policies that hide rows, and subscribers that
// must be told which row was changed.
#include <fmt/format.h>

#include "copier/base/amount.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/preflight/preflight_checks.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// Publications of changes to the table or one of its leaves; {1}: those of the schema.
constexpr const char* kPublishedSql =
    "SELECT quote_ident(p.pubname), p.pubupdate OR p.pubdelete, p.pubviaroot"
    " FROM pg_publication p WHERE p.puballtables"
    " OR EXISTS (SELECT 1 FROM pg_publication_rel r JOIN {0} ON tree.oid = r.prrelid"
    "  WHERE r.prpubid = p.oid) {1} ORDER BY 1";

constexpr const char* kOfSchemaSql =
    "OR EXISTS (SELECT 1 FROM pg_publication_namespace s JOIN pg_class c"
    " ON c.relnamespace = s.pnnspid WHERE s.pnpubid = p.oid AND c.oid = $1::oid)";

/// Replica identities of the leaves, with how many have each.
constexpr const char* kIdentitySql =
    "SELECT c.relreplident, count(*) FROM {} JOIN pg_class c"
    " ON c.oid = leaf.oid GROUP BY 1 ORDER BY 2 DESC, 1";

struct Published {
  std::vector<std::string> by;  ///< Publications.
  bool changes = false;         ///< Updates or deletes too.
  bool as_root = false;         ///< All of them as changes of the parent.
};

Result<Published> find_published(PreflightContext& context) {
  const bool has_schemas = context.source.server_version() >= kFirstWithSchemaPublications;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      context.source.query(fmt::format(kPublishedSql, kSchemaTree, has_schemas ? kOfSchemaSql : ""),
                           {std::to_string(context.plan.source.oid)}));
  Published published;
  published.as_root = rows.size() > 0;
  for (int row = 0; row < rows.size(); ++row) {
    published.by.push_back(rows.str(row, 0));
    published.changes = published.changes || rows.boolean(row, 1);
    published.as_root = published.as_root && rows.boolean(row, 2);
  }
  return published;
}

std::string identity_text(const Rows& rows) {
  std::string text;
  for (int row = 0; row < rows.size(); ++row) {
    const char kind = rows.text(row, 0).front();
    const char* name = kind == 'd'   ? "the primary key"
                       : kind == 'f' ? "the whole row (FULL)"
                       : kind == 'i' ? "an index"
                                     : "nothing";
    text += row == 0 ? "" : ", ";
    text += rows.size() == 1 ? name : fmt::format("{} ({} leaves)", name, rows.text(row, 1));
  }
  return text;
}

/// How a subscriber finds the row of a change, once the target has the source's name.
void note_new_identity(PreflightContext& context, const Published& published, bool is_default) {
  const CopyPlan& plan = context.plan;
  const bool has_parent_key = plan.key.column && !plan.key.is_generated;
  if (!published.as_root) {
    context.add(Severity::warning, "publishes-leaves",
                fmt::format("{} publishes changes under the names of leaves: a subscriber needs "
                            "the {} new ones before the swap",
                            some_of(published.by), plan.target.leaves.size()),
                plan.source.qualified,
                "make the same tables at the subscribers first, or set "
                "publish_via_partition_root");
  }
  if (!published.changes || !is_default) return;
  if (has_parent_key) {
    context.add(Severity::warning, "replica-identity",
                fmt::format("the replica identity gains {}: subscribers to {} find rows by the "
                            "primary key, and need the column in theirs",
                            display_name(*plan.key.column), some_of(published.by)),
                plan.source.qualified,
                "add the column and the key at the subscribers before the swap");
  } else if (plan.source.primary_key.empty()) {
    context.add(Severity::warning, "replica-identity",
                fmt::format("{} publishes updates or deletes of a table without a replica "
                            "identity: they are refused today, and will be",
                            some_of(published.by)),
                plan.source.qualified, "ALTER TABLE ... REPLICA IDENTITY FULL, or publish inserts");
  } else {
    context.add(Severity::warning, "replica-identity",
                fmt::format("a table listed by an expression has no primary key: for {} each leaf "
                            "needs REPLICA IDENTITY USING INDEX",
                            some_of(published.by)),
                plan.source.qualified,
                "see that every leaf has it before the swap, or use --key-mode check");
  }
}

}  // namespace

Result<void> check_row_security(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(
      const Rows row,
      context.source.query(
          "SELECT c.relrowsecurity, c.relforcerowsecurity, (SELECT count(*)"
          " FROM pg_policy p WHERE p.polrelid = c.oid) FROM pg_class c WHERE c.oid = $1::oid",
          {std::to_string(context.plan.source.oid)}));
  if (row.size() == 0 || !row.boolean(0, 0)) return {};
  context.add(Severity::info, "row-security",
              fmt::format("row-level security is on{} with {} {}: this role is exempt and "
                          "reads every row; until the swap the target must have it too",
                          row.boolean(0, 1) ? ", for the owner as well," : "", row.text(0, 2),
                          row.integer(0, 2) == 1 ? "policy" : "policies"),
              context.plan.source.qualified,
              "see that policies and their switch are among what is carried over");
  return {};
}

Result<void> check_replication(PreflightContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows identity,
                      context.source.query(fmt::format(kIdentitySql, kSchemaLeaves),
                                           {std::to_string(context.plan.source.oid)}));
  PGFANOUT_TRY_ASSIGN(const Published published, find_published(context));
  const bool is_default = identity.size() > 0 && identity.text(0, 0) == "d";
  const std::string by =
      published.by.empty() ? "" : fmt::format(", published by {}", some_of(published.by));
  context.add(
      Severity::info, "replica-identity-now",
      fmt::format("changed rows are named to subscribers by {}{}", identity_text(identity), by),
      context.plan.source.qualified);
  if (published.by.empty()) return {};
  note_new_identity(context, published, is_default);
  return {};
}

}  // namespace pgfanout
