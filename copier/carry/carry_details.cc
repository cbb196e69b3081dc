// Extended statistics, columns' planner settings, tablespace, comments, publications; and the
// objects that no other part handles, which are named: nothing that depends on the source is lost
// silently.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "copier/carry/carry_parts.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

/// The definition without "CREATE STATISTICS schema.name". {}: columns_used().
constexpr const char* kStatisticsSql = R"sql(
SELECT s.oid, n.nspname, s.stxname, substr(pg_get_statisticsobjdef(s.oid),
    1 + length(format('CREATE STATISTICS %I.%I', n.nspname, s.stxname))),
  COALESCE((to_jsonb(s) ->> 'stxstattarget')::int4, -1), pg_get_userbyid(s.stxowner),
  {}
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE s.stxrelid = $1::oid ORDER BY n.nspname, s.stxname)sql";

/// Only options that users set: 15.20 stores a number of its own there.
constexpr const char* kColumnOptionsSql = R"sql(
SELECT a.attnum, string_agg(o, ', ' ORDER BY o) FROM pg_attribute a
CROSS JOIN LATERAL unnest(a.attoptions) o
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
  AND split_part(o, '=', 1) IN ('n_distinct', 'n_distinct_inherited')
GROUP BY a.attnum ORDER BY a.attnum)sql";

constexpr const char* kTablespaceSql =
    "SELECT quote_ident(s.spcname), c.relpersistence FROM pg_class c"
    " LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = $1::oid";

Result<void> carry_extended(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      draft.read(fmt::format(kStatisticsSql, columns_used("pg_statistic_ext",
                                                                          "s.oid", "s.stxrelid"))));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string schema = rows.str(row, 1);
    const std::string name = rows.str(row, 2);
    if (const std::string missing = draft.missing_columns(rows.text(row, 6)); !missing.empty()) {
      draft.leave_behind("statistics", shown(schema, name), missing,
                         "accept the loss by this name: plans may get worse, results do not");
      continue;
    }
    PGFANOUT_TRY_ASSIGN(const std::string until_swap,
                        draft.names.statistics_until_swap(schema, name));
    const std::string made = quoted_name(schema, until_swap);
    std::string sql =
        fmt::format("CREATE STATISTICS {}{}", made, draft.on_target(rows.text(row, 3)));
    if (rows.integer(row, 4) >= 0) {
      sql += fmt::format(";\nALTER STATISTICS {} SET STATISTICS {}", made, rows.text(row, 4));
    }
    draft.add_attribute(fmt::format("statistics {}", shown(schema, name)), std::move(sql));
    PGFANOUT_TRY_ASSIGN(const bool has_owner, draft.has_role(rows.str(row, 5)));
    if (has_owner) {
      draft.last.push_back(
          {fmt::format("owner of statistics {}", shown(schema, name)),
           fmt::format("ALTER STATISTICS {} OWNER TO {}", made, quoted_name(rows.text(row, 5)))});
    }
    draft.record(CarriedClass::statistics, rows.oid(row, 0), "STATISTICS " + made);
    draft.plan.names.push_back({"STATISTICS", schema, until_swap, name});
  }
  return {};
}

/// A leaf estimates its own rows, the parent those of all leaves: for a table that was not
/// partitioned both follow from the one setting.
Result<void> carry_column_options(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(kColumnOptionsSql));
  for (int row = 0; row < rows.size(); ++row) {
    const ColumnMatch* match = draft.columns.find(rows.integer(row, 0));
    if (match == nullptr || !match->target) continue;
    const std::string options = rows.str(row, 1);
    const std::string clause =
        fmt::format("ALTER COLUMN {} SET ({})", quoted_name(*match->target), options);
    std::string on_parent = clause;
    constexpr std::string_view kOwn = "n_distinct=";
    const bool is_own_only = options.starts_with(kOwn) && options.find(',') == std::string::npos;
    const bool cuts = draft.request.source.kind == 'r' && !draft.rules.is_plain;
    if (cuts && is_own_only) {
      on_parent = fmt::format("ALTER COLUMN {} SET ({}, n_distinct_inherited={})",
                              quoted_name(*match->target), options, options.substr(kOwn.size()));
    }
    draft.add_attribute(fmt::format("column options {}", display_name(*match->target)),
                        fmt::format("ALTER TABLE ONLY {} {}", draft.table, on_parent));
    if (cuts) draft.alter_leaves(clause);
  }
  return {};
}

