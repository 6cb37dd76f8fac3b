// How a Process goes on after its connection was lost.
#include <gtest/gtest.h>

#include <atomic>
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

std::unique_ptr<Process> View(Client& client) {
  auto process = client.Attach("session-1", {.drive = false});
  EXPECT_TRUE(process.ok()) << process.status();
  return *std::move(process);
}

// Everything that Next() told, up to the last event or the error.
struct Story {
  std::vector<std::string> events;  // E.g. "output abc".
  std::string output;
  absl::Status status;
};

std::string Name(const Event& event) {
  struct Namer {
    std::string operator()(const Started& e) const { return e.existed ? "attached" : "started"; }
    std::string operator()(const Output& e) const { return "output " + std::string(e.data); }
    std::string operator()(const Gap& e) const {
      return "gap " + std::to_string(e.from) + " " + std::to_string(e.to);
    }
    std::string operator()(const Disconnected&) const { return "disconnected"; }
    std::string operator()(const Resumed&) const { return "resumed"; }
    std::string operator()(const TakenOver& e) const {
      return std::string("taken over:") + (e.input ? " input" : "") + (e.drive ? " drive" : "");
    }
    std::string operator()(const Terminated&) const { return "terminated"; }
    std::string operator()(const Detached&) const { return "detached"; }
  };
  return std::visit(Namer(), event);
}

Story Follow(Process& process) {
  Story story;
  for (;;) {
    const auto event = process.Next();
    story.status = event.status();
    if (!event.ok()) return story;
    story.events.push_back(Name(*event));
    if (const auto* output = std::get_if<Output>(&*event)) story.output += output->data;
    if (std::holds_alternative<Terminated>(*event)) return story;
    if (std::holds_alternative<Detached>(*event)) return story;
  }
}

using Events = std::vector<std::string>;

// Starts, writes "abc", and is lost.
grpc::Status StartAndLose(const v1::Start&, ExecStream& stream) {
  stream.Write(StartedEvent());
  stream.Write(OutputEvent(0, "abc"));
  return ConnectionLost();
}

AttachScript RefuseWith(const grpc::Status& status) {
  return [status](const v1::Attach&, AttachStream&) { return status; };
}

