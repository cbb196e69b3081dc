// The name of each gap between two schemas, its severity, and the order of deployment.
#include "copier/schema/schema_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Objects = std::vector<SchemaObject>;

SchemaObject object(std::string kind, std::string name, std::string definition) {
  return {std::move(kind), std::move(name), std::move(definition), "", true};
}
/// Identified by its definition, as indexes are.
SchemaObject known_by(std::string kind, const std::string& definition, std::string own_name) {
  return {std::move(kind), definition, definition, std::move(own_name), true};
}
SchemaObject invalid(SchemaObject object) {
  object.is_valid = false;
  return object;
}
SchemaObject primary_key(const std::string& columns) {
  return {"constraint", "PRIMARY KEY", "PRIMARY KEY " + columns, "t_pkey", true};
}

class SchemaComparisonTest : public ::testing::Test {
 protected:
  [[nodiscard]] SchemaComparison compare(const Objects& source, const Objects& target) const {
    return compare_schemas(source, target, context);
  }
  /// The one row that two single objects make.
  [[nodiscard]] SchemaFinding row(const Objects& source, const Objects& target) const {
    const SchemaComparison comparison = compare(source, target);
    EXPECT_EQ(comparison.rows.size(), 1U);
    return comparison.rows.empty() ? SchemaFinding{} : comparison.rows.front();
  }
  [[nodiscard]] Severity missing(const SchemaObject& object) const {
    const SchemaFinding gap = row({object}, {});
    EXPECT_EQ(gap.gap, "missing");
    EXPECT_EQ(gap.target, "");
    EXPECT_NE(gap.impact, "");
    return gap.severity;
  }

  ExpectedDifferences context{"partition_key", {"collection_id"}, {},      {}, true, {},
                              "public.t_new",  "public",          "t_new", {}, {}};
};

TEST_F(SchemaComparisonTest, EqualObjectsHaveNoGap) {
  const Objects both = {object("column", "id", "bigint"), object("not null", "id", "NOT NULL"),
                        primary_key("(id)")};
  const SchemaComparison comparison = compare(both, both);
  ASSERT_EQ(comparison.rows.size(), 3U);
  for (const SchemaFinding& gap : comparison.rows) {
    EXPECT_EQ(gap.gap, "none");
    EXPECT_EQ(gap.severity, Severity::info);
    EXPECT_EQ(gap.impact, "");
  }
  EXPECT_THAT(comparison.deployment_order, IsEmpty());
  EXPECT_THAT(compare({}, {}).rows, IsEmpty());
}

TEST_F(SchemaComparisonTest, SeverityOfWhatIsMissing) {
  EXPECT_EQ(missing(object("column", "c", "text")), Severity::error);
  EXPECT_EQ(missing(primary_key("(id)")), Severity::error);
  for (const char* definition : {"UNIQUE (c)", "CHECK ((c > 0))", "EXCLUDE USING gist (c WITH &&)",
                                 "FOREIGN KEY (c) REFERENCES public.o(id)"}) {
    EXPECT_EQ(missing(known_by("constraint", definition, "k")), Severity::error) << definition;
  }
  EXPECT_EQ(missing(known_by("trigger", "CREATE TRIGGER BEFORE ...", "g")), Severity::error);
  EXPECT_EQ(missing(invalid(known_by("trigger", "CREATE TRIGGER ...", "g"))), Severity::info);
  EXPECT_EQ(missing(known_by("index", "CREATE INDEX ON <table> (c)", "i")), Severity::warning);
  EXPECT_EQ(missing(known_by("index", "CREATE UNIQUE INDEX ON <table> (c)", "i")), Severity::error);
  EXPECT_EQ(missing(invalid(known_by("index", "CREATE INDEX ON <table> (c)", "i"))),
            Severity::info);
  EXPECT_EQ(missing(object("policy", "p", "AS PERMISSIVE FOR ALL")), Severity::error);
  for (const char* kind :
       {"statistics", "storage option", "view", "publication", "comment", "replica identity"}) {
    EXPECT_EQ(missing(object(kind, "x", "y")), Severity::warning) << kind;
  }
  const SchemaObject column = object("column", "c", "bigint");
  EXPECT_EQ(compare({object("sequence", "c", "AS bigint"), column}, {column}).rows.at(0).severity,
            Severity::warning);
  EXPECT_EQ(missing(object("type", "public.mood", "ENUM ('a')")), Severity::info);
  context.is_same_database = false;
  EXPECT_EQ(missing(object("type", "public.mood", "ENUM ('a')")), Severity::warning);
  EXPECT_EQ(missing(object("function", "public.f()", "...")), Severity::warning);
}

