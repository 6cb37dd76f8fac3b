#include "server/machine_load.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

constexpr char kMeminfo[] =
    "MemTotal:       16303412 kB\n"
    "MemFree:          123456 kB\n"
    "MemAvailable:    7654321 kB\n"
    "HugePages_Total:       0\n";

TEST(MachineLoad, MemoryIsReadByName) {
  EXPECT_EQ(MeminfoBytes(kMeminfo, "MemTotal"), 16303412ULL * 1024);
  EXPECT_EQ(MeminfoBytes(kMeminfo, "MemAvailable"), 7654321ULL * 1024);
}

TEST(MachineLoad, WhatIsNotThereIsZero) {
  EXPECT_EQ(MeminfoBytes(kMeminfo, "Mem"), 0U);
  EXPECT_EQ(MeminfoBytes(kMeminfo, "Available"), 0U);
  for (const char* text :
       {"", "\n", "MemAvailable", "MemAvailable:", "MemAvailable: kB\n", ":\n:"}) {
    EXPECT_EQ(MeminfoBytes(text, "MemAvailable"), 0U) << text;
  }
}

TEST(MachineLoad, ThisMachineHasProcessorsAndMemory) {
  v1::NodeLoad load;
  ReadMachineLoad(&load);
  EXPECT_GT(load.cpus(), 0U);
  EXPECT_GE(load.load_average_1m(), 0);
  EXPECT_GT(load.memory_bytes(), 1U << 20);
  EXPECT_GT(load.available_memory_bytes(), 0U);
  EXPECT_LE(load.available_memory_bytes(), load.memory_bytes());
}

}  // namespace
}  // namespace nacre
