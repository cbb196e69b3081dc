#include "copier/plan/source_fitness.h"

#include <fmt/format.h>

#include "copier/base/counted.h"
#include "copier/catalog/role_rights.h"

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
    " (4, 'NOT NULL constraints that are NOT VALID', (SELECT count(*) FROM pg_constraint c"
    "   WHERE c.conrelid = $1::oid AND c.contype = 'n' AND NOT c.convalidated)),"
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

Result<void> refuse_foreign(Connection& connection, const Leaf& leaf) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT CASE WHEN c.relispartition"
                       " THEN format('ALTER TABLE %s DETACH PARTITION %s', i.inhparent::regclass,"
                       "  c.oid::regclass)"
                       " ELSE format('ALTER FOREIGN TABLE %s NO INHERIT %s', c.oid::regclass,"
                       "  i.inhparent::regclass) END"
                       " FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
                       " WHERE c.oid = $1 ORDER BY i.inhseqno LIMIT 1",
                       {std::to_string(leaf.oid)}));
  return refused("foreign-leaf", fmt::format("the leaf {} is a foreign table", leaf.qualified),
                 fmt::format("make it an ordinary table of the same database, or leave it out: {}",
                             rows.size() == 0 ? "" : rows.text(0, 0)),
                 leaf.qualified);
}

/// Columns of the tables $2 that table $1 has not.
constexpr const char* kHeirColumnsSql =
    "SELECT a.attrelid::regclass::text,"
    " string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a"
    " WHERE a.attrelid = ANY ($2::oid[]) AND a.attnum > 0 AND NOT a.attisdropped"
    " AND NOT EXISTS (SELECT FROM pg_attribute p WHERE p.attrelid = $1::oid"
    "  AND p.attname = a.attname AND p.attnum > 0 AND NOT p.attisdropped) GROUP BY 1 ORDER BY 1";

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
  const std::string_view rights = use == LeafUse::read_and_write ? "SELECT, INSERT" : "SELECT";
  for (const Leaf& leaf : table.leaves) {
    if (leaf.kind != 'r') PGFANOUT_TRY(refuse_foreign(connection, leaf));
    if (leaf.access_method != "heap") {
      return refused("not-heap",
                     fmt::format("the leaf {} uses the access method {}: only heaps can be read by "
                                 "page numbers",
                                 leaf.qualified, leaf.access_method),
                     "copy it into a heap table first", leaf.qualified);
    }
    if (!leaf.may_use_schema) {
      PGFANOUT_TRY_ASSIGN(const Rows names, connection.query("SELECT quote_ident($1),"
                                                             " quote_ident(CURRENT_USER)",
                                                             {leaf.schema}));
      return refused(
          "no-privilege", fmt::format("no USAGE on schema {}", names.text(0, 0)),
          fmt::format("GRANT USAGE ON SCHEMA {} TO {}", names.text(0, 0), names.text(0, 1)),
          leaf.qualified);
    }
    const bool may_write = leaf.may_insert || use == LeafUse::read;
    if (!leaf.may_select || !may_write) {
      PGFANOUT_TRY_ASSIGN(std::string hint, hint_for_right(connection, leaf, rights));
      if (table.leaves.size() > 1) {
        hint += " (each leaf is used directly, so each one needs it)";
      }
      return refused(
          "no-privilege",
          fmt::format("no {} on {}", leaf.may_select ? "INSERT" : "SELECT", leaf.qualified),
          std::move(hint), leaf.qualified);
    }
    if (leaf.hides_rows) {
      PGFANOUT_TRY_ASSIGN(std::string hint, hint_for_hidden_rows(connection, leaf));
      return refused("row-security",
                     fmt::format("row-level security of {} applies to this role", leaf.qualified),
                     std::move(hint), leaf.qualified);
    }
  }
  if (!table.hides_rows) return {};
  Leaf root;
  root.oid = table.oid;
  PGFANOUT_TRY_ASSIGN(std::string hint, hint_for_hidden_rows(connection, root));
  return refused("row-security",
                 fmt::format("row-level security of {} applies to this role", table.qualified),
                 std::move(hint), table.qualified);
}

Result<void> check_source(Connection& source, const Table& table, const ServerFacts& facts) {
  PGFANOUT_TRY(check_settings(source, facts));
  return check_leaves(source, table, LeafUse::read);
}

Result<void> note_heirs(Connection& source, const Table& table, std::vector<Issue>& issues) {
  if (!table.has_heirs()) return {};
  issues.push_back(
      {Severity::info, "has-heirs",
       fmt::format("{} is read with the {} from it, as a query reads it", table.qualified,
                   counted(table.leaves.size() - 1, "table that inherits", "tables that inherit")),
       table.qualified,
       "indexes, constraints, triggers and grants are each table's own: those of the others are "
       "neither copied nor compared"});
  PGFANOUT_TRY_ASSIGN(const Rows rows, source.query(kHeirColumnsSql, {std::to_string(table.oid),
                                                                      table.leaf_oids()}));
  for (int row = 0; row < rows.size(); ++row) {
    issues.push_back({Severity::warning, "heir-columns",
                      fmt::format("{} has columns that {} has not, and which are left out: {}",
                                  rows.text(row, 0), table.qualified, rows.text(row, 1)),
                      rows.str(row, 0),
                      fmt::format("add them to {} first if they are to be taken along: ALTER TABLE "
                                  "{} ADD COLUMN ...",
                                  table.qualified, table.qualified)});
  }
  return {};
}

Result<Issue> note_not_carried(Connection& source, const Table& table) {
  PGFANOUT_TRY_ASSIGN(const Rows counts, source.query(kNotCarriedSql, {std::to_string(table.oid)}));
  return Issue{Severity::info, "not-carried",
               fmt::format("copy makes columns, defaults and leaves only: owner, grants{} of the "
                           "source are not carried over",
                           counts.text(0, 0)),
               table.qualified,
               table.has_heirs() ? "create what the new table needs before it is used"
                                 : "pgfanout run carries them over"};
}

}  // namespace pgfanout
