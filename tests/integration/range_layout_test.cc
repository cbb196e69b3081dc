// Targets that are partitioned by RANGE: made by an interval, or there already.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::CopyFixture;
using ::testing::HasSubstr;

class RangeLayoutTest : public CopyFixture {
 protected:
  using Words = std::vector<std::string>;

  CommandResult copy_by(const std::string& layout, Words more = {}) {
    Words words = {"--table", "t", "--partition-by", layout, "--writers", "4"};
    words.insert(words.end(), more.begin(), more.end());
    return copy(words);
  }

  /// Copies, and expects the rows of `t` in `target`, also by a comparison of all rows.
  void expect_copy(const CommandResult& result, const std::string& columns,
                   const std::string& target = "t_new") {
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(difference("t", target, columns), "0");
    const CommandResult verified = harness::pgfanout(
        {"verify", "--data", "--source", dsn(), "--table", "t", "--into", target});
    EXPECT_EQ(verified.exit_code, 0) << verified;
  }

  void expect_refused(const CommandResult& result, const std::string& code,
                      const std::string& words) {
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(error_code(), code) << result;
    EXPECT_THAT(result.out, HasSubstr(words));
  }

  [[nodiscard]] std::string leaves(const std::string& table) const {
    return value(
        "SELECT string_agg(c.relname, ' ' ORDER BY c.relname COLLATE \"C\") FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = '" +
        table + "'::regclass");
  }
  [[nodiscard]] std::string bound(const std::string& leaf) const {
    return value("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = '" + leaf +
                 "'");
  }
};

TEST_F(RangeLayoutTest, MonthsFollowTheCalendarOfTheTimeZone) {
  execute("ALTER DATABASE " + database + " SET TimeZone = 'Europe/Berlin'");
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);"
      "INSERT INTO t SELECT i, timestamptz '2020-01-31 23:30:00+01' + i * interval '5 hours' FROM "
      "generate_series(1, 500) i;"
      // Each bound, a microsecond below and above; NULL; the infinities.
      "INSERT INTO t SELECT 1000 + row_number() OVER (), b + d FROM generate_series(timestamptz "
      "'2020-02-01 00:00+01', '2020-06-01 00:00+02', '1 month') b, unnest(ARRAY[interval '0', "
      "'1 microsecond', '-1 microsecond']) d;"
      "INSERT INTO t VALUES (2000, NULL), (2001, 'infinity'), (2002, '-infinity')");
  expect_copy(
      copy_by("RANGE (at)", {"--interval", "1 month", "--ahead", "2", "--default-partition"}),
      "id, at");
  EXPECT_EQ(leaves("t_new"),
            "t_new_default t_new_p20200101 t_new_p20200201 t_new_p20200301 t_new_p20200401 "
            "t_new_p20200501 t_new_p20200601 t_new_p20200701 t_new_p20200801");
  EXPECT_EQ(bound("t_new_p20200301"),
            "FOR VALUES FROM ('2020-03-01 00:00:00+01') TO ('2020-04-01 00:00:00+02')");
  EXPECT_EQ(value("SELECT count(*) FROM t_new_default"), "3");
  EXPECT_EQ(value("SELECT count(*) FROM t_new WHERE isfinite(at) AND tableoid::regclass::text <> "
                  "'t_new_p' || to_char(at, 'YYYYMM01')"),
            "0");
}

TEST_F(RangeLayoutTest, EveryUnitBeginsWhereItsCalendarDoes) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, at timestamp, d date, n int, q numeric);"
      "INSERT INTO t SELECT i, timestamp '2020-05-14 13:10' + i * interval '40 minutes',"
      " date '2020-05-14' + i, i * 50 - 1020, i / 8.0 FROM generate_series(0, 99) i;"
      "INSERT INTO t SELECT 200, at, d, 2147483647, q FROM t WHERE id = 7");
  const auto expect_first = [&](const std::string& column, const std::string& interval,
                                const std::string& first, const std::string& its_bound,
                                Words more = {}) {
    more.insert(more.end(), {"--interval", interval, "--into", "x"});
    expect_copy(copy_by("RANGE (" + column + ")", more), "id, at, d, n, q", "x");
    EXPECT_EQ(leaves("x").substr(0, first.size()), first) << interval;
    EXPECT_EQ(bound(first), its_bound) << interval;
    execute("DROP TABLE x");
  };
  expect_first("at", "6 hours", "x_p20200514_120000",
               "FOR VALUES FROM ('2020-05-14 12:00:00') TO ('2020-05-14 18:00:00')");
  expect_first("at", "1 week", "x_p20200511",
               "FOR VALUES FROM ('2020-05-11 00:00:00') TO ('2020-05-18 00:00:00')");
  expect_first("d", "3 months", "x_p20200401", "FOR VALUES FROM ('2020-04-01') TO ('2020-07-01')");
  expect_first("d", "1 year", "x_p20200101", "FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')");
  expect_first("n", "100000000", "x_p-100000000", "FOR VALUES FROM ('-100000000') TO (0)");
  expect_first("q", "2.5", "x_p0", "FOR VALUES FROM ('0') TO (2.5)");
  // From the last day of a month on, nothing drifts.
  expect_first("d", "1 month", "x_p20191231", "FOR VALUES FROM ('2019-12-31') TO ('2020-01-31')",
               {"--from", "2019-12-31"});
}

