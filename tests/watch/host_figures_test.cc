// CPU and memory from the text of /proc.
#include "copier/watch/host_figures.h"

#include <gtest/gtest.h>

namespace pgfanout {
namespace {

TEST(HostFiguresTest, CpuBetweenTwoSamples) {
  CpuMeter meter;
  EXPECT_FALSE(meter.percent(cpu_ticks_of("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3")));
  // 60 of 100 ticks were work; waiting for a disk is none.
  const auto used = meter.percent(cpu_ticks_of("cpu  140 5 60 830 60 3 2 0 40 0\n"));
  ASSERT_TRUE(used);
  EXPECT_DOUBLE_EQ(*used, 60);
  EXPECT_FALSE(meter.percent(cpu_ticks_of("cpu  140 5 60 830 60 3 2 0 40 0\n")));
}

TEST(HostFiguresTest, TextThatIsNoneIsNotMeasured) {
  for (const char* text : {"", "cpu", "cpu0 1 2 3 4", "cpu  1 2 x", "intr 5"}) {
    EXPECT_FALSE(cpu_ticks_of(text)) << text;
  }
  for (const char* text : {"", "MemTotal: 5", "MemTotal: 0 kB\nMemAvailable: 0 kB",
                           "MemTotal: 5 kB\nMemAvailable: 6 kB"}) {
    EXPECT_FALSE(memory_used_of(text)) << text;
  }
}

TEST(HostFiguresTest, MemoryThatIsNotAvailable) {
  EXPECT_DOUBLE_EQ(
      *memory_used_of("MemTotal:   1000 kB\nMemFree:  10 kB\nMemAvailable:   250 kB\n"), 75);
}

TEST(HostFiguresTest, ThisHostHasThem) {
  EXPECT_TRUE(cpu_ticks_of(head_of_file("/proc/stat")));
  EXPECT_TRUE(memory_used_of(head_of_file("/proc/meminfo")));
  EXPECT_EQ(head_of_file("/proc/no-such-file"), "");
}

}  // namespace
}  // namespace pgfanout
