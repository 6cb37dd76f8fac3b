// Archived logs, held against their reader: what a session wrote is read from the archive's file.

#include "keeper/archive.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "executor/log_reader.h"
#include "keeper/arena.h"
#include "keeper/output_log.h"
#include "tests/support/temp_dir.h"

namespace nacre::keeper {
namespace {

constexpr size_t kRing = 4096;

v1::Adopted Record(uint64_t number) {
  v1::Adopted record;
  record.set_session(number);
  record.set_slot(7);
  record.set_ring_bytes(kRing);
  record.set_session_record("owner and all");
  record.set_state("state");
  record.mutable_terminated()->set_session(number);
  return record;
}

class ArchiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    arena_ = *Arena::Create(1);
    slot_ = static_cast<uint32_t>(arena_->Take());
    OpenArchive(Archive::kHeapBytes);
  }
  void OpenArchive(size_t heap_bytes) {
    archive_.reset();
    auto archive = Archive::Open(directory(), heap_bytes);
    ASSERT_TRUE(archive.ok()) << archive.status();
    archive_ = *std::move(archive);
  }
  std::string directory() const { return dir_.path() + "/ended"; }
  std::string PathOf(uint64_t number) const { return directory() + "/" + std::to_string(number); }

  // Writes to a log as a command does, and keeps what it wrote.
  struct Writer {
    explicit Writer(OutputLog& log) : log(log) { log.KeepNewest(true); }
    void Write(uint32_t stream, const std::string& bytes) {
      int ends[2];
      ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
      const UniqueFd reader(ends[0]), writer(ends[1]);
      ASSERT_EQ(write(writer.get(), bytes.data(), bytes.size()),
                static_cast<ssize_t>(bytes.size()));
      ASSERT_EQ(log.PullFrom(reader.get(), stream, bytes.size()), OutputLog::Pull::kData);
      for (const char byte : bytes) all.emplace_back(stream, byte);
    }
    OutputLog& log;
    std::vector<std::pair<uint32_t, char>> all;
  };

  absl::StatusOr<LogView> Open(uint64_t number) {
    v1::LogOpened opened;
    UniqueFd fd = archive_->OpenLog(number, &opened);
    EXPECT_EQ(opened.session(), number);
    EXPECT_EQ(fd.valid(), opened.lost().empty());
    if (!opened.lost().empty()) return absl::DataLossError(opened.lost());
    return LogView::Map(std::move(fd), opened.ring_bytes());
  }

  // Archives the log and reads it again from every position that is kept.
  void ExpectRoundTrip(const Writer& writer) {
    const uint64_t number = ++next_;
    archive_->Put(Record(number), MonotonicNs(), writer.log.Pieces());
    auto view = Open(number);
    ASSERT_TRUE(view.ok()) << view.status();
    EXPECT_EQ(view->header->total.load(), writer.all.size());
    ASSERT_EQ(LogReader(*view).kept(), writer.log.kept());
    for (uint64_t from = writer.log.kept(); from <= writer.all.size(); ++from) {
      LogReader reader(*view, from);
      uint64_t position = from;
      while (const auto chunk = reader.Next(1000)) {
        for (const std::string_view part : {chunk->first, chunk->second}) {
          for (const char byte : part) {
            ASSERT_EQ(std::pair(chunk->stream, byte), writer.all[position]) << position;
            ++position;
          }
        }
      }
      ASSERT_EQ(position, writer.all.size());
    }
  }

  TempDir dir_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Archive> archive_;
  uint32_t slot_ = 0;
  uint64_t next_ = 0;
};

TEST_F(ArchiveTest, AnEmptyLogComesBackEmpty) {
  OutputLog log(*arena_, slot_, kRing);
  ExpectRoundTrip(Writer(log));
}

