#pragma once

#include "absl/status/status.h"
#include "executor/file_request.h"

namespace nacre {

// A helper's failure as the contract's code and reason, with the path that it is about. OK if the
// reply says that it is done.
absl::Status FileError(const files::v1::Reply& reply, const FileRequest& request);

// Likewise, of an errno alone: that of a read or write of the file itself.
absl::Status FileError(int error, const FileRequest& request);

// An error that the front finds itself, e.g. FILE_CHANGED.
absl::Status FileError(absl::StatusCode code, const char* reason, const std::string& why,
                       const FileRequest& request);

}  // namespace nacre
