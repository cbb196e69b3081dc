#include "copier/layout/bound_name.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(BoundNameTest, RangesOfTimeHaveTheirDate) {
  EXPECT_EQ(bound_name("FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')"), "2025-01");
  EXPECT_EQ(bound_name("FOR VALUES FROM ('2024-12-01 00:00:00+00') TO ('2025-01-01 00:00:00+00')"),
            "2024-12");
  EXPECT_EQ(bound_name("FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"), "2025");
  EXPECT_EQ(bound_name("FOR VALUES FROM ('2024-02-28') TO ('2024-02-29')"), "2024-02-28");
}

TEST(BoundNameTest, OtherRangesHaveBothBounds) {
  EXPECT_EQ(bound_name("FOR VALUES FROM ('2025-01-01') TO ('2025-01-08')"),
            "'2025-01-01' to '2025-01-08'");
  EXPECT_EQ(bound_name("FOR VALUES FROM ('2025-01-01 06:00:00') TO ('2025-02-01 06:00:00')"),
            "'2025-01-01 06:00:00' to '2025-02-01 06:00:00'");
  EXPECT_EQ(bound_name("FOR VALUES FROM ('0044-01-01 BC') TO ('0044-02-01 BC')"),
            "'0044-01-01 BC' to '0044-02-01 BC'");
  EXPECT_EQ(bound_name("FOR VALUES FROM (MINVALUE) TO ('1000')"), "MINVALUE to '1000'");
  EXPECT_EQ(bound_name("FOR VALUES FROM (1, MINVALUE) TO (5, 'x)')"), "1, MINVALUE to 5, 'x)'");
}

TEST(BoundNameTest, HashListAndDefault) {
  EXPECT_EQ(bound_name("FOR VALUES WITH (modulus 64, remainder 7)"), "remainder 7 of 64");
  EXPECT_EQ(bound_name("FOR VALUES WITH (MODULUS 4, REMAINDER 0)"), "remainder 0 of 4");
  EXPECT_EQ(bound_name("FOR VALUES IN ('eu', 'us', NULL)"), "'eu', 'us', NULL");
  EXPECT_EQ(bound_name("FOR VALUES IN ('(''x')"), "'(''x'");
  EXPECT_EQ(bound_name("DEFAULT"), "default");
  EXPECT_EQ(bound_name(""), "");
}

TEST(BoundNameTest, LongListsAreCutBetweenCharacters) {
  const std::string name = bound_name("FOR VALUES IN ('" + std::string(38, 'x') + "\xC3\xA4')");
  EXPECT_EQ(name, "'" + std::string(38, 'x') + "...");
}

}  // namespace
}  // namespace pgfanout
