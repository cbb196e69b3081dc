// Shared by the tests of whole schemas: a table and all its dependent objects as lines, so that a
// test can say exactly which of them the swap changes.
#pragma once

#include <gmock/gmock.h>

#include <iterator>
#include <sstream>

#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout::testing {

using Lines = std::vector<std::string>;

class WindowObjectsFixture : public WindowFixture {
 protected:
  [[nodiscard]] Lines lines(const std::string& sql) const {
    std::istringstream text(
        value("SELECT coalesce(string_agg(line, E'\\x01' ORDER BY line COLLATE "
              "\"C\"), '') FROM (" +
              sql + ") lines(line)"));
    Lines found;
    for (std::string line; std::getline(text, line, '\1');) found.push_back(line);
    return found;
  }

  /// In `one` and not in `other`; both are sorted.
  static Lines only_in(const Lines& one, const Lines& other) {
    Lines found;
    std::set_difference(one.begin(), one.end(), other.begin(), other.end(),
                        std::back_inserter(found));
    return found;
  }

  /// The table of that name (quoted for SQL), without what belongs to single leaves, and the views,
  /// sequences and other tables that the application knows.
  [[nodiscard]] Lines objects(const std::string& table) const {
    std::string sql = kObjectsSql;
    const std::string mark = "@table";
    for (std::size_t at = sql.find(mark); at != std::string::npos; at = sql.find(mark, at + 1)) {
      sql.replace(at, mark.size(), harness_literal(table) + "::regclass");
    }
    return lines(sql);
  }

  static std::string harness_literal(const std::string& text) {
    std::string quoted = "'";
    for (const char byte : text) {
      quoted += byte;
      if (byte == '\'') quoted += byte;
    }
    return quoted + "'";
  }

  /// A string for TOML, as it stands.
  static std::string toml(const std::string& text) { return Json(text).dump(); }

  /// "kind name" of what the last command called impossible to carry over.
  [[nodiscard]] Lines not_carried(const std::string& severity) const {
    Lines found;
    for (const Json& issue : json["issues"]) {
      if (issue["code"] != "not-carried" || issue["severity"] != severity) continue;
      const std::string message = issue["message"];
      found.push_back(message.substr(0, message.find(" cannot be carried over")));
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Codes of all errors.
  [[nodiscard]] Lines error_codes() const {
    Lines found;
    for (const Json& issue : json["issues"]) {
      if (issue["severity"] == "ERROR" || issue["severity"] == "CRITICAL") {
        found.push_back(issue["code"]);
      }
    }
    return found;
  }

  /// The rows of a table as one value.
  [[nodiscard]] std::string rows_of(const std::string& table,
                                    const std::string& columns = "t") const {
    return value("SELECT count(*) || ' ' || coalesce(md5(string_agg((" + columns +
                 ")::text, '|' ORDER BY (" + columns + ")::text COLLATE \"C\")), '') FROM " +
                 table + " t");
  }

  /// How many leaves a query reads.
  [[nodiscard]] std::string leaves_planned(const std::string& sql) const {
    std::size_t count = 0;
    harness::Session session = server().connect(database);
    for (const auto& row : session.rows("EXPLAIN " + sql)) {
      const std::string& line = row.front().value_or("");
      if (line.find("Scan ") != std::string::npos && line.find("Bitmap Index") == std::string::npos)
        ++count;
    }
    return std::to_string(count);
  }

  static constexpr const char* kObjectsSql = R"sql(
SELECT format('table %s owner %s acl %s options %s replica identity %s rls %s%s', c.relname,
  c.relowner::regrole, c.relacl, NULL, NULL, c.relrowsecurity, c.relforcerowsecurity)
FROM pg_class c WHERE c.oid = @table
UNION ALL
SELECT format('column %s %s null %s default %s identity %s generated %s acl %s', a.attname,
  format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid),
  a.attidentity, a.attgenerated, a.attacl)
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = @table AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT format('index %s valid %s', replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '),
  indisvalid)
FROM pg_index WHERE indrelid = @table
UNION ALL
SELECT format('constraint %s %s valid %s', conname, pg_get_constraintdef(oid), convalidated)
FROM pg_constraint WHERE conrelid = @table AND contype NOT IN ('n', 't')
UNION ALL
SELECT format('inbound %s of %s %s', conname, conrelid::regclass, pg_get_constraintdef(oid))
FROM pg_constraint WHERE confrelid = @table AND conparentid = 0 AND conrelid <> confrelid
UNION ALL
SELECT format('trigger %s enabled %s', pg_get_triggerdef(oid), tgenabled)
FROM pg_trigger WHERE tgrelid = @table AND NOT tgisinternal
UNION ALL
SELECT format('rule %s enabled %s', pg_get_ruledef(oid), ev_enabled)
FROM pg_rewrite WHERE ev_class = @table AND rulename <> '_RETURN'
UNION ALL
SELECT format('policy %s %s %s to %s using %s check %s', polname, polpermissive, polcmd,
  polroles::regrole[], pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
FROM pg_policy WHERE polrelid = @table
UNION ALL
SELECT format('statistics %s target %s owner %s', pg_get_statisticsobjdef(oid),
  coalesce(stxstattarget, -1), stxowner::regrole) FROM pg_statistic_ext WHERE stxrelid = @table
UNION ALL
SELECT format('publication %s', p.pubname)
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = @table
UNION ALL
SELECT format('view %s %s owner %s acl %s options %s: %s', c.relname, c.relkind,
  c.relowner::regrole, c.relacl, c.reloptions, pg_get_viewdef(c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND c.relname NOT LIKE '%\_backup\_%'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgfanout')
UNION ALL
SELECT format('view index %s', pg_get_indexdef(i.indexrelid))
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid AND c.relkind = 'm'
  AND c.relname NOT LIKE '%\_backup\_%'
UNION ALL
SELECT format('sequence %s owner %s acl %s of %s.%s', c.relname, c.relowner::regrole, c.relacl,
  d.refobjid::regclass, d.refobjsubid)
FROM pg_class c LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
  AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
WHERE c.relkind = 'S' AND c.relname NOT LIKE '%\_backup\_%'
UNION ALL
SELECT format('comment on %s: %s', pg_describe_object(classoid, objoid, objsubid), description)
FROM pg_description WHERE objoid >= 16384
  AND pg_describe_object(classoid, objoid, objsubid) NOT LIKE '%\_backup\_%'
  AND NOT (classoid = 'pg_class'::regclass AND EXISTS (SELECT 1 FROM pg_class c
    WHERE c.oid = objoid AND c.relispartition))
)sql";
};

}  // namespace pgfanout::testing
