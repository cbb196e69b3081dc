// Times of queries from an earlier JSON document.
#include "copier/cli/query_baseline.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(QueryBaseline, HasTheTimesOfTheOldTable) {
  const auto baseline = parse_query_baseline(R"({"queries": [
    {"name": "a", "source": {"p50_ms": 1, "p95_ms": 2.5, "p99_ms": 3},
     "target": {"p50_ms": 7, "p95_ms": 8, "p99_ms": 9}},
    {"name": "alone", "target": {"p50_ms": 7, "p95_ms": 8, "p99_ms": 9}},
    {"name": "planned", "source": {"leaves": 4}}, {"name": "late"}],
    "query_load": {"source": {"seconds": 0.5, "cpu_percent": 40.5}}})");
  ASSERT_TRUE(baseline);
  ASSERT_EQ(baseline->times.size(), 2U);
  EXPECT_EQ(baseline->times.at("a").p95, 2.5);
  EXPECT_EQ(baseline->times.at("alone").p99, 9);
  ASSERT_TRUE(baseline->load);
  EXPECT_EQ(baseline->load->cpu_percent, 40.5);
  EXPECT_FALSE(baseline->load->memory_percent);
}

TEST(QueryBaseline, RefusesWhatHoldsNone) {
  for (const char* text : {"", "[]", "7", "{}", "{\"queries\": 1}", "{\"queries\": []}",
                           "{\"queries\": [{\"name\": \"a\"}]}"}) {
    const auto baseline = parse_query_baseline(text);
    ASSERT_FALSE(baseline) << text;
    EXPECT_EQ(baseline.error().code, "usage");
  }
  EXPECT_FALSE(read_query_baseline("/no/such/file"));
}

}  // namespace
}  // namespace pgfanout
