// More rounds of verify_planted_test.cc: more rows, other rows for each fault, more random tables.
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/planted_fixture.h"

namespace pgfanout {
namespace {

using testing::PlantedShape;
using testing::RandomTable;

class VerifyPlantedLongTest : public testing::PlantedFixture {
 protected:
  static constexpr int kRows = 2000;
  static constexpr int kRowsAFault = 8;

  /// In a database of its own each.
  template <class Make>
  void plant_in_rounds(Make make) {
    for (unsigned seed = 1; seed <= 3; ++seed) {
      database = server().create_database("planted");
      plant_and_find(make(kRows), kRowsAFault, seed);
    }
  }
};

TEST_F(VerifyPlantedLongTest, HashLeavesAgainstListLeaves) {
  plant_in_rounds([this](int rows) { return make_copied(rows); });
}

TEST_F(VerifyPlantedLongTest, TextAsPrimaryKey) {
  plant_in_rounds([this](int rows) { return make_with_text_as_key(rows); });
}

TEST_F(VerifyPlantedLongTest, TableWithoutKeyAndWithEqualRows) {
  plant_in_rounds([this](int rows) { return make_without_key(rows); });
}

TEST_F(VerifyPlantedLongTest, PlainTableAgainstOtherColumnOrderAndTypes) {
  plant_in_rounds([this](int rows) { return make_with_other_types(rows); });
}

TEST_F(VerifyPlantedLongTest, PartitionedTableAgainstPlainOne) {
  plant_in_rounds([this](int rows) { return make_with_plain_target(rows); });
}

TEST_F(VerifyPlantedLongTest, RightCopiesOfRandomTablesRaiseNoAlarm) {
  execute(RandomTable::kTypesOfItsOwn);
  for (unsigned seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    expect_no_alarm(RandomTable(seed), seed % 4 == 0 ? "--full" : "--data");
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace pgfanout
