#pragma once

#include "base/unique_fd.h"
#include "files/outcome.h"
#include "files/uploads.h"
#include "nacre/files/v1/files.pb.h"

namespace nacre::files {

// What the front is to hear, and to get beside it.
struct Answer {
  v1::Reply reply;
  // Not valid: none.
  UniqueFd fd;
};

// Does what a front asks for, with the rights of the process. Knows no channel. Not thread-safe.
class FileService {
 public:
  // Never fails: what can't be done is said in the reply, which fits a datagram.
  Answer Handle(const v1::Request& request);

 private:
  Outcome Dispatch(const v1::Request& request, Answer* answer);
  Outcome OpenWrite(const v1::OpenWrite& request, Answer* answer);
  Outcome Commit(const v1::Commit& request, v1::Reply* reply);

  Uploads uploads_;
};

}  // namespace nacre::files
