// Shared by the tests of the carry-over: a target made, loaded and attached by the copy plan's own
// statements, the carry-over's steps, a swap and a rollback as the tool does them, and all that
// depends on a table as text.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/catalog/relation_name.h"
#include "tests/integration/plan_fixture.h"

namespace pgfanout::testing {

using Lines = std::vector<std::string>;

class CarryFixture : public PlanFixture {
 protected:
  /// A copy's plan with the carry-over's.
  struct Carried {
    CopyPlan copy;
    CarryPlan carry;
  };

  [[nodiscard]] Result<Carried> carry_plan(const JobDescription& job) const {
    return carry_plan_between(job, database, database);
  }
  [[nodiscard]] static Result<Carried> carry_plan_between(const JobDescription& job,
                                                          const std::string& from,
                                                          const std::string& to) {
    Connection source = open(server().dsn(from));
    Connection target = open(server().dsn(to));
    PGFANOUT_TRY(source.run("BEGIN ISOLATION LEVEL REPEATABLE READ"));
    PGFANOUT_TRY_ASSIGN(CopyPlan copy, make_copy_plan(job, source, target));
    PGFANOUT_TRY_ASSIGN(CarryPlan carry, make_carry_plan(request(job, copy), source, target));
    return Carried{std::move(copy), std::move(carry)};
  }
  static CarryRequest request(const JobDescription& job, const CopyPlan& copy) {
    CarryRequest wanted{job,
                        copy.source,
                        copy.target.schema,
                        copy.target.name,
                        copy.target.qualified,
                        {},
                        {},
                        {},
                        copy.key.expression,
                        copy.key.sql_on_target,
                        copy.key.column,
                        copy.same_database};
    wanted.partition_columns = copy.target.partition_columns;
    for (std::size_t at = 0; at < copy.target.leaves.size(); ++at) {
      wanted.target_leaves.push_back(copy.target.leaves[at].qualified);
      wanted.leaf_names.push_back(copy.target.leaves[at].name);
      wanted.leaf_names_afterwards.push_back(
          copy.target.layout->leaf_name(copy.source.name, static_cast<std::uint32_t>(at), {}));
    }
    return wanted;
  }

  /// The plan, with the target made, loaded and attached, and every step run.
  std::optional<Carried> carry(const JobDescription& job) const {
    auto made = carry_plan(job);
    EXPECT_TRUE(succeeded(made));
    if (!made) return std::nullopt;
    make_target(*made, database);
    run_steps(*made, database);
    return std::move(*made);
  }

  /// As copy leaves it.
  void make_target(const Carried& made, const std::string& where,
                   const std::string& user = "postgres") const {
    auto session = server().connect(where, user);
    session.execute("SET search_path = ''");
    for (const std::string& statement : made.copy.ddl.create) session.execute(statement);
    if (made.copy.same_database) load(session, made.copy);
    for (const auto* all : {&made.copy.ddl.checks, &made.copy.ddl.attach}) {
      for (const auto& statements : *all) {
        for (const std::string& statement : statements) session.execute(statement);
      }
    }
    for (const std::string& statement : made.copy.ddl.finish) session.rows(statement);
  }

  static void load(harness::Session& session, const CopyPlan& copy) {
    for (std::uint32_t number = 0; number < copy.target.leaves.size(); ++number) {
      const TargetLeaf& leaf = copy.target.leaves[number];
      std::string list;
      for (std::size_t at = 0; at < copy.stream.read_layout.copied; ++at) {
        list += (at == 0 ? "" : ", ") + copy.stream.columns[at].source_sql;
      }
      if (copy.stream.read_layout.written_key != KeyField::none)
        list += ", " + copy.key.expression.sql();
      for (const Leaf& from : copy.source.leaves) {
        session.execute("SET search_path = pg_catalog; INSERT INTO " + leaf.qualified + " " +
                        copy.stream.written_columns + " OVERRIDING SYSTEM VALUE SELECT " + list +
                        " FROM ONLY " + from.qualified + " WHERE " + copy.key.expression.sql() +
                        " = " + std::to_string(*copy.target.layout->leaf_key(number)) +
                        "; SET search_path = ''");
      }
    }
  }

  static void run(harness::Session& session, const std::vector<CarryStep>& steps) {
    for (const CarryStep& step : steps) {
      try {
        session.execute(step.sql);
      } catch (const harness::ServerError& error) {
        FAIL() << step.id << "\n" << step.sql << "\n" << error.what();
      }
    }
  }
  void run_steps(const Carried& made, const std::string& where,
                 const std::string& user = "postgres") const {
    auto session = server().connect(where, user);
    session.execute("SET search_path = ''");
    for (const auto* steps :
         {&made.carry.leaf_indexes, &made.carry.parent_indexes, &made.carry.leaf_constraints,
          &made.carry.parent_constraints, &made.carry.attributes}) {
      run(session, *steps);
    }
  }

