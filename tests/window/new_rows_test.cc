// Whether what still differs after new rows were applied is what their mapping explains.
#include "copier/window/new_rows.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

FoundDifference difference_of(const std::string& kind, const std::string& old_place,
                              const std::string& new_place) {
  FoundDifference difference;
  difference.named.kind = kind;
  if (!old_place.empty()) difference.source = FetchedRow{{0, old_place}, {}, {}, {}, false};
  if (!new_place.empty()) difference.target = FetchedRow{{1, new_place}, {}, {}, {}, false};
  return difference;
}

FoundDifferences found_of(const std::vector<FoundDifference>& rows) {
  FoundDifferences found;
  found.rows = rows;
  for (const FoundDifference& row : rows) {
    found.counts.missing += row.named.kind == "missing" ? 1U : 0U;
    found.counts.extra += row.named.kind == "extra" ? 1U : 0U;
    found.counts.changed += row.named.kind == "changed" ? 1U : 0U;
    found.counts.misplaced += row.named.kind == "misplaced" ? 1U : 0U;
  }
  return found;
}

TEST(NewRowsTest, OnlyAppliedRowsMayDifferAfterwards) {
  const FoundDifference inserted = difference_of("extra", "", "(0,1)");
  const FoundDifference updated = difference_of("changed", "(0,2)", "(0,3)");
  const FoundDifference deleted = difference_of("missing", "(0,4)", "");
  const auto places = live_places(found_of({inserted, updated, deleted}));
  EXPECT_EQ(places.size(), 2U);
  const FoundDifference as_inserted = difference_of("missing", "(0,9)", "");
  EXPECT_TRUE(only_applied_differ(places, found_of({})));
  EXPECT_TRUE(only_applied_differ(places, found_of({inserted, as_inserted, updated})));
  EXPECT_FALSE(only_applied_differ(places, found_of({inserted}))) << "its counterpart is lost";
  EXPECT_FALSE(only_applied_differ(places, found_of({deleted}))) << "it was to be deleted";
  EXPECT_FALSE(only_applied_differ(places, found_of({difference_of("changed", "(0,2)", "(7,7)")})));
  FoundDifferences unnamed = found_of({inserted, as_inserted});
  unnamed.rows.pop_back();
  EXPECT_FALSE(only_applied_differ(places, unnamed));
}

TEST(NewRowsTest, WithoutAMappingOnlyAWrongKeyMayRemain) {
  EXPECT_TRUE(only_applied_differ({}, found_of({difference_of("misplaced", "", "(0,1)")})));
  EXPECT_FALSE(only_applied_differ(
      {}, found_of({difference_of("extra", "", "(0,1)"), difference_of("missing", "(0,1)", "")})));
  EXPECT_FALSE(only_applied_differ({}, found_of({difference_of("changed", "(0,1)", "(0,1)")})));
}

TEST(NewRowsTest, OutcomeInWords) {
  Differences differences;
  differences.extra = 5;
  differences.changed = 3;
  differences.missing = 2;
  EXPECT_EQ(text_of(outcome_of(differences, "kept")), "5 inserted, 3 updated, 2 deleted");
}

}  // namespace
}  // namespace pgfanout
