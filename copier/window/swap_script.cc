#include "copier/window/swap_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/type_catalog.h"

namespace pgfanout {
namespace {

struct Rename {
  std::string kind;
  std::string schema;
  std::string from;
  std::string to;

  [[nodiscard]] std::string forward() const { return sql(from, to); }
  [[nodiscard]] std::string backward() const { return sql(to, from); }

 private:
  [[nodiscard]] std::string sql(const std::string& now, const std::string& then) const {
    return fmt::format("ALTER {} {} RENAME TO {}", kind, quoted_name(schema, now),
                       quoted_name(then));
  }
};

/// Relations that take part in the swap under their own names: {schema, name}.
std::set<std::pair<std::string, std::string>> own_names(const SwapNames& names,
                                                        const CarryPlan& carry) {
  std::set<std::pair<std::string, std::string>> own{{names.schema, names.target}};
  for (const auto& [now, then] : names.leaves) own.emplace(names.schema, now);
  for (const CarriedName& name : carry.names) own.emplace(name.schema, name.until_swap);
  return own;
}

std::string filled(std::string sql, const std::string& old_name, const std::string& new_name) {
  for (const auto& [mark, name] :
       {std::pair("\001old\001", old_name), std::pair("\001new\001", new_name)}) {
    for (std::size_t at = sql.find(mark); at != std::string::npos;
         at = sql.find(mark, at + name.size())) {
      sql.replace(at, std::string_view(mark).size(), name);
    }
  }
  return sql;
}

constexpr const char* kHoldersSql = R"sql(
WITH wanted(kind, schema, name) AS (
  SELECT * FROM ROWS FROM (unnest($1::text[]),
    unnest($2::text[]), unnest($3::text[])) AS w),
tree(oid) AS (
  SELECT $4::oid UNION SELECT t.relid::oid
  FROM pg_partition_tree($4::oid::regclass) t)
SELECT CASE c.relkind WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' WHEN 'S' THEN 'SEQUENCE'
    WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END,
  c.oid, n.nspname, c.relname,
  c.oid IN (SELECT tree.oid FROM tree)
  OR EXISTS (SELECT 1 FROM pg_index i JOIN tree ON tree.oid = i.indrelid
    WHERE i.indexrelid = c.oid)
  OR EXISTS (SELECT 1 FROM pg_index i JOIN pg_class m ON m.oid = i.indrelid
    JOIN pg_namespace s ON s.oid = m.relnamespace
    JOIN wanted v ON v.kind = 'MATERIALIZED VIEW' AND v.schema = s.nspname AND v.name = m.relname
    WHERE i.indexrelid = c.oid AND m.relkind = 'm')
  OR EXISTS (SELECT 1 FROM pg_depend d JOIN tree ON tree.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
FROM wanted w JOIN pg_namespace n ON n.nspname = w.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
WHERE w.kind <> 'STATISTICS'
UNION ALL SELECT 'STATISTICS', s.oid, n.nspname, s.stxname, s.stxrelid IN (SELECT oid FROM tree)
FROM wanted w JOIN pg_namespace n ON n.nspname = w.schema
JOIN pg_statistic_ext s ON s.stxnamespace = n.oid AND s.stxname = w.name
WHERE w.kind = 'STATISTICS'
ORDER BY 1, 3, 4)sql";

}  // namespace

std::string backup_name_of(const SwapNames& names) {
  return suffixed_name(names.source, "_backup_" + names.stamp);
}

Result<std::vector<NameHolder>> find_name_holders(Connection& connection, const SwapNames& names,
                                                  const CarryPlan& carry,
                                                  std::uint32_t source_oid) {
  std::vector<std::string> kinds{"TABLE", "TABLE"};
  std::vector<std::string> schemas{names.schema, names.schema};
  std::vector<std::string> wanted{names.source, backup_name_of(names)};
  const auto add = [&](const std::string& kind, const std::string& schema,
                       const std::string& name) {
    kinds.push_back(kind);
    schemas.push_back(schema);
    wanted.push_back(name);
  };
  for (const auto& [now, then] : names.leaves) add("TABLE", names.schema, then);
  for (const std::string& name : names.given_up) {
    if (std::find(wanted.begin(), wanted.end(), name) == wanted.end()) {
      add("TABLE", names.schema, name);
    }
  }
  for (const CarriedName& name : carry.names) add(name.kind, name.schema, name.afterwards);
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      connection.query(kHoldersSql, {text_array(kinds), text_array(schemas), text_array(wanted),
                                     std::to_string(source_oid)}));
  std::vector<NameHolder> holders;
  for (int row = 0; row < rows.size(); ++row) {
    NameHolder holder{rows.str(row, 0), rows.oid(row, 1), rows.str(row, 2), rows.str(row, 3),
                      rows.boolean(row, 4)};
    // The old version of a materialized view that was created again for the target.
    for (const CarriedName& name : carry.names) {
      holder.is_of_source =
          holder.is_of_source || (name.kind == "MATERIALIZED VIEW" && holder.kind == name.kind &&
                                  name.schema == holder.schema && name.afterwards == holder.name);
    }
    holders.push_back(std::move(holder));
  }
  return holders;
}

