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
      fmt::format("{} is on: the source's server would drop damaged rows without an error",
                  setting),
      fmt::format("turn {} off", setting), source.description());
}

constexpr const char* kNotCarriedSql =
    "SELECT string_agg(format(', %s (%s)', name, n), '' ORDER BY place) FROM (VALUES"
    " (1, 'indexes with the primary key',"
    "  (SELECT count(*) FROM pg_index i WHERE i.indrelid = $1::oid)),"
    " (2, 'foreign keys',"
    "  (SELECT count(*) FROM pg_constraint c WHERE c.conrelid = $1::oid AND c.contype = 'f')),"
    " (3, 'foreign keys of other tables',"
    "  (SELECT count(*) FROM pg_constraint c WHERE c.confrelid = $1::oid"
    "   AND c.contype = 'f' AND c.conparentid = 0)),"
    " (4, 'checks',"
    "  (SELECT count(*) FROM pg_constraint c WHERE c.conrelid = $1::oid AND c.contype = 'c')),"
    // The fence's own triggers are the job's.
    " (5, 'triggers', (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = $1::oid"
    "   AND NOT t.tgisinternal AND NOT EXISTS (SELECT 1 FROM pg_proc f"
    "    JOIN pg_namespace s ON s.oid = f.pronamespace AND s.nspname = 'pgfanout'"
    "    WHERE f.oid = t.tgfoid AND starts_with(f.proname, 'fence_')))),"
    " (6, 'policies', (SELECT count(*) FROM pg_policy p WHERE p.polrelid = $1::oid)),"
    " (7, 'publications', (SELECT count(*) FROM pg_publication_rel p WHERE p.prrelid = $1::oid)),"
    " (8, 'extended statistics',"
    "  (SELECT count(*) FROM pg_statistic_ext s WHERE s.stxrelid = $1::oid)),"
    " (9, 'comments', (SELECT count(*) FROM pg_description d WHERE d.objoid = $1::oid"
    "   AND d.classoid = 'pg_class'::regclass))) AS v (place, name, n) WHERE n > 0";

}  // namespace

Result<BothServers> read_both_servers(Connection& source, Connection& target) {
  BothServers servers;
  PGFANOUT_TRY_ASSIGN(servers.source, read_server_facts(source));
  PGFANOUT_TRY_ASSIGN(servers.target, read_server_facts(target));
  if (servers.source.encoding == servers.target.encoding) return servers;
  return refused(
      "encoding-differs",
      fmt::format("the source's encoding is {}, the target's {}: the same text has other bytes "
                  "there, hence other keys",
                  servers.source.encoding, servers.target.encoding),
      fmt::format("create the target's database with ENCODING '{}'", servers.source.encoding),
      target.description());
}

Result<void> check_leaves(Connection& connection, const Table& table, LeafUse use) {
  if (table.hides_rows) {
    return refused("row-security",
                   fmt::format("row-level security of {} applies to this role", table.qualified),
                   "run as its owner or as a role with BYPASSRLS", table.qualified);
  }
  for (const Leaf& leaf : table.leaves) {
    if (leaf.kind != 'r') {
      return refused("foreign-leaf", fmt::format("the leaf {} is a foreign table", leaf.qualified),
                     "make it an ordinary table of the same database, or detach it",
                     leaf.qualified);
    }
    if (leaf.access_method != "heap") {
      return refused("not-heap",
                     fmt::format("the leaf {} uses the access method {}: only heaps can be read by "
                                 "page numbers",
                                 leaf.qualified, leaf.access_method),
                     "copy it into a heap table first", leaf.qualified);
    }
    const bool writes = use == LeafUse::read_and_write;
    if (leaf.may_select && (leaf.may_insert || !writes)) continue;
    const std::string_view lacking = leaf.may_select ? "INSERT" : "SELECT";
    PGFANOUT_TRY_ASSIGN(const Rows role, connection.query("SELECT quote_ident(CURRENT_USER)"));
    return refused(
        "no-privilege", fmt::format("no {} on {}", lacking, leaf.qualified),
        fmt::format("GRANT {} ON {} TO {}{}", writes ? "SELECT, INSERT" : "SELECT", leaf.qualified,
                    role.text(0, 0),
                    table.kind == 'p' ? " (each leaf is used directly, so each one needs "
                                        "it)"
                                      : ""),
        leaf.qualified);
  }
  return {};
}

Result<void> check_source(Connection& source, const Table& table, const ServerFacts& facts) {
  PGFANOUT_TRY(check_settings(source, facts));
  if (!table.heirs.empty()) {
    return refused("has-heirs",
                   fmt::format("{} inherits from {}: a query on the latter reads both, a copy of "
                               "it would not",
                               table.heirs.front(), table.qualified),
                   "make its heirs partitions, or end the inheritance (ALTER TABLE ... NO INHERIT)",
                   table.qualified);
  }
  return check_leaves(source, table, LeafUse::read);
}

Result<Issue> note_not_carried(Connection& source, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows counts, source.query(kNotCarriedSql, {std::to_string(table.oid)}));
  return Issue{Severity::info, "not-carried",
               fmt::format("copy makes columns, defaults and leaves only: owner, grants{} of the "
                           "source are not carried over",
                           counts.text(0, 0)),
               table.qualified, "pgfanout run carries them over"};
}

}  // namespace pgfanout
