#include "copier/columns/row_hash.h"

#include <fmt/format.h>

#include <array>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/type_catalog.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

/// How values of a type enter the ROW.
struct HashedForm {
  std::uint32_t type;
  HashForm form;
  const char* sql;  ///< {0}: the value.
};

constexpr const char* kAsItself = "{0}";
constexpr const char* kAsTextInC = "{0}::pg_catalog.text COLLATE pg_catalog.\"C\"";

/// Types with a way that is cheaper than the bytea of their send function. A type stands as itself
/// where its own hash is that of exactly the bytes that are sent: not where it is one of the value
/// (numeric, float8, interval), folds 64 bits to 32 (int8, timestamptz), or is of an OID (enums).
constexpr std::array<HashedForm, 14> kHashedForms = {{
    {16, HashForm::integer, kAsItself},  // bool
    {17, HashForm::bytes, kAsItself},    // bytea
    {19, HashForm::bytes, kAsItself},    // name
    {21, HashForm::integer, kAsItself},  // int2
    {23, HashForm::integer, kAsItself},  // int4
    {25, HashForm::bytes, kAsTextInC},   // text
    {26, HashForm::integer, kAsItself},  // oid
    {114, HashForm::bytes, kAsTextInC},  // json
    {1042, HashForm::bytes,
     "pg_catalog.textin(pg_catalog.bpcharout({0})) COLLATE pg_catalog.\"C\""},
    {1043, HashForm::bytes, kAsTextInC},      // varchar
    {1082, HashForm::integer, kAsItself},     // date
    {1790, HashForm::bytes, kAsTextInC},      // refcursor, which has no send function of its own
    {2950, HashForm::bytes, kAsItself},       // uuid
    {3802, HashForm::versioned, kAsTextInC},  // jsonb
}};

constexpr const char* kSendSql =
    "SELECT t.oid, t.typtype, CASE WHEN has_schema_privilege(n.oid, 'USAGE')"
    "  AND has_function_privilege(p.oid, 'EXECUTE') THEN format('%I.%I', n.nspname, p.proname) END"
    " FROM pg_type t JOIN pg_proc p ON p.oid = t.typsend JOIN pg_namespace n"
    " ON n.oid = p.pronamespace WHERE t.oid = ANY ($1::oid[])";

/// The element type's OID is the third word of an array. Empty: other OIDs would have to change.
std::string patched(const std::string& sent, const TypeShape& shape) {
  const bool is_flat =
      shape.form == TypeShape::Form::array && shape.parts.front().form == TypeShape::Form::plain;
  if (sent.empty() || !is_flat) return {};
  return fmt::format("pg_catalog.\"overlay\"({}, pg_catalog.int4send({}), 9)", sent,
                     static_cast<std::int32_t>(shape.parts.front().to_oid));
}

}  // namespace

HashedColumn hashed_column(std::string_view value, const HashedType& type) {
  const std::string operand = fmt::format("({})", value);
  if (const HashedForm* own = find_by(kHashedForms, &HashedForm::type, type.oid)) {
    return {fmt::format(fmt::runtime(own->sql), operand), own->form};
  }
  if (type.kind == 'e') return {fmt::format(fmt::runtime(kAsTextInC), operand), HashForm::bytes};
  return {type.send.empty() ? "" : type.send + operand, HashForm::bytes};
}

std::string row_hash_sql(const std::vector<HashedColumn>& columns) {
  return fmt::format("pg_catalog.hashint4extended(0, pg_catalog.hash_record_extended(ROW({}), 0))",
                     joined(columns, ", ", &HashedColumn::sql));
}

Result<std::optional<std::vector<HashedColumn>>> hashed_columns(
    Connection& connection, const Table& table, const std::vector<std::string>& values,
    const std::vector<OidPatch>& patches) {
  const std::string& leaf = table.leaves.empty() ? table.qualified : table.leaves.front().qualified;
  // The server describes domains as the types under them.
  PGFANOUT_TRY_ASSIGN(const std::vector<ResultColumn> described,
                      with_search_path(connection, table.application.sql, [&] {
                        return connection.describe(
                            fmt::format("SELECT {} FROM ONLY {}", joined(values, ", "), leaf));
                      }));
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(kSendSql, {oid_array(parts_of(described, &ResultColumn::type_oid))}));
  const auto types =
      read_rows<HashedType>(rows, &HashedType::oid, &HashedType::kind, &HashedType::send);
  std::vector<HashedColumn> columns;
  for (std::size_t at = 0; at < values.size(); ++at) {
    const HashedType* type = find_by(types, &HashedType::oid, described[at].type_oid);
    HashedColumn column = hashed_column(values[at], type != nullptr ? *type : HashedType{});
    if (const OidPatch* patch = find_by(patches, &OidPatch::field, at)) {
      column.sql = patched(column.sql, patch->shape);
    }
    if (column.sql.empty()) return std::optional<std::vector<HashedColumn>>();
    columns.push_back(std::move(column));
  }
  return std::optional(std::move(columns));
}

}  // namespace pgfanout
