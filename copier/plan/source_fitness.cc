#include "copier/plan/source_fitness.h"

#include <fmt/format.h>

#include "copier/catalog/type_catalog.h"

namespace pgfanout {
namespace {

Result<void> check_settings(Connection& source, const ServerFacts& facts) {
  const char* setting = facts.zeroes_damaged_pages ? "zero_damaged_pages"
                        : facts.ignores_checksums  ? "ignore_checksum_failure"
                                                   : nullptr;
  if (setting == nullptr) return {};
  return refused(
      "damaged-pages-hidden",
      fmt::format("{} is on: the source's server would drop damaged rows in silence", setting),
      fmt::format("turn {} off", setting), source.description());
}

Result<void> check_source_leaf(const Leaf& leaf) {
  if (leaf.kind != 'r') {
    return refused("foreign-leaf",
                   fmt::format("the source's partition {} is a foreign table", leaf.qualified),
                   "detach it, or copy it into an ordinary partition first", leaf.qualified);
  }
  if (leaf.access_method != "heap") {
    return refused(
        "not-heap",
        fmt::format("{} uses the access method {}: only heaps can be read by page ranges",
                    leaf.qualified, leaf.access_method),
        "copy it into a heap table first", leaf.qualified);
  }
  return {};
}

Result<void> check_source_privileges(Connection& source, const Table& table) {
  for (const Leaf& leaf : table.leaves) {
    if (leaf.may_select) continue;
    PGFANOUT_TRY_ASSIGN(const Rows role, source.query("SELECT quote_ident(CURRENT_USER)"));
    return refused("no-privilege", fmt::format("no SELECT on {}", leaf.qualified),
                   fmt::format("GRANT SELECT ON {} TO {}{}", leaf.qualified, role.text(0, 0),
                               table.kind == 'p' ? " (partitions are read directly, so each one "
                                                   "needs it)"
                                                 : ""),
                   leaf.qualified);
  }
  return {};
}

constexpr const char* kNotCarriedSql =
    "SELECT (SELECT count(*) FROM pg_index i WHERE i.indrelid = $1::oid),"
    " (SELECT count(*) FROM pg_constraint c WHERE c.conrelid = $1::oid AND c.contype = 'f'),"
    " (SELECT count(*) FROM pg_constraint c WHERE c.confrelid = $1::oid"
    "  AND c.contype = 'f' AND c.conparentid = 0),"
    " (SELECT count(*) FROM pg_constraint c WHERE c.conrelid = $1::oid AND c.contype = 'c'),"
    " (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = $1::oid"
    // The fence's own are the job's.
    "  AND NOT t.tgisinternal AND NOT EXISTS (SELECT 1 FROM pg_proc f"
    "   JOIN pg_namespace s ON s.oid = f.pronamespace AND s.nspname = 'pgfanout'"
    "   WHERE f.oid = t.tgfoid AND starts_with(f.proname, 'fence_'))),"
    " (SELECT count(*) FROM pg_policy p WHERE p.polrelid = $1::oid),"
    " (SELECT count(*) FROM pg_publication_rel p WHERE p.prrelid = $1::oid),"
    " (SELECT count(*) FROM pg_statistic_ext s WHERE s.stxrelid = $1::oid),"
    " (SELECT count(*) FROM pg_description d WHERE d.objoid = $1::oid"
    "  AND d.classoid = 'pg_class'::regclass)";

constexpr const char* kNotCarriedNames[] = {"indexes with the primary key",
                                            "foreign keys",
                                            "foreign keys of other tables",
                                            "checks",
                                            "triggers",
                                            "policies",
                                            "publications",
                                            "extended statistics",
                                            "comments"};

}  // namespace

Result<void> check_source(Connection& source, const Table& table, const ServerFacts& facts) {
  PGFANOUT_TRY(check_settings(source, facts));
  if (table.hides_rows) {
    return refused(
        "row-security",
        fmt::format("row-level security hides rows of {} from this role", table.qualified),
        "run as its owner or as a role with BYPASSRLS", table.qualified);
  }
  if (!table.heirs.empty()) {
    return refused("has-heirs",
                   fmt::format("{} inherits from {}: a query on the latter reads both, a copy of "
                               "it would not",
                               table.heirs.front(), table.qualified),
                   "make its heirs partitions, or end the inheritance (ALTER TABLE ... NO INHERIT)",
                   table.qualified);
  }
  for (const Leaf& leaf : table.leaves) PGFANOUT_TRY(check_source_leaf(leaf));
  return check_source_privileges(source, table);
}

Result<std::vector<Issue>> note_not_carried(Connection& source, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows counts, source.query(kNotCarriedSql, {std::to_string(table.oid)}));
  std::string list;
  for (int at = 0; at < counts.columns(); ++at) {
    if (counts.integer(0, at) == 0) continue;
    list += fmt::format(", {} ({})", kNotCarriedNames[static_cast<std::size_t>(at)],
                        counts.integer(0, at));
  }
  std::vector<Issue> issues;
  issues.push_back({Severity::info, "not-carried",
                    fmt::format("copy makes columns, defaults and leaves only: owner, grants{} of "
                                "the source are not carried over",
                                list),
                    table.qualified, "pgfanout run carries them over"});
  return issues;
}

}  // namespace pgfanout