  static std::string backup_of(const std::string& name) { return suffixed_name(name, "_backup"); }
  static std::string named(const std::string& schema, const std::string& name) {
    return quoted_name(schema) + "." + quoted_name(name);
  }
  static std::string table_words(const CarriedName& name) { return "ALTER " + name.kind + " "; }
  static void rename(harness::Session& session, const std::string& words, const std::string& schema,
                     const std::string& from, const std::string& to) {
    session.execute(words + named(schema, from) + " RENAME TO " + quoted_name(to));
  }
  static std::string filled(std::string sql, const std::string& now, const std::string& old) {
    for (const auto& [placeholder, name] :
         {std::pair{std::string("\001new\001"), now}, std::pair{std::string("\001old\001"), old}}) {
      for (std::size_t at = sql.find(placeholder); at != std::string::npos;
           at = sql.find(placeholder, at + name.size())) {
        sql.replace(at, placeholder.size(), name);
      }
    }
    return sql;
  }
  static void execute_all(harness::Session& session, const Lines& statements,
                          const std::string& now, const std::string& old) {
    for (const std::string& statement : statements) {
      const std::string sql = filled(statement, now, old);
      try {
        session.execute(sql);
      } catch (const harness::ServerError& error) {
        throw std::runtime_error(sql + "\n" + error.what());
      }
    }
  }

  /// As the tool does it, in one transaction: the old ones make room, the new ones take the names,
  /// moves, views.
  void swap(const Carried& made) const {
    auto session = server().connect(database);
    session.execute("SET search_path = ''; BEGIN");
    const Table& source = made.copy.source;
    const std::string& schema = source.schema;
    rename(session, "ALTER TABLE ", schema, source.name, backup_of(source.name));
    if (source.kind == 'p') {
      for (const Leaf& leaf : source.leaves) {
        rename(session, "ALTER TABLE ", leaf.schema, leaf.name, backup_of(leaf.name));
      }
    }
    for (const CarriedName& name : made.carry.names) {
      rename(session, table_words(name), name.schema, name.afterwards, backup_of(name.afterwards));
    }
    rename(session, "ALTER TABLE ", schema, made.copy.target.name, source.name);
    for (std::size_t at = 0; at < made.copy.target.leaves.size(); ++at) {
      rename(session, "ALTER TABLE ", schema, made.copy.target.leaves[at].name,
             leaf_afterwards(made, at));
    }
    for (const CarriedName& name : made.carry.names) {
      rename(session, table_words(name), name.schema, name.until_swap, name.afterwards);
    }
    const std::string old = named(schema, backup_of(source.name));
    for (const CarriedMove& move : made.carry.moves) {
      execute_all(session, move.forward, source.qualified, old);
    }
    for (const CarriedView& view : made.carry.views) execute_all(session, {view.create}, "", "");
    session.execute("COMMIT");
    for (const CarriedMove& move : made.carry.moves) {
      execute_all(session, move.after_swap, source.qualified, old);
    }
  }
  static std::string leaf_afterwards(const Carried& made, std::size_t at) {
    return made.copy.target.layout->leaf_name(made.copy.source.name, static_cast<std::uint32_t>(at),
                                              {});
  }

  /// The way back, and the target is gone.
  void roll_back(const Carried& made) const {
    auto session = server().connect(database);
    session.execute("SET search_path = ''; BEGIN");
    const Table& source = made.copy.source;
    const std::string& schema = source.schema;
    const std::string old = named(schema, backup_of(source.name));
    for (auto move = made.carry.moves.rbegin(); move != made.carry.moves.rend(); ++move) {
      execute_all(session, move->backward, source.qualified, old);
    }
    for (const CarriedName& name : made.carry.names) {
      rename(session, table_words(name), name.schema, name.afterwards, name.until_swap);
      rename(session, table_words(name), name.schema, backup_of(name.afterwards), name.afterwards);
    }
    rename(session, "ALTER TABLE ", schema, source.name, made.copy.target.name);
    for (std::size_t at = 0; at < made.copy.target.leaves.size(); ++at) {
      rename(session, "ALTER TABLE ", schema, leaf_afterwards(made, at),
             made.copy.target.leaves[at].name);
    }
    if (source.kind == 'p') {
      for (const Leaf& leaf : source.leaves) {
        rename(session, "ALTER TABLE ", leaf.schema, backup_of(leaf.name), leaf.name);
      }
    }
    rename(session, "ALTER TABLE ", schema, backup_of(source.name), source.name);
    for (const CarriedView& view : made.carry.views) execute_all(session, {view.restore}, "", "");
    for (auto move = made.carry.moves.rbegin(); move != made.carry.moves.rend(); ++move) {
      execute_all(session, move->restored, "", "");
    }
    for (auto step = made.carry.attributes.rbegin(); step != made.carry.attributes.rend(); ++step) {
      if (!step->undo.empty()) session.execute(step->undo);
    }
    session.execute("DROP TABLE " + made.copy.target.qualified + "; COMMIT");
  }

