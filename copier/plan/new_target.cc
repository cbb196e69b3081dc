#include "copier/plan/new_target.h"

#include <fmt/format.h>

#include <utility>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"
#include "copier/plan/sequence_plan.h"
#include "copier/plan/target_ddl.h"

namespace pgfanout {
namespace {

Result<void> check_schema(Connection& target, const CopyPlan& plan) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      target.query("SELECT has_schema_privilege(n.oid, 'CREATE'),"
                                   " quote_ident(CURRENT_USER), quote_ident(n.nspname)"
                                   " FROM pg_namespace n WHERE n.nspname = $1",
                                   {plan.target.schema}));
  if (rows.size() == 0) {
    return refused(
        "schema-missing",
        fmt::format("the target's database has no schema {}", display_name(plan.target.schema)),
        "create it, or name another one: --into SCHEMA.TABLE", plan.target.qualified);
  }
  if (!rows.boolean(0, 0)) {
    return refused("no-privilege",
                   fmt::format("no right to create tables in schema {}", rows.text(0, 2)),
                   fmt::format("GRANT CREATE ON SCHEMA {} TO {}", rows.text(0, 2), rows.text(0, 1)),
                   plan.target.qualified);
  }
  return {};
}

/// Names of the leaves, quoted, after a look at whether each is free.
Result<std::vector<NewRelation>> name_leaves(const JobDescription& job, Connection& target,
                                             const CopyPlan& plan, bool is_made) {
  std::vector<std::string> names;
  for (std::uint32_t key = 0; key < job.partitions; ++key) {
    names.push_back(leaf_name(plan.target.name, key, job.partitions));
  }
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      target.query("SELECT w.name, format('%I.%I', $2::text, w.name), EXISTS ("
                   " SELECT 1 FROM pg_class c JOIN pg_namespace n"
                   " ON n.oid = c.relnamespace WHERE n.nspname = $2 AND c.relname = w.name)"
                   " OR EXISTS (SELECT 1 FROM pg_type t JOIN pg_namespace n"
                   " ON n.oid = t.typnamespace WHERE n.nspname = $2 AND t.typname = w.name)"
                   " FROM unnest($1::text[]) WITH ORDINALITY AS w(name, place) ORDER BY w.place",
                   {text_array(names), plan.target.schema}));
  std::vector<NewRelation> leaves;
  for (int row = 0; row < rows.size(); ++row) {
    if (rows.boolean(row, 2) && !is_made) {
      return refused("name-taken",
                     fmt::format("{} exists already, and the target needs that name for a leaf",
                                 rows.text(row, 1)),
                     "drop or rename it, or choose another target with --into", rows.str(row, 1));
    }
    leaves.push_back({rows.str(row, 0), rows.str(row, 1)});
  }
  return leaves;
}

constexpr const char* kStorageSql =
    "SELECT DISTINCT concat_ws(', ', (SELECT string_agg(format('%s = %L',"
    "   split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)),"
    "   ', ') FROM unnest(c.reloptions) o), (SELECT string_agg(format('toast.%s = %L',"
    "   split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)),"
    "   ', ') FROM unnest(t.reloptions) o)), quote_ident(s.spcname)"
    " FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid"
    " LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = ANY ($1::oid[])";

Result<LeafStorage> read_storage(Connection& source, CopyPlan& plan, bool is_same_server) {
  std::vector<std::uint32_t> oids;
  for (const Leaf& leaf : plan.source.leaves) oids.push_back(leaf.oid);
  PGFANOUT_TRY_ASSIGN(const Rows rows, source.query(kStorageSql, {oid_array(oids)}));
  if (rows.size() > 1) {
    plan.issues.push_back({Severity::info,
                           "storage-differs",
                           "the source's leaves differ in storage options or tablespace: the "
                           "target's leaves get the defaults",
                           plan.source.qualified,
                           {}});
  }
  if (rows.size() != 1) return LeafStorage{};
  return LeafStorage{rows.str(0, 0), is_same_server ? rows.str(0, 1) : std::string()};
}

}  // namespace

Result<void> plan_new_target(const NewTargetRequest& request, Connection& source,
                             Connection& target, CopyPlan& plan) {
  const JobDescription& job = request.job;
  PGFANOUT_TRY(check_schema(target, plan));
  NewTarget wanted;
  wanted.mode = job.key_mode;
  wanted.parent = {plan.target.name, plan.target.qualified};
  PGFANOUT_TRY_ASSIGN(wanted.leaves, name_leaves(job, target, plan, request.is_made));
  PGFANOUT_TRY_ASSIGN(wanted.storage, read_storage(source, plan, request.is_same_server));
  PGFANOUT_TRY_ASSIGN(SequencePlan sequences,
                      plan_sequences(source, target, plan.source, request.columns,
                                     plan.target.qualified, plan.same_database, request.is_made));
  wanted.columns = &request.columns;
  wanted.sequences = &sequences;
  wanted.key_type = plan.key.expression.result_type();
  wanted.key_sql = plan.key.sql_on_target;
  wanted.key_inputs_are_not_null = request.key_inputs_are_not_null;
  wanted.server_version = target.server_version();
  plan.ddl = target_ddl(wanted);
  for (Issue& issue : sequences.issues) plan.issues.push_back(std::move(issue));
  for (std::size_t key = 0; key < wanted.leaves.size(); ++key) {
    ListBound bound;
    bound.keys = {static_cast<std::int64_t>(key)};
    plan.target.leaves.push_back({plan.target.schema, wanted.leaves[key].name,
                                  wanted.leaves[key].qualified, std::move(bound), 0});
  }
  return {};
}

}  // namespace pgfanout
