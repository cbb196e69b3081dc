// Sizes, times, numbers, mappings and names, good ones and bad ones.
#include "copier/cli/values.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

namespace pgfanout {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t mebi = 1ULL << 20U;

TEST(Size, TakesUnitsAsPostgresqlDoes) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"67108864", 64 * mebi},  {"64MiB", 64 * mebi},
      {"64MB", 64 * mebi},      {"64mb", 64 * mebi},
      {"1GB", 1024 * mebi},     {"1GiB", 1024 * mebi},
      {"1.5GB", 1536 * mebi},   {"64 MB", 64 * mebi},
      {"65536kB", 64 * mebi},   {"65536KB", 64 * mebi},
      {"65536KiB", 64 * mebi},  {"17B", 17},
      {"2TB", 2 * mebi * mebi}, {"0", 0},
  };
  for (const auto& [text, bytes] : cases) {
    const auto size = parse_size(text);
    ASSERT_TRUE(size) << text;
    EXPECT_EQ(*size, bytes) << text;
  }
}

TEST(Size, RefusesAllElse) {
  for (const char* text : {"", "MB", "-1", "+1", "1e9", "64XB", "64MBs", " 64MB", "0x10", "nan",
                           "inf", ".5GB", "9999999TB", "1,5GB", "64MB 1"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().code, "usage");
    EXPECT_NE(size.error().message.find("256MB"), std::string::npos);
  }
}

TEST(Duration, CountsABareNumberInTheGivenUnit) {
  EXPECT_EQ(*parse_duration("250", milliseconds(1), milliseconds(1)), milliseconds(250));
  EXPECT_EQ(*parse_duration("10", seconds(1), seconds(1)), seconds(10));
  EXPECT_EQ(*parse_duration("500ms", seconds(1), milliseconds(1)), milliseconds(500));
  EXPECT_EQ(*parse_duration("5s", milliseconds(1), milliseconds(1)), seconds(5));
  EXPECT_EQ(*parse_duration("0.5s", milliseconds(1), milliseconds(1)), milliseconds(500));
  EXPECT_EQ(*parse_duration("2min", milliseconds(1), milliseconds(1)), seconds(120));
  EXPECT_EQ(*parse_duration("1h", milliseconds(1), milliseconds(1)), seconds(3600));
  EXPECT_EQ(*parse_duration("24h", milliseconds(1), milliseconds(1)), seconds(86400));
}

TEST(Duration, RefusesAllElse) {
  for (const char* text : {"", "0", "s", "-5s", "5 parsecs", "25h", "1e3", "soon"}) {
    const auto time = parse_duration(text, milliseconds(1), milliseconds(1));
    ASSERT_FALSE(time) << text;
    EXPECT_NE(time.error().message.find("milliseconds"), std::string::npos);
  }
  EXPECT_FALSE(parse_duration("999ms", seconds(1), seconds(1)));
}

