#include "copier/carry/source_facts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "copier/catalog/server_facts.h"

namespace pgfanout {
namespace {

/// Stands between object, setting and value.
constexpr char kMark = '\001';

// The catalogs' own rows about table $1: its tree, materialized views over it (`made`), what
// depends on these (`used`), and the settings of each object. Of a leaf's columns and indexes,
// those facts count in which it differs from the table. The fence's triggers are not the table's. A
// fact fits into an index of the journal. {0}: kPublishedPart, {1}: kPublishedSchema.
constexpr const char* kFactsSql = R"sql(
WITH RECURSIVE own AS (
  SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid
), tree(oid) AS (
  SELECT own.oid FROM own UNION SELECT t.relid::oid FROM pg_partition_tree($1::oid::regclass) t
), whole AS MATERIALIZED (
  SELECT a.*, COALESCE(pg_get_expr(d.adbin, d.adrelid), '') AS value FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
), made(oid) AS (
  SELECT tree.oid FROM tree
  UNION SELECT r.ev_class FROM made JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = made.oid
  JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'm'
), used AS (
  SELECT DISTINCT d.classid, d.objid, d.objsubid FROM pg_depend d
  WHERE d.deptype IN ('n', 'a') AND (
    d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT made.oid FROM made)
    OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT t.oid FROM pg_type t
      LEFT JOIN pg_type e ON e.oid = t.typelem
      WHERE COALESCE(NULLIF(t.typrelid, 0), e.typrelid) IN (SELECT tree.oid FROM tree)))
), sequences AS (
  SELECT d.objid AS oid FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid AND d.deptype IN ('a', 'i')
    AND d.refobjsubid > 0
  UNION SELECT d.refobjid FROM pg_attrdef f JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass
    AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass WHERE f.adrelid = $1::oid
), indexes AS (
  SELECT i.*, c.reloptions, i.indrelid = $1::oid OR NOT c.relispartition AS is_own
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  LEFT JOIN pg_inherits h ON h.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = h.inhparent
  WHERE i.indrelid IN (SELECT made.oid FROM made)
    AND (i.indrelid = $1::oid OR NOT c.relispartition OR i.indisclustered OR i.indisreplident
      OR c.reloptions IS DISTINCT FROM p.reloptions OR EXISTS (SELECT FROM pg_description d
        WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass))
), relations AS (
  SELECT c.*, c.relkind IN ('r', 'p', 'm', 'S', 'f') AS has_access FROM pg_class c
  WHERE c.oid IN (SELECT made.oid FROM made
    UNION ALL SELECT indexes.indexrelid FROM indexes WHERE indexes.is_own
    UNION ALL SELECT sequences.oid FROM sequences
    UNION ALL SELECT r.ev_class FROM used u JOIN pg_rewrite r ON r.oid = u.objid
      WHERE u.classid = 'pg_rewrite'::regclass AND r.rulename = '_RETURN')
), objects(class, oid, part, facts) AS (
  SELECT 'pg_class'::regclass::oid, c.oid, 0, jsonb_build_object(
    'kind', c.relkind, 'owner', CASE WHEN c.has_access THEN c.relowner::regrole END,
    'tablespace', s.spcname, 'access method', m.amname, 'persistence', c.relpersistence,
    'populated', CASE c.relkind WHEN 'm' THEN c.relispopulated END,
    'bound', pg_get_expr(c.relpartbound, c.oid),
    'partition key', CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
    'query', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
    || CASE WHEN c.relkind IN ('r', 'p') THEN jsonb_build_object(
      'type', NULLIF(c.reloftype, 0)::regtype, 'row security', c.relrowsecurity,
      'forced row security', c.relforcerowsecurity, 'replica identity', CASE c.relreplident
        WHEN 'd' THEN 'DEFAULT' WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'
        ELSE 'USING INDEX' END) ELSE jsonb_build_object() END
  FROM relations c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
  LEFT JOIN pg_am m ON m.oid = c.relam
  UNION ALL SELECT 'pg_class'::regclass, c.oid, 0, jsonb_build_object(
    o.kind || split_part(o.text, '=', 1), substr(o.text, 1 + strpos(o.text, '=')))
  FROM relations c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid CROSS JOIN LATERAL (
    SELECT 'option ' AS kind, unnest(c.reloptions) AS text
    UNION ALL SELECT 'option toast.', unnest(t.reloptions)) o
  WHERE c.relkind NOT IN ('i', 'I')
  UNION ALL SELECT 'pg_class'::regclass, a.attrelid, a.attnum, CASE WHEN a.attrelid = $1::oid THEN
    jsonb_build_object('type', format_type(a.atttypid, a.atttypmod),
      'collation', NULLIF(a.attcollation, 0)::regcollation, 'NOT NULL', a.attnotnull,
      'storage', CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
        WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END,
      'compression', CASE a.attcompression WHEN 'l' THEN 'lz4' WHEN 'p' THEN 'pglz' END,
      'statistics target', COALESCE(a.attstattarget, -1),
      'identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
      'generated', CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END,
      'default', pg_get_expr(d.adbin, d.adrelid))
    ELSE jsonb_build_object('statistics target', NULLIF(a.attstattarget, -1)) END
  FROM relations c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE c.oid = $1::oid OR c.relkind IN ('i', 'I', 'm')
  UNION ALL SELECT 'pg_class'::regclass, a.attrelid, a.attnum, jsonb_build_object(
    'NOT NULL', NULLIF(a.attnotnull, p.attnotnull), 'statistics target',
    CASE WHEN a.attstattarget IS DISTINCT FROM p.attstattarget
      THEN COALESCE(a.attstattarget, -1) END,
    'storage', NULLIF(a.attstorage, p.attstorage),
    'compression', NULLIF(a.attcompression, p.attcompression),
    'default', NULLIF(COALESCE(pg_get_expr(d.adbin, d.adrelid), ''), p.value))
  FROM tree JOIN pg_attribute a ON a.attrelid = tree.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN whole p ON p.attname = a.attname
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE tree.oid <> $1::oid AND (a.atthasdef OR p.atthasdef
    OR (a.attnotnull, a.attstorage, a.attcompression, a.attstattarget)
      IS DISTINCT FROM (p.attnotnull, p.attstorage, p.attcompression, p.attstattarget))
  UNION ALL SELECT 'pg_class'::regclass, a.attrelid, a.attnum, jsonb_build_object(
    'option ' || split_part(o.text, '=', 1), substr(o.text, 1 + strpos(o.text, '=')))
  FROM tree JOIN pg_attribute a ON a.attrelid = tree.oid AND NOT a.attisdropped
  CROSS JOIN LATERAL unnest(a.attoptions) o(text) WHERE starts_with(o.text, 'n_distinct')
  UNION ALL SELECT 'pg_class'::regclass, i.indexrelid, 0, CASE WHEN i.is_own
    THEN jsonb_build_object('clustered', i.indisclustered, 'replica identity', i.indisreplident,
      'definition', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid, 'ready', i.indisready)
    ELSE jsonb_build_object('clustered', NULLIF(i.indisclustered, false), 'replica identity',
      NULLIF(i.indisreplident, false), 'options', array_to_string(i.reloptions, ', ')) END
  FROM indexes i
  UNION ALL SELECT 'pg_class'::regclass, s.seqrelid, 0, to_jsonb(s) - ARRAY['seqrelid', 'seqtypid']
    || jsonb_build_object('type', s.seqtypid::regtype, 'owned by', (
      SELECT format('%s.%I', d.refobjid::regclass, a.attname) FROM pg_depend d JOIN pg_attribute a
        ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
      WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.deptype IN ('a', 'i')
      LIMIT 1))
  FROM pg_sequence s WHERE s.seqrelid IN (SELECT sequences.oid FROM sequences)
  UNION ALL SELECT 'pg_class'::regclass, g.oid, g.part, jsonb_build_object(
    'grants to ' || COALESCE(NULLIF(x.grantee, 0)::regrole::text, 'PUBLIC'),
    string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
      ', ' ORDER BY x.privilege_type))
  FROM (SELECT c.oid, 0 AS part, COALESCE(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'
      ELSE 'r' END::"char", c.relowner)) AS acl FROM relations c WHERE c.has_access
    UNION ALL SELECT a.attrelid, a.attnum, a.attacl FROM pg_attribute a
      WHERE a.attrelid IN (SELECT made.oid FROM made) AND a.attnum > 0) g
  CROSS JOIN LATERAL aclexplode(g.acl) x GROUP BY g.oid, g.part, x.grantee
  UNION ALL SELECT 'pg_constraint'::regclass, k.oid, 0, jsonb_build_object(
    'definition', pg_get_constraintdef(k.oid), 'triggers', (SELECT string_agg(DISTINCT CASE
        t.tgenabled WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always'
        ELSE 'replica' END, ', ') FROM pg_trigger t WHERE t.tgconstraint = k.oid))
  FROM pg_constraint k WHERE k.conrelid = $1::oid
    OR k.conrelid IN (SELECT tree.oid FROM tree) AND k.conparentid = 0 AND k.coninhcount = 0
    OR k.confrelid IN (SELECT tree.oid FROM tree) AND k.conparentid = 0
  UNION ALL SELECT 'pg_trigger'::regclass, t.oid, 0, jsonb_build_object(
    'definition', pg_get_triggerdef(t.oid), 'state', CASE t.tgenabled WHEN 'O' THEN 'enabled'
      WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always' ELSE 'replica' END)
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
  WHERE t.tgrelid IN (SELECT tree.oid FROM tree) AND NOT t.tgisinternal AND t.tgparentid = 0
    AND p.pronamespace IS DISTINCT FROM to_regnamespace('pgfanout')::oid
  UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, 0, jsonb_build_object(
    'definition', pg_get_ruledef(r.oid), 'state', CASE r.ev_enabled WHEN 'O' THEN 'enabled'
      WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'always' ELSE 'replica' END)
  FROM pg_rewrite r WHERE r.rulename <> '_RETURN' AND (r.ev_class IN (SELECT tree.oid FROM tree)
    OR r.oid IN (SELECT u.objid FROM used u WHERE u.classid = 'pg_rewrite'::regclass))
  UNION ALL SELECT 'pg_policy'::regclass, p.oid, 0, jsonb_build_object(
    'command', p.polcmd, 'permissive', p.polpermissive, 'roles', (
      SELECT string_agg(COALESCE(NULLIF(r.oid, 0)::regrole::text, 'PUBLIC'), ', ' ORDER BY r.oid)
      FROM unnest(p.polroles) r(oid)), 'USING', pg_get_expr(p.polqual, p.polrelid),
    'WITH CHECK', pg_get_expr(p.polwithcheck, p.polrelid))
  FROM pg_policy p WHERE p.polrelid IN (SELECT tree.oid FROM tree)
    OR p.oid IN (SELECT u.objid FROM used u WHERE u.classid = 'pg_policy'::regclass)
  UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, 0, jsonb_build_object(
    'definition', pg_get_statisticsobjdef(s.oid), 'owner', s.stxowner::regrole,
    'statistics target', COALESCE(to_jsonb(s) ->> 'stxstattarget', '-1'))
  FROM pg_statistic_ext s WHERE s.stxrelid IN (SELECT tree.oid FROM tree)
  UNION ALL SELECT 'pg_publication_rel'::regclass, r.oid, 0,
    to_jsonb(p) - ARRAY['oid', 'pubname', 'pubowner', 'puballtables'] || jsonb_build_object(
      {0})
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
  WHERE r.prrelid IN (SELECT tree.oid FROM tree)
  UNION ALL SELECT 'pg_proc'::regclass, f.oid, 0, jsonb_build_object(
    'definition', pg_get_functiondef(f.oid))
  FROM pg_proc f WHERE f.prokind IN ('f', 'p')
    AND f.oid IN (SELECT u.objid FROM used u WHERE u.classid = 'pg_proc'::regclass)
  UNION ALL SELECT u.classid, u.objid, u.objsubid, jsonb_build_object('exists', true) FROM used u
  WHERE u.classid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass,
    'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass, 'pg_proc'::regclass,
    'pg_statistic_ext'::regclass, 'pg_publication_rel'::regclass)
), facts(class, oid, part, setting, value) AS (
  SELECT o.class, o.oid, o.part, s.key, s.value
  FROM objects o CROSS JOIN LATERAL jsonb_each_text(o.facts) s(key, value)
  UNION ALL SELECT d.classoid, d.objoid, d.objsubid, 'comment', d.description
  FROM pg_description d JOIN (SELECT DISTINCT o.class, o.oid FROM objects o) k
    ON d.classoid = k.class AND d.objoid = k.oid
  UNION ALL SELECT l.classoid, l.objoid, l.objsubid, 'security label of ' || l.provider, l.label
  FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass
    AND l.objoid IN (SELECT tree.oid FROM tree)
  UNION ALL SELECT 'pg_class'::regclass, i.inhrelid, 0, 'parent', i.inhparent::regclass::text
  FROM pg_inherits i WHERE i.inhrelid IN (SELECT tree.oid FROM tree)
  UNION ALL SELECT 'pg_class'::regclass, r.srrelid, 0, 'subscription ' || s.subname, 'writes into it'
  FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
  WHERE r.srrelid IN (SELECT tree.oid FROM tree)
  UNION ALL SELECT 'pg_class'::regclass, own.oid, 0, 'publication ' || p.pubname, 'all tables'
  FROM own CROSS JOIN pg_publication p WHERE p.puballtables{1}
  UNION ALL SELECT d.classid, d.objid, d.objsubid, 'extension ' || e.extname,
    CASE d.deptype WHEN 'e' THEN 'member' ELSE 'depends on it' END
  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid JOIN objects o
    ON o.class = d.classid AND o.oid = d.objid
  WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype IN ('e', 'x')
)
SELECT DISTINCT concat_ws(chr(1), left(CASE
    WHEN f.class = 'pg_class'::regclass AND f.oid = own.oid AND f.part > 0 THEN 'column ' || (
      SELECT quote_ident(a.attname) FROM pg_attribute a
      WHERE a.attrelid = f.oid AND a.attnum = f.part)
    ELSE regexp_replace(i.type, '^table (?=column|constraint)', '') || ' '
      || CASE WHEN right(i.identity, length(own.name) + 4) = ' on ' || own.name
        THEN left(i.identity, -4 - length(own.name)) ELSE i.identity END END, 300),
  f.setting, CASE WHEN length(f.value) > 200 THEN left(f.value, 160) || '... ' || md5(f.value)
    ELSE f.value END)