Result<void> carry_storage(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows row, draft.read(kTablespaceSql));
  if (row.size() == 0) return {};
  if (row.text(0, 1) == "u") {
    draft.note(Severity::warning, "unlogged",
               "the source is UNLOGGED, the target is not: it survives a crash",
               fmt::format("run ALTER TABLE ... SET UNLOGGED on {} if a crash may empty {}",
                           draft.rules.is_plain ? "it" : "its leaves",
                           draft.rules.is_plain ? "it" : "them"));
  }
  // A plain table is made where the source's leaves are.
  if (row.is_null(0, 0) || !draft.request.same_database || draft.rules.is_plain) return {};
  draft.add_attribute("tablespace", fmt::format("ALTER TABLE ONLY {} SET TABLESPACE {}",
                                                draft.table, row.text(0, 0)));
  return {};
}

/// Warns of defaults that the target lacks: inserts that relied on them will fail or differ.
void note_lost_defaults(CarryDraft& draft) {
  for (const ColumnMatch& match : draft.columns.matches()) {
    if (!match.target || match.source->generated != 0) continue;
    const bool had_one = match.source->identity != 0 || !match.source->default_sql.empty();
    const Column* column = draft.columns.target(*match.target);
    if (!had_one || column == nullptr) continue;
    if (column->identity != 0 || column->generated != 0 || !column->default_sql.empty()) continue;
    draft.note(Severity::warning, "default-lost",
               fmt::format("column {} loses its default, because its type or meaning changes",
                           column->quoted),
               fmt::format("set one after the swap: ALTER TABLE {} ALTER COLUMN {} SET DEFAULT "
                           "..., or let the application supply the value",
                           draft.request.source.qualified, column->quoted));
  }
}

/// Kind (a CarriedClass, or T and C for table and column), OID, column, text.
constexpr const char* kCommentsSql = R"sql(
SELECT o.kind, o.oid, o.part, d.description FROM pg_description d JOIN (
  SELECT 'T' AS kind, 'pg_class'::regclass AS class, $1::oid AS oid, 0 AS part
  UNION ALL SELECT 'C', 'pg_class'::regclass, attrelid, attnum FROM pg_attribute
    WHERE attrelid = $1::oid AND attnum > 0
  UNION ALL SELECT 'c', 'pg_constraint'::regclass, oid, 0 FROM pg_constraint
    WHERE conrelid = $1::oid
  UNION ALL SELECT 'i', 'pg_class'::regclass, indexrelid, 0 FROM pg_index WHERE indrelid = $1::oid
  UNION ALL SELECT 't', 'pg_trigger'::regclass, oid, 0 FROM pg_trigger
    WHERE tgrelid = $1::oid AND NOT tgisinternal
  UNION ALL SELECT 'p', 'pg_policy'::regclass, oid, 0 FROM pg_policy WHERE polrelid = $1::oid
  UNION ALL SELECT 'r', 'pg_rewrite'::regclass, oid, 0 FROM pg_rewrite WHERE ev_class = $1::oid
  UNION ALL SELECT 's', 'pg_statistic_ext'::regclass, oid, 0 FROM pg_statistic_ext
    WHERE stxrelid = $1::oid
) o ON d.classoid = o.class AND d.objoid = o.oid AND d.objsubid = o.part
ORDER BY o.kind, o.oid, o.part)sql";

std::vector<std::string> subjects_of(const CarryDraft& draft, const Rows& rows, int row) {
  const char kind = rows.text(row, 0).front();
  const std::string& table = draft.table;
  if (kind == 'T') return {"TABLE " + table};
  if (kind == 'C') {
    const ColumnMatch* match = draft.columns.find(rows.integer(row, 2));
    if (match == nullptr || !match->target) return {};
    return {fmt::format("COLUMN {}.{}", table, quoted_name(*match->target))};
  }
  const auto found = draft.subjects.find({static_cast<CarriedClass>(kind), rows.oid(row, 1)});
  return found == draft.subjects.end() ? std::vector<std::string>() : found->second;
}