TEST_F(SchemaComparisonTest, WhatAColumnHasIsMissed) {
  const SchemaObject column = object("column", "c", "text");
  const SchemaObject not_null = object("not null", "c", "NOT NULL");
  SchemaComparison made = compare({column, not_null}, {column});
  EXPECT_EQ(made.rows.at(1).severity, Severity::error);
  EXPECT_THAT(made.rows.at(1).impact, HasSubstr("NULL"));
  made = compare({column, object("default", "c", "DEFAULT 1"), not_null}, {column, not_null});
  EXPECT_EQ(made.rows.at(1).kind, "default");
  EXPECT_THAT(made.rows.at(1).impact, HasSubstr("leave the column out fail"));
  // Of a missing column they are no gaps of their own, but are made with it.
  made = compare({column, not_null, object("comment", "COLUMN c", "why")}, {});
  EXPECT_EQ(made.rows.at(0).severity, Severity::error);
  EXPECT_EQ(made.rows.at(1).severity, Severity::info);
  EXPECT_EQ(made.rows.at(2).severity, Severity::info);
  EXPECT_THAT(made.deployment_order,
              ElementsAre("ALTER TABLE public.t_new ADD COLUMN \"c\" text;",
                          "ALTER TABLE public.t_new ALTER COLUMN \"c\" SET NOT NULL;",
                          "COMMENT ON COLUMN public.t_new.c IS $pgfanout$why$pgfanout$;"));
}

TEST_F(SchemaComparisonTest, DifferentTypeAndCollation) {
  const Objects source = {object("column", "c", "text")};
  EXPECT_EQ(row(source, {object("column", "c", "integer")}).severity, Severity::error);
  const SchemaFinding gap = row(source, {object("column", "c", "text COLLATE \"C\"")});
  EXPECT_EQ(gap.gap, "different");
  EXPECT_EQ(gap.severity, Severity::warning);
  context.mapped_columns = {"c"};
  EXPECT_EQ(row(source, {object("column", "c", "integer")}).severity, Severity::info);
}

TEST_F(SchemaComparisonTest, SkippedColumnTakesItsPartsAlong) {
  context.skipped_columns = {"Old Name"};
  const Objects source = {
      object("column", "Old Name", "text"),
      object("default", "Old Name", "DEFAULT 'x'"),
      known_by("index", "CREATE INDEX ON <table> USING btree (\"Old Name\")", "i"),
      known_by("constraint", "CHECK ((\"Old Name\" <> ''))", "k"),
      object("comment", "COLUMN \"Old Name\"", "why"),
      object("privilege", "bob", "SELECT (\"Old Name\")")};
  const SchemaComparison made = compare(source, {});
  for (const SchemaFinding& gap : made.rows) {
    EXPECT_EQ(gap.severity, Severity::info) << gap.kind;
    EXPECT_EQ(gap.gap, "missing");
  }
  EXPECT_THAT(made.deployment_order, IsEmpty());
  // Another table's column of that name is not meant.
  EXPECT_EQ(missing(known_by("constraint", "FOREIGN KEY (a) REFERENCES o(\"Old Name\")", "f")),
            Severity::error);
}

