// Replica identity and the CLUSTER mark: both belong to leaves and may name an index of theirs.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/schema/schema_queries.h"

namespace pgfanout {
namespace {

/// Each way of identifying rows that leaves have, by how many; of an index, its root or itself.
constexpr const char* kIdentitySql = R"sql(
SELECT c.relreplident, root.oid, count(*), (SELECT count(*) FROM {0}),
  min(x.relname::text)
FROM {0} JOIN pg_class c ON c.oid = leaf.oid
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident
  AND c.relreplident = 'i'
LEFT JOIN LATERAL (SELECT CASE WHEN up.relispartition
    THEN pg_partition_root(i.indexrelid)::oid ELSE i.indexrelid END AS oid
  FROM pg_class up WHERE up.oid = i.indexrelid) root ON true
LEFT JOIN pg_class x ON x.oid = root.oid
GROUP BY c.relreplident, root.oid ORDER BY 3 DESC)sql";

constexpr const char* kOwnIdentitySql =
    "SELECT c.relreplident, i.indexrelid FROM pg_class c"
    " LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident WHERE c.oid = $1::oid";

constexpr const char* kClusterSql = R"sql(
SELECT root.oid, count(*), (SELECT count(*) FROM {0})
FROM {0} JOIN pg_index i ON i.indrelid = leaf.oid AND i.indisclustered
CROSS JOIN LATERAL (SELECT CASE WHEN up.relispartition
    THEN pg_partition_root(i.indexrelid)::oid ELSE i.indexrelid END AS oid
  FROM pg_class up WHERE up.oid = i.indexrelid) root
GROUP BY root.oid)sql";

const CarriedIndex* find_index(const CarryContext& context, std::uint32_t oid) {
  const auto found = std::find_if(context.indexes.begin(), context.indexes.end(),
                                  [&](const CarriedIndex& at) { return at.source_oid == oid; });
  return found == context.indexes.end() ? nullptr : &*found;
}

std::string_view plain_identity(char kind) {
  if (kind == 'n') return "NOTHING";
  return kind == 'f' ? "FULL" : "DEFAULT";
}

void identify_leaves_by(CarryContext& context, const CarriedIndex& index) {
  for (std::size_t leaf = 0; leaf < index.on_leaves.size(); ++leaf) {
    context.add_leaf_attribute(
        leaf, fmt::format("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}",
                          context.request.target_leaves[leaf], quoted_name(index.on_leaves[leaf])));
  }
}

void carry_index_identity(CarryContext& context, std::uint32_t oid, const std::string& name) {
  const CarriedIndex* index = find_index(context, oid);
  if (index == nullptr || !index->may_identify) {
    context.leave_behind("replica identity", display_name(name),
                         "the index that identifies rows to subscribers is not carried over in a "
                         "form that can do so",
                         "accept it by this name, and set another one: REPLICA IDENTITY FULL works "
                         "always");
    return;
  }
  identify_leaves_by(context, *index);
}

/// Of the source itself, where it is partitioned: no row is written under it, leaves added later
/// do not inherit it, but people read it.
Result<void> carry_own_identity(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows own, context.read(kOwnIdentitySql));
  if (own.size() == 0 || own.text(0, 0) == "d") return {};
  const std::string& parent = context.request.target_qualified;
  if (own.text(0, 0) != "i") {
    context.add_attribute("replica identity",
                          fmt::format("ALTER TABLE ONLY {} REPLICA IDENTITY {}", parent,
                                      plain_identity(own.text(0, 0).front())));
    return {};
  }
  const CarriedIndex* index = find_index(context, own.oid(0, 1));
  if (index != nullptr && index->may_identify && !index->on_parent.empty()) {
    context.add_attribute("replica identity",
                          fmt::format("ALTER TABLE ONLY {} REPLICA IDENTITY USING INDEX {}", parent,
                                      quoted_name(index->on_parent)));
  }
  return {};
}

Result<void> carry_cluster(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(fmt::format(kClusterSql, kSchemaLeaves)));
  if (rows.size() != 1 || rows.integer(0, 1) != rows.integer(0, 2)) return {};
  const CarriedIndex* index = find_index(context, rows.oid(0, 0));
  if (index == nullptr) return {};
  for (std::size_t leaf = 0; leaf < index->on_leaves.size(); ++leaf) {
    context.add_leaf_attribute(
        leaf, fmt::format("ALTER TABLE {} CLUSTER ON {}", context.request.target_leaves[leaf],
                          quoted_name(index->on_leaves[leaf])));
  }
  return {};
}

}  // namespace

Result<void> carry_identity(CarryContext& context) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, context.read(fmt::format(kIdentitySql, kSchemaLeaves)));
  if (rows.size() > 1) {
    context.note(Severity::warning, "replica-identity-differs",
                 "the source's leaves differ in replica identity: the target's get the most "
                 "frequent one",
                 "set it leaf by leaf where subscribers need it");
  }
  if (rows.size() > 0) {
    const char kind = rows.text(0, 0).front();
    if (kind == 'i' && !rows.is_null(0, 1)) {
      carry_index_identity(context, rows.oid(0, 1), rows.str(0, 4));
    } else if (kind != 'd' && kind != 'i') {
      for (std::size_t leaf = 0; leaf < context.request.target_leaves.size(); ++leaf) {
        context.add_leaf_attribute(
            leaf, fmt::format("ALTER TABLE {} REPLICA IDENTITY {}",
                              context.request.target_leaves[leaf], plain_identity(kind)));
      }
    }
  }
  PGFANOUT_TRY(carry_own_identity(context));
  return carry_cluster(context);
}

}  // namespace pgfanout
