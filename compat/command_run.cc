#include "compat/command_run.h"

#include <errno.h>
#include <unistd.h>

#include <asio/post.hpp>
#include <chrono>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/log.h"

namespace nacre::compat {
namespace {

// Bytes for the disk thread at a time: half a ring, so that the other half fills meanwhile.
constexpr size_t kWriteBytes = kDefaultRingBytes / 2;

// How soon it is tried again to have descriptors for a reply's files.
constexpr auto kDescriptorRetry = std::chrono::milliseconds(20);
// The file, and the copy of the socket that sends it.
constexpr size_t kFdsPerFile = 2;

absl::Status WriteAll(Collected* collected, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(collected->file.get(), bytes.data(), bytes.size(),
                                   static_cast<off_t>(collected->file_bytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, "spool");
    collected->file_bytes += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status NoRoom() {
  return absl::ResourceExhaustedError("the spool is full; none of the output is sent");
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
      lease_(services.spool->NewLease()),
      retry_(services.loop) {}

// Makes the translators of an encoding that is not the node's.
absl::Status CommandRun::SetUpEncoding() {
  if (options_.encoding == CompatListener::Encoding::kUtf8) return absl::OkStatus();
  for (Stream& stream : streams_) {
    auto transcoder = Transcoder::Create("UTF-8", "GBK");
    if (!transcoder.ok()) return transcoder.status();
    stream.transcoder.emplace(*std::move(transcoder));
  }
  return absl::OkStatus();
}

absl::Status CommandRun::Launch(const Identity& identity, std::string command) {
  if (absl::Status status = SetUpEncoding(); !status.ok()) return status;
  CommandParts parts;
  parts.argv = {"/bin/sh", "-c", "--", std::move(command)};
  parts.timeout_ns = options_.timeout_ns;
  parts.on_disconnect.grace_ns = 0;
  parts.retention.after_end_ns = 0;  // these clients know of no sessions
  auto spec = CommandSpec::Create(std::move(parts));
  if (!spec.ok()) return spec.status();
  auto start = services_.executor.Start(identity, *spec, this);
  if (!start.ok()) return start.status();
  session_ = start->session;
  return absl::OkStatus();
}

void CommandRun::Abandon() {
  done_ = nullptr;
  retry_.cancel();
  if (session_ == nullptr) return;
  std::exchange(session_, nullptr)->Leave(this, Session::Leaving::kLost);
}

void CommandRun::OnStarted() { session_->OpenLog(this); }

void CommandRun::OnLog(const absl::StatusOr<LogView>& log) { reader_.emplace(*log); }

void CommandRun::OnGone(const absl::Status& status) {
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
    const auto chunk = reader_->Next(kWriteBytes - unwritten);
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
  session_->Release(reader_->position());
  if (!session_->termination().has_value() || reader_->position() < session_->end_position()) {
    session_->Wait(reader_->seen());
    return;
  }
  if (given_up_.ok()) CompleteOutput();
  // The client first: it waits, and the keeper does not.
  const std::shared_ptr<Session> session = std::exchange(session_, nullptr);
  Finish(given_up_);
  session->Leave(this, Session::Leaving::kDone);
}

absl::Status CommandRun::TooMuch() const {
  if (max_output_ < CompatListener::kMaxFramedReply) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "the output exceeds %d bytes (max_output); none of it is sent", max_output_));
  }
  return absl::ResourceExhaustedError(
      absl::StrFormat("the output exceeds %d bytes, the most that this dialect's length can say; "
                      "none of it is sent. The dialect \"header\" has no such bound",
                      max_output_));
}

// Whether the chunk needs no disk: it is in memory now, or nobody wants it any more.
bool CommandRun::Keep(const LogReader::Chunk& chunk) {
  if (reader_->position() > max_output_) {
    GiveUp(TooMuch());
    return true;
  }
  Stream& stream = streams_[chunk.stream];
  Collected& collected = stream.collected;
  if (!collected.spilled && lease_.TakeMemory(chunk.size())) {
    if (stream.transcoder.has_value()) {
      collected.memory += Translate(&stream, chunk);
    } else {
      collected.memory.append(chunk.first).append(chunk.second);
    }
    return true;
  }
  if (!lease_.TakeDisk(chunk.size())) {
    GiveUp(NoRoom());
    return true;
  }
  collected.spilled = true;
  return false;
}

// For the files of what is not written yet. Others give theirs back when their replies are taken.
bool CommandRun::TakeDescriptors() {
  for (const LogReader::Chunk& chunk : unwritten_) {
    FdBudget::Share& descriptors = streams_[chunk.stream].collected.descriptors;
    if (descriptors.taken()) continue;
    auto share = services_.file_descriptors.Take(kFdsPerFile);
    if (!share.has_value()) return false;
    descriptors = *std::move(share);
  }
  return true;
}

std::string CommandRun::Translate(Stream* stream, const LogReader::Chunk& chunk) {
  std::string translated;
  stream->transcoder->Append(chunk.first, &translated);
  stream->transcoder->Append(chunk.second, &translated);
  return translated;
}

absl::Status CommandRun::AppendToFile(Stream* stream, const LogReader::Chunk& chunk) {
  if (stream->transcoder.has_value()) return WriteAll(&stream->collected, Translate(stream, chunk));
  const absl::Status status = WriteAll(&stream->collected, chunk.first);
  return status.ok() ? WriteAll(&stream->collected, chunk.second) : status;
}

void CommandRun::StartWriting() {
  writing_ = true;
  session_->Proceed();
  if (!TakeDescriptors()) {
    retry_.expires_after(kDescriptorRetry);
    retry_.async_wait([self = shared_from_this()](std::error_code error) {
      if (!error && self->session_ != nullptr) self->StartWriting();
    });
    return;
  }
  asio::post(services_.disk, [self = shared_from_this()]() mutable {
    absl::Status status = self->WriteToFiles();
    asio::io_context& loop = self->services_.loop;
    asio::post(loop,
               [self = std::move(self), status = std::move(status)] { self->OnWritten(status); });
  });
}

absl::Status CommandRun::WriteToFiles() {
  for (const LogReader::Chunk& chunk : unwritten_) {
    Stream& stream = streams_[chunk.stream];
    DiskFile& file = stream.collected.file;
    if (!file.valid()) {
      auto made = services_.spool->NewFile();
      if (!made.ok()) return made.status();
      file = DiskFile(services_.disk, *std::move(made));
    }
    if (absl::Status status = AppendToFile(&stream, chunk); !status.ok()) return status;
    if (absl::Status status = services_.spool->CheckDisk(file.get()); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void CommandRun::OnWritten(const absl::Status& status) {
  writing_ = false;
  unwritten_.clear();
  if (session_ == nullptr) return;  // abandoned meanwhile
  if (!status.ok()) {
    log::Warning("session %s: %s", session_->id(), std::string(status.message()));
    GiveUp(NoRoom());
  }
  session_->Release(reader_->position());
  Collect();
}

// From now on output is read and dropped: a command is not ended for what it writes.
void CommandRun::GiveUp(const absl::Status& status) {
  given_up_ = status;
  for (Stream& stream : streams_) stream.collected = Collected();
  lease_.Clear();
}

// What still belongs to the reply once the command has ended.
void CommandRun::CompleteOutput() {
  for (Stream& stream : streams_) {
    if (stream.transcoder.has_value()) stream.transcoder->Finish(&stream.collected.tail);
  }
  note_ = NoteEnd();
  if (reader_->position() + note_.size() > max_output_) GiveUp(TooMuch());
}

std::string CommandRun::NoteEnd() const {
  const Termination& end = *session_->termination();
  if (end.output_held_open()) {
    return "nacre: background processes hold the output; what they write from now on is lost\n";
  }
  switch (end.cause()) {
    case keeper::v1::END_CAUSE_TIMED_OUT:
      return absl::StrFormat("nacre: the command took longer than %s and was ended\n",
                             absl::FormatDuration(absl::Nanoseconds(options_.timeout_ns)));
    case keeper::v1::END_CAUSE_SHUTDOWN:
      return "nacre: the node shut down and ended the command\n";
    default:
      return "";
  }
}

void CommandRun::Finish(const absl::Status& status) {
  if (done_ == nullptr) return;
  std::exchange(done_, nullptr)(Result{.status = status,
                                       .out = std::move(streams_[kStdout].collected),
                                       .err = std::move(streams_[kStderr].collected),
                                       .note = std::move(note_),
                                       .lease = std::move(lease_)});
}

}  // namespace nacre::compat