TEST_F(SchemaComparisonTest, KeyThatGainedTheKeyColumnIsExpected) {
  const SchemaFinding gap = row({primary_key("(id, collection_id)")},
                                {primary_key("(id, collection_id, partition_key)")});
  EXPECT_EQ(gap.gap, "different");
  EXPECT_EQ(gap.severity, Severity::info);
  EXPECT_THAT(gap.impact, HasSubstr("ON CONFLICT"));
  EXPECT_EQ(row({known_by("constraint", "UNIQUE (collection_id, n)", "u")},
                {known_by("constraint", "UNIQUE (partition_key, collection_id, n)", "v")})
                .severity,
            Severity::info);
  // It does not follow from the rest: rows with equal id may differ in it.
  const SchemaFinding weaker = row({primary_key("(id)")}, {primary_key("(id, partition_key)")});
  EXPECT_EQ(weaker.severity, Severity::warning);
  EXPECT_THAT(weaker.impact, HasSubstr("differ in partition_key"));
  EXPECT_EQ(row({primary_key("(id)")}, {primary_key("(id, other)")}).severity, Severity::error);
}

TEST_F(SchemaComparisonTest, HostileKeyColumn) {
  context.key_column = "Key, \"a\")";
  EXPECT_EQ(row({primary_key("(id, collection_id)")},
                {primary_key("(id, \"Key, \"\"a\"\")\", collection_id)")})
                .severity,
            Severity::info);
}

TEST_F(SchemaComparisonTest, UniquenessWithinLeavesIsNoPrimaryKey) {
  SchemaObject index =
      known_by("index", "CREATE UNIQUE INDEX ON <table> USING btree (id, collection_id)",
               std::string(kOnLeavesOnly) + "4 of its 4 leaves");
  const auto severity = [&] {
    return compare({primary_key("(id, collection_id)")}, {index}).rows.at(1).severity;
  };
  EXPECT_EQ(severity(), Severity::warning);
  index.is_valid = false;
  EXPECT_EQ(severity(), Severity::error);
}

TEST_F(SchemaComparisonTest, NewLayoutIsExpected) {
  const SchemaComparison made =
      compare({object("partition", "partitioning", "HASH (collection_id), 16 leaves")},
              {object("partition", "partitioning", "LIST (partition_key), 100 leaves"),
               object("column", "partition_key", "integer"),
               object("not null", "partition_key", "NOT NULL"),
               known_by("constraint", "CHECK ((partition_key = (collection_id % 100)))", "k")});
  for (const SchemaFinding& gap : made.rows) EXPECT_EQ(gap.severity, Severity::info) << gap.kind;
  EXPECT_THAT(made.rows.front().impact, HasSubstr("inserts must supply it"));
  EXPECT_THAT(made.deployment_order, IsEmpty());
}

TEST_F(SchemaComparisonTest, NamesOfIndexesMayDiffer) {
  const std::string definition = "CREATE INDEX ON <table> USING btree (c)";
  EXPECT_EQ(row({known_by("index", definition, "a")}, {known_by("index", definition, "b")}).gap,
            "none");
  // The same name is the next best sign.
  const SchemaFinding gap = row({known_by("index", definition, "a")},
                                {known_by("index", "CREATE INDEX ON <table> USING hash (c)", "a")});
  EXPECT_EQ(gap.gap, "different");
  EXPECT_EQ(gap.name, "a");
  // One of two equal ones does.
  const SchemaComparison made =
      compare({known_by("index", definition, "a"), known_by("index", definition, "b")},
              {known_by("index", definition, "a")});
  EXPECT_EQ(made.rows.at(1).gap, "missing");
  EXPECT_EQ(made.rows.at(1).severity, Severity::info);
}

TEST_F(SchemaComparisonTest, NotValid) {
  const SchemaObject check = known_by("constraint", "CHECK ((c > 0))", "k");
  const SchemaFinding gap = row({check}, {invalid(check)});
  EXPECT_EQ(gap.gap, "not valid");
  EXPECT_EQ(gap.severity, Severity::warning);
  EXPECT_EQ(row({invalid(check)}, {check}).gap, "none");
  EXPECT_EQ(row({invalid(check)}, {invalid(check)}).gap, "none");
  const SchemaObject trigger = known_by("trigger", "CREATE TRIGGER ...", "g");
  EXPECT_EQ(row({trigger}, {invalid(trigger)}).severity, Severity::error);
  EXPECT_EQ(row({primary_key("(id)")}, {invalid(primary_key("(id)"))}).severity, Severity::error);
}

