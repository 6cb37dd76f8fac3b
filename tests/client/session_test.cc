// The calls about sessions that are not followed.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "nacre/client.h"
#include "tests/client/fake_node.h"

namespace nacre::client {
namespace {

std::unique_ptr<Client> ConnectTo(const std::string& target,
                                  absl::Duration resume_for = absl::Seconds(60)) {
  auto client = Client::Connect({.target = target, .resume_for = resume_for});
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

Command Program() {
  Command command;
  command.argv = {"program"};
  return command;
}

v1::Session EndedSession() {
  v1::Session session;
  session.set_id("session-1");
  session.mutable_start_time()->set_seconds(1000);
  session.set_owner("uid:7");
  session.set_state(v1::SESSION_STATE_ENDED);
  session.set_command_line("program --flag");
  (*session.mutable_tags())["job"] = "42";
  session.set_request_id("once");
  session.set_end_position(90);
  session.set_kept_position(30);
  session.set_driven(true);
  *session.mutable_termination() = ExitEvent(7).events(0).terminated().termination();
  session.mutable_expire_time()->set_seconds(2000);
  return session;
}

TEST(GetSession, TellsEverything) {
  const FakeNode node(
      {.get_session = [](const v1::GetSessionRequest& request, v1::GetSessionResponse* response) {
        EXPECT_EQ(request.session_id(), "session-1");
        *response->mutable_session() = EndedSession();
        return grpc::Status::OK;
      }});
  const auto info = ConnectTo(node.target())->GetSession("session-1");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->id, "session-1");
  EXPECT_EQ(info->start_time, absl::FromUnixSeconds(1000));
  EXPECT_EQ(info->owner, "uid:7");
  EXPECT_EQ(info->state, SessionState::kEnded);
  EXPECT_EQ(info->command_line, "program --flag");
  EXPECT_EQ(info->tags.at("job"), "42");
  EXPECT_EQ(info->request_id, "once");
  EXPECT_EQ(info->end_position, 90U);
  EXPECT_EQ(info->kept_position, 30U);
  EXPECT_TRUE(info->driven);
  EXPECT_EQ(std::get<Exited>(info->termination->result).code, 7);
  EXPECT_EQ(*info->expire_time, absl::FromUnixSeconds(2000));
}

TEST(GetSession, ARunningOneHasNoEnd) {
  const FakeNode node(
      {.get_session = [](const v1::GetSessionRequest&, v1::GetSessionResponse* response) {
        response->mutable_session()->set_state(v1::SESSION_STATE_RUNNING);
        return grpc::Status::OK;
      }});
  const auto info = ConnectTo(node.target())->GetSession("session-1");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->state, SessionState::kRunning);
  EXPECT_FALSE(info->termination.has_value());
  EXPECT_FALSE(info->expire_time.has_value());
}

TEST(GetSession, AnIdThatIsNoTextIsRefusedHere) {
  EXPECT_TRUE(absl::IsInvalidArgument(ConnectTo("unix:/x")->GetSession("\xFF").status()));
}

TEST(StartSession, IsRepeatedUnderOneRequestId) {
  Mailbox<v1::Start> starts;
  std::atomic<int> calls = 0;
  const FakeNode node({.start_session = [&](const v1::StartSessionRequest& request,
                                            v1::StartSessionResponse* response) {
    starts.Put(request.start());
    if (++calls == 1) return ConnectionLost();
    response->mutable_session()->set_id("session-1");
    response->set_already_started(true);
    return grpc::Status::OK;
  }});
  const auto result = ConnectTo(node.target())->StartSession(Program());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->session.id, "session-1");
  EXPECT_TRUE(result->already_started);
  const v1::Start first = starts.Take();
  EXPECT_EQ(first.request_id().size(), 32U);
  EXPECT_FALSE(first.will_ack());
  EXPECT_EQ(first.policies().on_disconnect(), v1::ON_DISCONNECT_UNSPECIFIED);
  EXPECT_EQ(starts.Take().request_id(), first.request_id());
}

TEST(ListSessions, PassesFilterAndPage) {
  Mailbox<v1::ListSessionsRequest> requests;
  const FakeNode node({.list_sessions = [&](const v1::ListSessionsRequest& request,
                                            v1::ListSessionsResponse* response) {
    requests.Put(request);
    *response->add_sessions() = EndedSession();
    response->set_next_page_token("more");
    return grpc::Status::OK;
  }});
  const auto page =
      ConnectTo(node.target())
          ->ListSessions({.state = SessionState::kEnded, .tags = {{"job", "42"}}}, "page-2");
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->sessions.size(), 1U);
  EXPECT_EQ(page->next_page_token, "more");
  const v1::ListSessionsRequest request = requests.Take();
  EXPECT_EQ(request.state(), v1::SESSION_STATE_ENDED);
  EXPECT_EQ(request.tags().at("job"), "42");
  EXPECT_EQ(request.page_token(), "page-2");
  EXPECT_EQ(request.page_size(), 1000U);
}

