// In mode check, whoever inserts must supply the key: a function computes it.
#include <fmt/format.h>

#include "copier/carry/carry_context.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/key/key_plan.h"

namespace pgfanout {
namespace {

constexpr std::string_view kPurpose = "for statements that insert";

/// The one that stands there now, perhaps from an earlier job.
constexpr const char* kFunctionSql = R"sql(
SELECT pg_get_functiondef(p.oid), COALESCE(strpos(
  obj_description(p.oid, 'pg_proc'), $2::text) > 0, false)
FROM pg_proc p WHERE p.oid = to_regprocedure($1)::oid)sql";

/// "chunks_partition_key"; a column with a very long name does not give it its own.
std::string function_name(const CarryRequest& request) {
  constexpr std::size_t kLongest = 40;
  const std::string& column = *request.key_column;
  return suffixed_name(request.source.name,
                       column.size() <= kLongest ? "_" + column : "_partition_key");
}

}  // namespace

Result<void> carry_key_function(CarryContext& context) {
  const CarryRequest& request = context.request;
  if (!context.rules.checks_key || !request.key_column) return {};
  const std::string name = quoted_name(request.source.schema, function_name(request));
  std::string parameters;
  std::string types;
  for (const std::string& input : context.columns.key_inputs()) {
    const Column* column = context.columns.target(input);
    if (column == nullptr) continue;
    const std::string separator = types.empty() ? "" : ", ";
    parameters += fmt::format("{}{} {}", separator, quoted_name(input), column->type_sql);
    types += separator + column->type_sql;
  }
  const std::string signature = fmt::format("{}({})", name, types);
  CarriedMove move;
  move.what = fmt::format("function {}", signature);
  move.forward = {
      fmt::format("CREATE OR REPLACE FUNCTION {}({}) RETURNS {} LANGUAGE sql IMMUTABLE PARALLEL "
                  "SAFE AS {}",
                  name, parameters, key_type_sql(request.key.result_type()),
                  dollar_quoted("SELECT " + request.key_sql_on_target)),
      fmt::format("COMMENT ON FUNCTION {} IS {}", signature,
                  context.target.quote_literal(fmt::format("Computes {} of {} {}",
                                                           display_name(*request.key_column),
                                                           request.source.qualified, kPurpose)))};
  PGFANOUT_TRY_ASSIGN(const bool has_owner, context.has_role(request.source.owner));
  if (has_owner) {
    move.forward.push_back(
        fmt::format("ALTER FUNCTION {} OWNER TO {}", signature, quoted_name(request.source.owner)));
  }
  PGFANOUT_TRY_ASSIGN(const Rows before,
                      context.target.query(kFunctionSql, {signature, std::string(kPurpose)}));
  if (before.size() > 0 && !before.boolean(0, 1)) {
    context.note(Severity::warning, "function-exists",
                 fmt::format("{} is there already and not of this tool's making: it is left alone",
                             signature),
                 "make sure that it computes the new key, or rename it before");
    return {};
  }
  move.backward = {before.size() == 0 ? fmt::format("DROP FUNCTION {}", signature)
                                      : before.str(0, 0)};
  context.plan.moves.push_back(std::move(move));
  return {};
}

}  // namespace pgfanout
