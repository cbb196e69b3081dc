#include "copier/verify/verify_sides.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(VerifySides, LocksKeepOutWhatTheSnapshotsDoNotHide) {
  constexpr TableLock kNone = TableLock::none;
  constexpr TableLock kRewrites = TableLock::against_rewrites;
  constexpr TableLock kWrites = TableLock::against_writes;
  struct Case {
    bool is_same_database, assume_quiet, is_repair;
    SideLocks locks;
  };
  for (const Case& each :
       {Case{true, false, false, {kRewrites, kRewrites}},
        Case{true, true, false, {kRewrites, kRewrites}},
        Case{false, false, false, {kWrites, kWrites}}, Case{false, true, false, {kNone, kNone}},
        Case{true, false, true, {kWrites, kRewrites}},
        Case{false, false, true, {kWrites, kRewrites}}}) {
    EXPECT_EQ(locks_for(each.is_same_database, each.assume_quiet, each.is_repair), each.locks)
        << each.is_same_database << each.assume_quiet << each.is_repair;
  }
}

}  // namespace
}  // namespace pgfanout
