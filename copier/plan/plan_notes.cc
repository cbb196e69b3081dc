#include "copier/plan/plan_notes.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/server_versions.h"
#include "copier/plan/lock_need.h"

namespace pgfanout {
namespace {

/// A statement that touches all leaves should fit this many times at once.
constexpr std::int64_t kComfortableStatements = 20;

void note(CopyPlan& plan, Severity severity, std::string code, std::string message,
          std::string hint = {}) {
  plan.issues.push_back(
      {severity, std::move(code), std::move(message), plan.target.qualified, std::move(hint)});
}

Result<void> note_publications(Connection& target, CopyPlan& plan) {
  std::string sql = "SELECT quote_ident(p.pubname) FROM pg_publication p WHERE p.puballtables";
  if (target.server_version() >= kFirstWithSchemaPublications) {
    sql +=
        " OR EXISTS (SELECT 1 FROM pg_publication_namespace s"
        " JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid AND n.nspname = $1)";
  } else {
    sql += " AND $1::text IS NOT NULL";
  }
  PGFANOUT_TRY_ASSIGN(const Rows rows, target.query(sql + " ORDER BY 1", {plan.target.schema}));
  for (int row = 0; row < rows.size(); ++row) {
    note(plan, Severity::warning, "published",
         fmt::format("publication {} publishes the new leaves at once: a subscriber without them "
                     "stops at the first row",
                     rows.text(row, 0)),
         "create the same tables at the subscribers first, or publish tables by name");
  }
  return {};
}

Result<void> note_locks(Connection& target, const ServerFacts& facts, CopyPlan& plan) {
  // Each leaf and each of its indexes; a new target's leaves will get the source's.
  PGFANOUT_TRY_ASSIGN(
      const Rows indexes,
      target.query("SELECT count(*) FROM pg_index i WHERE i.indrelid = to_regclass($1)",
                   {plan.same_database && plan.target.is_new ? plan.source.qualified
                                                             : plan.target.qualified}));
  const auto leaves = static_cast<std::int64_t>(plan.target.leaves.size());
  const std::int64_t locks = locks_of_statement(leaves, indexes.integer(0, 0));
  const std::int64_t fitting = facts.lock_slots / locks;
  const std::int64_t clients = facts.database.used;
  if (fitting >= std::max(kComfortableStatements, clients)) return {};
  const auto setting_for = [&](std::int64_t at_once) {
    return locks_setting(std::clamp<std::int64_t>(at_once, 1, facts.max_connections), locks,
                         facts.lock_holders);
  };
  note(plan, Severity::warning, "few-locks",
       fmt::format("a statement that touches all {} leaves and their indexes takes about {} locks: "
                   "today's max_locks_per_transaction ({}) has room for {} of them at once; {} "
                   "sessions are in this database now, and the server allows {}",
                   leaves, locks, facts.lock_slots / std::max<std::int64_t>(facts.lock_holders, 1),
                   fitting, clients, facts.max_connections),
       fmt::format("set max_locks_per_transaction = {} ({} would do for as many clients as there "
                   "are now; either needs a restart), and name the key in queries so that they "
                   "touch one leaf",
                   setting_for(facts.max_connections), setting_for(clients)));
  return {};
}

void note_wal(const ServerFacts& facts, CopyPlan& plan) {
  if (facts.wal_level != "minimal") return;
  note(plan, Severity::info, "wal-minimal",
       "wal_level is minimal: rows loaded into a table that the same transaction emptied write no "
       "WAL, so the load cannot be replayed from an archive",
       "take a base backup afterwards");
}

void note_persistence(CopyPlan& plan) {
  if (plan.target.is_new && plan.source.persistence == 'u') {
    note(plan, Severity::info, "made-logged",
         "the source is an unlogged table; the target is made as an ordinary one");
  }
}

void note_key_mode(const JobDescription& job, CopyPlan& plan) {
  if (!plan.target.is_new) return;
  switch (job.key_mode) {
    case KeyMode::check:
      note(plan, Severity::info, "key-mode",
           fmt::format("inserts must supply {}, and a CHECK refuses a wrong one",
                       display_name(*plan.key.column)));
      return;
    case KeyMode::generated:
      note(plan, Severity::info, "key-mode",
           "inserts go on unchanged; keys that are unique over all leaves are not possible, and "
           "only conditions on the whole expression pick one leaf");
      return;
    case KeyMode::expression:
      note(plan, Severity::info, "key-mode",
           "inserts go on unchanged and no column stores the key; only conditions on the whole "
           "expression pick one leaf");
      return;
    case KeyMode::none:
      note(plan, Severity::info, "key-mode",
           fmt::format("inserts must supply {}, and nothing checks that it is right",
                       display_name(*plan.key.column)));
      return;
  }
}

void note_volatile_columns(CopyPlan& plan) {
  for (const StreamColumn& column : plan.stream.columns) {
    if (!column.is_volatile) continue;
    const auto& keys = plan.source.primary_key;
    const bool is_identity =
        std::find(keys.begin(), keys.end(), column.target_column) != keys.end();
    note(plan, is_identity ? Severity::warning : Severity::info, "volatile-mapping",
         fmt::format("column {} gets a value that is taken once, while copying: later comparisons "
                     "leave it out{}",
                     display_name(column.target_column),
                     is_identity ? ", and it is part of the rows' identity" : ""),
         is_identity ? fmt::format("--map legacy_{0}={0} keeps the old identity as well",
                                   column.target_column)
                     : "");
  }
}

}  // namespace

Result<void> add_notes(const JobDescription& job, Connection& target, const ServerFacts& facts,
                       CopyPlan& plan) {
  PGFANOUT_TRY(note_publications(target, plan));
  PGFANOUT_TRY(note_locks(target, facts, plan));
  note_wal(facts, plan);
  note_persistence(plan);
  note_key_mode(job, plan);
  note_volatile_columns(plan);
  return {};
}

}  // namespace pgfanout
