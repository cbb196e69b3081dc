// Which value each column of the old table gets from a row that was written to the new one.
#include "copier/window/way_back.h"

#include <gmock/gmock.h>

#include "copier/window/restored_keys.h"

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Column column_of(const std::string& name, bool is_not_null = false) {
  Column column;
  column.name = name;
  column.quoted = name;
  column.is_not_null = is_not_null;
  return column;
}

Table docs_table() {
  Table table;
  table.qualified = "public.docs";
  table.columns = {column_of("id", true), column_of("place", true), column_of("meta", true),
                   column_of("note")};
  table.primary_key = {"id", "place"};
  return table;
}

std::vector<NewColumn> columns_named(const std::vector<std::string>& names) {
  std::vector<NewColumn> columns;
  for (const std::string& name : names) columns.push_back({name, "text", false});
  return columns;
}

std::vector<std::string> texts_of(const WayBack& way) {
  std::vector<std::string> texts;
  for (const WayBack::Value& value : way.values) {
    texts.push_back(value.old_column + " = " + value.sql);
  }
  return texts;
}

JobDescription mapped_job() {
  JobDescription job;
  job.map = {{"id", "nextval('s')"}, {"legacy_id", "\"id\""}, {"meta", "meta::jsonb"}};
  job.skip = {"note"};
  return job;
}

TEST(WayBack, ColumnsThatWereNotMappedAreTheirOwn) {
  Table table = docs_table();
  table.columns.push_back(column_of("sum"));
  table.columns.back().generated = 's';
  const WayBack way =
      plan_way_back({}, table, columns_named({"id", "place", "meta", "note", "sum"}),
                    "partition_key", "k(place)");
  EXPECT_THAT(texts_of(way), ElementsAre("id = \"id\"", "place = \"place\"", "meta = \"meta\"",
                                         "note = \"note\""));
  EXPECT_THAT(way.obstacles, IsEmpty());
  EXPECT_FALSE(way.changes_columns);
  EXPECT_EQ(issue_of(way, table).severity, Severity::info);
}

TEST(WayBack, WhatTheMapTakesAwayItMustGiveBack) {
  const auto columns = columns_named({"id", "legacy_id", "place", "meta", "partition_key"});
  JobDescription job = mapped_job();
  const WayBack without = plan_way_back(job, docs_table(), columns, "partition_key", "k(place)");
  EXPECT_THAT(without.obstacles,
              ElementsAre("column id must not be NULL, and column legacy_id, which has its values,"
                          " may be",
                          "nothing gives column meta a value"));
  EXPECT_EQ(issue_of(without, docs_table()).severity, Severity::warning);
  job.window.rollback_map = {{"id", "coalesce(legacy_id, f('meta'))"}, {"meta", "meta::json"}};
  const WayBack way = plan_way_back(job, docs_table(), columns, "partition_key", "k(place)");
  EXPECT_THAT(way.obstacles, IsEmpty());
  EXPECT_THAT(texts_of(way), ElementsAre("id = (coalesce(legacy_id, f('meta')))",
                                         "place = \"place\"", "meta = (meta::json)", "note = "));
  EXPECT_THAT(way.values[0].inputs, ElementsAre("legacy_id")) << "a literal is no column";
  EXPECT_THAT(way.left_alone, ElementsAre("note"));
  EXPECT_TRUE(way.is_mapped);
  EXPECT_THAT(issue_of(way, docs_table()).message, HasSubstr("by [rollback.map]"));
}

TEST(WayBack, ARenamedColumnThatIsNeverNullNeedsNoMap) {
  JobDescription job;
  job.map = {{"key", "id"}};
  std::vector<NewColumn> columns = columns_named({"key", "place", "meta", "note"});
  columns[0].is_not_null = true;
  const WayBack way = plan_way_back(job, docs_table(), columns, "", "");
  EXPECT_THAT(way.obstacles, IsEmpty());
  EXPECT_EQ(texts_of(way).front(), "id = \"key\"");
}

TEST(WayBack, ASkippedColumnNeedsADefaultForNewRows) {
  JobDescription job;
  job.skip = {"meta"};
  const auto columns = columns_named({"id", "place", "note"});
  EXPECT_THAT(plan_way_back(job, docs_table(), columns, "", "").obstacles,
              ElementsAre("nothing gives column meta a value"));
  Table table = docs_table();
  table.columns[2].default_sql = "'{}'";
  EXPECT_THAT(plan_way_back(job, table, columns, "", "").obstacles, IsEmpty());
  table.primary_key.clear();
  EXPECT_THAT(plan_way_back(job, table, columns, "", "").obstacles,
              ElementsAre(HasSubstr("without a primary key")));
}

TEST(WayBack, WithoutTheOldKeyAChangedRowIsNotFound) {
  JobDescription job;
  job.map = {{"id", "nextval('s')"}};
  job.window.rollback_map = {{"id", "gen_random_uuid()"}};
  EXPECT_THAT(
      plan_way_back(job, docs_table(), columns_named({"id", "place", "meta", "note"}), "", "")
          .obstacles,
      ElementsAre("no column of the new table keeps id, so that a changed row is not found"
                  " again"));
}

TEST(WayBack, TheStoredKeyIsComputedUnlessItWasAnother) {
  Table table = docs_table();
  table.columns.push_back(column_of("partition_key", true));
  const auto columns = columns_named({"id", "place", "meta", "note", "partition_key"});
  EXPECT_EQ(texts_of(plan_way_back({}, table, columns, "partition_key", "k(place)")).back(),
            "partition_key = k(place)");
  EXPECT_THAT(plan_way_back({}, table, columns, "partition_key", "").obstacles,
              ElementsAre("nothing gives column partition_key a value"));
}

TEST(RestoredKeys, AdditionIsFoundWhateverTheNames) {
  const auto key = key_addition(
      "ALTER TABLE \"Other 'x\".\"ADD notes\" ADD CONSTRAINT \"it's ADD\" FOREIGN KEY (doc)"
      " REFERENCES docs(id)");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->table, "\"Other 'x\".\"ADD notes\"");
  EXPECT_EQ(key->name, "it's ADD");
  EXPECT_EQ(key->addition, "ADD CONSTRAINT \"it's ADD\" FOREIGN KEY (doc) REFERENCES docs(id)");
  for (const char* other :
       {"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)", "ALTER TABLE t RENAME TO u",
        "ALTER TABLE t DROP CONSTRAINT c", "COMMENT ON TABLE t IS 'ADD CONSTRAINT c FOREIGN KEY'",
        "ALTER TABLE t ADD COLUMN c int", ""}) {
    EXPECT_FALSE(key_addition(other)) << other;
  }
}

}  // namespace
}  // namespace pgfanout
