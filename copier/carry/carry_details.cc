// Extended statistics, columns' planner settings, tablespace, comments, publications; and the
// objects that no other part handles, which are named: nothing that depends on the source is lost
// silently.
#include <fmt/format.h>

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
    if (draft.request.source.kind == 'r' && is_own_only) {
      on_parent = fmt::format("ALTER COLUMN {} SET ({}, n_distinct_inherited={})",
                              quoted_name(*match->target), options, options.substr(kOwn.size()));
    }
    draft.add_attribute(fmt::format("column options {}", display_name(*match->target)),
                        fmt::format("ALTER TABLE ONLY {} {}", draft.table, on_parent));
    if (draft.request.source.kind == 'r') draft.alter_leaves(clause);
  }
  return {};
}

Result<void> carry_storage(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows row, draft.read(kTablespaceSql));
  if (row.size() == 0) return {};
  if (row.text(0, 1) == "u") {
    draft.note(Severity::warning, "unlogged",
               "the source is UNLOGGED, the target is not: it survives a crash",
               "run ALTER TABLE ... SET UNLOGGED on its leaves if a crash may empty them");
  }
  if (row.is_null(0, 0) || !draft.request.same_database) return {};
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
    if (!had_one || column == nullptr || *match.target == draft.request.key_column) continue;
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
             fmt::format("a comment is not carried over, because its object is not, or is a NOT "
                         "NULL constraint: \"{}{}\"",
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
};

/// "{new} (a, b) WHERE (...)": updates need the primary key's columns in a list, also its new one.
std::string membership(const CarryDraft& draft, const Member& member) {
  std::string sql = "\001new\001";
  if (!member.list.empty()) {
    std::string columns = draft.column_list(member.list);
    if (member.sends_updates && draft.rules.by_columns && draft.primary_key_changed) {
      columns += ", " + quoted_name(*draft.request.key_column);
    }
    sql += fmt::format(" ({})", columns);
  }
  if (!member.filter.empty()) {
    sql += fmt::format(" WHERE ({})", draft.on(member.filter, "\001new\001"));
  }
  return sql;
}

std::string membership_of_old(const CarryDraft& draft, const Member& member) {
  std::string sql = "\001old\001";
  std::string columns;
  for (const int number : numbers_in<int>(member.list)) {
    const ColumnMatch* match = draft.columns.find(number);
    if (match != nullptr) columns += (columns.empty() ? "" : ", ") + match->source->quoted;
  }
  if (!columns.empty()) sql += fmt::format(" ({})", columns);
  if (!member.filter.empty()) sql += fmt::format(" WHERE ({})", member.filter);
  return sql;
}

void carry_member(CarryDraft& draft, const Member& member) {
  const std::string name = quoted_name(member.publication);
  if (member.is_leaf) {
    draft.leave_behind("publication",
                       fmt::format("{} {}", display_name(member.publication), member.qualified),
                       "it names a partition of the old table",
                       "publish the table itself, or accept the loss by this name");
    return;
  }
  const std::string missing = draft.missing_columns(member.used);
  std::string obstacle = missing;
  if (missing.empty() && !member.via_root) {
    obstacle = "it publishes under the names of leaves, which the subscribers do not have";
  }
  if (!obstacle.empty() &&
      !draft.leave_behind("publication", display_name(member.publication), obstacle,
                          "ALTER PUBLICATION ... SET (publish_via_partition_root = true), or "
                          "accept it by this name")) {
    return;
  }
  if (missing.empty()) {
    const auto alter = [&](std::string_view words, std::string_view table) {
      return fmt::format("ALTER PUBLICATION {} {} TABLE {}", name, words, table);
    };
    draft.plan.moves.push_back(
        {fmt::format("publication {}", display_name(member.publication)),
         {alter("DROP", "\001old\001"), alter("ADD", membership(draft, member))},
         {alter("DROP", "\001new\001"), alter("ADD", membership_of_old(draft, member))}});
  }
  draft.note(Severity::warning, "subscribers",
             fmt::format("the swap moves publication {} to the new table: subscribers stop at the "
                         "first change that they cannot apply{}",
                         display_name(member.publication),
                         draft.request.key_column
                             ? fmt::format(", for example because they lack column {}",
                                           display_name(*draft.request.key_column))
                             : std::string()),
             "prepare their tables before the swap, and run ALTER SUBSCRIPTION ... REFRESH "
             "PUBLICATION WITH "
             "(copy_data = false) after it");
}