TEST_F(RangeLayoutTest, TheLastRangeOfIntegersIsOpen) {
  execute("CREATE TABLE t (n smallint PRIMARY KEY); INSERT INTO t VALUES (-32768), (0), (32767)");
  expect_copy(copy_by("RANGE (n)", {"--interval", "20000", "--ahead", "3"}), "n");
  EXPECT_EQ(bound("t_new_p-32768"), "FOR VALUES FROM ('-32768') TO ('-20000')");
  EXPECT_EQ(bound("t_new_p20000"), "FOR VALUES FROM ('20000') TO (MAXVALUE)");
}

TEST_F(RangeLayoutTest, ExistingRangesKeepTheirGapsAndTheirOrder) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, w text, v varchar(9) COLLATE \"C\", d date, f float8);"
      "INSERT INTO t SELECT i, chr(65 + i % 58) || i, (i % 90)::text, date '2020-01-01' + i % 60,"
      " i / 3.0 FROM generate_series(1, 600) i; INSERT INTO t (id) VALUES (0);"
      // Collated text, with gaps: only the server knows the order.
      "CREATE TABLE a (LIKE t) PARTITION BY RANGE (w);"
      "CREATE TABLE a3 PARTITION OF a FOR VALUES FROM ('p') TO ('t');"
      "CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (MINVALUE) TO ('d');"
      "CREATE TABLE a2 PARTITION OF a FOR VALUES FROM ('g') TO ('m5');"
      "CREATE TABLE a0 PARTITION OF a DEFAULT;"
      "CREATE TABLE b (LIKE t) PARTITION BY RANGE (v, d);"
      "CREATE TABLE b2 PARTITION OF b FOR VALUES FROM ('3', '2020-02-01') TO ('6', MINVALUE);"
      "CREATE TABLE b1 PARTITION OF b FOR VALUES FROM (MINVALUE, MINVALUE) TO ('3', '2020-01-15');"
      "CREATE TABLE b3 PARTITION OF b FOR VALUES FROM ('6', MINVALUE) TO ('7', MAXVALUE);"
      "CREATE TABLE b0 PARTITION OF b DEFAULT;"
      // Of a type that the client cannot compare.
      "CREATE TABLE c (LIKE t) PARTITION BY RANGE (f);"
      "CREATE TABLE c2 PARTITION OF c FOR VALUES FROM (10.5) TO (MAXVALUE);"
      "CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (MINVALUE) TO (10.5);"
      "CREATE TABLE c0 PARTITION OF c DEFAULT");
  for (const char* target : {"a", "b", "c"}) {
    expect_copy(copy({"--table", "t", "--into", target}), "id, w, v, d, f", target);
    EXPECT_EQ(value(fmt::format("SELECT count(*) = count(*) FILTER (WHERE tableoid::regclass::text "
                                "<> '{0}0') FROM {0}",
                                target)),
              "f")
        << "the default partition has rows";
  }
  EXPECT_EQ(value("SELECT count(*) FROM c0"), "1");
}

TEST_F(RangeLayoutTest, TargetsThatNoKeyDescribesAreRefused) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, w text); INSERT INTO t VALUES (1, 'a');"
      "CREATE TABLE a (LIKE t) PARTITION BY RANGE (w COLLATE \"C\");"
      "CREATE TABLE a1 PARTITION OF a FOR VALUES FROM ('a') TO ('b');"
      "CREATE TABLE b (LIKE t) PARTITION BY RANGE ((id + 1));"
      "CREATE TABLE b1 PARTITION OF b FOR VALUES FROM (0) TO (9);"
      "CREATE TABLE c (LIKE t) PARTITION BY RANGE (id);"
      "CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (9) PARTITION BY HASH (id);"
      "CREATE TABLE c2 PARTITION OF c1 FOR VALUES WITH (MODULUS 1, REMAINDER 0)");
  expect_refused(copy({"--table", "t", "--into", "a"}), "partition-operators", "COLLATE");
  expect_refused(copy({"--table", "t", "--into", "b"}), "partition-expression", "id + 1");
  expect_refused(copy({"--table", "t", "--into", "c"}), "subpartitioned", "public.c1");
}