TEST_F(ArchiveTest, OneStreamComesBackWhateverThePlaceWhereItsRingWraps) {
  for (const size_t bytes : {1, 3, 4095, 4096, 4097, 8192, 10'000}) {
    arena_->Return(slot_, 0);
    slot_ = static_cast<uint32_t>(arena_->Take());
    OutputLog log(*arena_, slot_, kRing);
    Writer writer(log);
    for (size_t i = 0; i < bytes; ++i) writer.Write(kStdout, std::string(1, 'a' + i % 23));
    EXPECT_EQ(log.kept(), bytes - std::min(bytes, kRing));
    ExpectRoundTrip(writer);
  }
}

TEST_F(ArchiveTest, TwoStreamsComeBackInOrderAfterTheirRingsHaveWrapped) {
  OutputLog log(*arena_, slot_, kRing);
  Writer writer(log);
  for (uint32_t i = 0; i < 200; ++i) {
    writer.Write(i % 3 % 2, std::string(1 + i % 97, static_cast<char>('a' + i % 26)));
    if (i % 20 == 0) ExpectRoundTrip(writer);
  }
  EXPECT_GT(log.kept(), 0u);
  ExpectRoundTrip(writer);
}

TEST_F(ArchiveTest, TwoStreamsComeBackInOrderAfterTheIndexHasWrapped) {
  OutputLog log(*arena_, slot_, kRing);
  Writer writer(log);
  for (uint32_t i = 0; i < kOrderEntries + 100; ++i) {
    writer.Write(i % 2, std::string(1, static_cast<char>('a' + i % 26)));
  }
  EXPECT_EQ(log.kept(), 100u);
  ExpectRoundTrip(writer);
}

TEST_F(ArchiveTest, WhatAFrontIsGivenCannotChange) {
  for (const size_t heap_bytes : {Archive::kHeapBytes, size_t{0}}) {
    OpenArchive(heap_bytes);
    OutputLog log(*arena_, slot_, kRing);
    archive_->Put(Record(1), MonotonicNs(), log.Pieces());
    v1::LogOpened opened;
    const UniqueFd fd = archive_->OpenLog(1, &opened);
    ASSERT_TRUE(fd.valid());
    EXPECT_LT(write(fd.get(), "x", 1), 0);
    EXPECT_NE(ftruncate(fd.get(), 0), 0);
    EXPECT_EQ(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0), MAP_FAILED);
  }
}

