#include "files/uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "files/copy.h"
#include "files/temp_name.h"
#include "tests/files/files_fixture.h"

namespace nacre::files {
namespace {

uint32_t Error(int error) { return static_cast<uint32_t>(error); }

// What a front holds of one upload.
struct Open {
  v1::Reply reply;
  UniqueFd fd;
  bool ok() const { return reply.error() == 0; }
  void Append(const std::string& bytes) const {
    lseek(fd.get(), 0, SEEK_END);
    ASSERT_EQ(write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
};

class UploadsTest : public FilesTest {
 protected:
  Open Begin(FileService& service, const std::string& name, const std::string& id = "",
             uint64_t offset = 0, bool must_not_exist = false) const {
    v1::Request request;
    v1::OpenWrite& open = *request.mutable_open_write();
    *open.mutable_path() = Beneath(name);
    open.set_resume_id(id);
    open.set_offset(offset);
    open.set_must_not_exist(must_not_exist);
    Answer answer = service.Handle(request);
    EXPECT_EQ(answer.fd.valid(), answer.reply.error() == 0);
    return {std::move(answer.reply), std::move(answer.fd)};
  }
  Open Begin(const std::string& name, const std::string& id = "", uint64_t offset = 0,
             bool must_not_exist = false) {
    return Begin(service_, name, id, offset, must_not_exist);
  }
  static v1::Reply Commit(FileService& service, const Open& upload, mode_t mode = 0644,
                          std::optional<v1::Time> modified = std::nullopt) {
    v1::Request request;
    request.mutable_commit()->set_upload(upload.reply.upload());
    request.mutable_commit()->set_mode(mode);
    if (modified.has_value()) *request.mutable_commit()->mutable_modified() = *modified;
    return service.Handle(request).reply;
  }
  v1::Reply Commit(const Open& upload, mode_t mode = 0644) {
    return Commit(service_, upload, mode);
  }
  v1::Reply Discard(const Open& upload, bool keep) {
    v1::Request request;
    request.mutable_discard()->set_upload(upload.reply.upload());
    request.mutable_discard()->set_keep(keep);
    return Ask(request).reply;
  }
  v1::Reply Find(const std::string& name, const std::string& id) {
    v1::Request request;
    *request.mutable_find_upload()->mutable_path() = Beneath(name);
    request.mutable_find_upload()->set_resume_id(id);
    return Ask(request).reply;
  }
};

TEST_F(UploadsTest, AFileIsReplacedAtOnceAndOnlyByCommit) {
  Write("file", "old");
  const Open upload = Begin("file");
  ASSERT_TRUE(upload.ok());
  EXPECT_EQ(upload.reply.entry().size(), 3u) << "what would be replaced";
  upload.Append("new content");
  EXPECT_EQ(Read("file"), "old");
  EXPECT_EQ(Names(), std::set<std::string>{"file"}) << "nothing to see before";
  v1::Time modified;
  modified.set_seconds(-5);
  modified.set_nanos(7);
  const v1::Reply committed = Commit(service_, upload, 0640, modified);
  EXPECT_EQ(committed.error(), 0u);
  EXPECT_EQ(committed.entry().name(), "file");
  EXPECT_EQ(committed.entry().size(), 11u);
  EXPECT_EQ(committed.entry().modified().seconds(), -5);
  EXPECT_EQ(committed.entry().modified().nanos(), 7u);
  EXPECT_EQ(Read("file"), "new content");
  EXPECT_EQ(ModeOf("file"), 0640u);
  EXPECT_EQ(Names(), std::set<std::string>{"file"});
  EXPECT_EQ(Commit(upload).failure(), v1::FAILURE_UPLOAD) << "once";
}

TEST_F(UploadsTest, DiscardLeavesTheOldFileAndNothingElse) {
  Write("file", "old");
  for (const char* id : {"", "id"}) {
    const Open upload = Begin("file", id);
    upload.Append("new");
    EXPECT_EQ(Discard(upload, false).error(), 0u);
    EXPECT_EQ(Read("file"), "old");
    EXPECT_EQ(Names(), std::set<std::string>{"file"});
    EXPECT_EQ(Discard(upload, false).error(), 0u) << "no error if there is none";
  }
}

TEST_F(UploadsTest, SpecialBitsAreExactAndComeLast) {
  for (const char* id : {"", "id"}) {
    for (const mode_t mode : {04755, 02750, 01600, 07777, 0, 0777}) {
      const Open upload = Begin("file", id);
      upload.Append("x");
      struct stat info;
      ASSERT_EQ(fstat(upload.fd.get(), &info), 0);
      EXPECT_EQ(info.st_mode & 07777, 0600u) << "nobody else's before it is finished";
      EXPECT_EQ(Commit(upload, mode).entry().mode(), S_IFREG | mode);
      EXPECT_EQ(ModeOf("file"), mode);
    }
  }
}

TEST_F(UploadsTest, WhatMustNotExistIsNotReplaced) {
  Write("there", "old");
  EXPECT_EQ(Begin("there", "", 0, true).reply.error(), Error(EEXIST));
  symlink("nowhere", At("link").c_str());
  EXPECT_EQ(Begin("link", "", 0, true).reply.error(), Error(EEXIST));
  for (const char* id : {"", "id"}) {
    const Open upload = Begin("new", id, 0, true);
    upload.Append("mine");
    Write("new", "another's");
    EXPECT_EQ(Commit(upload).error(), Error(EEXIST));
    EXPECT_EQ(Read("new"), "another's");
    std::filesystem::remove(At("new"));
    EXPECT_EQ(Commit(upload).error(), 0u) << "open still";
    EXPECT_EQ(Read("new"), "mine");
    std::filesystem::remove(At("new"));
  }
  EXPECT_EQ(Names(), (std::set<std::string>{"there", "link"}));
}

TEST_F(UploadsTest, OnlyFilesAndLinksAreReplaced) {
  std::filesystem::create_directory(At("directory"));
  ASSERT_EQ(mkfifo(At("fifo").c_str(), 0600), 0);
  Write("outside", "untouched");
  symlink("outside", At("link").c_str());
  EXPECT_EQ(Begin("directory").reply.error(), Error(EISDIR));
  EXPECT_EQ(Begin("new/").reply.error(), Error(EISDIR));
  EXPECT_EQ(Begin("fifo").reply.failure(), v1::FAILURE_NOT_REGULAR);
  const Open upload = Begin("link");
  EXPECT_FALSE(upload.reply.has_entry());
  upload.Append("new");
  EXPECT_EQ(Commit(upload).error(), 0u);
  EXPECT_EQ(Read("outside"), "untouched");
  EXPECT_FALSE(std::filesystem::is_symlink(At("link")));
}

TEST_F(UploadsTest, WhatBecameSomethingElseMeanwhileIsNotReplaced) {
  for (const char* id : {"", "id"}) {
    const Open upload = Begin("file", id);
    ASSERT_EQ(mkfifo(At("file").c_str(), 0600), 0);
    EXPECT_EQ(Commit(upload, 04755).failure(), v1::FAILURE_NOT_REGULAR);
    struct stat info;
    ASSERT_EQ(fstat(upload.fd.get(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
    std::filesystem::remove(At("file"));
    std::filesystem::create_directory(At("file"));
    EXPECT_EQ(Commit(upload).error(), Error(EISDIR));
    EXPECT_EQ(Discard(upload, false).error(), 0u);
    EXPECT_EQ(Names(), std::set<std::string>{"file"});
    std::filesystem::remove(At("file"));
  }
}

TEST_F(UploadsTest, WhereFilesNeedANameItIsTheSame) {
  Uploads uploads(/*unnamed=*/false);
  Write("file", "old");
  const auto begin = [&](OpenedUpload* opened, bool must_not_exist) {
    v1::OpenWrite request;
    request.set_must_not_exist(must_not_exist);
    return uploads.Open(*LocatePath(Beneath("file")), request, opened);
  };
  OpenedUpload first, second, third, last;
  ASSERT_TRUE(begin(&first, false).ok());
  ASSERT_TRUE(begin(&second, true).ok());
  ASSERT_TRUE(begin(&third, false).ok());
  ASSERT_EQ(write(first.fd.get(), "new", 3), 3);
  EXPECT_EQ(Names().size(), 4u);
  v1::Commit commit;
  commit.set_mode(0644);
  commit.set_upload(first.number);
  EXPECT_EQ(uploads.Commit(commit)->size(), 3u);
  commit.set_upload(second.number);
  EXPECT_EQ(uploads.Commit(commit).outcome().error, EEXIST);
  uploads.Discard(second.number, true);
  uploads.Discard(third.number, false);
  EXPECT_EQ(Names(), std::set<std::string>{"file"});
  EXPECT_EQ(Read("file"), "new");
}

TEST_F(UploadsTest, AtTheEndOnlyWhatCanBeResumedIsLeft) {
  {
    Uploads uploads(/*unnamed=*/false);
    OpenedUpload opened;
    v1::OpenWrite request;
    ASSERT_TRUE(uploads.Open(*LocatePath(Beneath("a")), request, &opened).ok());
    request.set_resume_id("id");
    ASSERT_TRUE(uploads.Open(*LocatePath(Beneath("b")), request, &opened).ok());
    EXPECT_EQ(Names().size(), 2u);
  }
  EXPECT_EQ(Names(), std::set<std::string>{ResumeName("id", "b")});
}

TEST_F(UploadsTest, AnUploadGoesOnWhereItWasLeft) {
  const Open first = Begin("file", "id");
  first.Append("0123456789");
  EXPECT_EQ(Find("file", "id").size(), 10u);
  Discard(first, true);
  const_cast<Open&>(first).fd.reset();
  EXPECT_EQ(Find("file", "id").size(), 10u);
  const Open second = Begin("file", "id", 4);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second.reply.size(), 10u) << "before it was cut";
  EXPECT_EQ(ReadFd(second.fd.get()), "0123");
  second.Append("abc");
  EXPECT_EQ(Commit(second).error(), 0u);
  EXPECT_EQ(Read("file"), "0123abc");
  EXPECT_EQ(Find("file", "id").failure(), v1::FAILURE_UPLOAD);
  EXPECT_EQ(Find("file", "id").error(), Error(ENOENT));
  EXPECT_EQ(Names(), std::set<std::string>{"file"});
}

TEST_F(UploadsTest, BeyondWhatHasComeNothingGoesOn) {
  Open none = Begin("file", "id", 1);
  EXPECT_EQ(none.reply.error(), Error(ERANGE));
  EXPECT_EQ(none.reply.size(), 0u);
  EXPECT_TRUE(Names().empty());
  const Open upload = Begin("file", "id");
  upload.Append("1234");
  Open beyond = Begin("file", "id", 5);
  EXPECT_EQ(beyond.reply.error(), Error(ERANGE));
  EXPECT_EQ(beyond.reply.size(), 4u);
  EXPECT_EQ(Commit(upload).error(), 0u) << "it was not taken over";
}

TEST_F(UploadsTest, TargetsWithTheSameIdDoNotMeet) {
  const Open a = Begin("a", "id"), b = Begin("b", "id"), other = Begin("a", "other");
  a.Append("a");
  b.Append("b");
  other.Append("other");
  EXPECT_EQ(Commit(a).error(), 0u);
  EXPECT_EQ(Commit(b).error(), 0u);
  EXPECT_EQ(Read("a"), "a");
  EXPECT_EQ(Read("b"), "b");
  EXPECT_EQ(Commit(other).error(), 0u);
  EXPECT_EQ(Read("a"), "other");
}

TEST_F(UploadsTest, TheNameOfAnUploadIsThatOfEveryRelease) {
  EXPECT_EQ(ResumeName("my_id-1", "file.txt"), ".nacre-upload-my_id-1-0bc16a85");
}

TEST_F(UploadsTest, WhoeverLosesAnUploadWritesToNothing) {
  // `another`: as the helper of another front.
  FileService another;
  for (FileService* second_service : {&service_, &another}) {
    for (const uint64_t offset : {0, 4}) {
      const Open first = Begin("file", "id");
      first.Append("012345");
      const Open second = Begin(*second_service, "file", "id", offset);
      ASSERT_TRUE(second.ok());
      EXPECT_EQ(second.reply.size(), 6u);
      first.Append("LATE");
      ASSERT_EQ(pwrite(first.fd.get(), "XXXX", 4, 0), 4);
      second.Append("abc");
      EXPECT_EQ(Commit(first).failure(), v1::FAILURE_UPLOAD);
      const v1::Reply committed = Commit(*second_service, second);
      EXPECT_EQ(committed.error(), 0u);
      ASSERT_EQ(pwrite(first.fd.get(), "YYYY", 4, 0), 4);
      EXPECT_EQ(Read("file"), std::string("0123").substr(0, offset) + "abc");
      Discard(first, false);
      EXPECT_EQ(Names(), std::set<std::string>{"file"});
    }
  }
}

TEST_F(UploadsTest, TheLoserCannotRemoveWhatTheOtherGoesOnWith) {
  FileService another;
  const Open first = Begin("file", "id");
  first.Append("0123");
  const Open second = Begin(another, "file", "id", 4);
  EXPECT_EQ(Discard(first, false).error(), 0u);
  second.Append("45");
  EXPECT_EQ(Commit(another, second).error(), 0u);
  EXPECT_EQ(Read("file"), "012345");
}

TEST_F(UploadsTest, AFinishedUploadIsNotCutByWhoBeginsAnew) {
  const Open first = Begin("file", "id");
  first.Append("finished");
  EXPECT_EQ(Commit(first).error(), 0u);
  FileService another;
  const Open second = Begin(another, "file", "id");
  second.Append("x");
  EXPECT_EQ(Read("file"), "finished");
}

TEST_F(UploadsTest, TwoWhoTakeAnUploadFromEachOtherNeverMixTheirBytes) {
  // Each as the helper of a front of its own.
  const auto write_again_and_again = [&](char letter, int* committed) {
    FileService service;
    for (int i = 0; i < 1000; ++i) {
      const Open upload = Begin(service, "file", "id");
      if (!upload.ok()) {
        EXPECT_EQ(upload.reply.failure(), v1::FAILURE_UPLOAD);
        EXPECT_EQ(upload.reply.error(), Error(EBUSY));
        continue;
      }
      for (int part = 0; part < 3; ++part) upload.Append(std::string(10, letter));
      const v1::Reply reply = Commit(service, upload);
      if (reply.error() == 0) {
        ++*committed;
        EXPECT_EQ(reply.entry().size(), 30u);
      } else {
        EXPECT_EQ(reply.failure(), v1::FAILURE_UPLOAD);
      }
      const std::string now = Read("file");
      EXPECT_TRUE(now.empty() || now == std::string(30, now[0])) << now;
    }
  };
  int first = 0, second = 0;
  std::thread other([&] { write_again_and_again('b', &second); });
  write_again_and_again('a', &first);
  other.join();
  EXPECT_GT(first + second, 0);
  Discard(Begin("file", "id"), false);
  EXPECT_EQ(Names(), std::set<std::string>{"file"}) << first << " and " << second;
}

TEST_F(UploadsTest, WithoutTheOtherDescriptorNothingIsCopied) {
  Open first = Begin("file", "id");
  first.Append("0123");
  struct stat before, after;
  fstat(first.fd.get(), &before);
  first.fd.reset();
  const Open second = Begin("file", "id", 2);
  fstat(second.fd.get(), &after);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_EQ(Commit(first).failure(), v1::FAILURE_UPLOAD);
  EXPECT_EQ(Commit(second).error(), 0u);
  EXPECT_EQ(Read("file"), "01");
}

TEST_F(UploadsTest, WhatOthersPutAtTheNameOfAnUploadIsNotTouched) {
  const std::string temp = ResumeName("id", "file");
  Write("victim", "untouched");
  const auto refused = [&](const char* what) {
    const Open upload = Begin("file", "id");
    EXPECT_EQ(upload.reply.failure(), v1::FAILURE_UPLOAD) << what;
    EXPECT_EQ(upload.reply.error(), Error(EPERM)) << what;
    EXPECT_EQ(Find("file", "id").failure(), v1::FAILURE_UPLOAD) << what;
    std::filesystem::remove(At(temp));
  };
  symlink("victim", At(temp).c_str());
  refused("a link");
  std::filesystem::create_hard_link(At("victim"), At(temp));
  refused("a second name");
  ASSERT_EQ(mkfifo(At(temp).c_str(), 0600), 0);
  refused("a pipe");
  std::filesystem::create_directory(At(temp));
  refused("a directory");
  if (geteuid() == 0) {
    Write(temp, "planted");
    ASSERT_EQ(chown(At(temp).c_str(), 65534, 65534), 0);
    refused("another's");
  }
  EXPECT_EQ(Read("victim"), "untouched");
}

TEST_F(UploadsTest, AnIdIsShortAndPlain) {
  for (const std::string& id :
       {std::string("a/b"), std::string(".."), std::string("a b"), std::string(65, 'a')}) {
    EXPECT_EQ(Begin("file", id).reply.failure(), v1::FAILURE_REQUEST) << id;
    EXPECT_EQ(Find("file", id).failure(), v1::FAILURE_REQUEST) << id;
  }
  EXPECT_EQ(Find("file", "").failure(), v1::FAILURE_REQUEST);
  EXPECT_EQ(Begin("file", "", 1).reply.failure(), v1::FAILURE_REQUEST) << "nothing to go on with";
  EXPECT_TRUE(Begin("file", std::string(64, 'Z')).ok());
}

TEST_F(UploadsTest, TheirNumberIsBounded) {
  Open last;
  for (size_t i = 0; i < kMaxUploads; ++i) {
    last = Begin("file");
    ASSERT_TRUE(last.ok());
  }
  EXPECT_EQ(Begin("file").reply.failure(), v1::FAILURE_TOO_MANY);
  Discard(last, false);
  EXPECT_TRUE(Begin("file").ok());
}

TEST_F(UploadsTest, ACopyHasTheBeginningAndItsHoles) {
  const UniqueFd from(open(At("from").c_str(), O_RDWR | O_CREAT, 0600));
  const std::string data(300'000, 'd');
  ASSERT_EQ(pwrite(from.get(), data.data(), data.size(), 0), 300'000);
  ASSERT_EQ(pwrite(from.get(), "end", 3, 50 << 20), 3);
  for (const off_t bytes : {0l, 1l, 299'999l, 10l << 20, (50l << 20) + 3}) {
    const UniqueFd to(open(At("to").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
    ASSERT_TRUE(CopyBeginning(from.get(), to.get(), bytes).ok());
    struct stat info;
    ASSERT_EQ(fstat(to.get(), &info), 0);
    EXPECT_EQ(info.st_size, bytes);
    EXPECT_LT(info.st_blocks * 512, 1 << 20);
    std::string copied(std::min<off_t>(bytes, 300'000), ' ');
    ASSERT_EQ(pread(to.get(), copied.data(), copied.size(), 0),
              static_cast<ssize_t>(copied.size()));
    EXPECT_EQ(copied, data.substr(0, copied.size()));
  }
  EXPECT_EQ(Read("to").substr(50 << 20), "end");
}

}  // namespace
}  // namespace nacre::files
