#include "server/file_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "executor/errors.h"
#include "tests/support/temp_dir.h"

namespace nacre {
namespace {

class FileSourceTest : public ::testing::Test {
 protected:
  struct Outcome {
    std::string data;
    uint64_t holes = 0;
    v1::ReadEnd end;
    absl::Status status;
  };

  std::string Make(const std::string& data) {
    std::string path = dir_.path() + "/f";
    const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    EXPECT_EQ(write(fd.get(), data.data(), data.size()), static_cast<ssize_t>(data.size()));
    return path;
  }

  // As the helper opens and describes it.
  static FileSource Source(const std::string& path, const v1::ReadFileRequest& range = {}) {
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    struct stat info {};
    fstat(fd.get(), &info);
    files::v1::Entry entry;
    entry.set_name("f");
    entry.set_mode(info.st_mode);
    entry.set_size(S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0);
    entry.mutable_modified()->set_seconds(info.st_mtim.tv_sec);
    entry.mutable_modified()->set_nanos(static_cast<uint32_t>(info.st_mtim.tv_nsec));
    entry.mutable_changed()->set_seconds(info.st_ctim.tv_sec);
    entry.mutable_changed()->set_nanos(static_cast<uint32_t>(info.st_ctim.tv_nsec));
    return FileSource(std::move(fd), entry, range, FileRequest());
  }

  static void Next(FileSource& source, Outcome* outcome, bool* ended) {
    v1::ReadFileResponse part;
    outcome->status = source.Next(&part);
    *ended = !outcome->status.ok() || part.has_end();
    outcome->data += part.data();
    outcome->data.append(part.hole(), '\0');
    outcome->holes += part.hole();
    if (part.has_end()) outcome->end = part.end();
    EXPECT_LE(part.data().size(), FileSource::kPartBytes);
  }

  static Outcome ReadAll(FileSource source) {
    Outcome outcome;
    outcome.status = source.Check();
    for (bool ended = !outcome.status.ok(); !ended;) Next(source, &outcome, &ended);
    return outcome;
  }

  static std::string Digest(const std::string& data) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data.data(), data.size()));
    return {reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)};
  }

  TempDir dir_;
};

TEST_F(FileSourceTest, AllOfItComesInPartsWithItsChecksum) {
  for (const size_t size : {size_t{0}, size_t{1}, FileSource::kPartBytes, size_t{1'000'000}}) {
    const std::string data(size, 'x');
    const Outcome outcome = ReadAll(Source(Make(data)));
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    EXPECT_EQ(outcome.data, data);
    EXPECT_EQ(outcome.end.bytes(), size);
    EXPECT_EQ(outcome.end.xxh3_128(), Digest(data));
    EXPECT_FALSE(outcome.end.changed());
  }
}

TEST_F(FileSourceTest, ARangeIsCutToTheFile) {
  const std::string path = Make("0123456789");
  v1::ReadFileRequest range;
  range.set_offset(4);
  EXPECT_EQ(ReadAll(Source(path, range)).data, "456789");
  range.set_length(3);
  EXPECT_EQ(ReadAll(Source(path, range)).data, "456");
  range.set_length(UINT64_MAX);
  EXPECT_EQ(ReadAll(Source(path, range)).data, "456789");
  range.set_offset(11);
  EXPECT_EQ(ErrorReason(ReadAll(Source(path, range)).status), "BEYOND_END");
}

TEST_F(FileSourceTest, HolesComeAsHolesOnlyWhereTheyAreTaken) {
  const std::string path = Make("begin");
  ASSERT_EQ(truncate(path.c_str(), 10 << 20), 0);
  v1::ReadFileRequest range;
  EXPECT_EQ(ReadAll(Source(path, range)).holes, 0u);
  range.set_accept_holes(true);
  const Outcome outcome = ReadAll(Source(path, range));
  EXPECT_GT(outcome.holes, 9u << 20);
  EXPECT_EQ(outcome.data, "begin" + std::string((10 << 20) - 5, '\0'));
  EXPECT_EQ(outcome.end.xxh3_128(), Digest(outcome.data));
}

TEST_F(FileSourceTest, AFileThatGrowsOrShrinksIsReadToWhereItEndedOrEndsAndSaysSo) {
  const std::string data(3 * FileSource::kPartBytes, 'x');
  for (const size_t size : {FileSource::kPartBytes * 2, FileSource::kPartBytes * 5}) {
    const std::string path = Make(data);
    FileSource source = Source(path);
    ASSERT_TRUE(source.Check().ok());
    Outcome outcome;
    bool ended = false;
    Next(source, &outcome, &ended);
    Next(source, &outcome, &ended);
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(size)), 0);
    while (!ended) Next(source, &outcome, &ended);
    EXPECT_EQ(outcome.data, data.substr(0, size));
    EXPECT_TRUE(outcome.end.changed());
  }
}

TEST_F(FileSourceTest, AFileThatIsWrittenInPlaceHasChangedThoughItsTimeIsPutBack) {
  const std::string path = Make(std::string(3 * FileSource::kPartBytes, 'x'));
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  FileSource source = Source(path);
  ASSERT_TRUE(source.Check().ok());
  Outcome outcome;
  bool ended = false;
  Next(source, &outcome, &ended);
  Next(source, &outcome, &ended);
  usleep(20'000);  // longer than the kernel's clock of files takes from tick to tick
  Make(std::string(3 * FileSource::kPartBytes, 'y'));
  const timespec times[] = {info.st_atim, info.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  while (!ended) Next(source, &outcome, &ended);
  EXPECT_TRUE(outcome.end.changed());
}

TEST_F(FileSourceTest, WhatIsNoRegularFileIsRefusedWhateverIsSaidOfIt) {
  EXPECT_EQ(ErrorReason(ReadAll(Source("/dev/zero")).status), "NOT_A_REGULAR_FILE");
  EXPECT_EQ(ErrorReason(ReadAll(Source(dir_.path())).status), "NOT_A_REGULAR_FILE");
  EXPECT_EQ(ErrorReason(ReadAll(Source("/nonexistent")).status), "NOT_A_REGULAR_FILE");
}

}  // namespace
}  // namespace nacre
