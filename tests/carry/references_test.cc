// The SQL that finds rows without a parent. Servers run it in tests/integration/references_test.cc.
#include "copier/carry/references.h"

#include <gmock/gmock.h>

namespace pgfanout {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

CarriedReference reference_of(std::size_t columns) {
  CarriedReference reference;
  reference.name = "k";
  reference.table = "public.p";
  for (std::size_t at = 0; at < columns; ++at) {
    const std::string number = std::to_string(at);
    reference.pairs.push_back(
        {"s" + number, "t" + number, "p" + number, "OPERATOR(pg_catalog.=)", "", false, false});
  }
  return reference;
}

ReferringRows rows_with(std::vector<std::string> keys) {
  ReferringRows rows;
  rows.from = "public.t";
  rows.keys = std::move(keys);
  return rows;
}

TEST(ReferencesTest, AKeyThatIsNullInPartRefersToNothingUnlessItIsFull) {
  CarriedReference reference = reference_of(2);
  const ReferringRows rows = rows_with({"s0", "s1"});
  EXPECT_THAT(orphans_sql(reference, rows, false),
              HasSubstr("WHERE r.k0 IS NOT NULL AND r.k1 IS NOT NULL AND NOT EXISTS (SELECT FROM "
                        "ONLY public.p AS o WHERE o.p0 OPERATOR(pg_catalog.=) r.k0 AND o.p1 "
                        "OPERATOR(pg_catalog.=) r.k1)"));
  EXPECT_THAT(orphans_sql(reference, rows, false), Not(HasSubstr(" OR ")));
  reference.is_full = true;
  EXPECT_THAT(orphans_sql(reference, rows, false),
              HasSubstr("OR (r.k0 IS NOT NULL OR r.k1 IS NOT NULL) AND NOT (r.k0 IS NOT NULL AND "
                        "r.k1 IS NOT NULL)"));
  // A key that is NULL in part has no parent to insert.
  EXPECT_THAT(insert_parents_sql(reference, rows),
              HasSubstr("WHERE r.k0 IS NOT NULL AND r.k1 IS NOT NULL AND ("));
}

TEST(ReferencesTest, AParentMayBePartitionedOrTheTableItself) {
  CarriedReference reference = reference_of(1);
  reference.is_partitioned = true;
  EXPECT_THAT(orphans_sql(reference, rows_with({"s0"}), false),
              HasSubstr("(SELECT FROM public.p AS o"));
  ReferringRows rows = rows_with({"s0"});
  rows.parents = "(SELECT id AS c0 FROM public.t)";
  rows.parent_keys = {"c0"};
  EXPECT_THAT(orphans_sql(reference, rows, false),
              HasSubstr("FROM (SELECT id AS c0 FROM public.t) AS o WHERE o.c0 "));
}

TEST(ReferencesTest, OnlyASampleCountsItsRows) {
  const CarriedReference reference = reference_of(1);
  const ReferringRows rows = rows_with({"s0"});
  EXPECT_THAT(orphans_sql(reference, rows, true), HasSubstr("(SELECT pg_catalog.count(*) FROM r)"));
  EXPECT_THAT(orphans_sql(reference, rows, false), HasSubstr("SELECT 0::int8, "));
}

}  // namespace
}  // namespace pgfanout
