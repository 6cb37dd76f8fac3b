#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "nacre/files/v1/files.pb.h"

namespace nacre {

// What a helper has answered: never an error of the channel, perhaps one of the file.
struct FileReply {
  files::v1::Reply reply;
  // What came beside it, close-on-exec; not looked at yet.
  UniqueFd fd;
};

// The channel to nacre-files, which opens files as one user and is as trustworthy as that user:
// what it says is believed of that user's files only. Loop only. Lives as long as somebody holds
// it; the helper ends with it.
class FileHelper : public std::enable_shared_from_this<FileHelper> {
 public:
  // Called once for each Call. UNAVAILABLE/FILE_HELPER_LOST: it may or may not have been done. Also
  // said of a helper that has answered nothing for a minute.
  using Done = std::function<void(absl::StatusOr<FileReply>)>;

  FileHelper(asio::io_context& loop, UniqueFd channel);
  // Begins to listen.
  void Run();
  void Call(files::v1::Request request, Done done);
  // Answers all that waits, and hears no more of it.
  void Close(const std::string& why) { Lose(why); }
  // It is gone: whoever wants one needs another.
  bool lost() const { return lost_; }
  // Calls that wait for an answer.
  size_t waiting() const { return waiting_.size(); }

 private:
  void AwaitReadable();
  void OnReadable();
  void SendQueued();
  bool Answer(files::v1::Reply reply, UniqueFd fd);
  void ArmPatience();
  void Lose(const std::string& why);

  asio::posix::stream_descriptor channel_;
  uint64_t next_id_ = 1;
  // By request's id.
  std::map<uint64_t, Done> waiting_;
  // What the channel had no room for: at most as many as wait.
  std::deque<std::string> queue_;
  bool lost_ = false;
  // Runs while something waits, anew with each answer.
  asio::steady_timer patience_;
};

}  // namespace nacre
