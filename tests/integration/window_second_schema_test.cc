// A window on a schema unlike that of `chunks`: objects that cannot be carried over are named
// before anything starts, all others exist after the swap, and all of them after a rollback.
#include "tests/integration/second_schema.h"
#include "tests/integration/window_objects.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Lines;

constexpr const char* kOrderKey = "abs(hashtext(\"Tenant Id\"::text || '/' || region)) % 8";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

class WindowSecondSchemaTest : public testing::WindowObjectsFixture {
 protected:
  void SetUp() override {
    WindowObjectsFixture::SetUp();
    execute("ALTER DATABASE \"" + database + "\" SET search_path = \"Sales & Co\", public");
    table_ = "\"Sales & Co\".\"" + replaced(testing::kLinesName, "\"", "\"\"") + "\"";
    execute(on_table(testing::kSecondSchema));
    const std::string parts =
        server().major() >= 15
            ? " (external_id, region, \"Tenant Id\", amount) WHERE (\"Tenant Id\" > 0)"
            : "";
    execute("CREATE PUBLICATION \"lines' out\" FOR TABLE " + table_ + parts +
            " WITH (publish_via_partition_root = true)");
  }

  [[nodiscard]] std::string on_table(const std::string& sql) const {
    return replaced(sql, "@T", table_);
  }
  [[nodiscard]] std::string ask(const std::string& sql) const { return value(on_table(sql)); }
  [[nodiscard]] std::string state_of(const std::string& sql) const {
    return sqlstate_of(on_table(sql));
  }
  [[nodiscard]] std::string value_as(const std::string& user, const std::string& sql) const {
    harness::Session session = server().connect(database, user);
    return session.value(on_table(sql));
  }

  [[nodiscard]] std::string job(const Lines& accept) const {
    std::string names;
    for (const std::string& name : accept) names += toml(name) + ", ";
    return "accept = [" + names + "]\n[source]\ntable = " + toml(table_) +
           "\n[target]\npartitions = 8\n[key]\nexpression = " + toml(kOrderKey) + "\n";
  }

  /// The parts of publications that the catalog's common form leaves out.
  [[nodiscard]] std::string published() const {
    const std::string parts = server().major() >= 15 ? ", attnames, rowfilter" : "";
    return value("SELECT string_agg(concat_ws(' ', pubname, schemaname, tablename" + parts +
                 "), ';') FROM pg_publication_tables");
  }

  [[nodiscard]] std::string function_name() const {
    return value(
        "SELECT oid::regproc FROM pg_proc WHERE pronamespace = '\"Sales & Co\"'::regnamespace AND "
        "proname <> 'shout'");
  }

  /// @T: the table with its schema; @N: as its name is shown without.
  [[nodiscard]] Lines filled(Lines texts) const {
    for (std::string& text : texts) {
      text = replaced(on_table(text), "@N", table_.substr(table_.find('.') + 1));
    }
    return texts;
  }

  static Lines lost() {
    return {"constraint \"areas apart\"", "constraint \"ext everywhere\"",
            "foreign key \"Sales & Co\".\"line notes\".\"notes' line\""};
  }

  std::string table_;
};

