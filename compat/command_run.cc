#include "compat/command_run.h"

#include <errno.h>
#include <sys/uio.h>

#include <asio/post.hpp>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "executor/errors.h"

namespace nacre::compat {
namespace {

// Bytes for the disk thread at a time: half a ring, so that the other half fills meanwhile.
constexpr size_t kWriteBytes = kDefaultRingBytes / 2;

// The file, and the copy of the socket that sends it.
constexpr size_t kFdsPerFile = 2;

absl::Status AppendToFile(Collected* stream, const LogReader::Chunk& chunk) {
  iovec parts[] = {{const_cast<char*>(chunk.first.data()), chunk.first.size()},
                   {const_cast<char*>(chunk.second.data()), chunk.second.size()}};
  for (iovec& part : parts) {
    while (part.iov_len > 0) {
      const ssize_t written = pwrite(stream->file.get(), part.iov_base, part.iov_len,
                                     static_cast<off_t>(stream->file_bytes));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return absl::ErrnoToStatus(errno, "spool");
      stream->file_bytes += static_cast<uint64_t>(written);
      part.iov_base = static_cast<char*>(part.iov_base) + written;
      part.iov_len -= static_cast<size_t>(written);
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::shared_ptr<CommandRun> CommandRun::Start(Services& services, const CompatListener& options,
                                              uint64_t max_output, const Identity& identity,
                                              std::string command, Done done) {
  std::shared_ptr<CommandRun> run(new CommandRun(services, options, max_output, std::move(done)));
  if (absl::Status status = run->Launch(identity, std::move(command)); !status.ok()) {
    asio::post(services.loop, [run, status] { run->Finish(status); });
  }
  return run;
}

CommandRun::CommandRun(Services& services, const CompatListener& options, uint64_t max_output,
                       Done done)
    : services_(services),
      options_(options),
      max_output_(max_output),
      done_(std::move(done)),
      lease_(services.spool->NewLease()) {}

absl::Status CommandRun::Launch(const Identity& identity, std::string command) {
  CommandParts parts;
  parts.argv = {"/bin/sh", "-c", "--", std::move(command)};
  parts.timeout_ns = options_.timeout_ns;
  parts.on_disconnect.grace_ns = 0;
  auto spec = CommandSpec::Create(std::move(parts));
  if (!spec.ok()) return spec.status();
  auto session = services_.executor.Start(identity, *spec, this);
  if (session.ok()) session_ = *std::move(session);
  return session.status();
}

void CommandRun::Abandon() {
  done_ = nullptr;
  if (session_ != nullptr) std::exchange(session_, nullptr)->Abandon();
}

void CommandRun::OnStartFailed(const absl::Status& status) {
  session_.reset();
  Finish(status);
}

void CommandRun::OnProgress() {
  if (writing_) {
    session_->Proceed();
  } else {
    Collect();
  }
}

// Takes what there is. Ends in one of three ways: a write is under way, it is waiting for more, or
// all is there.
void CommandRun::Collect() {
  size_t unwritten = 0;
  while (unwritten < kWriteBytes) {
    const auto chunk = session_->reader().Next(kWriteBytes - unwritten);
    if (!chunk.has_value()) break;
    if (!given_up_.ok() || Keep(*chunk)) continue;
    unwritten_.push_back(*chunk);
    unwritten += chunk->size();
  }
  if (!unwritten_.empty() && given_up_.ok()) {
    StartWriting();
    return;
  }
  unwritten_.clear();
  session_->Release(session_->reader().position());
  if (!session_->termination().has_value() || !session_->output_taken()) {
    session_->Wait();
    return;
  }
  NoteEnd();
  // The client first: it waits, and the keeper does not.
  const std::shared_ptr<Session> session = std::exchange(session_, nullptr);
  Finish(given_up_);
  session->Close();
}

// Whether the chunk needs no disk: it is in memory now, or nobody wants it any more.
bool CommandRun::Keep(const LogReader::Chunk& chunk) {
  if (session_->reader().position() > max_output_) {
    GiveUp(absl::ResourceExhaustedError(
        options_.max_output < CompatListener::kMaxFramedReply
            ? absl::StrFormat("the output exceeds %d bytes (max_output); none of it is sent",
                              max_output_)
            : absl::StrFormat(
                  "the output exceeds %d bytes, the most that this dialect's length can "
                  "say; none of it is sent. The dialect \"header\" has no such bound",
                  max_output_)));
    return true;
  }
  Collected& stream = streams_[chunk.stream];
  if (!stream.descriptors.taken() && lease_.TakeMemory(chunk.size())) {
    stream.memory.append(chunk.first).append(chunk.second);
    return true;
  }
  if (!lease_.TakeDisk(chunk.size())) {
    GiveUp(absl::ResourceExhaustedError("the spool is full; none of the output is sent"));
    return true;
  }
  if (!stream.descriptors.taken()) {
    auto share = services_.descriptors.Take(kFdsPerFile);
    if (!share.has_value()) {
      GiveUp(absl::ResourceExhaustedError("open files: none is left; no output is sent"));
      return true;
    }
    stream.descriptors = *std::move(share);
  }
  return false;
}

void CommandRun::StartWriting() {
  writing_ = true;
  session_->Proceed();
  asio::post(services_.disk, [self = shared_from_this()]() mutable {
    absl::Status status = self->WriteToFiles();
    asio::io_context& loop = self->services_.loop;
    asio::post(loop,
               [self = std::move(self), status = std::move(status)] { self->OnWritten(status); });
  });
}

absl::Status CommandRun::WriteToFiles() {
  for (const LogReader::Chunk& chunk : unwritten_) {
    Collected& stream = streams_[chunk.stream];
    if (!stream.file.valid()) {
      auto file = services_.spool->NewFile();
      if (!file.ok()) return file.status();
      stream.file = *std::move(file);
    }
    if (absl::Status status = AppendToFile(&stream, chunk); !status.ok()) return status;
    if (absl::Status status = services_.spool->CheckDisk(stream.file.get()); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void CommandRun::OnWritten(const absl::Status& status) {
  writing_ = false;
  unwritten_.clear();
  if (session_ == nullptr) return;  // abandoned meanwhile
  if (!status.ok()) GiveUp(status);
  session_->Release(session_->reader().position());
  Collect();
}

// From now on output is read and dropped: a command is not ended for what it writes.
void CommandRun::GiveUp(const absl::Status& status) {
  given_up_ = status;
  for (Collected& stream : streams_) stream = Collected();
  lease_.Clear();
}

// An end that the client could not tell from a normal one is said behind the output.
void CommandRun::NoteEnd() {
  const Termination& end = *session_->termination();
  std::string note;
  if (end.cause() == keeper::v1::END_CAUSE_TIMED_OUT) {
    note = absl::StrFormat("nacre: the command took longer than %s and was ended\n",
                           absl::FormatDuration(absl::Nanoseconds(options_.timeout_ns)));
  } else if (end.cause() == keeper::v1::END_CAUSE_SHUTDOWN) {
    note = "nacre: the node shut down and ended the command\n";
  }
  if (given_up_.ok()) streams_[kStderr].note = std::move(note);
}

void CommandRun::Finish(const absl::Status& status) {
  if (done_ == nullptr) return;
  std::exchange(done_, nullptr)(Result{.status = status,
                                       .out = std::move(streams_[kStdout]),
                                       .err = std::move(streams_[kStderr]),
                                       .lease = std::move(lease_)});
}

}  // namespace nacre::compat