FROM facts f CROSS JOIN own CROSS JOIN LATERAL pg_identify_object(f.class, f.oid, f.part) i
WHERE f.value IS NOT NULL)sql";

/// Columns and filter of a publication's member; since version 15.
constexpr const char* kPublishedPart = R"sql(
      'columns', (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)),
      'filter', pg_get_expr(r.prqual, r.prrelid))sql";

/// Publications of the schema of a table of the tree; since the same version.
constexpr const char* kPublishedSchema = R"sql(
  UNION ALL SELECT DISTINCT 'pg_class'::regclass::oid, $1::oid, 0, 'publication ' || p.pubname,
    'tables of schema ' || s.pnnspid::regnamespace
  FROM tree JOIN pg_class c USING (oid) JOIN pg_publication_namespace s ON s.pnnspid = c.relnamespace
  JOIN pg_publication p ON p.oid = s.pnpubid)sql";

using Settings = std::map<std::string, std::string>;

/// Settings of each object. Empty if a fact has another form: another version wrote it.
std::map<std::string, Settings> by_object(const std::vector<std::string>& facts) {
  std::map<std::string, Settings> objects;
  for (const std::string& fact : facts) {
    const std::size_t first = fact.find(kMark);
    const std::size_t second = first == std::string::npos ? first : fact.find(kMark, first + 1);
    if (second == std::string::npos) return {};
    objects[fact.substr(0, first)][fact.substr(first + 1, second - first - 1)] =
        fact.substr(second + 1);
  }
  return objects;
}