  /// All that hangs on the table, under the names that the application knows.
  [[nodiscard]] Lines catalog_of(const std::string& table) const;

  [[nodiscard]] Lines lines(const std::string& sql) const {
    Lines found;
    auto session = server().connect(database);
    session.execute("SET search_path = ''");
    for (const auto& row : session.rows(sql)) found.push_back(row[0].value_or("<null>"));
    return found;
  }

  /// Line by line, so that a failure shows what differs and not all of it.
  static void expect_same(const Lines& after, const Lines& before) {
    for (const std::string& line : before) {
      EXPECT_EQ(std::count(after.begin(), after.end(), line),
                std::count(before.begin(), before.end(), line))
          << "before: " << line;
    }
    for (const std::string& line : after) {
      EXPECT_NE(std::count(before.begin(), before.end(), line), 0) << "only after: " << line;
    }
  }

  /// "kind name" of what is not carried.
  static Lines left_behind(const Carried& made) {
    Lines found;
    for (const NotCarried& at : made.carry.not_carried) {
      found.push_back(at.kind + " " + at.name + (at.is_accepted ? " (accepted)" : ""));
    }
    return found;
  }
  static Lines issue_codes(const Carried& made) {
    Lines found;
    for (const Issue& issue : made.carry.issues) found.push_back(issue.code);
    return found;
  }
  static std::string without(std::string text, const std::string& part) {
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at)) {
      text.erase(at, part.size());
    }
    return text;
  }
  static Lines without(Lines all, const std::string& part) {
    for (std::string& line : all) line = without(line, part);
    return all;
  }
};