/// Shows the beginning of the text, which is the user's own and may be long.
void note_lost(CarryDraft& draft, std::string_view text) {
  constexpr std::size_t kShown = 40;
  draft.note(Severity::warning, "comment-lost",
             fmt::format("a comment is not carried over, because its object is not: \"{}{}\"",
                         text.substr(0, kShown), text.size() > kShown ? "..." : ""),
             "add the comment again after the swap");
}

/// {1} and {2}: list and filter, which version 14 does not have; {3}: columns_used().
constexpr const char* kPublicationsSql = R"sql(
SELECT p.pubname, p.pubviaroot, {1}, {2}, {3},
  p.pubupdate OR p.pubdelete, r.prrelid <> $1::oid, r.prrelid::regclass::text
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
WHERE r.prrelid IN (SELECT tree.oid FROM {0}) ORDER BY p.pubname, 8)sql";

struct Member {
  std::string publication;
  bool via_root = false;
  std::string list;  ///< Numbers; empty: all columns.
  std::string filter;
  std::string used;  ///< By list and filter.
  bool sends_updates = false;
  bool is_leaf = false;
  std::string qualified;

  [[nodiscard]] bool is_partial() const { return !list.empty() || !filter.empty(); }
};

/// The publications that name the table, with what the target makes of their lists.
class Publications {
 public:
  Publications(CarryDraft& draft, std::vector<Member> members)
      : draft_(draft), members_(std::move(members)) {
    for (const Member& member : members_) {
      if (covers_identity(member)) extended_.insert(member.list);
    }
  }

  void carry() {
    for (const Member& member : members_) carry(member);
  }

 private:
  /// The server refuses to publish an update or delete by a list without the replica identity.
  [[nodiscard]] bool covers_identity(const Member& member) const {
    if (member.list.empty() || !member.sends_updates) return false;
    const std::vector<std::string> listed = draft_.column_names(member.list);
    return std::all_of(draft_.identity.begin(), draft_.identity.end(), [&](const auto& name) {
      const auto& gained = draft_.request.partition_columns;
      return std::find(gained.begin(), gained.end(), name) != gained.end() ||
             std::find(listed.begin(), listed.end(), name) != listed.end();
    });
  }

