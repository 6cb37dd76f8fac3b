#pragma once

#include "base/unique_fd.h"
#include "files/outcome.h"
#include "nacre/files/v1/files.pb.h"

// The operations that leave nothing behind in the helper. Each does one request and writes what it
// has to tell into `reply`; the comments are in files.proto.
namespace nacre::files {

Outcome Stat(const v1::Stat& request, v1::Reply* reply);
Outcome List(const v1::List& request, v1::Reply* reply);
Outcome OpenRead(const v1::OpenRead& request, v1::Reply* reply, UniqueFd* fd);
Outcome MakeDirectory(const v1::MakeDirectory& request, v1::Reply* reply);
Outcome MakeSymlink(const v1::MakeSymlink& request, v1::Reply* reply);
Outcome Move(const v1::Move& request);
Outcome RemoveFile(const v1::Remove& request, v1::Reply* reply);
Outcome SetAttributes(const v1::SetAttributes& request, v1::Reply* reply);
Outcome Watch(const v1::Watch& request, UniqueFd* fd);
Outcome FindUpload(const v1::FindUpload& request, v1::Reply* reply);

}  // namespace nacre::files
