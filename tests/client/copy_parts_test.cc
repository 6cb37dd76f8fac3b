// What nacre cp is made of.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "client/cli/copy/local_source.h"
#include "client/cli/copy/local_tree.h"
#include "client/cli/copy/progress.h"
#include "client/cli/copy/resume_id.h"
#include "client/cli/copy/transfer_pool.h"
#include "client/cli/file_line.h"
#include "client/cli/remote_path.h"
#include "client/file_hash.h"
#include "tests/client/fake_node.h"

namespace nacre::cli {
namespace {

using client::FileHash;
using client::TemporaryDirectory;

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

size_t EntriesOf(const std::string& path) {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
}

TEST(RemotePath, BeginsWithAColon) {
  EXPECT_TRUE(IsRemote(":"));
  EXPECT_TRUE(IsRemote(":/etc"));
  EXPECT_FALSE(IsRemote("./:x"));
  EXPECT_FALSE(IsRemote("-"));
  EXPECT_FALSE(IsRemote(""));
  EXPECT_EQ(RemotePath(":"), ".");
  EXPECT_EQ(RemotePath("::x"), ":x");
  EXPECT_EQ(RemotePath(":/etc"), "/etc");
  EXPECT_TRUE(absl::IsInvalidArgument(RemotePaths({":a", "b"}, 1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(RemotePaths({}, 1).status()));
}

TEST(RemotePath, HasAName) {
  EXPECT_EQ(BaseName("/a/b"), "b");
  EXPECT_EQ(BaseName("a//"), "a");
  EXPECT_EQ(BaseName("/"), "");
  EXPECT_EQ(BaseName("a/.."), "..");
  EXPECT_EQ(Join("a", "b"), "a/b");
  EXPECT_EQ(Join("/", "b"), "/b");
  EXPECT_EQ(Join("", "b"), "b");
  EXPECT_EQ(Join(".", "b"), "b");
  for (const char* name : {"", ".", "..", "a/b", "/"}) EXPECT_FALSE(IsEntryName(name)) << name;
  EXPECT_FALSE(IsEntryName(std::string_view("a\0b", 3)));
  for (const char* name : {"a", "...", "-", "\n", "\xFF"}) EXPECT_TRUE(IsEntryName(name)) << name;
}

TEST(RemotePath, ErrorsNameItOnce) {
  EXPECT_EQ(Explain("/d/f", absl::NotFoundError("there is no such file")),
            ":/d/f: there is no such file");
  EXPECT_EQ(Explain("/d/f", absl::NotFoundError("/d/f: there is none")), ":/d/f: there is none");
  EXPECT_EQ(Explain("/d/f", absl::UnavailableError("cannot connect")), "cannot connect");
}

TEST(RemotePath, IsQuotedForAShell) {
  EXPECT_EQ(Quoted("/a/b-c.d"), "/a/b-c.d");
  EXPECT_EQ(Quoted(":x y"), "':x y'");
  EXPECT_EQ(Quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(Quoted(""), "''");
}

TEST(ModeText, IsAsLsHasIt) {
  EXPECT_EQ(ModeText(client::FileType::kRegular, 0644), "-rw-r--r--");
  EXPECT_EQ(ModeText(client::FileType::kDirectory, 01777), "drwxrwxrwt");
  EXPECT_EQ(ModeText(client::FileType::kRegular, 06711), "-rws--s--x");
  EXPECT_EQ(ModeText(client::FileType::kRegular, 06600), "-rwS--S---");
}

TEST(Progress, TellsBytesShortly) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes(uint64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "16.0 EiB");
}

TEST(Progress, TellsWhatIsKnown) {
  const ProgressState state{.files = 1, .bytes = 1 << 20, .elapsed = absl::Seconds(2)};
  EXPECT_EQ(FormatProgress(state, 80), "1 file, 1.0 MiB, 512.0 KiB/s");
  const ProgressState known{.bytes = 1 << 20, .total_bytes = 4 << 20, .elapsed = absl::Seconds(2)};
  EXPECT_EQ(FormatProgress(known, 80), "0 files, 1.0 MiB of 4.0 MiB (25%), 512.0 KiB/s, 7s left");
  EXPECT_EQ(FormatProgress({.total_bytes = 0}, 80), "0 files, 0 B of 0 B (100%), 0 B/s");
  EXPECT_EQ(FormatSummary(state), "1 file, 1.0 MiB in 2s (512.0 KiB/s)");
  const ProgressState resumed{
      .bytes = 1 << 20, .there = 1 << 20, .total_bytes = 4 << 20, .elapsed = absl::Seconds(2)};
  EXPECT_EQ(FormatProgress(resumed, 80), "0 files, 2.0 MiB of 4.0 MiB (50%), 512.0 KiB/s, 5s left");
  EXPECT_EQ(FormatSummary(resumed),
            "0 files, 1.0 MiB in 2s (512.0 KiB/s), 1.0 MiB were there already");
}

TEST(Progress, FitsTheWindow) {
  EXPECT_EQ(FormatProgress({.files = 12, .elapsed = absl::Seconds(1)}, 8), "12 file…");
}

TEST(ResumeId, IsTheSameForTheSameVersionAndPlaceOnly) {
  struct stat source {};
  source.st_size = 100;
  source.st_ino = 7;
  const std::string id = UploadId("a", source);
  EXPECT_EQ(id, UploadId("a", source));
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(id, UploadId("b", source));
  source.st_mtim.tv_nsec = 1;
  EXPECT_NE(id, UploadId("a", source));
  const client::FileInfo file{.size = 100, .version = "1"};
  EXPECT_EQ(DownloadId("a", file), DownloadId("a", file));
  EXPECT_NE(DownloadId("a", file), DownloadId("a", {.size = 100, .version = "2"}));
}

TEST(TransferPool, DoesAllOfIt) {
  std::atomic<int> done = 0;
  {
    TransferPool pool(4);
    for (int i = 0; i < 1000; ++i) pool.Submit([&] { ++done; });
    pool.Wait();
    EXPECT_EQ(done, 1000);
  }
}

class LocalTree : public testing::Test {
 protected:
  LocalTree() : tree_(*LocalDirectory::Open(directory_.path())) {}

  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  TemporaryDirectory directory_;
  LocalDirectory tree_;
};

TEST_F(LocalTree, AFileTakesItsNameAtTheEnd) {
  std::ofstream(Path("f")) << "old";
  auto file = tree_.Create("f");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->Write("new").ok());
  EXPECT_TRUE(file->Hole(5).ok());
  EXPECT_EQ(Content(Path("f")), "old");
  const absl::Time time = absl::FromUnixNanos(1'500'000'000'123'456'789);
  ASSERT_TRUE(file->Commit(0640, time).ok());
  EXPECT_EQ(Content(Path("f")), std::string("new\0\0\0\0\0", 8));
  EXPECT_TRUE(tree_.Has("f", 8, time));
  struct stat found {};
  ASSERT_EQ(stat(Path("f").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0640U);
  EXPECT_EQ(EntriesOf(directory_.path()), 1U);
}

TEST_F(LocalTree, AnUncommittedFileLeavesNothing) {
  { ASSERT_TRUE(tree_.Create("f")->Write("x").ok()); }
  { ASSERT_TRUE(tree_.OpenPartial("f", "id", false).ok()); }
  {
    auto file = tree_.OpenPartial("f", "id", false);
    ASSERT_TRUE(file->Write("x").ok());
    EXPECT_TRUE(file->kept());
    file->Drop();
  }
  EXPECT_EQ(EntriesOf(directory_.path()), 0U);
}

TEST_F(LocalTree, APartialFileIsGoneOnWith) {
  {
    auto file = tree_.OpenPartial("f", "id", true);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_TRUE(file->Write("abc").ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(tree_.OpenPartial("f", "id", true).status()));
  }
  auto file = tree_.OpenPartial("f", "id", true);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size(), 3U);
  EXPECT_TRUE(file->Write("def").ok());
  ASSERT_TRUE(file->Commit(0600, std::nullopt).ok());
  EXPECT_EQ(Content(Path("f")), "abcdef");
  EXPECT_EQ(EntriesOf(directory_.path()), 1U);
}

TEST_F(LocalTree, APartialFileThatIsNotOursIsNotTouched) {
  TemporaryDirectory other;
  std::ofstream(other.path() + "/victim") << "precious";
  std::filesystem::create_symlink(other.path() + "/victim", Path(".nacre-download-a"));
  std::filesystem::create_hard_link(other.path() + "/victim", Path(".nacre-download-b"));
  EXPECT_FALSE(tree_.OpenPartial("f", "a", false).ok());
  EXPECT_FALSE(tree_.OpenPartial("f", "b", false).ok());
  EXPECT_EQ(Content(other.path() + "/victim"), "precious");
}

TEST_F(LocalTree, WhatAKilledRunHasLeftUnderATemporaryNameGivesWay) {
  std::string temporary;
  ASSERT_TRUE(tree_.MakeSymlink("f", "x", absl::Now()).ok());
  {
    // The name is the same each time: found by having it be in the way.
    client::FileHash hash;
    hash.Add("f");
    temporary = ".nacre-download-" + absl::BytesToHexString(hash.Canonical().substr(0, 8));
  }
  std::ofstream(Path(temporary)) << "stale";
  auto file = tree_.Create("f");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Write("new").ok());
  ASSERT_TRUE(file->Commit(0600, std::nullopt).ok());
  EXPECT_EQ(Content(Path("f")), "new");
  std::filesystem::create_symlink("stale", Path(temporary));
  EXPECT_TRUE(tree_.MakeSymlink("f", "y", absl::Now()).ok());
  EXPECT_EQ(std::filesystem::read_symlink(Path("f")), "y");
  std::filesystem::create_directory(Path(temporary));
  EXPECT_FALSE(tree_.MakeSymlink("f", "z", absl::Now()).ok());
  std::filesystem::remove(Path(temporary));
  EXPECT_EQ(EntriesOf(directory_.path()), 1U);
}

TEST_F(LocalTree, ADirectoryThatWasBegunIsKnown) {
  bool unfinished = false;
  ASSERT_TRUE(tree_.Enter("d", &unfinished).ok());
  EXPECT_TRUE(unfinished);
  unfinished = false;
  const auto again = tree_.Enter("d", &unfinished);
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(unfinished);
  ASSERT_TRUE(again->SetAttributes(0700, absl::Now()).ok());
  ASSERT_TRUE(tree_.Enter("d", &unfinished).ok());
  EXPECT_FALSE(unfinished);
}

TEST_F(LocalTree, NoNameLeadsOut) {
  for (const char* name : {"", ".", "..", "../x", "/tmp/x", "a/b"}) {
    bool made = false;
    EXPECT_FALSE(tree_.Create(name).ok()) << name;
    EXPECT_FALSE(tree_.OpenPartial(name, "id", false).ok()) << name;
    EXPECT_FALSE(tree_.MakeSymlink(name, "x", absl::Now()).ok()) << name;
    EXPECT_FALSE(tree_.Enter(name, &made).ok()) << name;
  }
  EXPECT_EQ(EntriesOf(directory_.path()), 0U);
}

TEST_F(LocalTree, APlantedLinkIsNotFollowed) {
  TemporaryDirectory other;
  std::ofstream(other.path() + "/victim") << "precious";
  std::filesystem::create_directory_symlink(other.path(), Path("d"));
  std::filesystem::create_symlink(other.path() + "/victim", Path("f"));
  bool made = true;
  EXPECT_TRUE(absl::IsFailedPrecondition(tree_.Enter("d", &made).status()));
  EXPECT_FALSE(made);
  auto file = tree_.Create("f");
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->Write("new").ok());
  ASSERT_TRUE(file->Commit(0600, std::nullopt).ok());
  EXPECT_FALSE(std::filesystem::is_symlink(Path("f")));
  EXPECT_EQ(Content(other.path() + "/victim"), "precious");
}

TEST_F(LocalTree, OnlyFilesAndLinksAreReplaced) {
  std::filesystem::create_directory(Path("d"));
  ASSERT_EQ(mkfifo(Path("p").c_str(), 0600), 0);
  EXPECT_FALSE(tree_.Create("d").ok());
  EXPECT_FALSE(tree_.Create("p").ok());
  EXPECT_FALSE(tree_.MakeSymlink("d", "x", absl::Now()).ok());
  EXPECT_TRUE(tree_.MakeSymlink("l", "x", absl::Now()).ok());
  EXPECT_TRUE(tree_.MakeSymlink("l", "y", absl::Now()).ok());
  EXPECT_EQ(std::filesystem::read_symlink(Path("l")), "y");
}

TEST_F(LocalTree, AWriteProtectedDirectoryGetsItsModeAtTheEnd) {
  bool made = false;
  const auto inner = tree_.Enter("d", &made);
  ASSERT_TRUE(inner.ok());
  EXPECT_TRUE(made);
  auto file = inner->Create("f");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Commit(0400, std::nullopt).ok());
  ASSERT_TRUE(inner->SetAttributes(0555, absl::FromUnixSeconds(1000)).ok());
  struct stat found {};
  ASSERT_EQ(stat(Path("d").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0555U);
  EXPECT_EQ(found.st_mtim.tv_sec, 1000);
}

TEST_F(LocalTree, ASourceTellsItsHoles) {
  const uint64_t hole = 1 << 20;
  {
    UniqueFd fd(open(Path("s").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(pwrite(fd.get(), "abc", 3, static_cast<off_t>(hole)), 3);
    ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(3 * hole)), 0);
  }
  UniqueFd fd(open(Path("s").c_str(), O_RDONLY | O_CLOEXEC));
  struct stat opened {};
  ASSERT_EQ(fstat(fd.get(), &opened), 0);
  uint64_t advanced = 0;
  uint64_t skipped = 0;
  LocalSource source(
      std::move(fd), opened, [&](uint64_t bytes) { advanced += bytes; },
      [&](uint64_t bytes) { skipped += bytes; }, [] { return false; });
  source.HasUpTo(hole + 1);
  uint64_t offset = 0;
  uint64_t holes = 0;
  std::string content;
  for (;;) {
    std::string data = "left over";
    uint64_t here = 0;
    ASSERT_TRUE(source.Read(offset, 1000, &data, &here).ok());
    if (data.empty() && here == 0) break;
    ASSERT_TRUE(data.empty() || here == 0);
    ASSERT_LE(data.size(), 1000U);
    offset += data.size() + here;
    holes += here;
    content.append(data);
  }
  EXPECT_EQ(offset, 3 * hole);
  EXPECT_EQ(advanced, 2 * hole - 1);
  EXPECT_EQ(skipped, hole + 1);
  FileHash hash;
  hash.Add(Content(Path("s")));
  EXPECT_EQ(*source.Checksum(), hash.Canonical());
  EXPECT_GT(holes, hole);
  EXPECT_EQ(content.substr(0, 3), "abc");
  EXPECT_FALSE(source.HasChanged());
  ASSERT_EQ(truncate(Path("s").c_str(), 1), 0);
  EXPECT_TRUE(source.HasChanged());
}

}  // namespace
}  // namespace nacre::cli