  /// Quoted: with what the replica identity gained. Equal lists stay equal, since a subscription to
  /// two publications with different ones stops.
  [[nodiscard]] std::vector<std::string> columns(const Member& member) const {
    std::vector<std::string> names = draft_.column_names(member.list);
    if (extended_.contains(member.list)) {
      for (const std::string& name : draft_.identity) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
      }
    }
    for (std::string& name : names) name = quoted_name(name);
    return names;
  }

  [[nodiscard]] bool sends_key(const Member& member) const {
    if (!draft_.request.key_column) return false;
    const std::vector<std::string> listed = columns(member);
    return listed.empty() || std::find(listed.begin(), listed.end(),
                                       quoted_name(*draft_.request.key_column)) != listed.end();
  }

  /// The tables to add: the target, or its leaves, which alone may have a list or a condition where
  /// changes are published under their names.
  [[nodiscard]] std::vector<std::string> tables(const Member& member) const {
    if (member.via_root || !member.is_partial() || draft_.rules.is_plain) return {"\001new\001"};
    std::vector<std::string> leaves;
    for (const std::string& leaf : draft_.request.leaf_names_afterwards) {
      leaves.push_back(draft_.in_target_schema(leaf));
    }
    return leaves;
  }

  [[nodiscard]] std::string additions(const Member& member) const {
    std::string part;
    if (!member.list.empty()) part = fmt::format(" ({})", fmt::join(columns(member), ", "));
    std::vector<std::string> added = tables(member);
    for (std::string& table : added) {
      const std::string condition =
          member.filter.empty() ? "" : fmt::format(" WHERE ({})", draft_.on(member.filter, table));
      table += part + condition;
    }
    return fmt::format("{}", fmt::join(added, ", "));
  }

  [[nodiscard]] std::string addition_of_old(const Member& member) const {
    std::string sql = "\001old\001";
    std::string columns;
    for (const int number : numbers_in<int>(member.list)) {
      const ColumnMatch* match = draft_.columns.find(number);
      if (match != nullptr) columns += (columns.empty() ? "" : ", ") + match->source->quoted;
    }
    if (!columns.empty()) sql += fmt::format(" ({})", columns);
    if (!member.filter.empty()) sql += fmt::format(" WHERE ({})", member.filter);
    return sql;
  }

  /// False: it has to stay with the old table.
  bool judge(const Member& member, const std::string& name) {
    if (member.is_leaf) {
      draft_.leave_behind("publication", fmt::format("{} {}", name, member.qualified),
                          "it names a partition of the old table",
                          "publish the table itself, or accept the loss by this name");
      return false;
    }
    const std::string missing = draft_.missing_columns(member.used);
    if (!missing.empty()) {
      draft_.leave_behind("publication", name, missing,
                          "map the column, or accept by this name that it goes on publishing the "
                          "old table");
      return false;
    }
    if (member.via_root || draft_.rules.is_plain) return true;
    draft_.leave_behind(
        "publication", name,
        fmt::format("without publish_via_partition_root, changes are published under the names of "
                    "the leaves: a subscriber needs tables of these names{}",
                    member.is_partial() ? ". it has a column list or a condition, so the leaves "
                                          "become its members, and a leaf that is added later "
                                          "has to be added to it"
                                        : ""),
        "create the leaves at the subscribers before the swap, or ALTER PUBLICATION ... SET "
        "(publish_via_partition_root = true)");
    draft_.plan.not_carried.back().is_changed = true;
    return true;
  }

  void carry(const Member& member) {
    const std::string name = display_name(member.publication);
    if (!judge(member, name)) return;
    const auto alter = [&](std::string_view words, std::string_view tables) {
      return fmt::format("ALTER PUBLICATION {} {} TABLE {}", quoted_name(member.publication), words,
                         tables);
    };
    draft_.plan.moves.push_back({"publication " + name,
                                 {alter("DROP", "\001old\001"), alter("ADD", additions(member))},
                                 {alter("DROP", fmt::format("{}", fmt::join(tables(member), ", "))),
                                  alter("ADD", addition_of_old(member))}});
    draft_.note(
        Severity::warning, "subscribers",
        fmt::format("the swap moves publication {} to the new table: subscribers stop at "
                    "the first change that they cannot apply{}",
                    name,
                    sends_key(member) ? fmt::format(", for example because they lack column {}",
                                                    display_name(*draft_.request.key_column))
                                      : std::string()),
        "prepare their tables before the swap, and run ALTER SUBSCRIPTION ... REFRESH "
        "PUBLICATION WITH (copy_data = false) after it");
  }

  CarryDraft& draft_;
  const std::vector<Member> members_;
  std::set<std::string> extended_;  ///< Lists that gain what the replica identity gained.
};

/// Objects that depend on the table, its row type, those of its leaves, or a routine over one;
/// without their own parts and the kinds of objects that other parts of the plan handle
/// (constraints, triggers, policies, rules and views, statistics, publications, sequences, indexes,
/// routines). The last column is "type", the routine, or empty: the table itself. {1}:
/// row_type_tables().
constexpr const char* kDependentsSql = R"sql(
WITH {1}, dependents AS (
  SELECT d.classid, d.objid, d.objsubid, '' AS bound_to FROM pg_depend d
  WHERE d.refclassid = 'pg_class'::regclass AND d.deptype IN ('n', 'a')
    AND d.refobjid IN (SELECT tree.oid FROM {0}) AND d.classid NOT IN ('pg_constraint'::regclass,
      'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_proc'::regclass,
      'pg_statistic_ext'::regclass, 'pg_publication_rel'::regclass, 'pg_class'::regclass)
    AND NOT EXISTS (SELECT FROM pg_attrdef a WHERE d.classid = 'pg_attrdef'::regclass
      AND a.oid = d.objid AND a.adrelid IN (SELECT tree.oid FROM {0}))
  UNION SELECT d.classid, d.objid, d.objsubid, 'type' FROM pg_depend d
  WHERE d.refclassid = 'pg_type'::regclass AND d.deptype IN ('n', 'a')
    AND d.refobjid IN (SELECT oid FROM row_type) AND d.classid <> 'pg_rewrite'::regclass
  UNION SELECT d.classid, d.objid, d.objsubid, d.refobjid::regprocedure::text FROM pg_depend d
  WHERE d.refclassid = 'pg_proc'::regclass AND d.deptype IN ('n', 'a')
    AND d.refobjid IN (SELECT oid FROM row_routine)
    AND d.classid NOT IN ('pg_rewrite'::regclass, 'pg_policy'::regclass)
    AND NOT EXISTS (SELECT FROM pg_trigger t WHERE d.classid = 'pg_trigger'::regclass
      AND t.oid = d.objid AND t.tgrelid IN (SELECT tree.oid FROM {0}))
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE d.classid = 'pg_constraint'::regclass
      AND k.oid = d.objid AND k.conrelid IN (SELECT tree.oid FROM {0}))
    AND NOT EXISTS (SELECT FROM pg_index i WHERE d.classid = 'pg_class'::regclass
      AND i.indexrelid = d.objid AND i.indrelid IN (SELECT tree.oid FROM {0})))
