#include "server/file_translate.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "executor/errors.h"

namespace nacre {
namespace {

std::string FieldOf(const absl::Status& status) { return ErrorField(status).value_or(""); }

TEST(FileTranslateTest, APathIsTakenFromEitherFieldAndNotFromBoth) {
  v1::FilePath path;
  EXPECT_EQ(FieldOf(ToPath(path, "path").status()), "path.path");
  path.set_path("a");
  path.set_root_bytes("\xff");
  EXPECT_EQ(ToPath(path, "path")->root(), "\xff");
  path.set_path_bytes("b");
  EXPECT_EQ(FieldOf(ToPath(path, "from").status()), "from.path");
}

TEST(FileTranslateTest, PathsThatCanBeNoneAreRefusedByName) {
  v1::FilePath path;
  for (const std::string& wrong : {std::string("a\0b", 3), std::string(4096, 'x')}) {
    path.set_path(wrong);
    EXPECT_EQ(FieldOf(ToPath(path, "path").status()), "path.path");
  }
  path.set_path("a");
  path.set_root(std::string("\0", 1));
  EXPECT_EQ(FieldOf(ToPath(path, "path").status()), "path.root");
}

TEST(FileTranslateTest, SpecialBitsGoOnlyWhereTheyWereAskedFor) {
  EXPECT_EQ(*ToMode(06755, false), 0755u);
  EXPECT_EQ(*ToMode(06755, true), 06755u);
  EXPECT_FALSE(ToMode(0100644, true).ok());
}

TEST(FileTranslateTest, AFileOfAnyNameIsDescribed) {
  files::v1::Entry entry;
  entry.set_name("\xff");
  entry.set_mode(S_IFLNK | 0777);
  entry.set_link_target("ä");
  entry.set_size(3);
  const v1::File file = ToFile(entry);
  EXPECT_EQ(file.name(), "");
  EXPECT_EQ(file.name_bytes(), "\xff");
  EXPECT_EQ(file.type(), v1::FILE_TYPE_SYMLINK);
  EXPECT_EQ(file.mode(), 0777u);
  EXPECT_EQ(file.link_target(), "ä");
}

TEST(FileTranslateTest, TheVersionChangesWithFileAndContent) {
  files::v1::Entry entry;
  entry.set_inode(1);
  entry.set_size(5);
  entry.mutable_changed()->set_nanos(1);
  const std::string version = VersionOf(entry);
  EXPECT_EQ(VersionOf(entry), version);
  entry.mutable_changed()->set_nanos(2);
  EXPECT_NE(VersionOf(entry), version);
}

TEST(FileTranslateTest, AStartThatCanNotBeRightIsRefusedByName) {
  v1::WriteStart start;
  start.mutable_path()->set_path("f");
  EXPECT_TRUE(ToFileRequest(start).ok());
  start.set_offset(1);
  EXPECT_EQ(FieldOf(ToFileRequest(start).status()), "start.offset");
  start.set_resume_id("../x");
  EXPECT_EQ(FieldOf(ToFileRequest(start).status()), "resume_id");
  start.set_resume_id("id");
  EXPECT_TRUE(ToFileRequest(start).ok());
  start.mutable_modify_time()->set_nanos(-1);
  EXPECT_EQ(FieldOf(ToFileRequest(start).status()), "start.modify_time");
}

TEST(FileTranslateTest, APageTokenIsOneThatAListHasReturned) {
  v1::ListDirectoryRequest request;
  request.mutable_path()->set_path("d");
  request.set_page_size(100'000);
  EXPECT_EQ(ToFileRequest(request)->operation.list().limit(), 1000u);
  EXPECT_FALSE(ToFileRequest(request)->operation.list().has_from());
  request.set_page_token("77");
  EXPECT_EQ(ToFileRequest(request)->operation.list().from(), 77u);
  request.set_page_token("-1");
  EXPECT_EQ(FieldOf(ToFileRequest(request).status()), "page_token");
}

}  // namespace
}  // namespace nacre
