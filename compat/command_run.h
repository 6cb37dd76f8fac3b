#pragma once

#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/ring_layout.h"
#include "compat/reply.h"
#include "compat/services.h"
#include "compat/transcoder.h"
#include "config/compat_listener.h"
#include "executor/executor.h"
#include "executor/log_reader.h"

namespace nacre::compat {

// One command of an old client: runs it and collects its output, since the length goes first. Small
// output stays in memory, the rest goes into files. Loop only.
//
//   ring ──▶ Collect (loop) ──▶ memory, while the lease has some
//                           └─▶ WriteToFiles (disk thread) ──▶ OnWritten (loop) ──▶ Collect …
//
// While a write is under way its bytes stay in the ring, and the command may go on filling it.
class CommandRun : public std::enable_shared_from_this<CommandRun>, private SessionFollower {
 public:
  struct Result {
    // Why there is no output: the command did not start, or wrote more than may be kept.
    absl::Status status;
    Collected out, err;
    // Ours, behind the output: an end that the client could not tell from a normal one.
    std::string note;
    Spool::Lease lease;
  };
  using Done = std::function<void(Result)>;

  // Runs `command` with /bin/sh. `done` is called once, after Start has returned, unless Abandon
  // was.
  static std::shared_ptr<CommandRun> Start(Services& services, const CompatListener& options,
                                           uint64_t max_output, const Identity& identity,
                                           std::string command, Done done);

  // The client is gone: ends the command.
  void Abandon();

 private:
  CommandRun(Services& services, const CompatListener& options, uint64_t max_output, Done done);

  // What one stream wrote, and how it is translated where it is.
  struct Stream {
    Collected collected;
    std::optional<Transcoder> transcoder;
  };

  absl::Status SetUpEncoding();
  absl::Status Launch(const Identity& identity, std::string command);
  void OnStarted() override;
  void OnLog(const absl::StatusOr<LogView>& log) override;
  void OnGone(const absl::Status& status) override;
  void OnProgress() override;

  void Collect();
  bool Keep(const LogReader::Chunk& chunk);
  static std::string Translate(Stream* stream, const LogReader::Chunk& chunk);
  static absl::Status AppendToFile(Stream* stream, const LogReader::Chunk& chunk);
  bool TakeDescriptors();
  void StartWriting();
  absl::Status WriteToFiles();
  void OnWritten(const absl::Status& status);
  absl::Status TooMuch() const;
  void GiveUp(const absl::Status& status);
  void Finish(const absl::Status& status);
  std::string NoteEnd() const;
  void CompleteOutput();

  Services& services_;
  const CompatListener& options_;
  const uint64_t max_output_;
  Done done_;
  std::shared_ptr<Session> session_;
  std::optional<LogReader> reader_;
  Spool::Lease lease_;
  // Why the output is not kept any more.
  absl::Status given_up_;
  std::string note_;

  // With the disk thread while `writing_`.
  Stream streams_[kStreams];
  std::vector<LogReader::Chunk> unwritten_;
  bool writing_ = false;
  // Until there are descriptors for files, the output stays in the ring, and the command waits.
  asio::steady_timer retry_;
};

}  // namespace nacre::compat