SELECT DISTINCT ON (i.type, i.identity) i.type, i.identity, d.bound_to FROM dependents d
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
WHERE NOT EXISTS (SELECT FROM pg_class c WHERE d.classid = 'pg_class'::regclass
    AND c.oid = d.objid AND (c.relkind IN ('v', 'm') OR c.oid IN (SELECT tree.oid FROM {0})))
  AND NOT EXISTS (SELECT FROM pg_proc p WHERE d.classid = 'pg_proc'::regclass
    AND p.oid = d.objid AND p.prokind <> 'a')
ORDER BY 1, 2, d.bound_to = 'type' DESC, d.bound_to)sql";

constexpr const char* kAttachedSql = R"sql(
SELECT 'extension', quote_ident(e.extname), 'the table is one of its members',
  'ALTER EXTENSION ... DROP TABLE, and ADD TABLE after the swap, or accept the loss by this name'
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e'
  AND d.refclassid = 'pg_extension'::regclass AND d.objid IN (SELECT tree.oid FROM {0})
UNION
SELECT 'extension', format('%I for %s', e.extname, pg_describe_object(d.classid, d.objid, 0)),
  'it depends on the extension by ALTER ... DEPENDS ON EXTENSION',
  'repeat that statement after the swap, or accept the loss by this name'
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x'
  AND (d.classid = 'pg_class'::regclass AND d.objid IN (
      SELECT i.indexrelid FROM pg_index i WHERE i.indrelid = $1::oid)
    OR d.classid = 'pg_trigger'::regclass AND d.objid IN (
      SELECT t.oid FROM pg_trigger t WHERE t.tgrelid = $1::oid))
UNION
SELECT 'security label', quote_ident(l.provider)
  || COALESCE(' on ' || quote_ident(a.attname), ''), 'labels are not carried over',
  'run SECURITY LABEL after the swap, and accept the loss by this name'
FROM pg_seclabel l LEFT JOIN pg_attribute a
  ON a.attrelid = l.objoid AND a.attnum = l.objsubid AND l.objsubid > 0
WHERE l.classoid = 'pg_class'::regclass AND l.objoid IN (SELECT tree.oid FROM {0})
UNION
SELECT 'type', format_type(c.reloftype, NULL), 'the table is made OF this type',
  'ALTER TABLE ... NOT OF, or accept the loss by this name'
FROM pg_class c WHERE c.oid = $1::oid AND c.reloftype <> 0
UNION
SELECT 'inheritance', i.inhparent::regclass::text,
  'the table inherits from it', 'ALTER TABLE ... NO INHERIT, or accept the loss by this name'
FROM pg_inherits i WHERE i.inhrelid = $1::oid
UNION
SELECT 'subscription', quote_ident(s.subname),
  'it writes into the table: the fence stops it, and after the swap it skips every change to the new'
  ' table without a word until it is refreshed',
  'let nothing be published to it from the start of the window until ALTER SUBSCRIPTION ... REFRESH'
  ' PUBLICATION WITH (copy_data = false) has run after the swap, and accept that by this name'
FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
WHERE r.srrelid IN (SELECT tree.oid FROM {0}) ORDER BY 1, 2)sql";

