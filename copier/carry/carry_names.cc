#include "copier/carry/carry_names.h"

#include <fmt/format.h>

#include "copier/catalog/relation_name.h"

namespace pgfanout {
namespace {

/// The target with every object that depends on it and may have been made by this job.
constexpr const char* kOwnSql = R"sql(
WITH RECURSIVE own(oid) AS (
  SELECT c.oid FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $2 AND c.relname = $3
  UNION
  SELECT below.oid FROM own CROSS JOIN LATERAL (
    SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = own.oid
    UNION ALL SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = own.oid
    UNION ALL SELECT d.objid FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'i'
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = own.oid
    UNION ALL SELECT r.ev_class FROM pg_depend d
      JOIN pg_rewrite r ON r.oid = d.objid
      JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'm'
      WHERE d.classid = 'pg_rewrite'::regclass
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = own.oid
  ) below(oid))
SELECT 'relation', c.relname FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.oid NOT IN (SELECT own.oid FROM own)
UNION ALL SELECT 'relation', t.typname FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = $1 AND t.typrelid = 0 AND t.typelem = 0
UNION ALL SELECT 'statistics', s.stxname FROM pg_statistic_ext s
JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE n.nspname = $1 AND s.stxrelid NOT IN (SELECT own.oid FROM own))sql";

}  // namespace

Result<CarryNames> CarryNames::read(const CarryRequest& request, Connection& target) {
  CarryNames names(request, target);
  PGFANOUT_TRY(names.learn(request.target_schema));
  names.relations_.emplace(request.target_schema, request.target_name);
  for (const auto* leaves : {&request.leaf_names, &request.leaf_names_afterwards}) {
    for (const std::string& leaf : *leaves) names.relations_.emplace(request.target_schema, leaf);
  }
  return names;
}

Result<void> CarryNames::learn(std::string_view schema) {
  if (!known_schemas_.emplace(schema).second) return {};
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      target_->query(kOwnSql, {std::string(schema), request_->target_schema,
                                               request_->target_name}));
  for (int row = 0; row < rows.size(); ++row) {
    (rows.text(row, 0) == "statistics" ? statistics_ : relations_)
        .emplace(schema, rows.str(row, 1));
  }
  return {};
}

std::string CarryNames::take(std::set<std::pair<std::string, std::string>>& taken,
                             std::string_view schema, std::string_view stem,
                             std::string_view suffix) {
  std::string name = suffixed_name(stem, suffix);
  for (int number = 1; !taken.emplace(schema, name).second; ++number) {
    name = suffixed_name(stem, fmt::format("{}{}", suffix, number));
  }
  return name;
}

Result<std::string> CarryNames::until_swap(std::string_view schema, std::string_view afterwards) {
  PGFANOUT_TRY(learn(schema));
  return take(relations_, schema, afterwards, "_new");
}

Result<std::string> CarryNames::statistics_until_swap(std::string_view schema,
                                                      std::string_view afterwards) {
  PGFANOUT_TRY(learn(schema));
  return take(statistics_, schema, afterwards, "_new");
}

std::string CarryNames::leaf_index(std::size_t leaf, std::string_view table,
                                   std::string_view index) {
  const std::string& stem = request_->leaf_names_afterwards[leaf];
  const bool is_named_after_table =
      index.size() > table.size() + 1 && index.starts_with(table) && index[table.size()] == '_';
  std::string suffix =
      is_named_after_table ? std::string(index.substr(table.size())) : fmt::format("_{}", index);
  if (stem.size() + suffix.size() <= kMaxMadeNameBytes) {
    return take(relations_, request_->target_schema, stem + suffix, "");
  }
  // Too long: what tells indexes apart is their own name, what tells leaves apart their number.
  const std::size_t digits = std::to_string(request_->leaf_names.size() - 1).size();
  return take(relations_, request_->target_schema, index, fmt::format("_p{:0{}}", leaf, digits));
}

}  // namespace pgfanout
