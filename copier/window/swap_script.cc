#include "copier/window/swap_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "copier/catalog/relation_name.h"

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

/// Every name that the swap gives, with the kind of what gets it.
std::vector<WantedName> wanted_names(const SwapNames& names, const CarryPlan& carry) {
  std::vector<WantedName> wanted{{"TABLE", names.schema, names.source},
                                 {"TABLE", names.schema, backup_name_of(names)}};
  for (const auto& [now, then] : names.leaves) wanted.push_back({"TABLE", names.schema, then});
  for (const std::string& name : names.given_up) {
    const bool is_there = std::any_of(wanted.begin(), wanted.end(),
                                      [&](const WantedName& other) { return other.name == name; });
    if (!is_there) wanted.push_back({"TABLE", names.schema, name});
  }
  for (const CarriedName& name : carry.names) {
    wanted.push_back({name.kind, name.schema, name.afterwards});
  }
  return wanted;
}

Issue name_taken(const WantedName& name, const std::string& by, std::string where,
                 std::string hint) {
  return {Severity::error, "name-taken",
          fmt::format("the swap needs the name {}.{} for {} {}, and {}", display_name(name.schema),
                      display_name(name.name), name.kind == "INDEX" ? "an" : "a",
                      lower_case(name.kind), by),
          std::move(where), std::move(hint)};
}

}  // namespace

std::string backup_name_of(const SwapNames& names) {
  return suffixed_name(names.source, "_backup_" + names.stamp);
}

Result<std::vector<NameHolder>> find_swap_holders(Connection& connection, const SwapNames& names,
                                                  const CarryPlan& carry,
                                                  std::uint32_t source_oid) {
  PGFANOUT_TRY_ASSIGN(std::vector<NameHolder> holders,
                      find_name_holders(connection, wanted_names(names, carry), source_oid));
  for (NameHolder& holder : holders) {
    // The old version of a materialized view that was created again for the target.
    for (const CarriedName& name : carry.names) {
      holder.is_of_source =
          holder.is_of_source || (name.kind == "MATERIALIZED VIEW" && holder.kind == name.kind &&
                                  name.schema == holder.schema && name.afterwards == holder.name);
    }
  }
  return holders;
}

std::vector<Issue> taken_names(const SwapNames& names, const CarryPlan& carry,
                               const std::vector<NameHolder>& holders) {
  std::vector<Issue> taken;
  const auto own = own_names(names, carry);
  std::map<std::pair<std::string, std::string>, WantedName> given;
  for (const WantedName& name : wanted_names(names, carry)) {
    if (name.kind == "STATISTICS") continue;
    const auto [first, is_new] = given.try_emplace({name.schema, name.name}, name);
    if (is_new) continue;
    taken.push_back(name_taken(
        first->second,
        fmt::format("{} {}, which the new table takes over, has it too", lower_case(name.kind),
                    fmt::format("{}.{}", display_name(name.schema), display_name(name.name))),
        fmt::format("{} {}.{}", name.kind, name.schema, name.name),
        fmt::format("rename it (ALTER {} {} RENAME TO ...) before the window", name.kind,
                    quoted_name(name.schema, name.name))));
  }
  for (const NameHolder& holder : holders) {
    if (holder.is_of_source || own.contains({holder.schema, holder.name})) continue;
    const auto found = given.find({holder.schema, holder.name});
    const WantedName name =
        found != given.end() ? found->second : WantedName{holder.kind, holder.schema, holder.name};
    taken.push_back(name_taken(name, holder.text() + " has it",
                               fmt::format("{} {}.{}", holder.kind, holder.schema, holder.name),
                               holder.hint()));
  }
  return taken;
}

Result<SwapScript> make_swap_script(const SwapNames& names, const CarryPlan& carry,
                                    const std::vector<NameHolder>& holders) {
  SwapScript script;
  script.backup_name = backup_name_of(names);
  for (Issue& issue : taken_names(names, carry, holders)) {
    return refused(issue.code, issue.message, issue.hint, issue.where);
  }
  const auto own = own_names(names, carry);
  std::vector<Rename> renames;
  for (const NameHolder& holder : holders) {
    if (holder.schema == names.schema && holder.name == names.source && holder.kind == "TABLE") {
      continue;
    }
    if (own.contains({holder.schema, holder.name})) continue;
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
