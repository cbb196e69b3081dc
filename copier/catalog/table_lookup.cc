#include "copier/catalog/table_lookup.h"

#include <fmt/format.h>

#include "copier/catalog/table.h"

namespace pgfanout {
namespace {

constexpr const char* kFindSql =
    "SELECT c.oid, c.relkind, c.relpersistence,"
    " n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast')"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace";

/// The session's search_path as it was before it was emptied; emptied again when `look` is done.
template <class Look>
auto with_own_search_path(Connection& connection, Look look) -> decltype(look()) {
  PGFANOUT_TRY(connection.run("SET search_path TO DEFAULT"));
  auto found = look();
  // Where that failed inside a transaction, its end restores the setting.
  if (auto emptied = connection.run("SET search_path = ''"); !emptied && found) {
    return std::move(emptied).error();
  }
  return found;
}

Result<FoundRelation> found_in(Result<Rows> answer) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, std::move(answer));
  FoundRelation found;
  if (rows.size() == 0) return found;
  found.oid = rows.oid(0, 0);
  found.kind = rows.text(0, 1).front();
  found.persistence = rows.text(0, 2).front();
  found.is_system = rows.boolean(0, 3);
  return found;
}

/// Tables whose name is like `name`, in schemas that the role may use.
Result<std::string> hint_for_missing(Connection& connection, const RelationName& name) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query("SELECT n.nspname, c.relname FROM pg_class c"
                       " JOIN pg_namespace n ON n.oid = c.relnamespace"
                       " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
                       " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgfanout')"
                       " AND n.nspname !~ '^pg_(toast|temp)'"
                       " AND has_schema_privilege(n.oid, 'USAGE') LIMIT 10000"));
  std::vector<std::string> names;
  std::string elsewhere;
  for (int row = 0; row < rows.size(); ++row) {
    const std::string written =
        fmt::format("{}.{}", display_name(rows.text(row, 0)), display_name(rows.text(row, 1)));
    if (rows.text(row, 1) == name.name && elsewhere.empty()) elsewhere = written;
    if (name.schema.empty() || rows.text(row, 0) == name.schema) names.push_back(rows.str(row, 1));
  }
  if (!elsewhere.empty()) return fmt::format("there is {}: write the schema too", elsewhere);
  std::string hint = near_names_hint(name.name, names);
  if (hint.empty()) hint = "check the database, the schema and the spelling";
  return hint;
}

}  // namespace

std::string_view kind_name(char kind) {
  switch (kind) {
    case 'r':
      return "a table";
    case 'p':
      return "a partitioned table";
    case 'v':
      return "a view";
    case 'm':
      return "a materialized view";
    case 'f':
      return "a foreign table";
    case 'S':
      return "a sequence";
    case 'i':
    case 'I':
      return "an index";
    case 'c':
      return "a composite type";
    case 't':
      return "a TOAST table";
    default:
      return "no table";
  }
}

Result<FoundRelation> find_relation(Connection& connection, const RelationName& name) {
  if (!name.schema.empty()) {
    return found_in(
        connection.query(fmt::format("{} WHERE n.nspname = $1 AND c.relname = $2", kFindSql),
                         {name.schema, name.name}));
  }
  return with_own_search_path(connection, [&] {
    return found_in(connection.query(
        fmt::format("{} WHERE c.oid = to_regclass(quote_ident($1))", kFindSql), {name.name}));
  });
}

Result<Table> describe_table(Connection& connection, std::string_view written) {
  PGFANOUT_TRY_ASSIGN(const RelationName name, parse_relation_name(written));
  PGFANOUT_TRY_ASSIGN(const FoundRelation found, find_relation(connection, name));
  const std::string where(written);
  if (found.oid == 0) {
    PGFANOUT_TRY_ASSIGN(std::string hint, hint_for_missing(connection, name));
    return refused("no-such-table",
                   fmt::format("there is no table {} in {}", written, connection.description()),
                   std::move(hint), where);
  }
  if (found.kind != 'r' && found.kind != 'p') {
    return refused("not-a-table", fmt::format("{} is {}", written, kind_name(found.kind)),
                   "name a table or a partitioned table", where);
  }
  if (found.persistence == 't') {
    return refused(
        "temporary-table",
        fmt::format("{} is a temporary table, which other sessions cannot read", written),
        "copy it into an ordinary table first", where);
  }
  if (found.is_system) {
    return refused("system-table", fmt::format("{} belongs to the server itself", written),
                   "name a table of your own", where);
  }
  return describe_table(connection, found.oid);
}

}  // namespace pgfanout