/// Objects of leaves that their parent has not: kind, name, leaves that have it.
constexpr const char* kOnLeavesSql = R"sql(
WITH own(kind, name, leaf) AS (
  SELECT 'trigger', t.tgname, leaf.oid FROM {0} JOIN pg_trigger t ON t.tgrelid = leaf.oid
    JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND n.nspname <> 'pgfanout'
      AND NOT starts_with(t.tgname, 'pgfanout_')
  UNION ALL SELECT CASE c.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, c.conname,
      leaf.oid FROM {0} JOIN pg_constraint c ON c.conrelid = leaf.oid
    WHERE c.contype = 'f' AND c.conparentid = 0 OR c.contype = 'c' AND c.coninhcount = 0
  UNION ALL SELECT 'policy', p.polname, leaf.oid FROM {0} JOIN pg_policy p ON p.polrelid = leaf.oid
  UNION ALL SELECT 'rule', r.rulename, leaf.oid FROM {0} JOIN pg_rewrite r ON r.ev_class = leaf.oid
  UNION ALL SELECT 'statistics', s.stxname, leaf.oid FROM {0}
    JOIN pg_statistic_ext s ON s.stxrelid = leaf.oid
  UNION ALL SELECT 'comment', CASE d.objsubid WHEN 0 THEN 'on the leaf' ELSE 'on a column' END,
      leaf.oid
    FROM {0} JOIN pg_description d ON d.objoid = leaf.oid AND d.classoid = 'pg_class'::regclass
  UNION ALL SELECT 'grant', 'on columns', a.attrelid FROM {0} JOIN pg_attribute a
    ON a.attrelid = leaf.oid AND a.attacl IS NOT NULL)
SELECT kind, name, count(DISTINCT leaf), (SELECT count(*) FROM {0})
FROM own WHERE leaf <> $1::oid GROUP BY kind, name ORDER BY kind, name)sql";

/// The old table must not block deletes or follow them, so leaves' own foreign keys are dropped,
/// too.
constexpr const char* kLeafForeignKeysSql = R"sql(
SELECT c.conrelid, c.conname, pg_get_constraintdef(c.oid)
FROM {0} JOIN pg_constraint c ON c.conrelid = leaf.oid
WHERE leaf.oid <> $1::oid AND c.contype = 'f' AND c.conparentid = 0 ORDER BY 1, 2)sql";

/// The failure that the application meets after the swap.
std::string fate_of_dependent(const std::string& type, const std::string& bound_to) {
  if (bound_to.empty()) return "it refers to the old table";
  if (bound_to != "type") {
    return fmt::format(
        "it goes on calling the old version of {}, which takes or returns rows of the old table: "
        "after the swap it fails for rows of the new one",
        bound_to);
  }
  const std::string bound = "it is bound to the row type of the old table: after the swap ";
  if (type == "table column") {
    return bound +
           "a row of the new table cannot be stored in it (\"column ... is of type ... but "
           "expression is of type ...\")";
  }
  if (type == "aggregate") {
    return bound + "a call with rows of the new table fails (\"function ... does not exist\")";
  }
  return bound +
         "a row of the new table does not fit it (\"cannot cast type ...\", or \"operator "
         "does not exist\")";
}

Result<void> name_dependents(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      draft.read(fmt::format(kDependentsSql, kTableTree, row_type_tables())));
  for (int row = 0; row < rows.size(); ++row) {
    const bool is_column = rows.text(row, 0) == "table column" && rows.text(row, 2) == "type";
    if (rows.text(row, 1).starts_with("repack.log_")) {
      draft.leave_behind(rows.str(row, 0), rows.str(row, 1), "pg_repack is working on the table",
                         "wait until it has ended; if it was killed, DROP EXTENSION pg_repack "
                         "CASCADE removes what it left");
      continue;
    }
    draft.leave_behind(
        rows.str(row, 0), rows.str(row, 1), fate_of_dependent(rows.str(row, 0), rows.str(row, 2)),
        fmt::format("{}, or accept by this name that it stays with the old table (which cleanup "
                    "then cannot drop)",
                    is_column ? "make it jsonb before the window (ALTER TABLE ... ALTER COLUMN ... "
                                "TYPE jsonb USING to_jsonb(...))"
                              : "drop it before the swap and create it again after it"));
  }
  return {};
}

