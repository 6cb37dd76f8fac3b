#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "nacre/client.h"
#include "tests/client/fake_node.h"

namespace nacre::client {
namespace {

std::unique_ptr<Client> ConnectTo(const FakeNode& node,
                                  absl::Duration resume_for = absl::Seconds(60)) {
  auto client = Client::Connect({.target = node.target(), .resume_for = resume_for});
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

std::unique_ptr<Process> Exec(Client& client, bool input = false) {
  Command command;
  command.argv = {"program"};
  command.input = input;
  auto process = client.Exec(command);
  EXPECT_TRUE(process.ok()) << process.status();
  return *std::move(process);
}

// Takes events up to the last one, or the error.
absl::StatusOr<Termination> Drain(Process& process) {
  for (;;) {
    auto event = process.Next();
    if (!event.ok()) return event.status();
    if (auto* end = std::get_if<Terminated>(&*event)) return end->termination;
  }
}

// Runs the script against one command without input, to its end.
absl::Status DrainScript(ExecScript script) {
  const FakeNode node(std::move(script));
  const auto client = ConnectTo(node);
  return Drain(*Exec(*client)).status();
}

TEST(Process, EventsComeInOrderAndTheTerminationIsTheLast) {
  const FakeNode node([](const v1::Start& start, ExecStream& stream) {
    EXPECT_EQ(start.command().argv(0), "program");
    v1::ExecResponse all = StartedEvent();  // A short command's whole life in one message.
    all.MergeFrom(OutputEvent(0, "out"));
    all.MergeFrom(OutputEvent(3, "err", v1::OUTPUT_STREAM_STDERR));
    all.MergeFrom(ExitEvent(7, "out", "err"));
    stream.Write(all);
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);

  auto event = process->Next();
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(std::get<Started>(*event).session_id, "session-1");
  EXPECT_EQ(std::get<Started>(*event).owner, "uid:7");
  event = process->Next();
  EXPECT_EQ(std::get<Output>(*event).data, "out");
  EXPECT_EQ(std::get<Output>(*event).stream, OutputStream::kStdout);
  event = process->Next();
  EXPECT_EQ(std::get<Output>(*event).data, "err");
  EXPECT_EQ(std::get<Output>(*event).position, 3U);
  EXPECT_EQ(std::get<Output>(*event).stream, OutputStream::kStderr);
  event = process->Next();
  EXPECT_EQ(std::get<Exited>(std::get<Terminated>(*event).termination.result).code, 7);
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Next().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Signal(15)));
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Cancel()));
}

TEST(Process, AChangedByteIsDataLoss) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "abc"));
    stream.Write(ExitEvent(0, "abd"));
    return grpc::Status::OK;
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(Process, AMissingLastByteIsDataLoss) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "ab"));
    stream.Write(ExitEvent(0, "abc"));
    return grpc::Status::OK;
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(Process, OutputThatTheTerminationDoesNotCountIsDataLoss) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "ab"));
    stream.Write(SignalDeathEvent(9, "SIGKILL", v1::CAUSE_SIGNALED));
    return grpc::Status::OK;
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(Process, AGapInThePositionsIsDataLoss) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "ab"));
    stream.Write(OutputEvent(3, "d"));
    return grpc::Status::OK;
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(Process, ADoubledByteIsDataLoss) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "ab"));
    stream.Write(OutputEvent(1, "b"));
    return grpc::Status::OK;
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(Process, AStreamThatEndsWithoutATerminationIsAnError) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    return grpc::Status::OK;
  });
  EXPECT_TRUE(absl::IsInternal(status)) << status;
}

TEST(Process, AnEventBeforeStartedIsAnError) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream& stream) {
    stream.Write(ExitEvent(0));
    return grpc::Status::OK;
  });
  EXPECT_TRUE(absl::IsInternal(status)) << status;
}

TEST(Process, TheNodesErrorKeepsItsCodeMessageAndReason) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream&) {
    return ErrorWithReason(grpc::StatusCode::NOT_FOUND, "program: no such program",
                           "COMMAND_NOT_FOUND");
  });
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(status.message(), "program: no such program");
  EXPECT_EQ(ErrorReason(status), "COMMAND_NOT_FOUND");
}

TEST(Process, AnUnavailableNodeThatSaysWhyIsBelieved) {
  const absl::Status status = DrainScript([](const v1::Start&, ExecStream&) {
    return ErrorWithReason(grpc::StatusCode::UNAVAILABLE, "this node is draining", "DRAINING");
  });
  EXPECT_EQ(status.message(), "this node is draining");
  EXPECT_EQ(ErrorReason(status), "DRAINING");
}

TEST(Process, OutputIsAcknowledgedOnceTheCallerCameBackForMore) {
  const std::string chunk(128 << 10, 'x');
  Mailbox<v1::ExecRequest> requests;
  const FakeNode node([&](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, chunk));
    v1::ExecRequest request;
    for (int i = 0; i < 2 && stream.Read(&request); ++i) requests.Put(request);
    stream.Write(ExitEvent(0, chunk));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  ASSERT_TRUE(process->Next().ok());
  const auto output = process->Next();
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(std::get<Output>(*output).data.size(), chunk.size());
  ASSERT_TRUE(process->Signal(10).ok());  // Sent before the acknowledgement, which it would follow.
  EXPECT_TRUE(Drain(*process).ok());
  EXPECT_EQ(requests.Take().signal().number(), 10U);
  EXPECT_EQ(requests.Take().ack().position(), chunk.size());
}