TEST_F(WindowSecondSchemaTest, WhatCannotBeCarriedIsNoGoUntilItIsAcceptedByName) {
  const std::string before = catalog();
  harness::TemporaryFile strict(job({}));
  EXPECT_EQ(window("plan", {strict.path()}).exit_code, 2);
  EXPECT_EQ(not_carried("ERROR"), lost());
  EXPECT_THAT(error_codes(), ElementsAre("no-go", "not-carried", "not-carried", "not-carried"));
  const CommandResult result = window("run", {strict.path(), "--swap"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_TRUE(has_issue("no-go"));
  Lines some = lost();
  some.pop_back();
  harness::TemporaryFile partly(job(some));
  EXPECT_EQ(window("run", {partly.path(), "--swap"}).exit_code, 2);
  EXPECT_EQ(not_carried("ERROR"), Lines{lost().back()});
  EXPECT_EQ(not_carried("WARNING"), some);
  EXPECT_EQ(catalog(), before);
  EXPECT_EQ(state_of("UPDATE @T SET note = 'free' WHERE external_id = 5"), "00000");
}

TEST_F(WindowSecondSchemaTest, AllElseIsThereAfterTheSwapAndEverythingAfterARollback) {
  const std::string catalog_before = catalog();
  const std::string published_before = published();
  const Lines before = objects(table_);
  const std::string rows_before = rows_of(table_);
  const std::string totals = rows_of("\"Line totals\"");
  harness::TemporaryFile file(job(lost()));
  CommandResult result = window("plan", {file.path()});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(not_carried("WARNING"), lost());
  result = window("run", {file.path(), "--swap"});
  ASSERT_EQ(result.exit_code, 0) << result;
  const Lines after = objects(table_);
  EXPECT_EQ(
      only_in(before, after),
      filled(
          {"constraint Lines pkey PRIMARY KEY (\"Line No\", \"Tenant Id\", region) valid t",
           "constraint areas apart EXCLUDE USING gist (area WITH &&) valid t",
           "constraint ext everywhere UNIQUE (external_id) valid t",
           "constraint ext per tenant UNIQUE (\"Tenant Id\", region, external_id) DEFERRABLE "
           "INITIALLY DEFERRED valid t",
           "constraint no overlap EXCLUDE USING gist (\"Tenant Id\" WITH =, region WITH =, "
           "booked WITH &&) WHERE ((amount > (0)::numeric)) valid t",
           "inbound notes' line of \"line notes\" FOREIGN KEY (line, tenant, region) REFERENCES "
           "@N(\"Line No\", \"Tenant Id\", region) ON DELETE CASCADE",
           "index CREATE INDEX \"areas apart\" ON @T USING gist (area) valid t",
           "index CREATE INDEX \"no overlap\" ON @T USING gist (\"Tenant Id\", region, booked) "
           "WHERE (amount > (0)::numeric) valid t",
           "index CREATE UNIQUE INDEX \"Identity of \"\"lines\"\"\" ON @T USING btree (region, "
           "\"Tenant Id\", external_id) valid t",
           "index CREATE UNIQUE INDEX \"Lines pkey\" ON @T USING btree (\"Line No\", \"Tenant "
           "Id\", region) valid t",
           "index CREATE UNIQUE INDEX \"ext everywhere\" ON @T USING btree (external_id) valid t",
           "index CREATE UNIQUE INDEX \"ext per tenant\" ON @T USING btree (\"Tenant Id\", "
           "region, external_id) valid t"}));
  EXPECT_EQ(
      only_in(after, before),
      filled({"column partition_key integer null f default  identity  generated  acl ",
              "comment on function " + function_name() +
                  "(integer,text): Computes partition_key of @T for statements that insert",
              "constraint Lines pkey PRIMARY KEY (\"Line No\", \"Tenant Id\", region, "
              "partition_key) valid t",
              "constraint ext everywhere UNIQUE (external_id, partition_key) valid t",
              "constraint ext per tenant UNIQUE (\"Tenant Id\", region, external_id, "
              "partition_key) DEFERRABLE INITIALLY DEFERRED valid t",
              "constraint partition_key_check CHECK ((partition_key = (abs(hashtext(((("
              "\"Tenant Id\")::text || '/'::text) || region))) % 8))) valid t",
              "index CREATE UNIQUE INDEX \"Identity of \"\"lines\"\"\" ON @T USING btree (region, "
              "\"Tenant Id\", external_id, partition_key) valid t",
              "index CREATE UNIQUE INDEX \"Lines pkey\" ON @T USING btree (\"Line No\", \"Tenant "
              "Id\", region, partition_key) valid t",
              "index CREATE UNIQUE INDEX \"ext everywhere\" ON @T USING btree (external_id, "
              "partition_key) valid t",
              "index CREATE UNIQUE INDEX \"ext per tenant\" ON @T USING btree (\"Tenant Id\", "
              "region, external_id, partition_key) valid t"}));
  EXPECT_EQ(rows_of("\"Line totals\""), totals);
  if (server().major() >= 15) {
    EXPECT_EQ(published(), std::string("lines' out Sales & Co ") + testing::kLinesName +
                               " {\"Tenant Id\",region,amount,external_id,partition_key} "
                               "(\"Tenant Id\" > 0)");
  } else {
    EXPECT_EQ(published(), std::string("lines' out Sales & Co ") + testing::kLinesName);
  }

  // On the leaves.
  const std::string of_leaves =
      " FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid WHERE "
      "h.inhparent = " +
      harness_literal(table_) + "::regclass";
  EXPECT_EQ(value("SELECT string_agg(DISTINCT concat_ws(' ', c.relreplident, c.relowner::regrole, "
                  "c.reloptions), ';')" +
                  of_leaves),
            "i \"Shop's owner\" {fillfactor=80,autovacuum_enabled=false}");
  EXPECT_EQ(value("SELECT string_agg(DISTINCT t.reloptions::text, ';')" +
                  replaced(of_leaves, "WHERE", "JOIN pg_class t ON t.oid = c.reltoastrelid WHERE")),
            "{autovacuum_enabled=false}");
  EXPECT_EQ(value("SELECT string_agg(DISTINCT concat_ws(' ', a.attstorage, a.attstattarget, "
                  "(SELECT o FROM unnest(b.attoptions) o WHERE o LIKE 'n\\_distinct=%')), ';')" +
                  replaced(of_leaves, "WHERE",
                           "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'note' JOIN "
                           "pg_attribute b ON b.attrelid = c.oid AND b.attname = 'Tenant Id' "
                           "WHERE")),
            "e 55 n_distinct=-0.5");
  EXPECT_EQ(value("SELECT concat_ws(' ', count(*), count(DISTINCT c.oid)) FROM pg_constraint k "
                  "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_inherits h ON h.inhrelid = c.oid "
                  "WHERE k.contype = 'x' AND h.inhparent = " +
                  harness_literal(table_) + "::regclass"),
            "16 8");

  // The application: with the key, with a wrong one, without.
  const auto insert = [&](int number, const std::string& key, int booked = 0) {
    const std::string n = std::to_string(number);
    const std::string from = std::to_string(booked == 0 ? number : booked);
    return "INSERT INTO @T (\"Tenant Id\", region, booked, amount, external_id" +
           std::string(key.empty() ? "" : ", partition_key") + ") VALUES (2, 'r3', '[" + from +
           "0," + from + "5)', 7, " + n + (key.empty() ? "" : ", " + key) + ")";
  };
  const std::string key = function_name() + "(2, 'r3')";
  EXPECT_EQ(state_of(insert(9001, key)), "00000");
  EXPECT_EQ(ask("SELECT (\"Line No\" > (SELECT max(\"Line No\") FROM @T WHERE external_id < 9000)) "
                "|| ' ' || total || ' ' || note FROM @T WHERE external_id = 9001"),
            "true 14.00 none");
  EXPECT_EQ(value("SELECT count(*) FROM line_log WHERE external_id = 9001"), "1");
  EXPECT_EQ(value("SELECT count(*) FROM line_log WHERE external_id < 0"), "0");
  EXPECT_EQ(state_of(insert(9002, "(" + key + " + 1) % 8")), "23514");
  EXPECT_EQ(state_of(insert(9002, "")), "23514");
  EXPECT_EQ(state_of(insert(9001, key, 9005)), "23505");
  EXPECT_EQ(state_of(insert(9005, key, 9001)), "23P01") << "within the leaf, the bookings overlap";
  EXPECT_EQ(state_of("UPDATE @T SET amount = -1 WHERE external_id = 9001"), "23514");
  EXPECT_EQ(state_of("UPDATE @T SET maker = 4, \"Product's Number\" = 'p5' WHERE external_id = 9"),
            "23503");
  EXPECT_EQ(state_of("DELETE FROM regions WHERE region = 'r3'"),
            server().major() >= 18 ? "23001" : "23503");
  EXPECT_EQ(state_of("DELETE FROM products WHERE maker = 3"), "00000");
  EXPECT_EQ(ask("SELECT count(*) FROM @T WHERE maker = 3"), "0");
  EXPECT_EQ(state_of("UPDATE @T SET note = 'loud' WHERE external_id = 9"), "00000");
  EXPECT_EQ(value("SELECT count(*) FROM line_log WHERE external_id = -9"), "1");
  EXPECT_EQ(state_of("DELETE FROM @T WHERE external_id = 700"), "00000");
  EXPECT_EQ(ask("SELECT count(*) FROM @T WHERE external_id = 700"), "1") << "a rule keeps it";
  EXPECT_EQ(value_as("shop clerk", "SELECT count(\"Line No\") FROM @T WHERE \"Tenant Id\" <> 1"),
            "0");
  EXPECT_EQ(value_as("shop clerk", "SELECT count(\"Line No\") FROM @T"), "300");
  EXPECT_EQ(value_as("shop_auditor", "SELECT count(*) FROM @T"), "1501");
  EXPECT_EQ(leaves_planned(on_table("SELECT 1 FROM @T WHERE partition_key = " + key)), "1");

  execute("INSERT INTO products VALUES (3, 'p3')");
  result = window("rollback", {"--table", table_, "--force"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(catalog(), catalog_before);
  EXPECT_EQ(objects(table_), before);
  EXPECT_EQ(published(), published_before);
  EXPECT_EQ(rows_of(table_), rows_before);
  EXPECT_EQ(state_of(insert(9001, "")), "00000");
  EXPECT_EQ(ask("SELECT count(*) FROM @T WHERE \"Line No\" = (SELECT max(\"Line No\") FROM @T)"),
            "1");
  EXPECT_EQ(state_of("DELETE FROM @T WHERE external_id = 100"), "00000");
  EXPECT_EQ(value("SELECT count(*) FROM \"line notes\""), "14") << "its foreign key is back";
}

TEST_F(WindowSecondSchemaTest, WhatWasWrittenSinceIsKeptWithoutWakingRules) {
  harness::TemporaryFile file(job(lost()));
  CommandResult result = window("run", {file.path(), "--swap"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(state_of("INSERT INTO @T (\"Tenant Id\", region, booked, amount, external_id, "
                     "partition_key) VALUES (2, 'r3', '[90010,90015)', 7, 9001, " +
                     function_name() + "(2, 'r3'))"),
            "00000");
  EXPECT_EQ(state_of("UPDATE @T SET note = 'since' WHERE external_id % 50 = 7"), "00000");
  EXPECT_EQ(state_of("DELETE FROM @T WHERE external_id IN (11, 12, 13)"), "00000");
  const std::string columns =
      "SELECT \"Line No\", \"Tenant Id\", region, maker, \"Product's Number\", booked, area, "
      "amount, "
      "total, note, external_id FROM @T";
  const std::string live = rows_of("(" + on_table(columns) + ")");
  const std::string logged = "SELECT count(*) FROM line_log WHERE external_id > 0";
  const std::string log = value(logged);
  result = window("rollback", {"--table", table_, "--keep-new-rows"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(rows_of("(" + on_table(columns) + ")"), live);
  EXPECT_EQ(value(logged), log) << "the rule has seen the insert already";
  EXPECT_EQ(
      state_of("INSERT INTO @T (\"Tenant Id\", region, booked, amount, external_id) VALUES (2, "
               "'r3', '[90020,90025)', 7, 9002)"),
      "00000");
  EXPECT_EQ(ask("SELECT string_agg(external_id::text, ' ' ORDER BY \"Line No\") FROM @T WHERE "
                "external_id > 1499"),
            "1500 9001 9002")
      << "identity goes on counting behind what was kept";
}

}  // namespace
}  // namespace pgfanout