Result<SwapScript> make_swap_script(const SwapNames& names, const CarryPlan& carry,
                                    const std::vector<NameHolder>& holders) {
  SwapScript script;
  script.backup_name = backup_name_of(names);
  const auto own = own_names(names, carry);
  std::vector<Rename> renames;
  for (const NameHolder& holder : holders) {
    if (holder.schema == names.schema && holder.name == names.source && holder.kind == "TABLE") {
      continue;
    }
    if (own.contains({holder.schema, holder.name})) continue;
    if (!holder.is_of_source) {
      return refused("name-taken",
                     fmt::format("the name {}.{} is needed after the swap, and another object "
                                 "has it",
                                 display_name(holder.schema), display_name(holder.name)),
                     "rename or drop that one first",
                     fmt::format("{} {}.{}", holder.kind, holder.schema, holder.name));
    }
    renames.push_back({holder.kind, holder.schema, holder.name,
                       suffixed_name(holder.name, "_backup_" + names.stamp)});
  }
  renames.push_back({"TABLE", names.schema, names.source, script.backup_name});
  renames.push_back({"TABLE", names.schema, names.target, names.source});
  for (const auto& [now, then] : names.leaves) {
    if (now != then) renames.push_back({"TABLE", names.schema, now, then});
  }
  for (const CarriedName& name : carry.names) {
    renames.push_back({name.kind, name.schema, name.until_swap, name.afterwards});
  }
  const std::string old_name = quoted_name(names.schema, script.backup_name);
  const std::string new_name = quoted_name(names.schema, names.source);
  for (const Rename& rename : renames) script.forward.push_back(rename.forward());
  for (const CarriedMove& move : carry.moves) {
    for (const std::string& sql : move.forward) {
      script.forward.push_back(filled(sql, old_name, new_name));
    }
    for (const std::string& sql : move.after_swap) {
      script.after.push_back(filled(sql, old_name, new_name));
    }
  }
  for (const CarriedView& view : carry.views) script.forward.push_back(view.create);
  for (auto move = carry.moves.rbegin(); move != carry.moves.rend(); ++move) {
    for (const std::string& sql : move->backward) {
      script.backward.push_back(filled(sql, old_name, new_name));
    }
  }
  for (auto rename = renames.rbegin(); rename != renames.rend(); ++rename) {
    script.backward.push_back(rename->backward());
  }
  for (const CarriedView& view : carry.views) script.backward.push_back(view.restore);
  for (auto move = carry.moves.rbegin(); move != carry.moves.rend(); ++move) {
    script.backward.insert(script.backward.end(), move->restored.begin(), move->restored.end());
  }
  return script;
}

}  // namespace pgfanout
