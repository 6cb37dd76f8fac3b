// Files and paths, to and from the wire.
#ifndef NACRE_CLIENT_FILE_INFO_H_
#define NACRE_CLIENT_FILE_INFO_H_

#include <string>

#include "nacre/files.h"
#include "nacre/v1/file.pb.h"

namespace nacre::client {

FileInfo FromWire(const v1::File& wire);
FileEvent FromWire(const v1::FileEvent& wire);

v1::FilePath ToWire(const std::string& path, const FilesOptions& options);
google::protobuf::Timestamp ToWire(absl::Time time);

// All but the resumption.
v1::WriteStart ToWire(const std::string& path, const FilesOptions& files,
                      const WriteOptions& options);

}  // namespace nacre::client

#endif  // NACRE_CLIENT_FILE_INFO_H_
