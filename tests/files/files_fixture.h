#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "files/file_service.h"
#include "tests/support/temp_dir.h"

namespace nacre::files {

// A directory, a service that may work in it, and short ways to ask it.
class FilesTest : public ::testing::Test {
 protected:
  FilesTest() : old_umask_(umask(0)) {}
  ~FilesTest() override { umask(old_umask_); }

  std::string At(const std::string& name) const { return dir_.path() + "/" + name; }

  v1::Path PathTo(const std::string& name) const {
    v1::Path path;
    path.set_path(At(name));
    return path;
  }
  // Bound to the directory.
  v1::Path Beneath(const std::string& name) const {
    v1::Path path;
    path.set_path(name);
    path.set_root(dir_.path());
    return path;
  }

  Answer Ask(const v1::Request& request) { return service_.Handle(request); }

  Answer Stat(v1::Path path, bool follow = false) {
    v1::Request request;
    request.mutable_stat()->set_follow(follow);
    *request.mutable_stat()->mutable_path() = std::move(path);
    return Ask(request);
  }
  Answer OpenRead(v1::Path path) {
    v1::Request request;
    *request.mutable_open_read()->mutable_path() = std::move(path);
    return Ask(request);
  }
  Answer Remove(v1::Path path, bool recursive) {
    v1::Request request;
    request.mutable_remove()->set_recursive(recursive);
    *request.mutable_remove()->mutable_path() = std::move(path);
    return Ask(request);
  }
  Answer MakeDirectory(v1::Path path, mode_t mode = 0755, bool parents = false) {
    v1::Request request;
    request.mutable_make_directory()->set_mode(mode);
    request.mutable_make_directory()->set_parents(parents);
    *request.mutable_make_directory()->mutable_path() = std::move(path);
    return Ask(request);
  }
  Answer MakeSymlink(v1::Path path, const std::string& target, bool replace = false) {
    v1::Request request;
    request.mutable_make_symlink()->set_target(target);
    request.mutable_make_symlink()->set_replace(replace);
    *request.mutable_make_symlink()->mutable_path() = std::move(path);
    return Ask(request);
  }
  Answer Move(v1::Path from, v1::Path to, bool must_not_exist = false) {
    v1::Request request;
    request.mutable_move()->set_must_not_exist(must_not_exist);
    *request.mutable_move()->mutable_from() = std::move(from);
    *request.mutable_move()->mutable_to() = std::move(to);
    return Ask(request);
  }

  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(At(name), std::ios::binary) << content;
  }
  std::string Read(const std::string& name) const {
    std::ostringstream content;
    content << std::ifstream(At(name), std::ios::binary).rdbuf();
    return content.str();
  }
  // Names in the directory.
  std::set<std::string> Names(const std::string& below = "") const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(At(below))) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  mode_t ModeOf(const std::string& name) const {
    struct stat info {};
    EXPECT_EQ(lstat(At(name).c_str(), &info), 0) << name;
    return info.st_mode & 07777;
  }

  const mode_t old_umask_;
  TempDir dir_;
  FileService service_;
};

inline std::string ReadFd(int fd) {
  char buffer[4096];
  const ssize_t got = pread(fd, buffer, sizeof(buffer), 0);
  return got < 0 ? "unreadable" : std::string(buffer, got);
}

}  // namespace nacre::files
