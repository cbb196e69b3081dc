// Crossing out equal rows of two sides, copy by copy, against a naive twin.
#include "copier/stage/compare.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

#include "copier/base/lists.h"

namespace pgfanout {
namespace {

CollectedRow row_of(std::uint64_t identity, std::uint64_t digest, std::uint64_t place) {
  return {{{identity, 0}, {digest, 1}}, {0, place}};
}

TEST(SurplusOf, LeavesNothingOfEqualSides) {
  std::vector<CollectedRow> rows = {row_of(1, 1, 0), row_of(1, 1, 1), row_of(2, 5, 2)};
  std::vector<CollectedRow> shuffled = {row_of(2, 5, 7), row_of(1, 1, 8), row_of(1, 1, 9)};
  const CollectedSides surplus = surplus_of({rows, shuffled});
  EXPECT_TRUE(surplus.source.empty());
  EXPECT_TRUE(surplus.target.empty());
}

TEST(SurplusOf, CountsCopies) {
  const CollectedSides surplus =
      surplus_of({{row_of(1, 1, 0)}, {row_of(1, 1, 0), row_of(1, 1, 1), row_of(1, 1, 2)}});
  EXPECT_TRUE(surplus.source.empty());
  EXPECT_EQ(surplus.target.size(), 2U);
}

TEST(SurplusOf, AgreesWithTheNaiveTwin) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 200; ++trial) {
    CollectedSides sides;
    std::map<std::pair<std::uint64_t, std::uint64_t>, int> balance;
    for (int at = 0; at < 40; ++at) {
      const std::uint64_t identity = random() % 5;
      const std::uint64_t digest = random() % 3;
      const bool is_source = random() % 2 == 0;
      (is_source ? sides.source : sides.target).push_back(row_of(identity, digest, 0));
      balance[{identity, digest}] += is_source ? 1 : -1;
    }
    const CollectedSides surplus = surplus_of(sides);
    std::map<std::pair<std::uint64_t, std::uint64_t>, int> found;
    for (const auto& row : surplus.source) ++found[{row.name.identity.low, row.name.digest.low}];
    for (const auto& row : surplus.target) --found[{row.name.identity.low, row.name.digest.low}];
    std::erase_if(balance, [](const auto& entry) { return entry.second == 0; });
    EXPECT_EQ(found, balance);
  }
}

TEST(SurplusOf, LeavesCopiesWhosePlacesAreForgotten) {
  CollectedRow many = row_of(1, 1, 0);
  many.copies = 1'000'000;
  CollectedRow few = row_of(1, 1, 5);
  few.copies = 10;
  // Of a million and two rows the target has ten: what is left is named as far as places are known.
  const CollectedSides surplus =
      surplus_of({{row_of(1, 1, 1), many, row_of(1, 1, 2), row_of(2, 2, 3)}, {few}});
  EXPECT_TRUE(surplus.target.empty());
  EXPECT_EQ(sum_of(surplus.source, &CollectedRow::copies), 1'000'002U - 10U + 1U);
  ASSERT_EQ(surplus.source.size(), 4U);
  EXPECT_EQ(surplus.source[0].copies, 999'990U);
  const CollectedSides none = surplus_of({{many}, {many}});
  EXPECT_TRUE(none.source.empty() && none.target.empty());
}

TEST(SurplusOf, OfCopiesTheMisplacedAreLeft) {
  CollectedRow misplaced = row_of(1, 1, 7);
  misplaced.is_misplaced = true;
  CollectedRow many = row_of(1, 1, 0);
  many.copies = 5;
  const CollectedSides surplus = surplus_of({{many}, {misplaced, many}});
  ASSERT_EQ(surplus.target.size(), 1U);
  EXPECT_TRUE(surplus.target[0].is_misplaced);
}

TEST(RowNameOf, IsTheRowItselfWithoutIdentity) {
  const RowDigest digest{3, 4};
  EXPECT_EQ(row_name(IdentityKind::row, {}, digest).identity, digest);
  const std::string identity = "abcdefgh";
  EXPECT_EQ(row_name(IdentityKind::fixed, as_bytes(identity), digest).identity,
            row_digest(as_bytes(identity)));
}

}  // namespace
}  // namespace pgfanout
