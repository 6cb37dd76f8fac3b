#include "files/directory_page.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/seqpacket.h"
#include "tests/files/files_fixture.h"

namespace nacre::files {
namespace {

class DirectoryPageTest : public FilesTest {
 protected:
  v1::Reply List(const std::string& name, std::optional<uint64_t> from = std::nullopt,
                 uint32_t limit = 0) {
    v1::Request request;
    *request.mutable_list()->mutable_path() = PathTo(name);
    request.mutable_list()->set_limit(limit);
    if (from.has_value()) request.mutable_list()->set_from(*from);
    v1::Reply reply = Ask(request).reply;
    EXPECT_LE(reply.ByteSizeLong(), seqpacket::kMaxDatagram);
    return reply;
  }
  // How often each name was told, over all pages.
  std::map<std::string, int> ListAll(const std::string& name, uint32_t limit = 0) {
    std::map<std::string, int> told;
    std::optional<uint64_t> from;
    do {
      const v1::Reply page = List(name, from, limit);
      EXPECT_EQ(page.error(), 0u);
      EXPECT_LE(page.entries_size(), limit == 0 ? 1000 : static_cast<int>(limit));
      for (const v1::Entry& entry : page.entries()) ++told[entry.name()];
      from.reset();
      if (page.has_next()) from = page.next();
    } while (from.has_value());
    return told;
  }
};

TEST_F(DirectoryPageTest, EachEntryIsToldOnceWhateverComesMeanwhile) {
  constexpr int kFiles = 5000;
  std::filesystem::create_directory(At("d"));
  for (int i = 0; i < kFiles; ++i) Write(absl::StrCat("d/old", i), "");
  std::atomic<bool> done = false;
  std::thread others([&] {
    for (int i = 0; !done && i < 20'000; ++i) {
      Write(absl::StrCat("d/new", i), "");
      if (i % 2 == 0) std::filesystem::remove(At(absl::StrCat("d/new", i)));
    }
  });
  for (const uint32_t limit : {0, 1000, 77}) {
    std::map<std::string, int> told = ListAll("d", limit);
    for (int i = 0; i < kFiles; ++i) EXPECT_EQ(told[absl::StrCat("old", i)], 1) << i;
  }
  done = true;
  others.join();
}

TEST_F(DirectoryPageTest, AnEntryIsDescribedAndALinkNotFollowed) {
  std::filesystem::create_directory(At("d"));
  Write("d/file", "12345");
  symlink("file", At("d/link").c_str());
  ASSERT_EQ(mkfifo(At("d/fifo").c_str(), 0612), 0);
  std::map<std::string, v1::Entry> entries;
  const v1::Reply page = List("d");
  EXPECT_FALSE(page.has_next());
  for (const v1::Entry& entry : page.entries()) entries[entry.name()] = entry;
  ASSERT_EQ(entries.size(), 3u) << "without . and ..";
  struct stat info;
  ASSERT_EQ(stat(At("d/file").c_str(), &info), 0);
  const v1::Entry& file = entries["file"];
  EXPECT_EQ(file.mode(), info.st_mode);
  EXPECT_EQ(file.size(), 5u);
  EXPECT_EQ(file.allocated_bytes(), static_cast<uint64_t>(info.st_blocks) * 512);
  EXPECT_EQ(file.inode(), info.st_ino);
  EXPECT_EQ(file.device(), info.st_dev);
  EXPECT_EQ(file.links(), 1u);
  EXPECT_EQ(file.uid(), info.st_uid);
  EXPECT_EQ(file.gid(), info.st_gid);
  EXPECT_EQ(file.modified().seconds(), info.st_mtim.tv_sec);
  EXPECT_EQ(file.modified().nanos(), static_cast<uint32_t>(info.st_mtim.tv_nsec));
  EXPECT_EQ(file.changed().nanos(), static_cast<uint32_t>(info.st_ctim.tv_nsec));
  EXPECT_EQ(entries["link"].link_target(), "file");
  EXPECT_TRUE(S_ISLNK(entries["link"].mode()));
  EXPECT_EQ(entries["fifo"].mode(), S_IFIFO | 0612u);
}

TEST_F(DirectoryPageTest, APageOfLongNamesAndLinksFitsADatagram) {
  std::filesystem::create_directory(At("d"));
  const std::string target(4000, 't');
  for (int i = 0; i < 60; ++i) {
    symlink(target.c_str(), At(absl::StrCat("d/", std::string(240, 'n'), i)).c_str());
  }
  EXPECT_TRUE(List("d").has_next());
  const std::map<std::string, int> told = ListAll("d");
  EXPECT_EQ(told.size(), 60u);
  for (const auto& [name, times] : told) EXPECT_EQ(times, 1);
}

TEST_F(DirectoryPageTest, WhatIsNoDirectoryOrNoPlaceInItIsRefused) {
  Write("file", "");
  std::filesystem::create_directory(At("d"));
  EXPECT_EQ(List("file").error(), static_cast<uint32_t>(ENOTDIR));
  EXPECT_EQ(List("none").error(), static_cast<uint32_t>(ENOENT));
  EXPECT_EQ(List("d", ~uint64_t{0}).failure(), v1::FAILURE_REQUEST);
  EXPECT_EQ(List("d").error(), 0u);
  EXPECT_EQ(List("d").entries_size(), 0);
}

}  // namespace
}  // namespace nacre::files