Result<void> name_attached(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(fmt::format(kAttachedSql, kTableTree)));
  for (int row = 0; row < rows.size(); ++row) {
    draft.leave_behind(rows.str(row, 0), rows.str(row, 1), rows.str(row, 2), rows.str(row, 3));
  }
  return {};
}

Result<void> name_leaf_objects(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(fmt::format(kOnLeavesSql, kTableLeaves)));
  for (int row = 0; row < rows.size(); ++row) {
    const std::string kind = rows.str(row, 0);
    const std::string name =
        kind == "comment" || kind == "grant" ? rows.str(row, 1) : display_name(rows.text(row, 1));
    const bool is_rule_on_data = kind == "constraint" || kind == "foreign key" || kind == "trigger";
    if (is_rule_on_data && rows.integer(row, 2) == rows.integer(row, 3)) {
      draft.leave_behind(
          kind, name + " of the leaves", "each leaf of the source has it, but not the table itself",
          "add it to the table itself before the window, or accept the loss by this name");
      continue;
    }
    draft.note(Severity::warning, "leaf-object",
               fmt::format("{} {} on {} of {} leaves of the source is not carried over", kind, name,
                           rows.text(row, 2), rows.text(row, 3)),
               "add it to the table itself if the application needs it");
  }
  return {};
}

Result<void> drop_leaf_foreign_keys(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(fmt::format(kLeafForeignKeysSql, kTableLeaves)));
  for (int row = 0; row < rows.size(); ++row) {
    const auto alter = [&](const std::string& what) {
      return do_block(fmt::format(
          "BEGIN EXECUTE pg_catalog.concat('ALTER TABLE ', {}::pg_catalog.regclass, {}); END",
          rows.text(row, 0), draft.quoted(what)));
    };
    const std::string name = quoted_name(rows.text(row, 1));
    draft.plan.moves.push_back(
        {fmt::format("foreign key {} of a leaf of the old table", display_name(rows.text(row, 1))),
         {alter(fmt::format(" DROP CONSTRAINT {}", name))},
         {alter(fmt::format(" ADD CONSTRAINT {} {}", name, rows.text(row, 2)))}});
  }
  return {};
}

}  // namespace

Result<void> carry_statistics(CarryDraft& draft) {
  PGFANOUT_TRY(carry_extended(draft));
  PGFANOUT_TRY(carry_column_options(draft));
  note_lost_defaults(draft);
  return carry_storage(draft);
}

Result<void> carry_comments(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(kCommentsSql));
  for (int row = 0; row < rows.size(); ++row) {
    const std::vector<std::string> subjects = subjects_of(draft, rows, row);
    if (subjects.empty()) note_lost(draft, rows.text(row, 3));
    for (const std::string& subject : subjects) {
      draft.add_attribute("comment " + subject, fmt::format("COMMENT ON {} IS {}", subject,
                                                            draft.quoted(rows.text(row, 3))));
    }
  }
  return {};
}

Result<void> carry_publications(CarryDraft& draft) {
  const bool has_parts = draft.source.server_version() >= kFirstWithSchemaPublications;
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      draft.read(fmt::format(kPublicationsSql, kTableTree,
                             has_parts ? "array_to_string(r.prattrs::int2[], ' ')" : "NULL",
                             has_parts ? "pg_get_expr(r.prqual, r.prrelid)" : "NULL",
                             columns_used("pg_publication_rel", "r.oid", "r.prrelid"))));
  std::vector<Member> members;
  for (int row = 0; row < rows.size(); ++row) {
    Member member;
    read_row(rows, row, member.publication, member.via_root, member.list, member.filter,
             member.used, member.sends_updates, member.is_leaf, member.qualified);
    members.push_back(std::move(member));
    if (!draft.request.same_database) {
      draft.note(Severity::info, "publication-stays",
                 fmt::format("publication {} belongs to the source's database and stays there",
                             display_name(members.back().publication)));
    }
  }
  if (draft.request.same_database) Publications(draft, std::move(members)).carry();
  return {};
}

Result<void> name_the_rest(CarryDraft& draft) {
  PGFANOUT_TRY(name_dependents(draft));
  PGFANOUT_TRY(name_attached(draft));
  PGFANOUT_TRY(name_leaf_objects(draft));
  return drop_leaf_foreign_keys(draft);
}

}  // namespace pgfanout