TEST_F(SchemaComparisonTest, SameStateIsNoGapAndTheOtherOneOfATriggerIs) {
  const SchemaObject trigger = known_by("trigger", "CREATE TRIGGER BEFORE INSERT", "tr");
  EXPECT_EQ(row({invalid(trigger)}, {invalid(trigger)}).gap, "none");
  EXPECT_EQ(row({trigger}, {invalid(trigger)}).severity, Severity::error);
  const SchemaFinding enabled = row({invalid(trigger)}, {trigger});
  EXPECT_EQ(enabled.gap, "different");
  EXPECT_EQ(enabled.severity, Severity::error);
  const SchemaObject check = known_by("constraint", "CHECK ((n > 0))", "positive");
  EXPECT_EQ(row({invalid(check)}, {check}).gap, "none") << "it holds on more than the source says";
}

TEST_F(SchemaComparisonTest, CheckStandsInForANotNullThatIsNotValid) {
  const SchemaObject source = invalid(object("not null", "my note", "NOT NULL"));
  const SchemaObject column = object("column", "my note", "text");
  const SchemaObject check =
      known_by("constraint", "CHECK ((\"my note\" IS NOT NULL))", "note_given");
  for (const SchemaFinding& gap : compare({column, source}, {column, check}).rows) {
    EXPECT_EQ(gap.severity, Severity::info) << gap.kind;
  }
  EXPECT_EQ(compare({column, source}, {column}).rows.back().severity, Severity::error);
}

TEST_F(SchemaComparisonTest, PrivilegesByWhatIsLost) {
  const auto gap = [&](const char* source, const char* target) {
    return row({object("privilege", "bob", source)}, {object("privilege", "bob", target)});
  };
  EXPECT_EQ(gap("INSERT, SELECT", "SELECT").impact, "role bob can no longer INSERT");
  EXPECT_EQ(gap("INSERT, SELECT", "SELECT").severity, Severity::error);
  EXPECT_EQ(gap("SELECT", "SELECT, UPDATE").severity, Severity::info);
  EXPECT_EQ(gap("MAINTAIN, SELECT", "SELECT").severity, Severity::warning);
  EXPECT_EQ(row({object("privilege", "PUBLIC", "SELECT")}, {}).impact,
            "roles can no longer SELECT");
}

TEST_F(SchemaComparisonTest, PrivilegeCovers) {
  EXPECT_THAT(lost_privileges("SELECT (a)", "SELECT"), IsEmpty());
  EXPECT_THAT(lost_privileges("SELECT", "SELECT WITH GRANT OPTION"), IsEmpty());
  EXPECT_THAT(lost_privileges("SELECT (a)", "SELECT WITH GRANT OPTION"), IsEmpty());
  EXPECT_THAT(lost_privileges("SELECT WITH GRANT OPTION", "SELECT"),
              ElementsAre("SELECT WITH GRANT OPTION"));
  EXPECT_THAT(lost_privileges("SELECT (\"a, b\"), UPDATE", "SELECT (a)"),
              ElementsAre("SELECT (\"a, b\")", "UPDATE"));
  EXPECT_THAT(lost_privileges("", "SELECT"), IsEmpty());
}