TEST(Process, LittleOutputIsNotAcknowledged) {
  Mailbox<v1::ExecRequest> requests;
  const FakeNode node([&](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "a"));
    stream.Write(OutputEvent(1, "b"));
    v1::ExecRequest request;
    if (stream.Read(&request)) requests.Put(request);
    stream.Write(ExitEvent(0, "ab"));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(process->Next().ok());
  ASSERT_TRUE(process->Signal(10).ok());
  EXPECT_TRUE(Drain(*process).ok());
  EXPECT_TRUE(requests.Take().has_signal());
}

TEST(Process, InputStaysWithinTheWindowAndSignalsPassItWhileItWaits) {
  const std::string input(10'000, 'i');
  Mailbox<bool> window_is_full;
  Mailbox<std::string> received;
  const FakeNode node([&](const v1::Start& start, ExecStream& stream) {
    EXPECT_EQ(start.command().input(), v1::INPUT_MODE_STREAM);
    constexpr uint32_t kWindow = 1000;
    stream.Write(StartedEvent(kWindow));
    std::string bytes;
    bool signalled = false;
    v1::ExecRequest request;
    while (stream.Read(&request) && !request.input().eof()) {
      if (request.has_signal()) {
        signalled = true;
        stream.Write(InputAckEvent(bytes.size()));
        continue;
      }
      EXPECT_EQ(request.input().offset(), bytes.size());
      bytes += request.input().data();
      if (!signalled) {
        EXPECT_LE(bytes.size(), kWindow);
        if (bytes.size() == kWindow) window_is_full.Put(true);
      } else {
        stream.Write(InputAckEvent(bytes.size()));
      }
    }
    EXPECT_EQ(request.input().offset(), bytes.size());
    received.Put(bytes);
    stream.Write(ExitEvent(0));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client, /*input=*/true);
  std::thread writer([&] {
    EXPECT_TRUE(process->WriteInput(input).ok());
    EXPECT_TRUE(process->CloseInput().ok());
    EXPECT_TRUE(absl::IsFailedPrecondition(process->WriteInput("late")));
  });
  std::thread signaller([&] {
    window_is_full.Take();
    EXPECT_TRUE(process->Signal(12).ok());
  });
  EXPECT_TRUE(Drain(*process).ok());
  writer.join();
  signaller.join();
  EXPECT_EQ(received.Take(), input);
}

TEST(Process, InputThatWaitsEndsWithTheCommand) {
  const FakeNode node([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent(4));
    v1::ExecRequest request;
    stream.Read(&request);  // The window is full: the writer waits for room that never comes.
    stream.Write(ExitEvent(0));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client, /*input=*/true);
  std::thread writer([&] {
    EXPECT_TRUE(absl::IsFailedPrecondition(process->WriteInput("more than four bytes")));
  });
  EXPECT_TRUE(Drain(*process).ok());
  writer.join();
}

TEST(Process, InputToACommandWithoutInputIsRefused) {
  const FakeNode node([](const v1::Start&, ExecStream&) { return grpc::Status::OK; });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  EXPECT_TRUE(absl::IsFailedPrecondition(process->WriteInput("x")));
  EXPECT_TRUE(absl::IsFailedPrecondition(process->CloseInput()));
}

TEST(Process, ANodeThatVanishesEndsReaderAndWriter) {
  Mailbox<bool> reading;
  FakeNode node([&](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent(4));
    v1::ExecRequest request;
    while (stream.Read(&request)) reading.Put(true);
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node, /*resume_for=*/absl::ZeroDuration());
  const auto process = Exec(*client, /*input=*/true);
  std::thread writer([&] { EXPECT_FALSE(process->WriteInput("more than four bytes").ok()); });
  std::thread killer([&] {
    reading.Take();
    node.Vanish();
  });
  const absl::Status status = Drain(*process).status();
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(absl::IsDataLoss(status)) << status;
  writer.join();
  killer.join();
}

TEST(Process, CancelIsToldToTheNodeAndTheTerminationFollows) {
  const FakeNode node([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    v1::ExecRequest request;
    while (stream.Read(&request) && !request.has_cancel()) {
    }
    stream.Write(SignalDeathEvent(15, "SIGTERM", v1::CAUSE_CANCELLED));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  ASSERT_TRUE(process->Next().ok());
  ASSERT_TRUE(process->Cancel().ok());
  const auto end = Drain(*process);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->cause, Cause::kCancelled);
  EXPECT_EQ(std::get<Signaled>(end->result).number, 15);
}

TEST(Process, CancelBeforeTheCommandWasSentEndsTheCall) {
  const FakeNode node([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(ExitEvent(0));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Signal(15)));
  ASSERT_TRUE(process->Cancel().ok());
  EXPECT_TRUE(absl::IsCancelled(process->Next().status()));
}

TEST(Process, AbandonEndsTheCallWhileTheNodeIsSilent) {
  const FakeNode node([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    v1::ExecRequest request;
    while (stream.Read(&request)) {
    }
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  ASSERT_TRUE(process->Next().ok());
  std::thread other([&] { process->Abandon(); });
  EXPECT_TRUE(absl::IsCancelled(process->Next().status()));
  other.join();
}

TEST(Process, OutlivesItsClient) {
  const FakeNode node([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(ExitEvent(3));
    return grpc::Status::OK;
  });
  auto client = ConnectTo(node);
  const auto process = Exec(*client);
  client.reset();
  const auto end = Drain(*process);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(std::get<Exited>(end->result).code, 3);
}

}  // namespace
}  // namespace nacre::client