TEST(Resume, AStartWhoseAnswerWasLostIsSentAgainUnderItsRequestId) {
  Mailbox<v1::Start> starts;
  std::atomic<int> calls = 0;
  const FakeNode node([&](const v1::Start& start, ExecStream& stream) {
    starts.Put(start);
    if (++calls == 1) return ConnectionLost();
    stream.Write(AttachedEvent(0));
    stream.Write(OutputEvent(0, "abc"));
    stream.Write(ExitEvent(0, "abc"));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const Story story = Follow(*Exec(*client));
  EXPECT_TRUE(story.status.ok()) << story.status;
  EXPECT_EQ(story.events, Events({"resumed", "attached", "output abc", "terminated"}));
  const v1::Start first = starts.Take();
  EXPECT_EQ(first.request_id().size(), 32U);
  EXPECT_TRUE(first.will_ack());
  EXPECT_EQ(starts.Take().SerializeAsString(), first.SerializeAsString());
}

TEST(Resume, EveryStartHasARequestIdOfItsOwnUnlessGiven) {
  Mailbox<std::string> ids;
  const FakeNode node([&](const v1::Start& start, ExecStream& stream) {
    ids.Put(start.request_id());
    stream.Write(StartedEvent());
    stream.Write(ExitEvent(0));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  Follow(*Exec(*client));
  Follow(*Exec(*client));
  EXPECT_NE(ids.Take(), ids.Take());
  Command command;
  command.argv = {"program"};
  command.request_id = "given";
  Follow(**client->Exec(command));
  EXPECT_EQ(ids.Take(), "given");
}

TEST(Resume, OutputGoesOnWhereItStopped) {
  Mailbox<v1::Attach> attaches;
  const FakeNode node({.exec =
                           [](const v1::Start&, ExecStream& stream) {
                             stream.Write(StartedEvent());
                             stream.Write(OutputEvent(0, "abc"));
                             return FrontRestarting();
                           },
                       .attach =
                           [&](const v1::Attach& attach, AttachStream& stream) {
                             attaches.Put(attach);
                             stream.Write(ForAttach(AttachedEvent(3)));
                             stream.Write(ForAttach(OutputEvent(3, "def")));
                             stream.Write(ForAttach(ExitEvent(7, "abcdef")));
                             return grpc::Status::OK;
                           }});
  const auto client = ConnectTo(node);
  const Story story = Follow(*Exec(*client));
  EXPECT_TRUE(story.status.ok()) << story.status;
  EXPECT_EQ(story.events, Events({"started", "output abc", "resumed", "output def", "terminated"}));
  const v1::Attach attach = attaches.Take();
  EXPECT_EQ(attach.session_id(), "session-1");
  EXPECT_TRUE(attach.drive());
  EXPECT_TRUE(attach.will_ack());
  EXPECT_FALSE(attach.input());
  EXPECT_EQ(attach.position(), 3U);
}

TEST(Resume, GoesOnAfterARealConnectionWasCut) {
  Mailbox<bool> cut;
  FakeNode node({.exec =
                     [&](const v1::Start&, ExecStream& stream) {
                       stream.Write(StartedEvent());
                       stream.Write(OutputEvent(0, "abc"));
                       cut.Put(true);
                       v1::ExecRequest request;
                       stream.Read(&request);
                       return grpc::Status::OK;
                     },
                 .attach =
                     [](const v1::Attach& attach, AttachStream& stream) {
                       EXPECT_EQ(attach.position(), 3U);
                       stream.Write(ForAttach(AttachedEvent(3)));
                       stream.Write(ForAttach(OutputEvent(3, "def")));
                       stream.Write(ForAttach(ExitEvent(0, "abcdef")));
                       return grpc::Status::OK;
                     }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  ASSERT_TRUE(process->Next().ok());
  ASSERT_TRUE(process->Next().ok());
  cut.Take();
  std::thread restarter([&node] {
    node.Vanish();
    node.Return();
  });
  const Story story = Follow(*process);
  EXPECT_TRUE(story.status.ok()) << story.status;
  EXPECT_EQ(story.output, "def");
  restarter.join();
}

TEST(Resume, AByteThatComesTwiceIsDataLoss) {
  const FakeNode node({.exec = StartAndLose, .attach = [](const v1::Attach&, AttachStream& stream) {
                         stream.Write(ForAttach(AttachedEvent(3)));
                         stream.Write(ForAttach(OutputEvent(2, "cd")));
                         return grpc::Status::OK;
                       }});
  const auto client = ConnectTo(node);
  EXPECT_TRUE(absl::IsDataLoss(Follow(*Exec(*client)).status));
}

TEST(Resume, TheProofSpansTheLoss) {
  const FakeNode node({.exec = StartAndLose, .attach = [](const v1::Attach&, AttachStream& stream) {
                         stream.Write(ForAttach(AttachedEvent(3)));
                         stream.Write(ForAttach(ExitEvent(0, "abd")));
                         return grpc::Status::OK;
                       }});
  const auto client = ConnectTo(node);
  EXPECT_TRUE(absl::IsDataLoss(Follow(*Exec(*client)).status));
}

TEST(Resume, AcknowledgementsGoOnToo) {
  const std::string chunk(128 << 10, 'x');
  Mailbox<uint64_t> acks;
  const FakeNode node(
      {.exec = StartAndLose, .attach = [&](const v1::Attach&, AttachStream& stream) {
         stream.Write(ForAttach(AttachedEvent(3)));
         stream.Write(ForAttach(OutputEvent(3, chunk)));
         v1::AttachRequest request;
         EXPECT_TRUE(stream.Read(&request));
         acks.Put(request.ack().position());
         stream.Write(ForAttach(ExitEvent(0, "abc" + chunk)));
         return grpc::Status::OK;
       }});
  const auto client = ConnectTo(node);
  EXPECT_TRUE(Follow(*Exec(*client)).status.ok());
  EXPECT_EQ(acks.Take(), 3 + chunk.size());
}

TEST(Resume, ManyLossesInARowAreOneMoreAttemptEach) {
  std::atomic<int> calls = 0;
  const FakeNode node(
      {.exec = StartAndLose, .attach = [&](const v1::Attach& attach, AttachStream& stream) {
         EXPECT_EQ(attach.position(), 3U);
         if (++calls < 4) return FrontRestarting();
         stream.Write(ForAttach(AttachedEvent(3)));
         stream.Write(ForAttach(ExitEvent(0, "abc")));
         return grpc::Status::OK;
       }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(process->Next().ok());
  const auto event = process->Next();
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(std::get<Resumed>(*event).attempts, 4);
  EXPECT_GT(std::get<Resumed>(*event).away, absl::ZeroDuration());
  EXPECT_TRUE(Follow(*process).status.ok());
}

TEST(Resume, InputThatTheNodeLacksIsSentAgainWithItsEnd) {
  Mailbox<std::string> input;
  const FakeNode node({.exec =
                           [](const v1::Start&, ExecStream& stream) {
                             stream.Write(StartedEvent(100));
                             v1::ExecRequest request;
                             uint64_t offset = 0;
                             while (stream.Read(&request) && !request.input().eof()) {
                               offset += request.input().data().size();
                             }
                             EXPECT_EQ(offset, 8U);
                             stream.Write(InputAckEvent(2));
                             return ConnectionLost();
                           },
                       .attach =
                           [&](const v1::Attach& attach, AttachStream& stream) {
                             EXPECT_TRUE(attach.input());
                             stream.Write(ForAttach(AttachedEvent(0, 5, 100)));
                             v1::AttachRequest request;
                             while (stream.Read(&request)) {
                               input.Put(std::to_string(request.input().offset()) + " " +
                                         request.input().data());
                               if (request.input().eof()) break;
                             }
                             stream.Write(ForAttach(ExitEvent(0)));
                             return grpc::Status::OK;
                           }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client, /*input=*/true);
  std::thread writer([&] {
    EXPECT_TRUE(process->WriteInput("abcdefgh").ok());
    EXPECT_TRUE(process->CloseInput().ok());
  });
  const Story story = Follow(*process);
  EXPECT_TRUE(story.status.ok()) << story.status;
  writer.join();
  EXPECT_EQ(input.Take(), "5 fgh");
  EXPECT_EQ(input.Take(), "8 ");
}

TEST(Resume, InputWrittenWhileAwayComesAfterwards) {
  Mailbox<bool> away;
  Mailbox<bool> written;
  Mailbox<std::string> input;
  std::atomic<int> calls = 0;
  const FakeNode node({.exec =
                           [](const v1::Start&, ExecStream& stream) {
                             stream.Write(StartedEvent(100));
                             return ConnectionLost();
                           },
                       .attach =
                           [&](const v1::Attach&, AttachStream& stream) {
                             if (++calls == 1) {
                               away.Put(true);
                               written.Take();
                               return ConnectionLost();
                             }
                             stream.Write(ForAttach(AttachedEvent(0, 0, 100)));
                             v1::AttachRequest request;
                             EXPECT_TRUE(stream.Read(&request));
                             input.Put(request.input().data());
                             stream.Write(ForAttach(ExitEvent(0)));
                             return grpc::Status::OK;
                           }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client, /*input=*/true);
  std::thread writer([&] {
    away.Take();
    EXPECT_TRUE(process->WriteInput("late").ok());
    written.Put(true);
  });
  EXPECT_TRUE(Follow(*process).status.ok());
  writer.join();
  EXPECT_EQ(input.Take(), "late");
}

TEST(Resume, ANodeThatAsksForInputItHadIsAnError) {
  const FakeNode node({.exec =
                           [](const v1::Start&, ExecStream& stream) {
                             stream.Write(StartedEvent(100));
                             v1::ExecRequest request;
                             EXPECT_TRUE(stream.Read(&request));
                             stream.Write(InputAckEvent(2));
                             return ConnectionLost();
                           },
                       .attach =
                           [](const v1::Attach&, AttachStream& stream) {
                             stream.Write(ForAttach(AttachedEvent(0, 1, 100)));
                             return grpc::Status::OK;
                           }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client, /*input=*/true);
  std::thread writer([&] { EXPECT_TRUE(process->WriteInput("abc").ok()); });
  EXPECT_TRUE(absl::IsInternal(Follow(*process).status));
  writer.join();
}

TEST(Resume, InputThatAnotherTookIsNotTakenBack) {
  const FakeNode node({.exec =
                           [](const v1::Start&, ExecStream& stream) {
                             stream.Write(StartedEvent(100));
                             v1::ExecResponse taken;
                             taken.add_events()->mutable_input_taken();
                             stream.Write(taken);
                             return ConnectionLost();
                           },
                       .attach =
                           [](const v1::Attach& attach, AttachStream& stream) {
                             EXPECT_FALSE(attach.input());
                             stream.Write(ForAttach(AttachedEvent(0)));
                             stream.Write(ForAttach(ExitEvent(0)));
                             return grpc::Status::OK;
                           }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client, /*input=*/true);
  EXPECT_TRUE(Follow(*process).status.ok());
  EXPECT_EQ(process->WriteInput("x").message(), "another caller writes the input now");
}

TEST(TakenOver, IsToldAndLeavesAViewer) {
  const FakeNode node({.exec = [](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent(100));
    v1::ExecResponse taken;
    taken.add_events()->mutable_input_taken();
    taken.add_events()->mutable_drive_taken();
    stream.Write(taken);
    stream.Write(ExitEvent(0));
    return grpc::Status::OK;
  }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client, /*input=*/true);
  for (const char* expected : {"started", "taken over: input", "taken over: drive"}) {
    const auto event = process->Next();
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(Name(*event), expected);
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Signal(1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Resize(1, 1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Cancel()));
  EXPECT_TRUE(absl::IsFailedPrecondition(process->WriteInput("x")));
  EXPECT_TRUE(Follow(*process).status.ok());
}

TEST(Resume, SignalsAndACancelWhileAwayComeAfterwards) {
  constexpr int kSignals = 16;
  Mailbox<bool> away;
  Mailbox<bool> said;
  Mailbox<v1::AttachRequest> requests;
  std::atomic<int> calls = 0;
  const FakeNode node(
      {.exec = StartAndLose, .attach = [&](const v1::Attach&, AttachStream& stream) {
         if (++calls == 1) {
           away.Put(true);
           said.Take();
           return ConnectionLost();
         }
         stream.Write(ForAttach(AttachedEvent(3)));
         v1::AttachRequest request;
         for (int i = 0; i < kSignals + 1; ++i) {
           EXPECT_TRUE(stream.Read(&request));
           requests.Put(request);
         }
         stream.Write(ForAttach(ExitEvent(0, "abc")));
         return grpc::Status::OK;
       }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  std::thread other([&] {
    away.Take();
    for (int i = 1; i <= kSignals; ++i) EXPECT_TRUE(process->Signal(i).ok());
    EXPECT_TRUE(absl::IsUnavailable(process->Signal(1)));
    EXPECT_TRUE(process->Cancel().ok());
    said.Put(true);
  });
  EXPECT_TRUE(Follow(*process).status.ok());
  other.join();
  for (uint32_t i = 1; i <= kSignals; ++i) EXPECT_EQ(requests.Take().signal().number(), i);
  EXPECT_TRUE(requests.Take().has_cancel());
}

TEST(Resume, ASignalThatWasSentIsNotRepeatedButACancelIs) {
  Mailbox<bool> connected;
  Mailbox<v1::AttachRequest> requests;
  const FakeNode node({.exec =
                           [&](const v1::Start&, ExecStream& stream) {
                             stream.Write(StartedEvent());
                             v1::ExecRequest request;
                             EXPECT_TRUE(stream.Read(&request));
                             EXPECT_TRUE(stream.Read(&request));
                             return ConnectionLost();
                           },
                       .attach =
                           [&](const v1::Attach&, AttachStream& stream) {
                             stream.Write(ForAttach(AttachedEvent(0)));
                             v1::AttachRequest request;
                             EXPECT_TRUE(stream.Read(&request));
                             requests.Put(request);
                             stream.Write(ForAttach(ExitEvent(0)));
                             return grpc::Status::OK;
                           }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  ASSERT_TRUE(process->Next().ok());
  EXPECT_TRUE(process->Signal(10).ok());
  EXPECT_TRUE(process->Cancel().ok());
  EXPECT_TRUE(Follow(*process).status.ok());
  EXPECT_TRUE(requests.Take().has_cancel());
}

TEST(Resume, GivesUpInTimeAndTellsHowToComeBack) {
  const FakeNode node({.exec = StartAndLose, .attach = RefuseWith(FrontRestarting())});
  const auto client = ConnectTo(node, absl::Milliseconds(20));
  const Story story = Follow(*Exec(*client));
  EXPECT_TRUE(absl::IsUnavailable(story.status)) << story.status;
  EXPECT_EQ(story.output, "abc");
  EXPECT_NE(story.status.message().find("'nacre attach session-1'"), absl::string_view::npos);
}

TEST(Resume, GivesUpOnANodeThatStaysAway) {
  FakeNode node({.exec = [](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    v1::ExecRequest request;
    stream.Read(&request);
    return grpc::Status::OK;
  }});
  const auto client = ConnectTo(node, absl::Milliseconds(20));
  const auto process = Exec(*client);
  ASSERT_TRUE(process->Next().ok());
  std::thread killer([&node] { node.Vanish(); });
  EXPECT_TRUE(absl::IsUnavailable(Follow(*process).status));
  killer.join();
}

TEST(Resume, GivesUpOnANodeThatDoesNotAnswer) {
  const FakeNode node({.exec = StartAndLose, .attach = [](const v1::Attach&, AttachStream& stream) {
                         v1::AttachRequest request;
                         stream.Read(&request);
                         return grpc::Status::OK;
                       }});
  const auto client = ConnectTo(node, absl::Milliseconds(20));
  EXPECT_TRUE(absl::IsUnavailable(Follow(*Exec(*client)).status));
}

TEST(Resume, TellsOnceThatItTakesLong) {
  std::atomic<bool> told = false;
  const FakeNode node(
      {.exec = StartAndLose, .attach = [&](const v1::Attach&, AttachStream& stream) {
         if (!told) return ConnectionLost();
         stream.Write(ForAttach(AttachedEvent(3)));
         stream.Write(ForAttach(ExitEvent(0, "abc")));
         return grpc::Status::OK;
       }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(process->Next().ok());
  const auto event = process->Next();
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(std::get<Disconnected>(*event).cause.message(), "Socket closed");
  told = true;
  EXPECT_EQ(Follow(*process).events, Events({"resumed", "terminated"}));
}

TEST(Resume, WithoutPatienceALossIsFinal) {
  const FakeNode node({.exec = StartAndLose, .attach = [](const v1::Attach&, AttachStream&) {
                         ADD_FAILURE() << "attached again";
                         return grpc::Status::OK;
                       }});
  const auto client = ConnectTo(node, absl::ZeroDuration());
  const Story story = Follow(*Exec(*client));
  EXPECT_TRUE(absl::IsUnavailable(story.status)) << story.status;
  EXPECT_EQ(story.events, Events({"started", "output abc"}));
  EXPECT_NE(story.status.message().find("'nacre attach session-1'"), absl::string_view::npos);
}

TEST(Resume, SaysThatTheNodeWasRestarted) {
  const FakeNode node({.exec = StartAndLose,
                       .attach = RefuseWith(ErrorWithReason(grpc::StatusCode::NOT_FOUND,
                                                            "no such session", "NODE_RESTARTED"))});
  const auto client = ConnectTo(node);
  const absl::Status status = Follow(*Exec(*client)).status;
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(status.message(),
            "session session-1 is gone: the node was restarted, and its commands ended with it");
  EXPECT_EQ(ErrorReason(status), "NODE_RESTARTED");
}

TEST(Resume, AnyOtherRefusalIsTheNodesOwn) {
  const FakeNode node({.exec = StartAndLose,
                       .attach = RefuseWith({grpc::StatusCode::NOT_FOUND, "it was deleted"})});
  const auto client = ConnectTo(node);
  const absl::Status status = Follow(*Exec(*client)).status;
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(status.message(), "it was deleted");
}

grpc::Status NotKept(int oldest) {
  return ErrorWithReason(grpc::StatusCode::OUT_OF_RANGE, "no longer kept", "POSITION_NOT_KEPT",
                         {{"oldest_position", std::to_string(oldest)}});
}

TEST(Resume, OutputThatADriverLacksAndTheNodeDoesIsDataLoss) {
  const FakeNode node({.exec = StartAndLose, .attach = RefuseWith(NotKept(9))});
  const auto client = ConnectTo(node);
  EXPECT_TRUE(absl::IsDataLoss(Follow(*Exec(*client)).status));
}

TEST(Resume, AbandonEndsTheWait) {
  Mailbox<bool> refused;
  const FakeNode node({.exec = StartAndLose, .attach = [&](const v1::Attach&, AttachStream&) {
                         refused.Put(true);
                         return ConnectionLost();
                       }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  std::thread other([&] {
    for (int i = 0; i < 3; ++i) refused.Take();
    process->Abandon();
  });
  EXPECT_TRUE(absl::IsCancelled(Follow(*process).status));
  other.join();
}

TEST(Resume, AbandonEndsTheWaitForAnAnswer) {
  Mailbox<bool> asked;
  const FakeNode node(
      {.exec = StartAndLose, .attach = [&](const v1::Attach&, AttachStream& stream) {
         asked.Put(true);
         v1::AttachRequest request;
         stream.Read(&request);
         return grpc::Status::OK;
       }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  std::thread other([&] {
    asked.Take();
    process->Abandon();
  });
  EXPECT_TRUE(absl::IsCancelled(Follow(*process).status));
  other.join();
}

TEST(Attach, ADriverAcknowledgesAndProvesTheEndOfWhatItSaw) {
  Mailbox<v1::Attach> attaches;
  const FakeNode node({.attach = [&](const v1::Attach& attach, AttachStream& stream) {
    attaches.Put(attach);
    stream.Write(ForAttach(AttachedEvent(3)));
    stream.Write(ForAttach(OutputEvent(3, "def")));
    stream.Write(ForAttach(ExitEvent(0, "abcdef")));
    return grpc::Status::OK;
  }});
  const auto client = ConnectTo(node);
  const auto process = *client->Attach("session-1");
  const auto event = process->Next();
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(std::get<Started>(*event).position, 3U);
  EXPECT_TRUE(std::get<Started>(*event).existed);
  EXPECT_TRUE(Follow(*process).status.ok());
  const v1::Attach attach = attaches.Take();
  EXPECT_TRUE(attach.drive());
  EXPECT_TRUE(attach.will_ack());
  EXPECT_FALSE(attach.has_position());
}

TEST(Attach, AMissingEndIsDataLossThoughTheBeginningWasNotSeen) {
  const FakeNode node({.attach = [&](const v1::Attach&, AttachStream& stream) {
    stream.Write(ForAttach(AttachedEvent(3)));
    stream.Write(ForAttach(OutputEvent(3, "de")));
    stream.Write(ForAttach(ExitEvent(0, "abcdef")));
    return grpc::Status::OK;
  }});
  const auto client = ConnectTo(node);
  EXPECT_TRUE(absl::IsDataLoss(Follow(**client->Attach("session-1")).status));
}

TEST(Attach, AGapIsDataLossToADriver) {
  const FakeNode node({.attach = [&](const v1::Attach&, AttachStream& stream) {
    stream.Write(ForAttach(AttachedEvent(0)));
    stream.Write(ForAttach(GapEvent(0, 4)));
    return grpc::Status::OK;
  }});
  const auto client = ConnectTo(node);
  const absl::Status status = Follow(**client->Attach("session-1")).status;
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_NE(status.message().find("0 to 4"), absl::string_view::npos) << status;
}

TEST(Attach, AGapIsAnEventToAViewerWhichNeitherAcknowledgesNorSignals) {
  const std::string much(256 << 10, 'x');
  Mailbox<bool> silent;
  const FakeNode node({.attach = [&](const v1::Attach& attach, AttachStream& stream) {
    EXPECT_FALSE(attach.drive());
    EXPECT_FALSE(attach.will_ack());
    stream.Write(ForAttach(AttachedEvent(2)));
    stream.Write(ForAttach(OutputEvent(2, "c")));
    stream.Write(ForAttach(GapEvent(3, 5)));
    stream.Write(ForAttach(OutputEvent(5, much)));
    stream.Write(ForAttach(ExitEvent(0, "abcde" + much)));
    v1::AttachRequest request;
    silent.Put(!stream.Read(&request));
    return grpc::Status::OK;
  }});
  const auto client = ConnectTo(node);
  const auto process = View(*client);
  ASSERT_TRUE(process->Next().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Signal(1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Cancel()));
  EXPECT_TRUE(absl::IsFailedPrecondition(process->WriteInput("x")));
  std::thread closer([&] { EXPECT_FALSE(process->CloseInput().ok()); });
  closer.join();
  for (const char* expected : {"output c", "gap 3 5"}) {
    const auto event = process->Next();
    ASSERT_TRUE(event.ok()) << event.status();
    EXPECT_EQ(Name(*event), expected);
  }
  EXPECT_EQ(std::get<Output>(*process->Next()).data.size(), much.size());
  process->Abandon();
  EXPECT_TRUE(silent.Take());
}

TEST(Attach, AViewerThatWasAwayTooLongGoesOnWithWhatThereIs) {
  Mailbox<v1::Attach> attaches;
  std::atomic<int> calls = 0;
  const FakeNode node({.attach = [&](const v1::Attach& attach, AttachStream& stream) {
    attaches.Put(attach);
    switch (++calls) {
      case 1:
        stream.Write(ForAttach(AttachedEvent(0)));
        stream.Write(ForAttach(OutputEvent(0, "ab")));
        return FrontRestarting();
      case 2:
        return NotKept(5);
      case 3:
        return NotKept(6);
      default:
        stream.Write(ForAttach(AttachedEvent(7)));
        stream.Write(ForAttach(ExitEvent(0, "abcdefg")));
        return grpc::Status::OK;
    }
  }});
  const auto client = ConnectTo(node);
  const Story story = Follow(*View(*client));
  EXPECT_TRUE(story.status.ok()) << story.status;
  EXPECT_EQ(story.events, Events({"attached", "output ab", "resumed", "gap 2 7", "terminated"}));
  EXPECT_FALSE(attaches.Take().has_position());
  EXPECT_EQ(attaches.Take().position(), 2U);
  EXPECT_EQ(attaches.Take().position(), 5U);
  EXPECT_FALSE(attaches.Take().has_position());
}

TEST(Attach, ANodeThatHasNoSuchSessionIsBelieved) {
  const FakeNode node(
      {.attach = RefuseWith({grpc::StatusCode::NOT_FOUND, "no session \"session-1\""})});
  const auto client = ConnectTo(node);
  const absl::Status status = Follow(**client->Attach("session-1")).status;
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), "no session \"session-1\"");
}

TEST(Attach, InputGoesOnWhereTheLastWriterLeftOff) {
  Mailbox<v1::Input> inputs;
  const FakeNode node({.attach = [&](const v1::Attach& attach, AttachStream& stream) {
    EXPECT_TRUE(attach.input());
    stream.Write(ForAttach(AttachedEvent(0, 70, 100)));
    v1::AttachRequest request;
    EXPECT_TRUE(stream.Read(&request));
    inputs.Put(request.input());
    stream.Write(ForAttach(ExitEvent(0)));
    return grpc::Status::OK;
  }});
  const auto client = ConnectTo(node);
  const auto process = *client->Attach("session-1", {.input = true});
  std::thread writer([&] { EXPECT_TRUE(process->WriteInput("x").ok()); });
  EXPECT_TRUE(Follow(*process).status.ok());
  writer.join();
  const v1::Input input = inputs.Take();
  EXPECT_EQ(input.offset(), 70U);
  EXPECT_EQ(input.data(), "x");
}

TEST(Detach, LeavesTheSessionAndWhatWasNotTaken) {
  Mailbox<v1::ExecRequest> requests;
  const FakeNode node([&](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "abc"));
    stream.Write(OutputEvent(3, "def"));
    v1::ExecRequest request;
    do {
      EXPECT_TRUE(stream.Read(&request));
      requests.Put(request);
    } while (!request.has_detach());
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(process->Next().ok());
  EXPECT_TRUE(process->Detach().ok());
  EXPECT_EQ(Follow(*process).events, Events({"detached"}));
  EXPECT_EQ(requests.Take().ack().position(), 3U);
  EXPECT_TRUE(requests.Take().has_detach());
  EXPECT_TRUE(absl::IsFailedPrecondition(process->Next().status()));
}

TEST(Detach, IsRememberedWhileAway) {
  Mailbox<bool> away;
  Mailbox<bool> said;
  std::atomic<int> calls = 0;
  const FakeNode node(
      {.exec = StartAndLose, .attach = [&](const v1::Attach&, AttachStream& stream) {
         if (++calls == 1) {
           away.Put(true);
           said.Take();
           return ConnectionLost();
         }
         stream.Write(ForAttach(AttachedEvent(3)));
         v1::AttachRequest request;
         while (stream.Read(&request) && !request.has_detach()) {
         }
         EXPECT_TRUE(request.has_detach());
         return grpc::Status::OK;
       }});
  const auto client = ConnectTo(node);
  const auto process = Exec(*client);
  std::thread other([&] {
    away.Take();
    EXPECT_TRUE(process->Detach().ok());
    said.Put(true);
  });
  EXPECT_EQ(Follow(*process).events, Events({"started", "output abc", "resumed", "detached"}));
  other.join();
}

}  // namespace
}  // namespace nacre::client
