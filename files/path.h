#pragma once

#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "files/outcome.h"
#include "nacre/files/v1/files.pb.h"

namespace nacre::files {

// A name and the directory that it is, or will be, in. What is done to a name takes both, so that a
// directory of the path that is swapped for a link meanwhile leads nowhere else.
struct Place {
  // O_PATH.
  UniqueFd directory;
  // One component, neither "." nor "..".
  std::string name;
  // The path ends in a slash: only a directory will do.
  bool slash = false;

  // As the kernel is to hear it.
  std::string kernel_name() const { return slash ? name + "/" : name; }
};

// Turns a path of a request into descriptors, beneath its root if it has one. Not thread-safe.
//
//   auto resolver = Resolver::For(request.path());
//   if (!resolver.ok()) return resolver.outcome();
//   Result<UniqueFd> file = resolver->Open(resolver->path(), O_PATH);
//
// Links in /proc that are none (/proc/PID/fd/N, cwd, exe) are not followed: ELOOP.
class Resolver {
 public:
  // FAILURE_REQUEST: no path at all. FAILURE_ROOT: the root can't be entered.
  static Result<Resolver> For(const v1::Path& path);

  // The path of the request as Open and Locate take it: not empty, without leading slash where
  // there is a root.
  const std::string& path() const { return path_; }

  // open(2), close-on-exec. Nothing is made: no O_CREAT here. FAILURE_OUTSIDE_ROOT with EXDEV.
  Result<UniqueFd> Open(std::string_view path, int flags) const;

  // EINVAL: the last component is "." or "..", or there is none.
  Result<Place> Locate(std::string_view path) const;

 private:
  Resolver(UniqueFd root, std::string path) : root_(std::move(root)), path_(std::move(path)) {}

  // Not valid: no bound, from the working directory.
  UniqueFd root_;
  std::string path_;
};

// Open and Locate for a request's path, in one step.
Result<UniqueFd> OpenPath(const v1::Path& path, int flags);
Result<Place> LocatePath(const v1::Path& path);

// Last component, slashes at the end aside; "/" where there is none.
std::string_view LastComponent(std::string_view path);

// EOPNOTSUPP if the file is on a file system that a process serves (FUSE): who is handed the file
// may wait for that process for ever.
Outcome CheckServedByKernel(int fd);

// The name under which the kernel knows an open file, O_PATH or not.
std::string ProcPath(int fd);

// Opens what `fd`, an O_PATH one, stands for; close-on-exec.
Result<UniqueFd> Reopen(int fd, int flags);

}  // namespace nacre::files
