// The writer of the output log, held against its reader: what one writes, the other reads.

#include "keeper/output_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "executor/log_reader.h"

namespace nacre::keeper {
namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0) {
      reader.reset(ends[0]);
      writer.reset(ends[1]);
    }
  }
  void Write(const std::string& bytes) {
    ASSERT_EQ(write(writer.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  UniqueFd reader, writer;
};

class OutputLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    arena_ = *Arena::Create(2);
    rings_ = *SharedRings::Map(arena_->front_output_fd(), arena_->front_input_fd());
    slot_ = static_cast<uint32_t>(arena_->Take());
  }

  LogView View(size_t ring_bytes) const { return LogView::OfSlot(*rings_, slot_, ring_bytes); }

  static std::string Text(const LogReader::Chunk& chunk) {
    return std::string(chunk.first) + std::string(chunk.second);
  }

  std::unique_ptr<Arena> arena_;
  std::unique_ptr<SharedRings> rings_;
  uint32_t slot_ = 0;
  Pipe pipes_[kStreams];
};

TEST_F(OutputLogTest, BytesComeBackInOrderOfArrivalWithTheirStreamsAndPositions) {
  OutputLog log(*arena_, slot_, kDefaultRingBytes);
  LogReader reader(View(kDefaultRingBytes));
  EXPECT_FALSE(reader.Next(100).has_value());
  pipes_[kStdout].Write("one");
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 100), OutputLog::Pull::kLastData);
  pipes_[kStderr].Write("two");
  EXPECT_EQ(log.PullFrom(pipes_[kStderr].reader.get(), kStderr, 100), OutputLog::Pull::kLastData);
  pipes_[kStdout].Write("three");
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 100), OutputLog::Pull::kLastData);
  auto chunk = reader.Next(100);
  EXPECT_EQ(Text(*chunk), "one");
  EXPECT_EQ(chunk->stream, kStdout);
  chunk = reader.Next(2);
  EXPECT_EQ(Text(*chunk), "tw");
  EXPECT_EQ(chunk->stream, kStderr);
  EXPECT_EQ(chunk->position, 3u);
  EXPECT_EQ(Text(*reader.Next(100)), "o");
  chunk = reader.Next(100);
  EXPECT_EQ(Text(*chunk), "three");
  EXPECT_EQ(chunk->position, 6u);
  EXPECT_EQ(reader.position(), 11u);
}

TEST_F(OutputLogTest, AReaderSeesAnEntryThatGrowsAfterItWasUsedUp) {
  OutputLog log(*arena_, slot_, kDefaultRingBytes);
  LogReader reader(View(kDefaultRingBytes));
  pipes_[kStdout].Write("a");
  log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 100);
  EXPECT_EQ(Text(*reader.Next(100)), "a");
  EXPECT_FALSE(reader.Next(100).has_value());
  pipes_[kStdout].Write("b");
  log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 100);
  pipes_[kStderr].Write("c");
  log.PullFrom(pipes_[kStderr].reader.get(), kStderr, 100);
  EXPECT_EQ(Text(*reader.Next(100)), "b");
  EXPECT_EQ(Text(*reader.Next(100)), "c");
}

TEST_F(OutputLogTest, AFullRingTakesNothingUntilReleased) {
  constexpr size_t kRing = 4096;
  OutputLog log(*arena_, slot_, kRing);
  LogReader reader(View(kRing));
  pipes_[kStdout].Write(std::string(kRing, 'x') + "tail");
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 10 * kRing),
            OutputLog::Pull::kData);
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, kRing), OutputLog::Pull::kFull);
  // The other stream has a ring of its own.
  pipes_[kStderr].Write("err");
  EXPECT_EQ(log.PullFrom(pipes_[kStderr].reader.get(), kStderr, kRing), OutputLog::Pull::kLastData);
  EXPECT_EQ(reader.Next(kRing)->size(), kRing);
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, kRing), OutputLog::Pull::kFull);
  log.Release(2);
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, kRing), OutputLog::Pull::kData);
  EXPECT_EQ(Text(*reader.Next(kRing)), "err");
  EXPECT_EQ(Text(*reader.Next(kRing)), "ta");
}

TEST_F(OutputLogTest, AFullOrderIndexCountsAsAFullRing) {
  OutputLog log(*arena_, slot_, kDefaultRingBytes);
  for (size_t i = 0; i < kOrderEntries; ++i) {
    const uint32_t stream = i % 2;
    pipes_[stream].Write("x");
    ASSERT_EQ(log.PullFrom(pipes_[stream].reader.get(), stream, 10), OutputLog::Pull::kLastData);
  }
  pipes_[kStdout].Write("x");
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 10), OutputLog::Pull::kFull);
  // The last entry is standard error's and may still grow.
  EXPECT_TRUE(log.HasRoom(kStderr));
  log.Release(1);
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 10), OutputLog::Pull::kData);
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 10), OutputLog::Pull::kEmpty);
}

