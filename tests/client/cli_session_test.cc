// The verbs about sessions, against a scripted node.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <string>
#include <vector>

#include "tests/client/fake_node.h"
#include "tests/client/nacre_process.h"

namespace nacre::client {
namespace {

v1::Session Session(const std::string& id, v1::SessionState state) {
  v1::Session session;
  session.set_id(id);
  session.set_owner("uid:7");
  session.set_state(state);
  session.set_command_line("program --flag");
  session.mutable_start_time()->set_seconds(1'000'000'000);
  if (state == v1::SESSION_STATE_ENDED) {
    *session.mutable_termination() = ExitEvent(5).events(0).terminated().termination();
  }
  return session;
}

TEST(NacreStart, PrintsTheIdAndPassesItsOptions) {
  Mailbox<v1::Start> starts;
  const Outcome outcome = RunAgainst(
      {.start_session =
           [&](const v1::StartSessionRequest& request, v1::StartSessionResponse* response) {
             starts.Put(request.start());
             *response->mutable_session() = Session("session-1", v1::SESSION_STATE_RUNNING);
             return grpc::Status::OK;
           }},
      {"start", "--input", "--overflow", "block", "--keep", "1M", "--tag", "job=42", "--retention",
       "0", "--", "program", "--flag"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "session-1\n");
  const v1::Start start = starts.Take();
  EXPECT_EQ(start.command().argv(1), "--flag");
  EXPECT_EQ(start.command().input(), v1::INPUT_MODE_STREAM);
  EXPECT_EQ(start.policies().overflow(), v1::OVERFLOW_POLICY_BLOCK);
  EXPECT_EQ(start.policies().retention_bytes(), 1U << 20);
  EXPECT_TRUE(start.policies().has_retention());
  EXPECT_EQ(start.tags().at("job"), "42");
}

TEST(NacreStart, FailsWith1) {
  const Outcome outcome =
      RunAgainst({.start_session =
                      [](const v1::StartSessionRequest&, v1::StartSessionResponse*) {
                        return ErrorWithReason(grpc::StatusCode::NOT_FOUND,
                                               "program: no such program", "COMMAND_NOT_FOUND");
                      }},
                 {"start", "program"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "nacre: program: no such program\n");
}

TEST(NacreAttach, DrivesAndExitsAsTheCommand) {
  Mailbox<v1::Attach> attaches;
  const Outcome outcome = RunAgainst({.attach =
                                          [&](const v1::Attach& attach, AttachStream& stream) {
                                            attaches.Put(attach);
                                            stream.Write(ForAttach(AttachedEvent(3)));
                                            stream.Write(ForAttach(OutputEvent(3, "def")));
                                            stream.Write(ForAttach(ExitEvent(5, "abcdef")));
                                            return grpc::Status::OK;
                                          }},
                                     {"attach", "session-1"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.out, "def");
  EXPECT_EQ(outcome.err, "");
  const v1::Attach attach = attaches.Take();
  EXPECT_EQ(attach.session_id(), "session-1");
  EXPECT_TRUE(attach.drive());
  EXPECT_FALSE(attach.input());
  EXPECT_FALSE(attach.has_position());
}

TEST(NacreAttach, ReadOnlyReportsGaps) {
  const Outcome outcome = RunAgainst({.attach =
                                          [](const v1::Attach& attach, AttachStream& stream) {
                                            EXPECT_FALSE(attach.drive());
                                            EXPECT_EQ(attach.position(), 2U);
                                            stream.Write(ForAttach(AttachedEvent(2)));
                                            stream.Write(ForAttach(GapEvent(2, 5)));
                                            stream.Write(ForAttach(OutputEvent(5, "f")));
                                            stream.Write(ForAttach(ExitEvent(0, "abcdef")));
                                            return grpc::Status::OK;
                                          }},
                                     {"attach", "--read-only", "--from", "2", "session-1"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "f");
  EXPECT_EQ(outcome.err, "nacre: output from 2 to 5 is no longer kept\n");
}

TEST(NacreAttach, WithMinusIInputReachesTheCommand) {
  const FakeNode node({.attach = [](const v1::Attach& attach, AttachStream& stream) {
    EXPECT_TRUE(attach.input());
    stream.Write(ForAttach(AttachedEvent(0, 9, 1 << 16)));
    std::string input;
    v1::AttachRequest request;
    while (stream.Read(&request) && !request.input().eof()) input += request.input().data();
    stream.Write(ForAttach(OutputEvent(0, input)));
    stream.Write(ForAttach(ExitEvent(0, input)));
    return grpc::Status::OK;
  }});
  Nacre nacre({"-H", node.target(), "attach", "-i", "session-1"});
  ASSERT_EQ(write(nacre.in.writer(), "some input", 10), 10);
  nacre.in.CloseWriter();
  EXPECT_EQ(nacre.Wait(), 0);
  EXPECT_EQ(ReadAll(nacre.out.reader()), "some input");
}

// Writes one line, and passes requests on until it is left.
AttachScript WriteUntilLeft(Mailbox<v1::AttachRequest>& requests) {
  return [&requests](const v1::Attach&, AttachStream& stream) {
    stream.Write(ForAttach(AttachedEvent(0)));
    stream.Write(ForAttach(OutputEvent(0, "1\n")));
    v1::AttachRequest request;
    for (uint64_t position = 2; stream.Read(&request); position += 2) {
      requests.Put(request);
      if (request.has_detach()) break;
      stream.Write(ForAttach(OutputEvent(position, "2\n")));
    }
    return grpc::Status::OK;
  };
}

TEST(NacreAttach, LeavesTheCommandRunningWhenNobodyReadsItsOutput) {
  Mailbox<v1::AttachRequest> requests;
  const FakeNode node({.attach = WriteUntilLeft(requests)});
  Nacre nacre({"-H", node.target(), "attach", "session-1"});
  std::array<char, 2> line;
  ASSERT_EQ(read(nacre.out.reader(), line.data(), line.size()), 2);
  nacre.out.CloseReader();
  nacre.Signal(SIGHUP);  // Makes the node write again.
  EXPECT_EQ(nacre.Wait(), 141);
  EXPECT_TRUE(requests.Take().has_signal());
  EXPECT_TRUE(requests.Take().has_ack());
  EXPECT_TRUE(requests.Take().has_detach());
}

TEST(NacreAttach, ReadOnlyLeavesSignalsToTheirDefault) {
  Mailbox<v1::AttachRequest> requests;
  const FakeNode node({.attach = WriteUntilLeft(requests)});
  Nacre nacre({"-H", node.target(), "attach", "--read-only", "session-1"});
  std::array<char, 2> line;
  ASSERT_EQ(read(nacre.out.reader(), line.data(), line.size()), 2);
  nacre.Signal(SIGINT);
  EXPECT_EQ(nacre.Wait(), -SIGINT);
}

TEST(NacreAttach, ASessionThatIsNotThereIs125) {
  const Outcome outcome = RunAgainst({.attach =
                                          [](const v1::Attach&, AttachStream&) {
                                            return grpc::Status(grpc::StatusCode::NOT_FOUND,
                                                                "there is no session session-1");
                                          }},
                                     {"attach", "session-1"});
  EXPECT_EQ(outcome.status, 125);
  EXPECT_EQ(outcome.err, "nacre: there is no session session-1\n");
}

// A running session that keeps positions 4 to 12: "3\n4\n5\n6\n", two lines of each stream. Ends
// with "7\n".
Scripts Log() {
  return {.attach =
              [](const v1::Attach& attach, AttachStream& stream) {
                EXPECT_FALSE(attach.drive());
                const std::string kept = "3\n4\n5\n6\n7\n";
                uint64_t position = attach.position();
                stream.Write(ForAttach(AttachedEvent(position)));
                for (; position < 14; position += 2) {
                  const v1::OutputStream on =
                      position < 8 ? v1::OUTPUT_STREAM_STDOUT : v1::OUTPUT_STREAM_STDERR;
                  stream.Write(ForAttach(OutputEvent(position, kept.substr(position - 4, 2), on)));
                }
                stream.Write(ForAttach(ExitEvent(5, "1\n2\n3\n4\n", "5\n6\n7\n")));
                return grpc::Status::OK;
              },
          .get_session =
              [](const v1::GetSessionRequest&, v1::GetSessionResponse* response) {
                *response->mutable_session() = Session("session-1", v1::SESSION_STATE_RUNNING);
                response->mutable_session()->set_kept_position(4);
                response->mutable_session()->set_end_position(12);
                return grpc::Status::OK;
              }};
}

TEST(NacreLogs, ShowsWhatIsKeptUpToNow) {
  const Outcome outcome = RunAgainst(Log(), {"logs", "session-1"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "3\n4\n");
  EXPECT_EQ(outcome.err, "5\n6\n");
}

TEST(NacreLogs, FollowsToTheEndAndSucceedsThough) {
  const Outcome outcome = RunAgainst(Log(), {"logs", "-f", "session-1"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "3\n4\n");
  EXPECT_EQ(outcome.err, "5\n6\n7\n");
}

TEST(NacreLogs, ShowsTheLastLines) {
  const Outcome outcome = RunAgainst(Log(), {"logs", "--tail", "3", "session-1"});
  EXPECT_EQ(outcome.out, "4\n");
  EXPECT_EQ(outcome.err, "5\n6\n");
  const Outcome followed = RunAgainst(Log(), {"logs", "-f", "--tail", "1", "session-1"});
  EXPECT_EQ(followed.out, "");
  EXPECT_EQ(followed.err, "6\n7\n");
}

TEST(NacreLogs, BeginsWhereToldAndSaysWhatIsGone) {
  EXPECT_EQ(RunAgainst(Log(), {"logs", "--from", "6", "session-1"}).out, "4\n");
  const Outcome outcome = RunAgainst(Log(), {"logs", "--from", "1", "session-1"});
  EXPECT_EQ(outcome.out, "3\n4\n");
  EXPECT_EQ(outcome.err, "nacre: output from 1 to 4 is no longer kept\n5\n6\n");
}

TEST(NacreLogs, CatchesUpWithOutputThatRunsAway) {
  Scripts scripts = Log();
  std::atomic<int> calls = 0;
  scripts.attach = [&calls, read = scripts.attach](const v1::Attach& attach, AttachStream& stream) {
    if (++calls == 1) {
      return ErrorWithReason(grpc::StatusCode::OUT_OF_RANGE, "gone", "POSITION_NOT_KEPT");
    }
    v1::Attach later = attach;
    EXPECT_GT(attach.position(), 4U);
    later.set_position(6);
    return read(later, stream);
  };
  const Outcome outcome = RunAgainst(scripts, {"logs", "session-1"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "4\n");
}

TEST(NacreLogs, EndsQuietlyWhenNobodyReads) {
  EXPECT_EQ(RunNacre({"logs", "--help"}).status, 0);
  const FakeNode node(Log());
  Nacre nacre({"-H", node.target(), "logs", "-f", "session-1"}, "| :");
  nacre.Wait();
  EXPECT_EQ(ReadAll(nacre.err.reader()).find("nacre:"), std::string::npos);
}

// Answers with three pages, by state: as many sessions as the request has no state or this one.
grpc::Status ListThree(const v1::ListSessionsRequest& request, v1::ListSessionsResponse* response) {
  v1::Session starting = Session("session-1", v1::SESSION_STATE_STARTING);
  v1::Session running = Session("session-2", v1::SESSION_STATE_RUNNING);
  running.set_command_line("printf '\x1B[2J' " + std::string(100, 'x'));
  running.set_owner("uid:7\n");
  (*running.mutable_tags())["job"] = "42";
  const v1::Session ended = Session("session-3", v1::SESSION_STATE_ENDED);
  const std::vector<v1::Session> all = {starting, running, ended};
  const size_t page = request.page_token().empty() ? 0 : std::stoul(request.page_token());
  if (request.state() == v1::SESSION_STATE_UNSPECIFIED || request.state() == all[page].state()) {
    *response->add_sessions() = all[page];
  }
  if (page < 2) response->set_next_page_token(std::to_string(page + 1));
  return grpc::Status::OK;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

TEST(NacrePs, ListsWhatRunsInATableThatCannotHarmATerminal) {
  const Outcome outcome = RunAgainst(Scripts{.list_sessions = ListThree}, {"ps"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const std::vector<std::string> lines = Lines(outcome.out);
  ASSERT_EQ(lines.size(), 3U) << outcome.out;
  for (const char* column : {"ID", "STATE", "AGE", "OWNER", "STATUS", "COMMAND", "TAGS"}) {
    EXPECT_NE(lines[0].find(column), std::string::npos);
  }
  EXPECT_EQ(lines[1].rfind("session-2", 0), 0U);
  EXPECT_NE(lines[1].find("printf '\\x1b[2J' xxx"), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find("uid:7\\n"), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find("job=42"), std::string::npos);
  EXPECT_EQ(lines[2].rfind("session-1", 0), 0U);
}

TEST(NacrePs, ListsAllOrThoseInAState) {
  EXPECT_EQ(Lines(RunAgainst(Scripts{.list_sessions = ListThree}, {"ps", "-a"}).out).size(), 4U);
  const std::vector<std::string> ended =
      Lines(RunAgainst(Scripts{.list_sessions = ListThree}, {"ps", "--state", "ended"}).out);
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_NE(ended[1].find("exited, status 5"), std::string::npos) << ended[1];
}

TEST(NacrePs, PassesTagsAndPrintsAnArrayOfJson) {
  const Outcome outcome =
      RunAgainst({.list_sessions =
                      [](const v1::ListSessionsRequest& request, v1::ListSessionsResponse* page) {
                        EXPECT_EQ(request.tags().at("job"), "42");
                        return ListThree(request, page);
                      }},
                 {"ps", "-a", "--tag", "job=42", "-o", "json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out.rfind(R"([{"id":"session-1","start_time":"2001-09-09T01:46:40+00:00",)", 0),
            0U)
      << outcome.out;
  EXPECT_NE(outcome.out.find(R"("tags":{"job":"42"})"), std::string::npos);
  EXPECT_NE(outcome.out.find(R"("termination":{"exit_code":5,"cause":"exited")"),
            std::string::npos);
  EXPECT_EQ(outcome.out.find('\x1B'), std::string::npos);
}

TEST(NacrePs, WithoutSessionsJsonIsAnEmptyArray) {
  const Outcome outcome = RunAgainst(
      {.list_sessions = [](const auto&, auto*) { return grpc::Status::OK; }}, {"ps", "-o", "json"});
  EXPECT_EQ(outcome.out, "[]\n");
}

Scripts WaitFor(const v1::Session& session) {
  return {.wait_session = [session](const v1::WaitSessionRequest& request,
                                    v1::WaitSessionResponse* response) {
    EXPECT_EQ(request.session_id(), session.id());
    *response->mutable_session() = session;
    return grpc::Status::OK;
  }};
}

TEST(NacreWait, TellsHowItEndedAndExitsAsTheCommand) {
  const Outcome outcome =
      RunAgainst(WaitFor(Session("session-1", v1::SESSION_STATE_ENDED)), {"wait", "session-1"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.out, "session-1: exited, status 5\n");
}

TEST(NacreWait, PrintsJson) {
  const Outcome outcome = RunAgainst(WaitFor(Session("session-1", v1::SESSION_STATE_ENDED)),
                                     {"wait", "-o", "json", "session-1"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.out.rfind(R"({"id":"session-1",)", 0), 0U) << outcome.out;
}

TEST(NacreWait, IsOneWhenItStillRuns) {
  const Outcome outcome = RunAgainst(WaitFor(Session("session-1", v1::SESSION_STATE_RUNNING)),
                                     {"wait", "--timeout", "1ms", "session-1"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "nacre: session-1: still running\n");
}

TEST(NacreEnd, EndsEachAndFailsWith1IfOneFails) {
  Mailbox<std::string> ids;
  const Outcome outcome =
      RunAgainst({.end_session =
                      [&](const v1::EndSessionRequest& request, v1::EndSessionResponse*) {
                        ids.Put(request.session_id());
                        return request.session_id() == "b"
                                   ? grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no b")
                                   : grpc::Status::OK;
                      }},
                 {"end", "a", "b", "c"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "nacre: there is no b\n");
  for (const char* id : {"a", "b", "c"}) EXPECT_EQ(ids.Take(), id);
}

TEST(NacreKill, SendsTheSignal) {
  Mailbox<uint32_t> signals;
  const FakeNode node(
      {.signal_session = [&](const v1::SignalSessionRequest& request, v1::SignalSessionResponse*) {
        signals.Put(request.signal().number());
        return grpc::Status::OK;
      }});
  const std::vector<std::pair<std::vector<std::string>, int>> cases = {{{}, SIGTERM},
                                                                       {{"-s", "HUP"}, SIGHUP},
                                                                       {{"-s", "SIGUSR1"}, SIGUSR1},
                                                                       {{"-s", "kill"}, SIGKILL},
                                                                       {{"--signal=9"}, SIGKILL},
                                                                       {{"-s", "64"}, 64}};
  for (const auto& [options, expected] : cases) {
    std::vector<std::string> words = {"-H", node.target(), "kill"};
    words.insert(words.end(), options.begin(), options.end());
    words.push_back("session-1");
    EXPECT_EQ(RunNacre(words).status, 0);
    EXPECT_EQ(signals.Take(), static_cast<uint32_t>(expected));
  }
}

TEST(NacreRm, ForcesOnlyWhenTold) {
  Mailbox<bool> forced;
  const FakeNode node(
      {.delete_session = [&](const v1::DeleteSessionRequest& request, v1::DeleteSessionResponse*) {
        forced.Put(request.force());
        return grpc::Status::OK;
      }});
  EXPECT_EQ(RunNacre({"-H", node.target(), "rm", "a"}).status, 0);
  EXPECT_FALSE(forced.Take());
  EXPECT_EQ(RunNacre({"-H", node.target(), "rm", "-f", "a"}).status, 0);
  EXPECT_TRUE(forced.Take());
}

TEST(NacreVerbs, FailWith1WithoutANode) {
  for (const std::vector<std::string>& verb : std::vector<std::vector<std::string>>{
           {"start", "x"}, {"logs", "x"}, {"ps"}, {"end", "x"}, {"kill", "x"}, {"rm", "x"}}) {
    std::vector<std::string> words = {"-H", "unix:/nowhere"};
    words.insert(words.end(), verb.begin(), verb.end());
    EXPECT_EQ(RunNacre(words).status, 1) << verb[0];
  }
  EXPECT_EQ(RunNacre({"-H", "unix:/nowhere", "attach", "x"}).status, 125);
  EXPECT_EQ(RunNacre({"-H", "unix:/nowhere", "wait", "x"}).status, 125);
}

}  // namespace
}  // namespace nacre::client