TEST(WaitSession, WaitsAgainWhenTheFrontGoes) {
  Mailbox<bool> waits;
  std::atomic<int> calls = 0;
  FakeNode node({.wait_session = [&](const v1::WaitSessionRequest& request,
                                     v1::WaitSessionResponse* response) {
    EXPECT_FALSE(request.has_timeout());
    if (++calls == 1) {
      waits.Put(true);
      return FrontRestarting();
    }
    *response->mutable_session() = EndedSession();
    return grpc::Status::OK;
  }});
  const auto info = ConnectTo(node.target())->WaitSession("session-1");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->state, SessionState::kEnded);
  EXPECT_EQ(calls, 2);
}

TEST(WaitSession, PassesItsBound) {
  Mailbox<v1::WaitSessionRequest> requests;
  const FakeNode node({.wait_session = [&](const v1::WaitSessionRequest& request,
                                           v1::WaitSessionResponse* response) {
    requests.Put(request);
    response->mutable_session()->set_state(v1::SESSION_STATE_RUNNING);
    return grpc::Status::OK;
  }});
  const auto info = ConnectTo(node.target())->WaitSession("session-1", absl::Hours(1));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->state, SessionState::kRunning);
  EXPECT_LE(requests.Take().timeout().seconds(), 3600);
}

TEST(EndSession, ReturnsTheSession) {
  const FakeNode node(
      {.end_session = [](const v1::EndSessionRequest& request, v1::EndSessionResponse* response) {
        response->mutable_session()->set_id(request.session_id());
        return grpc::Status::OK;
      }});
  const auto info = ConnectTo(node.target())->EndSession("session-1");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->id, "session-1");
}

TEST(SignalSession, IsNeverRepeated) {
  std::atomic<int> calls = 0;
  const FakeNode node(
      {.signal_session = [&](const v1::SignalSessionRequest& request, v1::SignalSessionResponse*) {
        EXPECT_EQ(request.signal().number(), 12U);
        ++calls;
        return ConnectionLost();
      }});
  EXPECT_TRUE(absl::IsUnavailable(ConnectTo(node.target())->SignalSession("session-1", 12)));
  EXPECT_EQ(calls, 1);
}

TEST(DeleteSession, ARepeatedOneMayFindItGone) {
  std::atomic<int> calls = 0;
  const FakeNode node(
      {.delete_session = [&](const v1::DeleteSessionRequest& request, v1::DeleteSessionResponse*) {
        EXPECT_TRUE(request.force());
        if (++calls == 1) return ConnectionLost();
        return grpc::Status(grpc::StatusCode::NOT_FOUND, "gone");
      }});
  const auto client = ConnectTo(node.target());
  EXPECT_TRUE(client->DeleteSession("session-1", /*force=*/true).ok());
  EXPECT_TRUE(absl::IsNotFound(client->DeleteSession("session-1", /*force=*/true)));
}

TEST(UnaryCalls, FailAtOnceWhenNobodyListens) {
  const absl::Status status = ConnectTo("unix:/nowhere")->GetSession("session-1").status();
  EXPECT_EQ(status.message(),
            "cannot connect to unix:/nowhere: No such file or directory (is nacred running?)");
}

TEST(UnaryCalls, BelieveANodeThatRefuses) {
  std::atomic<int> calls = 0;
  const FakeNode node(
      {.start_session = [&](const v1::StartSessionRequest&, v1::StartSessionResponse*) {
        ++calls;
        return ErrorWithReason(grpc::StatusCode::UNAVAILABLE, "this node is draining", "DRAINING");
      }});
  const absl::Status status = ConnectTo(node.target())->StartSession(Program()).status();
  EXPECT_EQ(ErrorReason(status), "DRAINING");
  EXPECT_EQ(calls, 1);
}

TEST(UnaryCalls, GiveUpInTime) {
  const FakeNode node({.end_session = [](const v1::EndSessionRequest&, v1::EndSessionResponse*) {
    return FrontRestarting();
  }});
  const auto client = ConnectTo(node.target(), absl::Milliseconds(20));
  EXPECT_TRUE(absl::IsUnavailable(client->EndSession("session-1").status()));
}

}  // namespace
}  // namespace nacre::client