/// On one line.
std::string shown(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  if (found == settings.end()) return "none";
  std::string text;
  for (const char byte : found->second) {
    const bool is_blank = byte == ' ' || byte == '\n' || byte == '\t';
    if (!is_blank) {
      text += byte;
    } else if (!text.empty() && text.back() != ' ') {
      text += ' ';
    }
  }
  return text;
}

/// A person thinks of the table and its columns first.
std::vector<std::string> in_order(const std::map<std::string, Settings>& objects) {
  std::vector<std::string> names;
  for (const auto& [name, settings] : objects) names.push_back(name);
  const auto rank = [](const std::string& name) {
    return name.starts_with("table ") ? 0 : name.starts_with("column ") ? 1 : 2;
  };
  std::stable_sort(names.begin(), names.end(), [&](const std::string& one, const std::string& two) {
    return rank(one) < rank(two);
  });
  return names;
}

void add_changes(const std::string& object, const Settings& then, const Settings& now,
                 std::vector<std::string>& changes) {
  if (then.empty() && now.size() > 1) return changes.push_back(object + " is new");
  if (now.empty() && then.size() > 1) return changes.push_back(object + " is gone");
  Settings both = then;
  both.insert(now.begin(), now.end());
  for (const auto& [name, value] : both) {
    const auto before = then.find(name);
    const auto after = now.find(name);
    const bool is_same =
        before != then.end() && after != now.end() && before->second == after->second;
    if (is_same) continue;
    changes.push_back(
        fmt::format("{}: {} was {}, is {}", object, name, shown(then, name), shown(now, name)));
  }
}

}  // namespace