TEST_F(OutputLogTest, AReaderGoesOnWhenThePlacesOfTheEntriesItHasReadAreTakenByOthers) {
  OutputLog log(*arena_, slot_, kDefaultRingBytes);
  LogReader reader(View(kDefaultRingBytes));
  std::string expected;
  const auto write = [&](size_t entries) {
    for (size_t i = 0; i < entries; ++i) {
      const uint32_t stream = i % 2;
      pipes_[stream].Write("x");
      log.PullFrom(pipes_[stream].reader.get(), stream, 10);
    }
  };
  write(2);
  while (reader.Next(10).has_value()) {
  }
  log.Release(reader.position());
  // As many entries as there is place for beside the reader's last.
  write(kOrderEntries - 1);
  for (size_t i = 0; i < kOrderEntries - 1; ++i) {
    const auto chunk = reader.Next(10);
    ASSERT_TRUE(chunk.has_value());
    EXPECT_EQ(chunk->size(), 1u);
    EXPECT_EQ(chunk->stream, i % 2);
  }
  EXPECT_FALSE(reader.Next(10).has_value());
}

TEST_F(OutputLogTest, ReleaseIsClampedToTheTotalAndNeverGoesBack) {
  OutputLog log(*arena_, slot_, 4096);
  pipes_[kStdout].Write("abc");
  log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 10);
  log.Release(~uint64_t{0} >> 1);
  log.Release(1);
  pipes_[kStdout].Write(std::string(4096, 'x'));
  EXPECT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 10'000), OutputLog::Pull::kData);
  EXPECT_EQ(log.total(), 3u + 4096);
}

TEST_F(OutputLogTest, ALogThatKeepsTheNewestNeverFills) {
  OutputLog log(*arena_, slot_, 4096);
  log.KeepNewest(true);
  for (int i = 0; i < 100; ++i) {
    pipes_[kStdout].Write(std::string(4096, 'x'));
    ASSERT_EQ(log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 4096), OutputLog::Pull::kData);
  }
  EXPECT_EQ(log.bytes(kStdout), 100u * 4096);
}

TEST_F(OutputLogTest, AReaderMayStartAtAnyPositionThatIsNotReleased) {
  OutputLog log(*arena_, slot_, 4096);
  std::string all;
  for (uint32_t i = 0; i < 100; ++i) {
    const std::string bytes = std::to_string(i * 7919) + ";";
    pipes_[i % 3 % 2].Write(bytes);
    log.PullFrom(pipes_[i % 3 % 2].reader.get(), i % 3 % 2, bytes.size());
    all += bytes;
  }
  for (uint64_t from = 0; from <= all.size(); ++from) {
    log.Release(from);
    EXPECT_EQ(log.released(), from);
    LogReader reader(View(4096), from);
    std::string heard;
    while (const auto chunk = reader.Next(7)) heard += Text(*chunk);
    EXPECT_EQ(heard, all.substr(from));
  }
}

TEST_F(OutputLogTest, WhatWasReleasedStaysForALaterReaderUntilItsPlaceIsNeeded) {
  OutputLog log(*arena_, slot_, 4096);
  std::string all;
  const auto write = [&](uint32_t stream, const std::string& bytes) {
    pipes_[stream].Write(bytes);
    log.PullFrom(pipes_[stream].reader.get(), stream, bytes.size());
    log.Release(log.total());
    all += bytes;
  };
  for (uint32_t i = 0; i < 100; ++i) write(i % 2, std::to_string(i) + ";");
  for (uint64_t from = 0; from <= all.size(); ++from) {
    LogReader reader(View(4096), from);
    EXPECT_FALSE(reader.SkipLost());
    std::string heard;
    while (const auto chunk = reader.Next(7)) {
      heard += Text(*chunk);
      EXPECT_TRUE(reader.Whole(*chunk));
    }
    EXPECT_EQ(heard, all.substr(from));
  }
}