inline Lines CarryFixture::catalog_of(const std::string& table) const {
  static constexpr const char* kSql = R"sql(
WITH t AS (SELECT '@'::regclass::oid AS oid),
 leaves AS (SELECT p.relid::oid AS oid FROM t, pg_catalog.pg_partition_tree(t.oid) p WHERE p.isleaf
   UNION SELECT t.oid FROM t WHERE NOT EXISTS (
     SELECT 1 FROM pg_catalog.pg_partitioned_table x WHERE x.partrelid = t.oid))
SELECT line FROM (
SELECT 'constraint ' || c.conname || ' ' || pg_get_constraintdef(c.oid) || ' ' || c.convalidated
  FROM t, pg_constraint c WHERE c.conrelid = t.oid AND c.contype IN ('p', 'u', 'x', 'c', 'f')
    AND NOT EXISTS (SELECT 1 FROM pg_constraint u WHERE u.oid = c.conparentid AND u.conrelid = t.oid)
UNION ALL SELECT 'inbound ' || c.conrelid::regclass || ' ' || c.conname || ' '
    || pg_get_constraintdef(c.oid) || ' ' || c.convalidated
  FROM t, pg_constraint c WHERE c.confrelid = t.oid AND c.conparentid = 0 AND c.conrelid <> t.oid
UNION ALL SELECT 'index ' || replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') || ' '
    || i.indisvalid FROM t, pg_index i WHERE i.indrelid = t.oid
UNION ALL SELECT 'trigger ' || pg_get_triggerdef(g.oid) || ' ' || g.tgenabled::text
  FROM t, pg_trigger g WHERE g.tgrelid = t.oid AND NOT g.tgisinternal
UNION ALL SELECT 'rule ' || pg_get_ruledef(r.oid) || ' ' || r.ev_enabled::text
  FROM t, pg_rewrite r WHERE r.ev_class = t.oid
UNION ALL SELECT 'policy ' || concat_ws(' ', p.polname, p.polpermissive, p.polcmd::text,
    (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ',' ORDER BY r)
     FROM unnest(p.polroles) r),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
  FROM t, pg_policy p WHERE p.polrelid = t.oid
UNION ALL SELECT 'table ' || concat_ws(' ', c.relowner::regrole, c.relrowsecurity,
    c.relforcerowsecurity, c.relreplident::text) FROM t, pg_class c WHERE c.oid = t.oid
UNION ALL SELECT 'leaves ' || string_agg(DISTINCT concat_ws(' ', c.relowner::regrole,
    c.relreplident::text, (SELECT 'by ' || string_agg(a.attname, ',' ORDER BY a.attnum)
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid
      WHERE i.indrelid = c.oid AND i.indisreplident),
    (SELECT 'clustered by ' || string_agg(a.attname, ',' ORDER BY a.attnum)
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indexrelid
      WHERE i.indrelid = c.oid AND i.indisclustered),
    (SELECT string_agg(a.x::text, ',' ORDER BY a.x::text) FROM unnest(c.relacl) a(x)))
    , ' or ') FROM leaves JOIN pg_class c USING (oid)
UNION ALL SELECT 'grant ' || a.x::text FROM t, pg_class c, unnest(c.relacl) a(x) WHERE c.oid = t.oid
UNION ALL SELECT 'column ' || concat_ws(' ', a.attname, (SELECT string_agg(x::text, ',' ORDER BY x::text)
    FROM unnest(a.attacl) x)) FROM t, pg_attribute a WHERE a.attrelid = t.oid AND a.attnum > 0
    AND NOT a.attisdropped
UNION ALL SELECT 'sequence ' || concat_ws(' ', s.oid::regclass, a.attname, s.relacl, s.relowner::regrole,
    obj_description(s.oid, 'pg_class'))
  FROM t, pg_depend d, pg_class s, pg_attribute a WHERE d.refobjid = t.oid AND d.objid = s.oid
    AND d.deptype IN ('a', 'i') AND s.relkind = 'S' AND a.attrelid = t.oid AND a.attnum = d.refobjsubid
UNION ALL SELECT 'statistics ' || concat_ws(' ', pg_get_statisticsobjdef(s.oid), s.stxowner::regrole,
    COALESCE((to_jsonb(s) ->> 'stxstattarget')::int, -1),
    obj_description(s.oid, 'pg_statistic_ext')) FROM t, pg_statistic_ext s WHERE s.stxrelid = t.oid
UNION ALL SELECT 'comment ' || CASE WHEN d.objsubid > 0 THEN 'column '
    || (SELECT attname FROM pg_attribute WHERE attrelid = t.oid AND attnum = d.objsubid)
    ELSE 'table' END || ' ' || d.description FROM t, pg_description d WHERE d.objoid = t.oid
UNION ALL SELECT 'comment on index ' || i.indexrelid::regclass || ' ' || obj_description(i.indexrelid)
  FROM t, pg_index i WHERE i.indrelid = t.oid AND obj_description(i.indexrelid) IS NOT NULL
UNION ALL SELECT 'comment on constraint ' || c.conname || ' ' || obj_description(c.oid)
  FROM t, pg_constraint c WHERE c.conrelid = t.oid AND obj_description(c.oid) IS NOT NULL
UNION ALL SELECT 'comment on trigger ' || c.tgname || ' ' || obj_description(c.oid)
  FROM t, pg_trigger c WHERE c.tgrelid = t.oid AND obj_description(c.oid) IS NOT NULL
UNION ALL SELECT 'comment on policy ' || c.polname || ' ' || obj_description(c.oid)
  FROM t, pg_policy c WHERE c.polrelid = t.oid AND obj_description(c.oid) IS NOT NULL
UNION ALL SELECT 'comment on rule ' || c.rulename || ' ' || obj_description(c.oid)
  FROM t, pg_rewrite c WHERE c.ev_class = t.oid AND obj_description(c.oid) IS NOT NULL
UNION ALL SELECT 'publication ' || p.pubname || ' ' || COALESCE(to_jsonb(r) ->> 'prattrs', '') || ' '
    || COALESCE(#, '')
  FROM t, pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = t.oid
UNION ALL SELECT CASE v.relkind WHEN 'v' THEN 'view ' || v.oid || ' ' ELSE 'matview ' END
    || concat_ws(' ', v.oid::regclass, pg_get_viewdef(v.oid), v.reloptions, v.relowner::regrole,
      (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(v.relacl) x),
      obj_description(v.oid, 'pg_class'),
      (SELECT string_agg(pg_get_indexdef(i.indexrelid), '; ' ORDER BY i.indexrelid::regclass::text)
       FROM pg_index i WHERE i.indrelid = v.oid))
  FROM pg_class v WHERE v.relkind IN ('v', 'm') AND v.relname NOT LIKE '%\_backup'
    AND v.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
) all_of_it(line) ORDER BY line)sql";
  std::string sql = kSql;
  sql.replace(sql.find('#'), 1,
              server().major() >= 15 ? "pg_get_expr(r.prqual, r.prrelid)" : "NULL::text");
  std::string literal = table;
  for (std::size_t at = literal.find('\''); at != std::string::npos;
       at = literal.find('\'', at + 2)) {
    literal.insert(at, "'");
  }
  sql.replace(sql.find('@'), 1, literal);
  return lines(sql);
}

}  // namespace pgfanout::testing
