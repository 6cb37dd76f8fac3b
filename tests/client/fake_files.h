// A node in this process whose files are a directory of ours.
#ifndef NACRE_TESTS_CLIENT_FAKE_FILES_H_
#define NACRE_TESTS_CLIENT_FAKE_FILES_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nacre/v1/file.grpc.pb.h"
#include "tests/client/fake_node.h"

namespace nacre::client {

// What goes wrong. Each happens once for each time it is set.
struct FileFaults {
  std::atomic<int64_t> lose_read_after{-1};   // Bytes sent; -1: never.
  std::atomic<int64_t> lose_write_after{-1};  // Bytes taken.
  // Then nothing more comes or goes until the caller has left; `stalled` says so.
  std::atomic<int64_t> stall_read_after{-1};
  std::atomic<int64_t> stall_write_after{-1};
  std::atomic<bool> stalled{false};
  std::atomic<int64_t> fail_read_at{-1};  // From there on PERMISSION_DENIED.
  std::atomic<bool> no_space{false};      // For any write, as long as it is set.
  std::atomic<int> empty_pages{0};        // Before each directory's entries; so many.
  std::atomic<int> lose_answers{0};       // Of calls that were obeyed; so many.
  std::atomic<bool> wrong_checksum{false};
  std::atomic<int> watch_losses{0};
};

// Serves a FileService on a Unix socket until destroyed. Every path is one in directory(). Does the
// least that the contract asks for, as our own user, in plain system calls.
class FakeFiles {
 public:
  FakeFiles();
  ~FakeFiles();
  FakeFiles(const FakeFiles&) = delete;
  FakeFiles& operator=(const FakeFiles&) = delete;

  std::string target() const { return "unix:" + socket_.path() + "/s"; }
  const std::string& directory() const { return files_.path(); }

  // It is gone for so long.
  void Restart(absl::Duration gone);

  FileFaults faults;
  // Told as entries of every directory, though they are not there.
  std::vector<v1::File> invented;
  // Requests that came: of WriteFile its messages.
  std::atomic<int> write_messages{0};
  std::atomic<int> read_calls{0};
  std::atomic<uint64_t> bytes_written{0};
  std::atomic<uint64_t> bytes_read{0};
  // The last one's.
  std::mutex mutex;
  v1::WriteStart last_start;
  v1::FilePath last_path;

 private:
  class Service;
  void Serve();

  TemporaryDirectory socket_;
  TemporaryDirectory files_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace nacre::client

#endif  // NACRE_TESTS_CLIENT_FAKE_FILES_H_