Result<std::vector<std::string>> read_source_facts(Connection& source, std::uint32_t table) {
  const bool has_parts = source.server_version() >= kFirstWithSchemaPublications;
  PGFANOUT_TRY_ASSIGN(const Rows rows,
                      source.query(fmt::format(kFactsSql, has_parts ? kPublishedPart : "",
                                               has_parts ? kPublishedSchema : ""),
                                   {std::to_string(table)}));
  std::vector<std::string> facts = rows.column(0);
  std::sort(facts.begin(), facts.end());
  return facts;
}

std::string changed_facts(const std::vector<std::string>& then,
                          const std::vector<std::string>& now) {
  if (then == now) return {};
  constexpr std::size_t kMost = 5;
  auto before = by_object(then);
  auto after = by_object(now);
  if (before.empty()) return "another version of pgfanout recorded it";
  std::map<std::string, Settings> all = before;
  all.insert(after.begin(), after.end());
  std::vector<std::string> changes;
  for (const std::string& object : in_order(all)) {
    add_changes(object, before[object], after[object], changes);
  }
  const std::size_t more = changes.size() > kMost ? changes.size() - kMost : 0;
  changes.resize(changes.size() - more);
  return fmt::format("{}{}", fmt::join(changes, "; "),
                     more == 0 ? "" : fmt::format("; and {} more", more));
}

}  // namespace pgfanout
