#include "server/file_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <fstream>
#include <iterator>

#include "executor/errors.h"
#include "tests/support/temp_dir.h"

namespace nacre {
namespace {

class FileSinkTest : public ::testing::Test {
 protected:
  FileSink Sink(uint64_t offset = 0) {
    return FileSink(UniqueFd(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)), offset,
                    FileRequest());
  }
  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static v1::WriteFinish Expect(const std::string& data) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data.data(), data.size()));
    v1::WriteFinish finish;
    finish.set_size(data.size());
    finish.set_xxh3_128(canonical.digest, sizeof(canonical.digest));
    return finish;
  }

  TempDir dir_;
  const std::string path_ = dir_.path() + "/f";
};

TEST_F(FileSinkTest, WhatIsWrittenIsComparedAsAWhole) {
  FileSink sink = Sink();
  EXPECT_TRUE(sink.Check().ok());
  EXPECT_TRUE(sink.Write("hello ").ok());
  EXPECT_TRUE(sink.Write("world").ok());
  EXPECT_TRUE(sink.Finish(Expect("hello world"), /*sync=*/true).ok());
  EXPECT_EQ(sink.size(), 11u);
  EXPECT_EQ(Content(), "hello world");
}

TEST_F(FileSinkTest, AnotherSizeOrChecksumIsAMismatch) {
  for (const char* other : {"hello worlds", "hello_world"}) {
    FileSink sink = Sink();
    EXPECT_TRUE(sink.Write("hello world").ok());
    EXPECT_EQ(ErrorReason(sink.Finish(Expect(other), false)), "CHECKSUM_MISMATCH");
  }
  FileSink sink = Sink();
  v1::WriteFinish finish;
  finish.set_sha256(std::string(32, '\0'));
  EXPECT_EQ(ErrorReason(sink.Finish(finish, false)), "CHECKSUM_MISMATCH");
}

TEST_F(FileSinkTest, HolesCountAndTakeNoRoom) {
  FileSink sink = Sink();
  EXPECT_TRUE(sink.Write("a").ok());
  EXPECT_TRUE(sink.Hole(10 << 20).ok());
  EXPECT_TRUE(sink.Finish(Expect("a" + std::string(10 << 20, '\0')), false).ok());
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, (10 << 20) + 1);
  EXPECT_LT(info.st_blocks * 512, 1 << 20);
}

TEST_F(FileSinkTest, AResumedFileIsComparedWithWhatWasThereBefore) {
  std::ofstream(path_) << "hello ";
  FileSink sink = Sink(6);
  EXPECT_TRUE(sink.Write("world").ok());
  EXPECT_TRUE(sink.Finish(Expect("hello world"), false).ok());
  std::ofstream(path_) << "HELLO ";
  FileSink other = Sink(6);
  EXPECT_TRUE(other.Write("world").ok());
  EXPECT_EQ(ErrorReason(other.Finish(Expect("hello world"), false)), "CHECKSUM_MISMATCH");
}

TEST_F(FileSinkTest, WhatWasThereBeyondTheEndIsCutOff) {
  std::ofstream(path_) << "something longer";
  FileSink sink = Sink();
  EXPECT_TRUE(sink.Write("short").ok());
  EXPECT_TRUE(sink.Finish(Expect("short"), false).ok());
  EXPECT_EQ(Content(), "short");
}

TEST_F(FileSinkTest, AHoleBeyondAllSizesIsRefused) {
  FileSink sink = Sink();
  EXPECT_EQ(ErrorReason(sink.Hole(UINT64_MAX)), "TOO_LARGE");
}

TEST_F(FileSinkTest, WhatIsNoRegularFileIsRefused) {
  const FileSink sink(UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC)), 0, FileRequest());
  EXPECT_EQ(ErrorReason(sink.Check()), "NOT_A_REGULAR_FILE");
}

}  // namespace
}  // namespace nacre