TEST_F(SchemaComparisonTest, DeploymentOrder) {
  context.is_same_database = false;
  const Objects source = {
      object("publication", "p", "FOR TABLE"),
      known_by("view", "VIEW AS SELECT <table>.id FROM <table>", "public.v"),
      object("comment", "TABLE", "why"),
      object("privilege", "bob", "SELECT"),
      object("policy", "mine", "AS PERMISSIVE FOR ALL"),
      known_by("trigger", "CREATE TRIGGER AFTER INSERT ON <table>", "g"),
      known_by("statistics", "CREATE STATISTICS ON a, b FROM <table>", "public.s"),
      known_by("constraint", "FROM public.o: FOREIGN KEY (t) REFERENCES <table>(id)", "in"),
      known_by("constraint", "FOREIGN KEY (o) REFERENCES public.o(id)", "out"),
      primary_key("(id)"),
      known_by("index", "CREATE INDEX ON <table> USING btree (a)", "i"),
      known_by("constraint", "CHECK ((a > 0))", "k"),
      object("not null", "a", "NOT NULL"),
      object("default", "a", "DEFAULT 1"),
      object("column", "a", "public.mood"),
      object("sequence", "a", "AS bigint"),
      object("function", "public.f()", "CREATE FUNCTION"),
      object("type", "public.mood", "ENUM ('a')")};
  EXPECT_THAT(
      compare(source, {}).deployment_order,
      ElementsAre("CREATE TYPE public.mood AS ENUM ('a');", "CREATE FUNCTION;",
                  "CREATE SEQUENCE IF NOT EXISTS  AS bigint;",
                  "ALTER TABLE public.t_new ADD COLUMN \"a\" public.mood DEFAULT 1;",
                  "ALTER TABLE public.t_new ALTER COLUMN \"a\" SET NOT NULL;",
                  "ALTER TABLE public.t_new ADD CONSTRAINT k CHECK ((a > 0));",
                  "CREATE INDEX ON public.t_new USING btree (a);",
                  "ALTER TABLE public.t_new ADD PRIMARY KEY (id);",
                  "ALTER TABLE public.t_new ADD CONSTRAINT out FOREIGN KEY (o) REFERENCES "
                  "public.o(id);",
                  HasSubstr("-- constraint in: of another table"),
                  "CREATE STATISTICS \"public\".\"t_new_stat_1\" ON a, b FROM public.t_new;",
                  "CREATE TRIGGER g AFTER INSERT ON public.t_new;",
                  "CREATE POLICY mine ON public.t_new AS PERMISSIVE FOR ALL;",
                  "GRANT SELECT ON public.t_new TO bob;",
                  "COMMENT ON TABLE public.t_new IS $pgfanout$why$pgfanout$;",
                  "CREATE VIEW public.v AS SELECT public.t_new.id FROM public.t_new;",
                  HasSubstr("-- publication p: add the table to it")));
}

TEST_F(SchemaComparisonTest, DeploymentFitsTheTargetsLayout) {
  context.leaves = {"public.t_p0", "public.t_p1"};
  context.partition_columns = {"partition_key"};
  const auto sql = [&](const SchemaObject& object) {
    return compare({object}, {}).deployment_order;
  };
  EXPECT_THAT(sql(primary_key("(id)")),
              ElementsAre("ALTER TABLE public.t_new ADD PRIMARY KEY (id, \"partition_key\");"));
  EXPECT_THAT(sql(object("storage option", "fillfactor", "70")),
              ElementsAre("ALTER TABLE public.t_p0 SET (fillfactor = 70);",
                          "ALTER TABLE public.t_p1 SET (fillfactor = 70);"));
  EXPECT_THAT(sql(invalid(known_by("constraint", "FOREIGN KEY (o) REFERENCES public.o(id)", "f"))),
              ElementsAre(HasSubstr("public.t_p0 ADD CONSTRAINT f FOREIGN KEY (o) REFERENCES "
                                    "public.o(id) NOT VALID;"),
                          HasSubstr("public.t_p1")));
  // No key of the table itself is possible.
  context.partition_columns = {""};
  EXPECT_THAT(sql(primary_key("(id)")), ElementsAre("CREATE UNIQUE INDEX ON public.t_p0 (id);",
                                                    "CREATE UNIQUE INDEX ON public.t_p1 (id);"));
  EXPECT_THAT(sql(known_by("index", "CREATE INDEX ON <table> USING btree (a)", "i")),
              ElementsAre("CREATE INDEX ON public.t_new USING btree (a);"));
}