TEST_F(OutputLogTest, AReaderOfBytesThatWereOverwrittenIsToldAndGoesOnWithTheOldestKept) {
  OutputLog log(*arena_, slot_, 4096);
  log.KeepNewest(true);
  std::string all;
  uint32_t stream = 0;
  const auto write = [&](size_t count) {
    for (size_t i = 0; i < count; ++i, stream = 1 - stream) {
      const std::string bytes(97 + i % 50, static_cast<char>('a' + all.size() % 26));
      pipes_[stream].Write(bytes);
      ASSERT_EQ(log.PullFrom(pipes_[stream].reader.get(), stream, bytes.size()),
                OutputLog::Pull::kData);
      all += bytes;
    }
  };
  write(20);
  LogReader reader(View(4096), 5);
  const auto chunk = reader.Next(3);
  EXPECT_TRUE(reader.Whole(*chunk));
  write(200);
  EXPECT_FALSE(reader.Whole(*chunk));
  ASSERT_TRUE(reader.SkipLost());
  const uint64_t kept = reader.position();
  EXPECT_EQ(kept, reader.kept());
  EXPECT_GE(all.size() - kept, 4096u);  // at least one ring's worth
  std::string heard;
  while (const auto next = reader.Next(1000)) heard += Text(*next);
  EXPECT_EQ(heard, all.substr(kept));
}

TEST_F(OutputLogTest, AReaderThatDoesNotAskWhatWasLostStaysInsideTheRing) {
  OutputLog log(*arena_, slot_, 4096);
  log.KeepNewest(true);
  for (int i = 0; i < 20; ++i) {
    pipes_[kStdout].Write(std::string(4096, 'x'));
    log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 4096);
  }
  LogReader reader(View(4096), 5);
  const auto chunk = reader.Next(~size_t{0});
  EXPECT_EQ(chunk->size(), 4096u);
  EXPECT_FALSE(reader.Whole(*chunk));
}

TEST_F(OutputLogTest, ManyPiecesCrowdOutTheOldestWhenTheIndexIsFull) {
  OutputLog log(*arena_, slot_, kDefaultRingBytes);
  std::string all;
  for (size_t i = 0; i < 2 * kOrderEntries; ++i) {
    const uint32_t stream = i % 2;
    const std::string byte(1, static_cast<char>('a' + i % 26));
    pipes_[stream].Write(byte);
    log.PullFrom(pipes_[stream].reader.get(), stream, 10);
    log.Release(log.total());
    all += byte;
  }
  LogReader reader(View(kDefaultRingBytes));
  ASSERT_TRUE(reader.SkipLost());
  EXPECT_EQ(reader.position(), all.size() - kOrderEntries);
  std::string heard;
  while (const auto chunk = reader.Next(1000)) heard += Text(*chunk);
  EXPECT_EQ(heard, all.substr(all.size() - kOrderEntries));
}

TEST_F(OutputLogTest, TheEndTakesNothingOfWhatIsKept) {
  constexpr size_t kRing = 4096;
  OutputLog log(*arena_, slot_, kRing);
  pipes_[kStdout].Write(std::string(kRing, 'x') + "more");
  const int fd = pipes_[kStdout].reader.get();
  EXPECT_EQ(log.PullFrom(fd, kStdout, kRing), OutputLog::Pull::kData);
  log.Release(kRing);
  log.PullFrom(fd, kStdout, kRing);
  EXPECT_EQ(log.total(), kRing + 4);
  EXPECT_EQ(log.kept(), 4u);
  log.Release(log.total());
  EXPECT_EQ(log.PullFrom(fd, kStdout, kRing), OutputLog::Pull::kEmpty);
  pipes_[kStdout].writer.reset();
  EXPECT_EQ(log.PullFrom(fd, kStdout, kRing), OutputLog::Pull::kEnd);
  EXPECT_EQ(log.kept(), 4u);
}

TEST_F(OutputLogTest, OnceItNoLongerKeepsTheNewestALogWaitsForItsReaderAgain) {
  for (const uint64_t first : {0, 1, 2, 1000}) {
    const auto slot = static_cast<uint32_t>(arena_->Take());
    OutputLog log(*arena_, slot, kDefaultRingBytes);
    const auto write = [&](size_t i) {
      pipes_[i % 2].Write("x");
      return log.PullFrom(pipes_[i % 2].reader.get(), i % 2, 1);
    };
    size_t i = 0;
    for (; i < first; ++i) write(i);
    log.Release(first);  // at the end of the last entry, which the next one leaves behind
    log.KeepNewest(true);
    for (; i < first + kOrderEntries; ++i) EXPECT_EQ(write(i), OutputLog::Pull::kData);
    log.KeepNewest(false);
    EXPECT_EQ(write(i), OutputLog::Pull::kFull) << first;
    EXPECT_EQ(log.kept(), first);
    log.Release(first + 2);
    char byte;
    EXPECT_EQ(read(pipes_[i % 2].reader.get(), &byte, 1), 1);
    EXPECT_EQ(write(i), OutputLog::Pull::kData);
    arena_->Return(slot, 0);
  }
}

