// Names that were meant.
#include "copier/cli/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace pgfanout {
namespace {

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