TEST_F(SchemaComparisonTest, DeploymentOfWhatDiffersOrIsNotValid) {
  const auto sql = [&](const SchemaObject& source, const SchemaObject& target) {
    return compare({source}, {target}).deployment_order;
  };
  EXPECT_THAT(sql(object("privilege", "bob", "INSERT (a) WITH GRANT OPTION, SELECT"),
                  object("privilege", "bob", "SELECT")),
              ElementsAre("GRANT INSERT (a) ON public.t_new TO bob WITH GRANT OPTION;"));
  EXPECT_THAT(sql(object("owner", "owner", "ann"), object("owner", "owner", "bob")),
              ElementsAre("ALTER TABLE public.t_new OWNER TO ann;"));
  const SchemaObject column = object("column", "a", "integer");
  EXPECT_THAT(compare({column, object("default", "a", "DEFAULT 1")},
                      {column, object("default", "a", "DEFAULT 2")})
                  .deployment_order,
              ElementsAre("ALTER TABLE public.t_new ALTER COLUMN \"a\" SET DEFAULT 1;"));
  const SchemaObject check = known_by("constraint", "CHECK ((a > 0))", "k");
  EXPECT_THAT(sql(check, invalid(check)),
              ElementsAre("ALTER TABLE public.t_new VALIDATE CONSTRAINT k;"));
  const SchemaObject trigger = known_by("trigger", "CREATE TRIGGER AFTER INSERT ON <table>", "g");
  EXPECT_THAT(sql(trigger, invalid(trigger)),
              ElementsAre("ALTER TABLE public.t_new ENABLE TRIGGER g;"));
  EXPECT_THAT(sql(invalid(trigger), trigger),
              ElementsAre("ALTER TABLE public.t_new DISABLE TRIGGER g;"));
  EXPECT_THAT(sql(object("column", "c", "text"), object("column", "c", "integer")),
              ElementsAre(HasSubstr("-- column c: a person has to decide")));
}

TEST_F(SchemaComparisonTest, NothingIsCritical) {
  const char* kinds[] = {"type",      "column",         "not null",   "default",
                         "sequence",  "storage option", "trigger",    "index",
                         "partition", "rule",           "function",   "constraint",
                         "policy",    "owner",          "privilege",  "comment",
                         "view",      "publication",    "statistics", "replica identity"};
  for (const char* kind : kinds) {
    for (const bool valid : {true, false}) {
      const SchemaObject one{kind, "n", "d", "x", true};
      const SchemaObject two{kind, "n", valid ? "e" : "d", "y", valid};
      for (const auto& [left, right] :
           {std::pair<Objects, Objects>{{one}, {}}, {{}, {one}}, {{one}, {two}}}) {
        const SchemaFinding gap = row(left, right);
        EXPECT_NE(gap.severity, Severity::critical) << kind;
        EXPECT_NE(gap.impact, "") << kind << ' ' << gap.gap;
      }
    }
  }
}

TEST_F(SchemaComparisonTest, QualifiedAndPlainColumnsAreTheSame) {
  const auto differ = [&](const char* left, const char* right) {
    return row({object("view", "v", left)}, {object("view", "v", right)}).gap == "different";
  };
  EXPECT_FALSE(differ("SELECT <table>.id FROM <table>", "SELECT id FROM <table>"));
  EXPECT_FALSE(differ("SELECT t.id\n FROM <table> t\n WHERE (t.n = 1)",
                      "SELECT id\n FROM <table> t\n WHERE (n = 1)"));
  // Where two relations are read, the qualifier says which is meant.
  EXPECT_TRUE(differ("SELECT t.id\n FROM <table> t,\n o", "SELECT id\n FROM <table> t,\n o"));
  EXPECT_TRUE(differ("SELECT t.id\n FROM <table> t\n JOIN o ON true",
                     "SELECT o.id\n FROM <table> t\n JOIN o ON true"));
  EXPECT_TRUE(differ("SELECT 't.id'\n FROM <table> t\n", "SELECT 'id'\n FROM <table> t\n"));
  EXPECT_TRUE(differ("SELECT '<table>.id'", "SELECT 'id'"));
}

}  // namespace
}  // namespace pgfanout