TEST_F(ArchiveTest, ARecordComesBackAsItWasWithTheTimeSinceTheEnd) {
  OutputLog log(*arena_, slot_, kRing);
  archive_->Put(Record(5), MonotonicNs() - 1'000'000'000, log.Pieces());
  archive_->Put(Record(3), MonotonicNs(), log.Pieces());
  uint64_t number = 0;
  v1::Adopted record;
  ASSERT_TRUE(archive_->DescribeNext(&number, &record));
  EXPECT_EQ(number, 3u);
  ASSERT_TRUE(archive_->DescribeNext(&number, &record));
  EXPECT_EQ(number, 5u);
  EXPECT_GE(record.ended_ago_ns(), 1'000'000'000u);
  EXPECT_LT(record.ended_ago_ns(), 100'000'000'000u);
  record.clear_ended_ago_ns();
  v1::Adopted expected = Record(5);
  expected.set_archived(true);
  expected.clear_slot();
  EXPECT_EQ(record.SerializeAsString(), expected.SerializeAsString());
  EXPECT_FALSE(archive_->DescribeNext(&number, &record));
}

TEST_F(ArchiveTest, LogsBeyondTheHeapsShareGoToFilesThatGoWithTheirSessions) {
  OutputLog log(*arena_, slot_, kRing);
  Writer writer(log);
  writer.Write(kStdout, "some output");
  const size_t size = PackedSize(log.Pieces());
  EXPECT_LT(size, 150u);
  OpenArchive(2 * size);
  for (int i = 0; i < 4; ++i) ExpectRoundTrip(writer);
  EXPECT_EQ(archive_->heap_bytes(), 2 * size);
  EXPECT_FALSE(std::filesystem::exists(PathOf(2)));
  struct stat info;
  ASSERT_EQ(stat(PathOf(3).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(info.st_size, static_cast<off_t>(kSlotBytes));
  EXPECT_LT(info.st_blocks * 512, 64 * 1024);
  ASSERT_EQ(stat(directory().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  EXPECT_TRUE(archive_->Forget(3));
  EXPECT_FALSE(archive_->Forget(3));
  EXPECT_FALSE(std::filesystem::exists(PathOf(3)));
  EXPECT_TRUE(absl::IsDataLoss(Open(3).status()));
  EXPECT_TRUE(std::filesystem::exists(PathOf(4)));
  // There is room on the heap again once one of those goes.
  EXPECT_TRUE(archive_->Forget(1));
  ExpectRoundTrip(writer);
  EXPECT_FALSE(std::filesystem::exists(PathOf(5)));
  archive_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(directory()));
}

TEST_F(ArchiveTest, ALogThatCannotBeWrittenIsLostWithAReasonAndTheRecordStays) {
  OpenArchive(0);
  OutputLog log(*arena_, slot_, kRing);
  std::filesystem::remove(directory());
  archive_->Put(Record(1), MonotonicNs(), log.Pieces());
  EXPECT_NE(Open(1).status().message().find("No such file"), std::string::npos);
  std::ofstream(directory()) << "no directory";
  archive_->Put(Record(2), MonotonicNs(), log.Pieces());
  EXPECT_NE(Open(2).status().message().find("Not a directory"), std::string::npos);
  EXPECT_EQ(archive_->size(), 2u);
  EXPECT_TRUE(archive_->Forget(1));
}

TEST_F(ArchiveTest, AFileThatHasVanishedIsALostLog) {
  OpenArchive(0);
  OutputLog log(*arena_, slot_, kRing);
  archive_->Put(Record(1), MonotonicNs(), log.Pieces());
  EXPECT_TRUE(Open(1).ok());
  std::filesystem::remove(PathOf(1));
  EXPECT_NE(Open(1).status().message().find("No such file"), std::string::npos);
}

TEST_F(ArchiveTest, ALogOnAFullDiskIsLostAndLeavesNoFile) {
  OpenArchive(0);
  OutputLog log(*arena_, slot_, kRing);
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  archive_->Put(Record(1), MonotonicNs(), log.Pieces());
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_NE(Open(1).status().message().find("File too large"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(directory()));
}

TEST_F(ArchiveTest, WhatAnEarlierKeeperHasLeftIsRemovedAndNothingElse) {
  archive_.reset();
  std::ofstream(PathOf(17)) << "left";
  std::ofstream(PathOf(4611686018427387904)) << "left";
  std::ofstream(directory() + "/17.txt") << "precious";
  std::filesystem::create_directory(PathOf(18));
  OpenArchive(0);
  EXPECT_FALSE(std::filesystem::exists(PathOf(17)));
  EXPECT_FALSE(std::filesystem::exists(PathOf(4611686018427387904)));
  EXPECT_TRUE(std::filesystem::exists(directory() + "/17.txt"));
  EXPECT_TRUE(std::filesystem::exists(PathOf(18)));
  // One that is left nevertheless is not in the way.
  std::ofstream(PathOf(1)) << "left";
  OutputLog log(*arena_, slot_, kRing);
  ExpectRoundTrip(Writer(log));
}

TEST_F(ArchiveTest, ADirectoryThatIsNoneIsAnErrorThatNamesIt) {
  archive_.reset();
  std::filesystem::remove(directory());
  std::ofstream(directory()) << "precious";
  const absl::Status status = Archive::Open(directory()).status();
  EXPECT_NE(status.message().find(directory()), std::string::npos) << status;
}

TEST_F(ArchiveTest, ThousandsOfSessionsTakeLittleMemoryAndNoDescriptor) {
  constexpr uint64_t kSessions = 20'000;
  OutputLog log(*arena_, slot_, kRing);
  Writer writer(log);
  writer.Write(kStdout, "hi\n");
  v1::Adopted record = Record(1);
  record.set_session_record(std::string(200, 'r'));
  for (int i = 0; i < 2; ++i) {
    record.mutable_terminated()->add_streams()->set_xxh3_128(std::string(16, 'x'));
  }
  const int fd_before = dup(0);
  close(fd_before);
  const size_t before = mallinfo2().uordblks;
  for (uint64_t i = 1; i <= kSessions; ++i) {
    record.set_session(i);
    archive_->Put(record, MonotonicNs(), log.Pieces());
  }
  const size_t each = (mallinfo2().uordblks - before) / kSessions;
  RecordProperty("heap_bytes_per_session", static_cast<int>(each));
  EXPECT_LT(each, 1024u);
  const int fd_after = dup(0);
  close(fd_after);
  EXPECT_EQ(fd_after, fd_before);
}

}  // namespace
}  // namespace nacre::keeper