/// Objects that depend on the table, its row type, or those of its leaves; without their own parts
/// and the kinds of objects that other parts of the plan handle (constraints, triggers, policies,
/// rules and views, statistics, publications, sequences, indexes, functions that mention the table
/// in a parsed body).
constexpr const char* kDependentsSql = R"sql(
WITH types AS (
  SELECT t.oid FROM pg_type t WHERE t.typrelid IN (SELECT tree.oid FROM {0})
  UNION ALL SELECT t.typarray FROM pg_type t
    WHERE t.typrelid IN (SELECT tree.oid FROM {0}) AND t.typarray <> 0
), dependents AS (
  SELECT DISTINCT d.classid, d.objid, d.objsubid, false AS of_type FROM pg_depend d
  WHERE d.refclassid = 'pg_class'::regclass AND d.deptype IN ('n', 'a')
    AND d.refobjid IN (SELECT tree.oid FROM {0}) AND d.classid NOT IN ('pg_constraint'::regclass,
      'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_proc'::regclass,
      'pg_statistic_ext'::regclass, 'pg_publication_rel'::regclass, 'pg_class'::regclass)
  UNION SELECT DISTINCT d.classid, d.objid, d.objsubid, true FROM pg_depend d
  WHERE d.refclassid = 'pg_type'::regclass AND d.deptype IN ('n', 'a')
    AND d.refobjid IN (SELECT types.oid FROM types) AND d.classid <> 'pg_rewrite'::regclass)
SELECT DISTINCT i.type, i.identity, d.of_type FROM dependents d
CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
WHERE NOT (d.classid = 'pg_attrdef'::regclass AND EXISTS (SELECT FROM pg_attrdef a
    WHERE a.oid = d.objid AND a.adrelid IN (SELECT tree.oid FROM {0})))
  AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class c
    WHERE c.oid = d.objid AND (c.relkind IN ('v', 'm') OR c.oid IN (SELECT tree.oid FROM {0}))))
ORDER BY 1, 2)sql";

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
  'it writes into the table, and will write into the old one after the swap',
  'disable it for the window, and ALTER SUBSCRIPTION ... REFRESH PUBLICATION after the swap;'
  ' accept it by this name'
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

Result<void> name_dependents(CarryDraft& draft) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, draft.read(fmt::format(kDependentsSql, kTableTree)));
  for (int row = 0; row < rows.size(); ++row) {
    draft.leave_behind(rows.str(row, 0), rows.str(row, 1),
                       rows.boolean(row, 2) ? "it is bound to the row type of the old table"
                                            : "it refers to the old table",
                       "drop it before the swap and create it again after it, or accept by this "
                       "name that it stays with the old table (which cleanup then cannot drop)");
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
  for (int row = 0; row < rows.size(); ++row) {
    Member member;
    read_row(rows, row, member.publication, member.via_root, member.list, member.filter,
             member.used, member.sends_updates, member.is_leaf, member.qualified);
    if (!draft.request.same_database) {
      draft.note(Severity::info, "publication-stays",
                 fmt::format("publication {} belongs to the source's database and stays there",
                             display_name(member.publication)));
      continue;
    }
    carry_member(draft, member);
  }
  return {};
}

Result<void> name_the_rest(CarryDraft& draft) {
  PGFANOUT_TRY(name_dependents(draft));
  PGFANOUT_TRY(name_attached(draft));
  PGFANOUT_TRY(name_leaf_objects(draft));
  return drop_leaf_foreign_keys(draft);
}

}  // namespace pgfanout
