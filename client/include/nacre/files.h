// The files of a node: reads, writes and changes them with the rights of a user of that node.
//
//   nacre::client::Files files(*client);
//   auto reader = files.Read("/var/log/messages");
//   if (!reader.ok()) return reader.status();
//   for (;;) {
//     auto chunk = (*reader)->Next();
//     if (!chunk.ok()) return chunk.status();
//     if (chunk->end()) break;
//     Show(chunk->data);
//   }
//
// Paths, names and targets of links are bytes: they need not be UTF-8, and hold no NUL. A path is
// absolute or counts from the user's home (from FilesOptions::root, where that is set).
//
// Errors carry the node's reason, see ErrorReason(): NOT_FOUND/FILE_NOT_FOUND, PERMISSION_DENIED/
// FILE_ACCESS_DENIED, ALREADY_EXISTS/FILE_EXISTS, FAILED_PRECONDITION/IS_A_DIRECTORY and others,
// which nacre/v1/file.proto lists.
#ifndef NACRE_FILES_H_
#define NACRE_FILES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nacre/client.h"

namespace nacre::client {

struct FileCalls;

enum class FileType {
  kOther,  // Something else, or one that this client is too old to know.
  kRegular,
  kDirectory,
  kSymlink,
  kFifo,
  kSocket,
  kCharacterDevice,
  kBlockDevice
};

// The name as the node's API has it, in lower case, e.g. "character device".
std::string_view FileTypeName(FileType type);

// A file as it was when it was looked at.
struct FileInfo {
  std::string name;  // Last part of its path; of an entry, its name in the directory.
  FileType type = FileType::kOther;
  uint64_t size = 0;             // Bytes of content.
  uint64_t allocated_bytes = 0;  // On the disk: less than `size` where it is sparse.
  uint32_t mode = 0;             // At most 07777.
  absl::Time modify_time;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint64_t links = 0;   // How many names it has.
  uint64_t inode = 0;   // Tells it from all others on its device at one time.
  uint64_t device = 0;  // The file system it is on.
  std::string link_target;
  std::string version;  // Opaque; changes whenever the file or its content does.
};

struct FilePage {
  std::vector<FileInfo> entries;  // Without "." and ".."; in the order of the file system.
  std::string next_page_token;    // Empty: this is the last page.
};

struct MakeDirectoryOptions {
  std::optional<uint32_t> mode;  // Default: 0755.
  bool special_bits = false;     // Whether `mode` may have set-group-ID and sticky bits.
  // Those above it too; one that is there already is success.
  bool parents = false;
};

struct RemoveOptions {
  bool recursive = false;       // A directory with all there is in it.
  bool may_be_missing = false;  // What is not there is no error.
};

// What to change of a file; absent: as it is.
struct FileAttributes {
  std::optional<uint32_t> mode;
  bool special_bits = false;  // Whether `mode` may have set-user-ID, set-group-ID and sticky bits.
  std::optional<absl::Time> modify_time;
};

struct ReadOptions {
  uint64_t offset = 0;             // First byte. Beyond the end: OUT_OF_RANGE.
  std::optional<uint64_t> length;  // How many at most; default: to the end.
  std::string expected_version;    // FileInfo::version that it must have; empty: any.
  // Whether parts that were never written come as FileChunk::hole; else they come as zeros.
  bool accept_holes = false;
};

// The next part of a file.
struct FileChunk {
  uint64_t offset = 0;    // In the file.
  std::string_view data;  // Valid until the reader is called again.
  uint64_t hole = 0;      // So many zero bytes, which take no room on the disk.

  // Behind the last part.
  bool end() const { return data.empty() && hole == 0; }
};

// What was read in all.
struct ReadSummary {
  uint64_t bytes = 0;    // Those of holes included.
  std::string xxh3_128;  // Of them: 16 bytes, canonical (big-endian) form.
  // The file was written to, replaced or cut meanwhile: what came may be of two of its states.
  bool changed = false;
};

// A file that is being read. Belongs to one thread at a time.
//
// When the connection is lost, Next() goes on by the next one where it was, for
// ConnectOptions::resume_for; if the file is not the same any more: FAILED_PRECONDITION/
// FILE_CHANGED. What came is proven: bytes and XXH3-128 as the node counted them, else DATA_LOSS.
class FileReader {
 public:
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  ~FileReader();  // Before the end: ends the call.

