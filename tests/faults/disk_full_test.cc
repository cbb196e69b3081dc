// The disk fills up in the middle of a copy: the one that holds the tables, and the one that holds
// the WAL, which takes the whole server down. Once there is room again, the copy resumes. The first
// round is always the same; PGFANOUT_FAULTS_ROUNDS asks for further ones, which are random.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/faults/fault_rig.h"
#include "tests/faults/small_disk.h"

namespace pgfanout::testing {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMegabyte = 1U << 20U;

bool has_hint(const CommandResult& result) {
  const auto document = nlohmann::json::parse(result.out, nullptr, false);
  if (!document.is_object()) return false;
  for (const auto& issue : document["issues"]) {
    if (issue["severity"] == "INFO" || issue["severity"] == "WARNING") continue;
    if (!issue.value("hint", "").empty()) return true;
  }
  return false;
}

CopyShape shape_for_disks(Round& round) {
  CopyShape shape = random_shape(round.random);
  if (round.number == 0) shape = {"500"};
  shape.two_databases = false;
  return shape;
}

/// Waits until the disk has little more than one segment of WAL on it.
void await_room(const fs::path& disk) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto used = [&] {
    const fs::space_info space = fs::space(disk);
    return space.capacity - space.available;
  };
  while (used() > 20 * kMegabyte && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_LE(used(), 20 * kMegabyte);
}

class DiskFullTest : public ::testing::Test {};

TEST_F(DiskFullTest, DiskOfTheTables) {
  SmallDisk disk(96 * kMegabyte);
  FaultBench bench(kFewRows);
  bench.server().execute("postgres",
                         "CREATE TABLESPACE small LOCATION '" + disk.make_folder("tables") + "'");
  bench.use_tablespace("small");
  // The space that a copy takes at least: its leaves. They are dropped with the database.
  Tally ignored;
  std::size_t need = 0;
  {
    FaultRig rig(bench, {}, ignored);
    const std::size_t before = disk.free_bytes();
    rig.finish();
    need = before - disk.free_bytes();
  }
  ASSERT_GT(need, kMegabyte);
  run_rounds(1, [&](Round& round) {
    auto& [number, random, tally] = round;
    FaultRig rig(bench, shape_for_disks(round), tally);
    for (int fault = number == 0 ? 0 : below(random, 2); fault >= 0 && !rig.is_complete();
         --fault) {
      const double part = number == 0 ? 0.7 : between(random, 0, 1);
      const auto room = static_cast<std::size_t>(part * static_cast<double>(need));
      disk.fill_but(room);
      const CommandResult result = rig.start().wait();
      disk.remove_ballast();
      ++tally.faults;
      // A server whose disk is full to the last byte does not even let anybody in.
      const bool is_let_in = result.out.find("\"cannot-connect\"") == std::string::npos;
      EXPECT_TRUE(number > 0 || is_let_in) << result;
      if (number == 0 || (result.exit_code != 0 && is_let_in)) {
        EXPECT_EQ(result.exit_code, 3) << result;
        EXPECT_NE(result.err.find("53100"), std::string::npos) << result;
        EXPECT_TRUE(has_hint(result)) << result;
      }
      rig.run_ended(result, "room for " + std::to_string(room) + " bytes");
      if (HasFailure()) return;
    }
    rig.finish();
  });
}

TEST_F(DiskFullTest, DiskOfTheWal) {
  SmallDisk disk(96 * kMegabyte);
  harness::ServerOptions options;
  options.durable = true;
  // No checkpoint comes by itself: past three quarters of a segment it would make the next one.
  options.settings = {"max_wal_size = 64MB", "checkpoint_timeout = 1h", "min_wal_size = 32MB",
                      "wal_recycle = off", "wal_init_zero = on"};
  FaultBench bench(kFewRows, options);
  TestServer& server = bench.server();
  server.stop();
  const fs::path wal = fs::path(server.data_directory()) / "pg_wal";
  const std::string there = disk.make_folder("wal");
  ASSERT_EQ(harness::run_command({"cp", "-a", wal.string() + "/.", there}).exit_code, 0);
  fs::remove_all(wal);
  fs::create_symlink(there, wal);
  server.start();
  run_rounds(1, [&](Round& round) {
    auto& [number, random, tally] = round;
    FaultRig rig(bench, shape_for_disks(round), tally);
    // The present segment has room for a part of what the copy writes; there will be no next one.
    server.execute("postgres", "CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT");
    const int filler = number == 0 ? 16'300'000 : 13'000'000 + below(random, 3'600'000);
    server.execute("postgres", "SELECT pg_logical_emit_message(false, 'filler', repeat('x', " +
                                   std::to_string(filler) + "))");
    // A segment that was removed keeps its room until the last process closes it.
    await_room(there);
    disk.fill_but(kMegabyte);
    const CommandResult result = rig.start().wait();
    disk.remove_ballast();
    // It has stopped, or come back by itself in the meantime.
    server.stop_immediately();
    server.start();
    ++tally.faults;
    const bool is_let_in = result.out.find("\"cannot-connect\"") == std::string::npos;
    // The restart of a server that went down makes room: the same call may then come to its end.
    const bool was_full = server.log().find("No space left on device") != std::string::npos;
    EXPECT_TRUE(number > 0 || was_full);
    EXPECT_TRUE(result.exit_code == 3 || result.exit_code == 0 || !is_let_in) << result;
    rig.run_ended(result, "WAL without room after " + std::to_string(filler) + " bytes");
    if (!HasFailure()) rig.finish();
  });
}

}  // namespace
}  // namespace pgfanout::testing