TEST(Number, StaysWithinItsBounds) {
  EXPECT_EQ(*parse_number("1", 1, 100), 1U);
  EXPECT_EQ(*parse_number("100", 1, 100), 100U);
  EXPECT_EQ(*parse_number("18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
  for (const char* text :
       {"", "0", "101", "-1", "+1", "1.0", "1 ", " 1", "x", "0x1", "1e2", "18446744073709551616"}) {
    const auto number = parse_number(text, 1, 100);
    ASSERT_FALSE(number) << text;
    EXPECT_NE(number.error().message.find("from 1 to 100"), std::string::npos);
  }
}

TEST(Number, AnUnprintableValueIsEscapedInTheMessage) {
  const auto number = parse_number("\x1b[31m", 1, 100);
  ASSERT_FALSE(number);
  EXPECT_EQ(number.error().message, "must be a whole number from 1 to 100, not '\\x1b[31m'");
}

TEST(Connections, AreANumberOrAuto) {
  EXPECT_EQ(parse_connections("auto")->has_value(), false);
  EXPECT_EQ(parse_connections("100")->value(), 100U);
  for (const char* text : {"", "0", "1001", "AUTO", "all"}) {
    EXPECT_FALSE(parse_connections(text)) << text;
  }
}

TEST(RejectLimitValue, IsRowsOrAShare) {
  EXPECT_EQ(parse_reject_limit("0")->rows, 0U);
  EXPECT_EQ(parse_reject_limit("12")->rows, 12U);
  EXPECT_FALSE(parse_reject_limit("12")->percent);
  EXPECT_DOUBLE_EQ(parse_reject_limit("0.5%")->percent.value(), 0.5);
  EXPECT_DOUBLE_EQ(parse_reject_limit("100%")->percent.value(), 100);
  for (const char* text : {"", "%", "-1", "101%", "1.5", "x%", "5%%"}) {
    EXPECT_FALSE(parse_reject_limit(text)) << text;
  }
}

TEST(Mapping, DividesAtTheFirstEqualsSignOutsideQuotes) {
  const std::pair<const char*, std::pair<const char*, const char*>> cases[] = {
      {"legacy_id=id", {"legacy_id", "id"}},
      {"flag=a=b", {"flag", "a=b"}},
      {"\"odd=name\"=x", {"\"odd=name\"", "x"}},
      {"\"a\"\"b\"=x", {"\"a\"\"b\"", "x"}},
      {"meta=coalesce(meta, '{\"a\"=1}')", {"meta", "coalesce(meta, '{\"a\"=1}')"}},
  };
  for (const auto& [text, expected] : cases) {
    const auto mapping = parse_mapping(text);
    ASSERT_TRUE(mapping) << text;
    EXPECT_EQ(mapping->column, expected.first);
    EXPECT_EQ(mapping->sql, expected.second);
  }
  for (const char* text : {"", "=", "a", "a=", "=a", "\"a=b"}) {
    EXPECT_FALSE(parse_mapping(text)) << text;
  }
}

TEST(Threshold, HasALimitInItsMeasuresUnitAndAnAction) {
  struct Case {
    const char* text;
    Measure measure;
    std::optional<double> limit;
    std::optional<WatchAction> action;
  };
  const Case cases[] = {
      {"cpu=80%:slow", Measure::cpu, 80, WatchAction::slow},
      {"cpu=80", Measure::cpu, 80, {}},
      {"memory=92.5%:pause", Measure::memory, 92.5, WatchAction::pause},
      {"errors=0.1%:stop", Measure::errors, 0.1, WatchAction::stop},
      {"lock_wait=500ms", Measure::lock_wait, 0.5, {}},
      {"replica_lag=2min:warn", Measure::replica_lag, 120, WatchAction::warn},
      {"disk_free=10GB:stop", Measure::disk_free, 10240.0 * mebi, WatchAction::stop},
      {"checkpoints=1.5:slow", Measure::checkpoints, 1.5, WatchAction::slow},
      {"session_wait=5min:stop", Measure::session_wait, 300, WatchAction::stop},
      {"wal_waiting=10GB:slow", Measure::wal_waiting, 10240.0 * mebi, WatchAction::slow},
      {"cpu=off", Measure::cpu, {}, WatchAction::off},
      {"memory=warn", Measure::memory, {}, WatchAction::warn},
  };
  for (const Case& each : cases) {
    const auto setting = parse_threshold(each.text);
    ASSERT_TRUE(setting) << each.text << ": " << setting.error().message;
    EXPECT_EQ(setting->measure, each.measure) << each.text;
    EXPECT_EQ(setting->limit, each.limit) << each.text;
    EXPECT_EQ(setting->action, each.action) << each.text;
  }
}

TEST(Threshold, RefusesAllElse) {
  for (const char* text :
       {"", "cpu", "cpu:slow", "disk=1GB", "cpu=101%", "cpu=-1%", "cpu=80%:halt", "cpu=80GB",
        "lock_wait=5parsecs", "replica_lag=0s", "disk_free=10%", "checkpoints=2s", "errors=x"}) {
    const auto setting = parse_threshold(text);
    ASSERT_FALSE(setting) << text;
    EXPECT_EQ(setting.error().code, "usage") << text;
  }
}

TEST(ClockTime, IsTheNextOneAfterNow) {
  const auto at = [](int day, int hour, int minute, int second) {
    std::tm local{};
    local.tm_year = 126;
    local.tm_mon = 10;
    local.tm_mday = day;
    local.tm_hour = hour;
    local.tm_min = minute;
    local.tm_sec = second;
    local.tm_isdst = -1;
    return std::chrono::system_clock::from_time_t(std::mktime(&local));
  };
  const auto now = at(21, 22, 0, 0);
  EXPECT_EQ(*parse_clock_time("04:00", now), at(22, 4, 0, 0));
  EXPECT_EQ(*parse_clock_time("23:30:15", now), at(21, 23, 30, 15));
  EXPECT_EQ(*parse_clock_time("22:00", now), at(22, 22, 0, 0));
  EXPECT_EQ(*parse_clock_time("22:00", now - seconds(1)), now);
  EXPECT_EQ(*parse_clock_time("00:00", at(30, 23, 59, 0)), at(31, 0, 0, 0));
  for (const char* text : {"", "4:00", "24:00", "04:60", "04", "04:00:", "04:00:00:00", "0400",
                           "04:0x", "04:00 ", "tomorrow"}) {
    EXPECT_FALSE(parse_clock_time(text, now)) << text;
  }
}

constexpr std::array<std::string_view, 6> names = {"--table",      "--target", "--key",
                                                   "--partitions", "--map",    "--memory"};

TEST(NearestName, FindsSlipsOfTheKeyboard) {
  EXPECT_EQ(nearest_name("--tabel", names), "--table");
  EXPECT_EQ(nearest_name("--tble", names), "--table");
  EXPECT_EQ(nearest_name("--tablee", names), "--table");
  EXPECT_EQ(nearest_name("-table", names), "--table");
  EXPECT_EQ(nearest_name("table", names), "--table");
  EXPECT_EQ(nearest_name("--partition", names), "--partitions");
  EXPECT_EQ(nearest_name("--memroy", names), "--memory");
}

TEST(NearestName, FindsAbbreviations) {
  EXPECT_EQ(nearest_name("--part", names), "--partitions");
  EXPECT_EQ(nearest_name("--mem", names), "--memory");
}

TEST(NearestName, GuessesNothingFarAway) {
  EXPECT_EQ(nearest_name("--frobnicate", names), "");
  EXPECT_EQ(nearest_name("x", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name(std::string(1000, 't'), names), "");
}

}  // namespace
}  // namespace pgfanout