  // The file as it was opened.
  const FileInfo& head() const;

  // Waits for the next part. After the end and after an error: the same again.
  absl::StatusOr<FileChunk> Next();

  // Once Next() has returned the end.
  const ReadSummary& summary() const;

 private:
  friend class Files;
  class Impl;
  explicit FileReader(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

enum class FileSync {
  kContent,  // The content is on the disk before the file takes its name.
  kNone,     // Whatever the system has written by then.
};

// How to write a file.
struct WriteOptions {
  std::optional<uint32_t> mode;           // Default: that of the file that is replaced, or 0644.
  bool special_bits = false;              // As in FileAttributes.
  std::optional<absl::Time> modify_time;  // Default: now.
  bool must_not_exist = false;            // ALREADY_EXISTS/FILE_EXISTS instead of replacing.
  FileSync sync = FileSync::kContent;
};

// A file that is being written from a source that comes by but once. Belongs to one thread at a
// time. The file takes its name in Finish(); before, and after any error, all is as it was.
//
// A lost connection is an error, UNAVAILABLE: the bytes are gone. Who can read them again takes
// Files::Upload().
class FileWriter {
 public:
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();  // Before Finish(): nothing is written.

  // Hands over the next bytes; waits while the node has no room for them.
  absl::Status Write(std::string_view data);

  // So many zero bytes, which take no room on the disk where it can do that.
  absl::Status Hole(uint64_t bytes);

  // All was handed over, and comes with its XXH3-128 for the node to compare: else DATA_LOSS/
  // CHECKSUM_MISMATCH. Returns the file under its name.
  absl::StatusOr<FileInfo> Finish();

 private:
  friend class Files;
  class Impl;
  explicit FileWriter(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

// Where the bytes of an upload come from; implemented by its caller, used by the thread in
// Files::Upload(). They are read in order, and again from an earlier offset after a loss.
class UploadSource {
 public:
  virtual ~UploadSource() = default;

  // Reads what is at `offset`: sets `data`, which holds anything before, to at most `most` bytes of
  // it, or empties it and sets `hole`, which is 0 before, to how many bytes of a hole are there.
  // Neither: it is the end. An error ends the upload and is its result.
  virtual absl::Status Read(uint64_t offset, size_t most, std::string* data, uint64_t* hole) = 0;

  // An earlier upload has brought the node so much of it: that is read for the checksum only.
  virtual void HasUpTo(uint64_t /*offset*/) {}
};

struct UploadOptions : WriteOptions {
  // Name under which the node keeps what has come of an upload that was lost: 1 to 64 of A-Z a-z
  // 0-9 _ -. Empty: nothing is kept, and a loss begins anew.
  std::string resume_id;
  // Go on with what an earlier upload, with this id and to this path, has left there.
  bool resume = false;
};

struct UploadResult {
  FileInfo file;
  uint64_t bytes = 0;
  std::string xxh3_128;  // Of the whole file, which the node has compared.
};

// It is watched from now on. First event.
struct Watching {};

// The caller, or the connection, took too long: events were lost. Look at the directory again.
struct WatchOverflow {};

enum class FileEventKind {
  kUnknown,  // One that this client is too old to know.
  kCreated,
  kWritten,     // Bytes were written, or it was cut.
  kClosed,      // Somebody who could write to it has closed it.
  kAttributes,  // Its mode, owner or times were changed.
  kRemoved,
  kMovedOut,  // It has left this name.
  kMovedIn    // It has come to this name.
};

// The name as the node's API has it, in lower case, e.g. "moved in".
std::string_view FileEventKindName(FileEventKind kind);

// Something that has happened to one file.
struct FileEvent {
  FileEventKind kind = FileEventKind::kUnknown;
  std::string name;        // The entry's; empty: what is watched itself.
  bool directory = false;  // Whether it is one.
  uint32_t move = 0;       // The same for both ends of one move.
};

using WatchEvent = std::variant<Watching, FileEvent, WatchOverflow>;

// A directory or file that is being watched. Next() belongs to one thread at a time; Abandon() may
// be called from any.
class FileWatch {
 public:
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  ~FileWatch();

  // Waits for the next event. When the connection is lost it watches anew, for
  // ConnectOptions::resume_for, and says WatchOverflow. FAILED_PRECONDITION/WATCH_ENDED: what is
  // watched is gone. An error is final.
  absl::StatusOr<WatchEvent> Next();

  // Next() returns CANCELLED, at once where it is waiting for events.
  void Abandon();

 private:
  friend class Files;
  class Impl;
  explicit FileWatch(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

struct FilesOptions {
  // Directory that must not be left, neither by `..` nor by a symbolic link; paths count from it,
  // also with a leading `/`. Empty: no such bound.
  std::string root;
  // User with whose rights; UTF-8. Empty: as whom the caller's commands run by default.
  std::string run_as;
};

// A node's files, as one user sees them. Any thread may call any method at any time; copies are
// cheap, share the client's connection and may outlive it.
//
// When the connection is lost, calls ask again, for ConnectOptions::resume_for. Where the node may
// have done what was asked though its answer was lost, what is found done then is success.
class Files {
 public:
  explicit Files(const Client& client, FilesOptions options = {});
  ~Files();
  Files(const Files&);
  Files& operator=(const Files&);

  // A symbolic link itself, or with `follow` what it leads to.
  absl::StatusOr<FileInfo> Stat(const std::string& path, bool follow = false) const;

  // One page of at most 1,000 entries (`page_size`, where not 0); the next with this one's
  // `next_page_token`.
  absl::StatusOr<FilePage> List(const std::string& path, const std::string& page_token = "",
                                uint32_t page_size = 0) const;

  absl::StatusOr<FileInfo> MakeDirectory(const std::string& path,
                                         const MakeDirectoryOptions& options = {}) const;

  // With `replace` in place of a regular file or a symbolic link of this name.
  absl::StatusOr<FileInfo> MakeSymlink(const std::string& path, const std::string& target,
                                       bool replace = false) const;

  // Moves or renames in one step. `to` is the new path, not a directory to move it into. Replaces a
  // file by a file and an empty directory by a directory, unless `must_not_exist`.
  absl::Status Move(const std::string& from, const std::string& to,
                    bool must_not_exist = false) const;

  // Returns how many were removed, as far as is known after a loss.
  absl::StatusOr<uint64_t> Remove(const std::string& path, const RemoveOptions& options = {}) const;

  absl::StatusOr<FileInfo> SetAttributes(const std::string& path,
                                         const FileAttributes& attributes) const;

  // Opens a file; waits until it is open.
  absl::StatusOr<std::unique_ptr<FileReader>> Read(const std::string& path,
                                                   const ReadOptions& options = {}) const;

  // Prepares to write a file; its errors come with the writer's calls.
  absl::StatusOr<std::unique_ptr<FileWriter>> Write(const std::string& path,
                                                    const WriteOptions& options = {}) const;

  // Writes a file whole, through losses of the connection: with UploadOptions::resume_id from where
  // the node has got to, else from the beginning. The checksum is of the whole file in any case. A
  // source that changes between two readings: DATA_LOSS/CHECKSUM_MISMATCH.
  absl::StatusOr<UploadResult> Upload(const std::string& path, const UploadOptions& options,
                                      UploadSource& source) const;

  // How many bytes the node has of an upload. NOT_FOUND/UPLOAD_NOT_FOUND: there is none.
  absl::StatusOr<uint64_t> GetUpload(const std::string& path, const std::string& resume_id) const;

  // Prepares to watch a directory or a file; the first Next() begins.
  absl::StatusOr<std::unique_ptr<FileWatch>> Watch(const std::string& path) const;

 private:
  std::shared_ptr<const FileCalls> calls_;
};

}  // namespace nacre::client

#endif  // NACRE_FILES_H_