TEST_F(RangeLayoutTest, RowsOutsideAreNamedWithTheirPlace) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, d date); INSERT INTO t VALUES (1, '2020-01-05');"
      "CREATE TABLE t_new (LIKE t) PARTITION BY RANGE (d);"
      "CREATE TABLE r1 PARTITION OF t_new FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');"
      "CREATE TABLE r2 PARTITION OF t_new FOR VALUES FROM ('2020-03-01') TO ('2020-04-01')");
  for (const auto& [row, words] : std::vector<std::pair<std::string, std::string>>{
           {"'2019-12-31'", "below the first range, which begins at 2020-01-01"},
           {"'2020-02-01'", "between 2020-02-01 and 2020-03-01, where the target has no range"},
           {"'2020-04-01'", "above the last range, which ends at 2020-04-01"},
           {"NULL", "a row has NULL in d"}}) {
    execute("DELETE FROM t; INSERT INTO t VALUES (2, " + row + ")");
    expect_refused(copy({"--table", "t"}), "key-no-leaf", words);
  }
  const CommandResult set_aside = copy({"--table", "t", "--reject-limit", "1"});
  EXPECT_EQ(set_aside.exit_code, 0) << set_aside;
  EXPECT_EQ(value("SELECT count(*) FROM t_new_rejects"), "1");
}

TEST_F(RangeLayoutTest, BadRequestsAreRefusedBeforeAnythingIsMade) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, d date, at timestamptz, j json, b bigint);"
      "INSERT INTO t SELECT i, date '2000-01-01' + i, timestamptz '2000-01-01' + i * interval "
      "'1 day', '{}', i * 1000000000000 FROM generate_series(1, 3000) i;"
      "CREATE TABLE empty (id int PRIMARY KEY, d date)");
  struct Case {
    std::string layout;
    Words more;
    std::string code;
    std::string words;
  };
  for (const Case& each : std::vector<Case>{
           {"RANGE (id)", {"--interval", "0"}, "bad-interval", "'0'"},
           {"RANGE (id)", {"--interval", "-5"}, "bad-interval", "'-5'"},
           {"RANGE (id)", {"--interval", "1.5"}, "bad-interval", "whole number"},
           {"RANGE (id)", {"--interval", "1 month"}, "bad-interval", "integer"},
           {"RANGE (id)", {}, "bad-interval", "--interval 10000000"},
           {"RANGE (d)", {"--interval", "0 days"}, "bad-interval", "'0 days'"},
           {"RANGE (d)", {"--interval", "-1 month"}, "bad-interval", "'-1 month'"},
           {"RANGE (d)", {"--interval", "1 month -3 days"}, "bad-interval", "-3 days"},
           {"RANGE (d)", {"--interval", "6 hours"}, "bad-interval", "finer than the days"},
           {"RANGE (d)", {"--interval", "soon"}, "bad-interval", "soon"},
           {"RANGE (d)", {"--interval", "1 year", "--from", "then"}, "bad-from", "'then'"},
           {"RANGE (d)", {"--interval", "1 year", "--from", "infinity"}, "bad-from", "infinity"},
           {"RANGE (d)", {"--interval", "1 day"}, "too-many-leaves", "--interval '1 week'"},
           {"RANGE (at)", {"--interval", "1 hour"}, "too-many-leaves", "about 719"},
           {"RANGE (b)", {"--interval", "10"}, "too-many-leaves", "10000000000000"},
           {"RANGE (j)", {"--interval", "1"}, "partition-column", "json"},
           {"RANGE (id, d)", {"--interval", "1"}, "layout-type", "one column"},
           {"RANGE (nope)", {"--interval", "1"}, "no-such-column", "nope"},
           {"RANGE (d)",
            {"--interval", "1 year", "--leaf-name", "{table}_x"},
            "bad-leaf-name",
            "{from}"},
           {"RANGE (d)",
            {"--interval", "1 month", "--leaf-name", "{table}_{from:YYYY}"},
            "bad-leaf-name",
            "t_2000"},
       }) {
    expect_refused(copy_by(each.layout, each.more), each.code, each.words);
  }
  expect_refused(copy({"--table", "empty", "--partition-by", "RANGE (d)", "--interval", "1 day"}),
                 "layout-no-rows", "--from");
  const CommandResult from_nothing =
      copy({"--table", "empty", "--partition-by", "RANGE (d)", "--interval", "1 day", "--from",
            "2020-01-01", "--ahead", "1"});
  EXPECT_EQ(from_nothing.exit_code, 0) << from_nothing;
  EXPECT_EQ(leaves("empty_new"), "empty_new_p20200101 empty_new_p20200102");
}

