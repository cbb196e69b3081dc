#include "copier/preflight/space_need.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kGB = 1'000'000'000;

ServerDisk one_volume(std::uint64_t free_bytes) {
  ServerDisk disk;
  disk.data = DiskRoom{"/data", 1, free_bytes};
  disk.wal = DiskRoom{"/data/pg_wal", 1, free_bytes};
  disk.data_path = "/data";
  return disk;
}

TEST(SpaceNeedTest, WalIsAsMuchAsWhatIsWritten) {
  const SpaceNeed need = space_need(10 * kGB, 5 * kGB, true, 2 * kGB);
  EXPECT_EQ(need.wal, 15 * kGB);
  EXPECT_EQ(need.wal_kept, 2 * kGB);
  EXPECT_EQ(space_need(kGB, 0, true, 2 * kGB).wal_kept, kGB);
  EXPECT_EQ(space_need(10 * kGB, 5 * kGB, false, 2 * kGB).wal, 0U);
}

TEST(SpaceNeedTest, OneVolumeForAll) {
  const SpaceNeed need = space_need(10 * kGB, 5 * kGB, true, 2 * kGB);
  const auto judged = [&](std::uint64_t free_bytes) {
    const auto issues = judge_space(need, one_volume(free_bytes), "here");
    EXPECT_EQ(issues.size(), 1U);
    return issues.front();
  };
  EXPECT_EQ(judged(17 * kGB - 1).code, "disk-full");
  EXPECT_EQ(judged(17 * kGB - 1).severity, Severity::error);
  EXPECT_EQ(judged(17 * kGB).code, "disk-tight");
  EXPECT_EQ(judged(17 * kGB).severity, Severity::warning);
  EXPECT_EQ(judged(30 * kGB - 1).code, "disk-tight");
  EXPECT_EQ(judged(30 * kGB).code, "disk");
  EXPECT_EQ(judged(30 * kGB).severity, Severity::info);
  EXPECT_EQ(judged(30 * kGB).message,
            "17.0 GB to 30.0 GB needed for the target (10.0 GB of rows, 5.0 GB of indexes) and "
            "15.0 GB of WAL; 30.0 GB are free at /data");
  EXPECT_TRUE(judged(30 * kGB).hint.empty());
}

TEST(SpaceNeedTest, WalOnItsOwnVolume) {
  ServerDisk disk = one_volume(20 * kGB);
  disk.wal = DiskRoom{"/wal", 2, kGB};
  const auto issues = judge_space(space_need(10 * kGB, 5 * kGB, true, 2 * kGB), disk, "here");
  ASSERT_EQ(issues.size(), 2U);
  EXPECT_EQ(issues[0].code, "disk");
  EXPECT_EQ(issues[1].code, "disk-full");
  EXPECT_THAT(issues[1].message, HasSubstr("/wal"));
}

TEST(SpaceNeedTest, WalThatCannotBeSeenIsTakenToBeThere) {
  ServerDisk disk = one_volume(20 * kGB);
  disk.wal.reset();
  const auto issues = judge_space(space_need(10 * kGB, 5 * kGB, true, 2 * kGB), disk, "here");
  ASSERT_EQ(issues.size(), 1U);
  EXPECT_EQ(issues[0].code, "disk-tight");
  EXPECT_THAT(issues[0].hint, HasSubstr("could not be looked at"));
}

TEST(SpaceNeedTest, NothingSeenIsSaid) {
  ServerDisk disk;
  disk.unseen = "the server is on another host";
  const auto issues = judge_space(space_need(kGB, kGB, true, 2 * kGB), disk, "here");
  ASSERT_EQ(issues.size(), 1U);
  EXPECT_EQ(issues[0].code, "disk-unseen");
  EXPECT_EQ(issues[0].severity, Severity::warning);
  EXPECT_THAT(issues[0].message, HasSubstr("2.0 GB needed"));
  EXPECT_THAT(issues[0].message, HasSubstr("another host"));
}

TEST(SpaceNeedTest, FoldersOfThisHost) {
  const auto room = read_disk_room("/");
  ASSERT_TRUE(room);
  EXPECT_GT(room->free_bytes, 0U);
  EXPECT_FALSE(read_disk_room("/no/such/folder"));
  EXPECT_FALSE(read_disk_room(""));
}

}  // namespace
}  // namespace pgfanout