TEST_F(OutputLogTest, DigestsAreXxh3OfEachStream) {
  OutputLog log(*arena_, slot_, 4096);
  pipes_[kStdout].Write("hello");
  log.PullFrom(pipes_[kStdout].reader.get(), kStdout, 100);
  XXH128_canonical_t expected;
  XXH128_canonicalFromHash(&expected, XXH3_128bits("hello", 5));
  EXPECT_EQ(log.Digest(kStdout),
            std::string(reinterpret_cast<char*>(expected.digest), sizeof(expected.digest)));
  XXH128_canonicalFromHash(&expected, XXH3_128bits("", 0));
  EXPECT_EQ(log.Digest(kStderr),
            std::string(reinterpret_cast<char*>(expected.digest), sizeof(expected.digest)));
}

// A writer that pulls random pieces of two streams and a reader in another thread: every byte once,
// in order, with the ring wrapping all the time.
TEST_F(OutputLogTest, AConcurrentReaderGetsEveryByteOnceInOrder) {
  constexpr size_t kRing = 8192;
  constexpr uint64_t kBytes = 4'000'000;
  OutputLog log(*arena_, slot_, kRing);
  std::atomic<uint64_t> released{0};
  std::thread consumer([&] {
    LogReader reader(View(kRing));
    uint64_t counts[kStreams] = {};
    while (reader.position() < kBytes) {
      const auto chunk = reader.Next(5000);
      if (!chunk.has_value()) {
        std::this_thread::yield();
        continue;
      }
      for (const char byte : Text(*chunk)) {
        ASSERT_EQ(static_cast<uint8_t>(byte),
                  (counts[chunk->stream]++ * 31 + chunk->stream) & 0xff);
      }
      released.store(reader.position(), std::memory_order_release);
    }
  });
  std::mt19937 random(1);
  uint64_t written[kStreams] = {};
  while (log.total() < kBytes) {
    const uint32_t stream = random() % 2;
    std::string bytes(std::min<uint64_t>(1 + random() % 3000, kBytes - log.total()), '\0');
    for (char& byte : bytes) byte = static_cast<char>(written[stream]++ * 31 + stream);
    pipes_[stream].Write(bytes);
    for (size_t left = bytes.size(); left > 0;) {
      const uint64_t before = log.total();
      log.Release(released.load(std::memory_order_acquire));
      log.PullFrom(pipes_[stream].reader.get(), stream, left);
      left -= log.total() - before;
      if (log.total() == before) std::this_thread::yield();
    }
  }
  consumer.join();
}

// A writer that waits for nobody and a reader in another thread that is overtaken all the time:
// what it takes for whole is what was written.
TEST_F(OutputLogTest, AConcurrentReaderThatIsNotWaitedForNeverTakesOverwrittenBytesForItsOwn) {
  constexpr size_t kRing = 4096;
  constexpr uint64_t kBytes = 8'000'000;
  const auto byte_at = [](uint64_t position) {
    return static_cast<char>((position * 31) ^ (position >> 12));
  };
  OutputLog log(*arena_, slot_, kRing);
  log.KeepNewest(true);
  std::mt19937 random(1);
  const auto write_until = [&](uint64_t total) {
    while (log.total() < total) {
      const uint32_t stream = random() % 2;
      std::string bytes(std::min<uint64_t>(1 + random() % 500, total - log.total()), '\0');
      for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte_at(log.total() + i);
      pipes_[stream].Write(bytes);
      ASSERT_EQ(log.PullFrom(pipes_[stream].reader.get(), stream, bytes.size()),
                OutputLog::Pull::kData);
    }
  };
  write_until(5 * kRing);
  uint64_t whole = 0, lost = 0;
  std::thread viewer([&] {
    LogReader reader(View(kRing));
    while (reader.position() < kBytes) {
      if (reader.SkipLost()) ++lost;
      const auto chunk = reader.Next(1000);
      if (!chunk.has_value()) {
        std::this_thread::yield();
        continue;
      }
      const std::string copy = Text(*chunk);
      if (!reader.Whole(*chunk)) continue;
      ++whole;
      for (size_t i = 0; i < copy.size(); ++i) {
        ASSERT_EQ(copy[i], byte_at(chunk->position + i)) << chunk->position << " + " << i;
      }
    }
  });
  write_until(kBytes);
  viewer.join();
  EXPECT_GT(whole, 0u);
  EXPECT_GT(lost, 0u);
}

}  // namespace
}  // namespace nacre::keeper