TEST_F(RangeLayoutTest, AResumedJobMakesTheSameLeaves) {
  execute("ALTER DATABASE " + database + " SET TimeZone = 'Europe/Berlin'");
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, at timestamptz);"
      "INSERT INTO t SELECT i, timestamptz '2020-02-10' + i * interval '2 hours' FROM "
      "generate_series(1, 1500) i");
  const Words words = {"--table", "t", "--partition-by", "RANGE (at)", "--interval",     "1 month",
                       "--ahead", "1", "--writers",      "4",          "--commit-every", "200"};
  for (const char* place : {"tables-created", "lane-committed:3"}) {
    harness::CommandOptions options;
    options.environment["PGFANOUT_CRASH_AT"] = place;
    Words all = {"copy", "--source", dsn()};
    all.insert(all.end(), words.begin(), words.end());
    ASSERT_EQ(harness::pgfanout(all, options).signal, SIGKILL) << place;
    execute("ALTER DATABASE " + database + " SET TimeZone = 'UTC'");
    expect_copy(copy(words), "id, at");
    EXPECT_EQ(value("SELECT count(*) FROM t_new WHERE tableoid::regclass::text <> 't_new_p' || "
                    "to_char(at AT TIME ZONE 'Europe/Berlin', 'YYYYMM01')"),
              "0");
    execute("ALTER DATABASE " + database +
            " SET TimeZone = 'Europe/Berlin'; DROP TABLE t_new;"
            "DROP SCHEMA pgfanout CASCADE");
  }
}

TEST_F(RangeLayoutTest, ARowInAWrongLeafIsNamedAsMisplaced) {
  execute(
      "CREATE TABLE t (id int PRIMARY KEY, d date);"
      "INSERT INTO t SELECT i, date '2020-01-01' + i % 90 FROM generate_series(0, 299) i");
  const CommandResult copied =
      copy_by("RANGE (d)", {"--interval", "1 month", "--default-partition"});
  ASSERT_EQ(copied.exit_code, 0) << copied;
  execute(
      "UPDATE pg_class SET relispartition = false WHERE relname LIKE 't_new_p%';"
      "INSERT INTO t_new_p20200101 SELECT * FROM t WHERE id = 40;"
      "DELETE FROM t_new_p20200201 WHERE id = 40;"
      "UPDATE pg_class SET relispartition = true WHERE relname LIKE 't_new_p%'");
  for (const Words& way : {Words{}, Words{"--stream"}}) {
    Words words = {"verify", "--json", "--data", "--source", dsn(), "--table", "t"};
    words.insert(words.end(), way.begin(), way.end());
    const CommandResult verified = harness::pgfanout(words);
    EXPECT_EQ(verified.exit_code, 1) << verified;
    const auto found = testing::Json::parse(verified.out)["differences"];
    EXPECT_EQ(found["misplaced"], 1) << verified;
    EXPECT_EQ(found["missing"], 0);
    EXPECT_THAT(found["rows"][0].dump(), HasSubstr("t_new_p20200101"));
  }
}

TEST_F(RangeLayoutTest, SourcesMayBeSubpartitionedInOtherColumnOrders) {
  execute(
      "CREATE TABLE t (id int NOT NULL, d date NOT NULL, w text) PARTITION BY LIST (w);"
      "CREATE TABLE t_a PARTITION OF t FOR VALUES IN ('a') PARTITION BY RANGE (d);"
      "CREATE TABLE t_a1 PARTITION OF t_a FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');"
      "CREATE TABLE t_a2 (w text, dropped int, d date NOT NULL, id int NOT NULL);"
      "ALTER TABLE t_a2 DROP COLUMN dropped;"
      "ALTER TABLE t_a ATTACH PARTITION t_a2 FOR VALUES FROM ('2020-02-01') TO ('2021-01-01');"
      "CREATE TABLE t_b (d date NOT NULL, w text, id int NOT NULL);"
      "ALTER TABLE t ATTACH PARTITION t_b DEFAULT;"
      "ALTER TABLE t ADD PRIMARY KEY (id, d, w);"
      "INSERT INTO t SELECT i, date '2020-01-01' + i, chr(97 + i % 3) FROM generate_series(0, 300) "
      "i");
  expect_copy(copy_by("RANGE (d)", {"--interval", "3 months"}), "id, d, w");
  EXPECT_EQ(leaves("t_new"), "t_new_p20200101 t_new_p20200401 t_new_p20200701 t_new_p20201001");
}

}  // namespace
}  // namespace pgfanout
