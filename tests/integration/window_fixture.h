// Shared by the tests of the maintenance window: the commands, states of a job to begin at, and a
// catalog that can be compared.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {

class WindowFixture : public CopyFixture {
 protected:
  /// Puts the test into a copy of the database that `make` leaves behind. It is made once a suite:
  /// a copy takes less time than a job. The journal of the copy names the copy's database.
  void begin_at(const std::string& state, const std::function<void()>& make) {
    static std::map<std::string, std::string> made;
    std::string& original =
        made[::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() +
             std::string(" ") + state];
    if (original.empty()) {
      make();
      ASSERT_FALSE(HasFailure()) << "the state " << state << " was not reached";
      original = database;
    }
    database = original + "_" + std::to_string(++copies_);
    server().execute("postgres", "CREATE DATABASE " + database + " TEMPLATE " + original);
    if (value("SELECT to_regclass('pgfanout.fence') IS NULL") == "t") return;
    execute(
        "UPDATE pgfanout.fence SET fact = (SELECT format('database %s of system %s', d.oid,"
        " s.system_identifier) FROM pg_database d, pg_control_system() s"
        " WHERE d.datname = current_database()) WHERE fact LIKE 'database %'");
  }

  /// Runs `pgfanout <command> --json` on this database; the document is in `json`.
  CommandResult window(const std::string& command, std::vector<std::string> arguments,
                       harness::CommandOptions options = {}) {
    const bool has_source =
        std::find(arguments.begin(), arguments.end(), "--source") != arguments.end();
    if (!has_source) arguments.insert(arguments.begin(), {"--source", dsn()});
    arguments.insert(arguments.begin(), {command, "--json", "--progress", "none"});
    CommandResult result = harness::pgfanout(arguments, std::move(options));
    json = Json::parse(result.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << result;
    if (!json.is_discarded()) {
      EXPECT_EQ(json["exit_code"], result.exit_code);
    }
    return result;
  }

  [[nodiscard]] bool has_issue(const std::string& code) const {
    for (const Json& issue : json["issues"]) {
      if (issue["code"] == code) return true;
    }
    return false;
  }

  [[nodiscard]] std::string stage_status(const std::string& stage) const {
    for (const Json& each : json["stages"]) {
      if (each["name"] == stage) return each["status"];
    }
    return "";
  }

  /// Every object of the database but for the journal, its definition and its owner, with the OIDs
  /// left out: what a rollback must leave as it was.
  [[nodiscard]] std::string catalog() const { return value(kCatalogSql); }

  static constexpr const char* kCatalogSql = R"sql(
SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") FROM (
  SELECT format('relation %s.%s %s %s owner %s acl %s options %s identity %s rls %s%s space %s bound %s',
    n.nspname, c.relname, c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), c.relacl,
    c.reloptions, c.relreplident, c.relrowsecurity, c.relforcerowsecurity, c.reltablespace,
    pg_get_expr(c.relpartbound, c.oid)) AS line
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgfanout')
  UNION ALL
  SELECT format('column %s.%s.%s %s %s null %s default %s identity %s generated %s acl %s',
    n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnum, a.attnotnull,
    pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attacl)
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgfanout')
  UNION ALL
  SELECT format('constraint %s on %s: %s valid %s', k.conname, k.conrelid::regclass,
    pg_get_constraintdef(k.oid), k.convalidated)
  FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
  WHERE k.conrelid <> 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgfanout')
  UNION ALL
  SELECT format('index %s valid %s identity %s cluster %s', pg_get_indexdef(i.indexrelid),
    i.indisvalid, i.indisreplident, i.indisclustered)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgfanout')
  UNION ALL
  SELECT format('trigger %s enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
  FROM pg_trigger t WHERE NOT t.tgisinternal
  UNION ALL
  SELECT format('rule %s enabled %s', pg_get_ruledef(r.oid), r.ev_enabled)
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgfanout')
  UNION ALL
  SELECT format('policy %s on %s %s %s %s %s', p.polname, p.polrelid::regclass, p.polcmd,
    p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid),
    pg_get_expr(p.polwithcheck, p.polrelid)) FROM pg_policy p
  UNION ALL
  SELECT format('statistics %s', pg_get_statisticsobjdef(s.oid)) FROM pg_statistic_ext s
  UNION ALL
  SELECT format('publication %s has %s columns %s where %s', p.pubname, r.prrelid::regclass,
    to_jsonb(r) ->> 'prattrs',
    regexp_replace(to_jsonb(r) ->> 'prqual', ':location -?[0-9]+', '', 'g'))
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
  UNION ALL
  SELECT format('routine %s.%s owner %s acl %s %s', n.nspname, p.oid::regprocedure,
    pg_get_userbyid(p.proowner), p.proacl,
    CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL
  SELECT format('sequence %s owned by %s.%s %s', s.seqrelid::regclass, d.refobjid::regclass,
    d.refobjsubid, d.deptype)
  FROM pg_sequence s LEFT JOIN pg_depend d ON d.objid = s.seqrelid
    AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.deptype IN ('a', 'i')
  UNION ALL
  SELECT format('comment on %s: %s', pg_describe_object(classoid, objoid, objsubid), description)
  FROM pg_description WHERE objoid >= 16384
) AS o)sql";

 private:
  static inline int copies_ = 0;
};

}  // namespace pgfanout::testing
