// The nacre binary itself, against a scripted node.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "tests/client/fake_node.h"
#include "tests/client/nacre_process.h"

namespace nacre::client {
namespace {

// Answers every command with this end.
ExecScript EndWith(const v1::ExecResponse& end) {
  return [end](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(end);
    return grpc::Status::OK;
  };
}

ExecScript FailWith(const grpc::Status& status) {
  return [status](const v1::Start&, ExecStream&) { return status; };
}

v1::ExecRequest ReadRequest(ExecStream& stream) {
  v1::ExecRequest request;
  EXPECT_TRUE(stream.Read(&request));
  return request;
}

TEST(NacreExec, KeepsStdoutAndStderrApartAndExitsAsTheCommand) {
  const std::string odd("\0\xFF\n\r", 4);
  const Outcome outcome = RunAgainst(
      [&](const v1::Start&, ExecStream& stream) {
        stream.Write(StartedEvent());
        stream.Write(OutputEvent(0, odd));
        stream.Write(OutputEvent(4, "err", v1::OUTPUT_STREAM_STDERR));
        stream.Write(ExitEvent(7, odd, "err"));
        return grpc::Status::OK;
      },
      {"exec", "program"});
  EXPECT_EQ(outcome.status, 7);
  EXPECT_EQ(outcome.out, odd);
  EXPECT_EQ(outcome.err, "err");
}

TEST(NacreExec, ADeathBySignalIs128PlusItsNumber) {
  const Outcome outcome =
      RunAgainst(EndWith(SignalDeathEvent(9, "SIGKILL", v1::CAUSE_SIGNALED)), {"exec", "program"});
  EXPECT_EQ(outcome.status, 137);
  EXPECT_EQ(outcome.err, "");
}

TEST(NacreExec, ANodesMessageDoesNotActOnOurTerminal) {
  const Outcome outcome =
      RunAgainst(FailWith(grpc::Status(grpc::StatusCode::INTERNAL, "a\x1B]52;c;aGk=\a\nb")),
                 {"exec", "program"});
  EXPECT_EQ(outcome.err, "nacre: a\\x1b]52;c;aGk=\\x07\\nb\n");
}

TEST(NacreExec, ATimeoutIs124) {
  const Outcome outcome = RunAgainst(
      [](const v1::Start& start, ExecStream& stream) {
        EXPECT_EQ(start.command().timeout().seconds(), 90);
        stream.Write(StartedEvent());
        stream.Write(SignalDeathEvent(15, "SIGTERM", v1::CAUSE_TIMED_OUT));
        return grpc::Status::OK;
      },
      {"exec", "--timeout", "1.5m", "program"});
  EXPECT_EQ(outcome.status, 124);
}

TEST(NacreExec, AMissingProgramIs127) {
  const Outcome outcome =
      RunAgainst(FailWith(ErrorWithReason(grpc::StatusCode::NOT_FOUND, "program: no such program",
                                          "COMMAND_NOT_FOUND")),
                 {"exec", "program"});
  EXPECT_EQ(outcome.status, 127);
  EXPECT_EQ(outcome.err, "nacre: program: no such program\n");
}

TEST(NacreExec, AProgramThatCannotBeExecutedIs126) {
  const Outcome outcome =
      RunAgainst(FailWith(ErrorWithReason(grpc::StatusCode::FAILED_PRECONDITION,
                                          "/tmp: is a directory", "COMMAND_NOT_EXECUTABLE")),
                 {"exec", "/tmp"});
  EXPECT_EQ(outcome.status, 126);
}

TEST(NacreExec, AnyOtherFailureIs125) {
  EXPECT_EQ(
      RunAgainst(FailWith({grpc::StatusCode::RESOURCE_EXHAUSTED, "full"}), {"exec", "x"}).status,
      125);
  EXPECT_EQ(RunNacre({"-H", "unix:/nowhere", "exec", "x"}).status, 125);
  EXPECT_EQ(RunNacre({"-H", "nowhere", "exec", "x"}).status, 125);
}

TEST(NacreExec, LostOutputIs125) {
  const Outcome outcome = RunAgainst(EndWith(ExitEvent(0, "never sent")), {"exec", "program"});
  EXPECT_EQ(outcome.status, 125);
  EXPECT_EQ(outcome.err.rfind("nacre: output was lost", 0), 0U) << outcome.err;
}

TEST(NacreExec, EverythingFromTheFirstWordOnBelongsToTheCommand) {
  using Words = std::vector<std::string>;
  const std::vector<std::pair<Words, Words>> cases = {
      {{"ls", "-l", "--help"}, {"ls", "-l", "--help"}},
      {{"--", "-x", "--", "y"}, {"-x", "--", "y"}},
      {{"ping", "-c1", "host"}, {"ping", "-c1", "host"}},
      {{"exec", "exec"}, {"exec", "exec"}},
      {{"-w", "/", "env", "-i"}, {"env", "-i"}},
      {{"-vw", "/", "env", "-e"}, {"env", "-e"}},
      {{"-w/", "--timeout=1s", "-e", "A=1", "-e", "B=", "-v", "id", "++"}, {"id", "++"}},
      {{"--env", "A=[x,y]", "--", "[a,b]", ""}, {"[a,b]", ""}},
      {{"-"}, {"-"}}};
  for (const auto& [words, expected] : cases) {
    Mailbox<Words> argv;
    Words arguments = {"exec"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Outcome outcome = RunAgainst(
        [&argv](const v1::Start& start, ExecStream& stream) {
          argv.Put(Words(start.command().argv().begin(), start.command().argv().end()));
          stream.Write(StartedEvent());
          stream.Write(ExitEvent(0));
          return grpc::Status::OK;
        },
        arguments);
    ASSERT_EQ(outcome.status, 0) << outcome.err << testing::PrintToString(words);
    EXPECT_EQ(argv.Take(), expected);
  }
}

TEST(NacreExec, OptionsReachTheNode) {
  Mailbox<v1::Start> starts;
  const Outcome outcome = RunAgainst(
      [&](const v1::Start& start, ExecStream& stream) {
        starts.Put(start);
        stream.Write(StartedEvent());
        stream.Write(ExitEvent(0));
        return grpc::Status::OK;
      },
      {"exec",         "-e",      "A=1",
       "--env=B=x=y",  "-e",      "EMPTY=",
       "-w",           "/tmp",    "--tag",
       "job=42",       "--tag",   "a=b=c",
       "--request-id", "once",    "--on-disconnect",
       "kill",         "--grace", "0",
       "--retention",  "1h",      "program"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const v1::Start start = starts.Take();
  EXPECT_EQ(start.tags().at("job"), "42");
  EXPECT_EQ(start.tags().at("a"), "b=c");
  EXPECT_EQ(start.request_id(), "once");
  EXPECT_EQ(start.policies().on_disconnect(), v1::ON_DISCONNECT_KILL);
  EXPECT_TRUE(start.policies().has_disconnect_grace());
  EXPECT_EQ(start.policies().retention().seconds(), 3600);
  EXPECT_EQ(start.command().env().at("A"), "1");
  EXPECT_EQ(start.command().env().at("B"), "x=y");
  EXPECT_EQ(start.command().env().at("EMPTY"), "");
  EXPECT_EQ(start.command().cwd(), "/tmp");
  EXPECT_EQ(start.command().input(), v1::INPUT_MODE_UNSPECIFIED);
}

TEST(NacreExec, WithoutMinusIInputIsNotTouched) {
  const FakeNode node(EndWith(ExitEvent(0)));
  Nacre nacre({"-H", node.target(), "exec", "program"});
  ASSERT_EQ(write(nacre.in.writer(), "kept", 4), 4);
  EXPECT_EQ(nacre.Wait(), 0);
  nacre.in.CloseWriter();
  EXPECT_EQ(ReadAll(nacre.in.reader()), "kept");
}

TEST(NacreExec, WithMinusIInputReachesTheCommandToItsEnd) {
  const FakeNode node([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent(1 << 16));
    std::string input;
    v1::ExecRequest request;
    while (stream.Read(&request) && !request.input().eof()) input += request.input().data();
    stream.Write(OutputEvent(0, input));
    stream.Write(ExitEvent(0, input));
    return grpc::Status::OK;
  });
  Nacre nacre({"-H", node.target(), "exec", "-i", "cat"});
  ASSERT_EQ(write(nacre.in.writer(), "some input", 10), 10);
  nacre.in.CloseWriter();
  EXPECT_EQ(nacre.Wait(), 0);
  EXPECT_EQ(ReadAll(nacre.out.reader()), "some input");
}

TEST(NacreExec, EndsWithTheCommandThoughItsInputStaysOpenAndIdle) {
  const FakeNode node(EndWith(ExitEvent(0)));
  Nacre nacre({"-H", node.target(), "exec", "-i", "true"});
  EXPECT_EQ(nacre.Wait(), 0);
}

TEST(NacreExec, EndsWithTheCommandThoughItsInputNeverEnds) {
  const FakeNode node([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent(4));
    v1::ExecRequest request;
    stream.Read(&request);
    stream.Write(OutputEvent(0, "y\n"));
    stream.Write(ExitEvent(0, "y\n"));
    return grpc::Status::OK;
  });
  Nacre nacre({"-H", node.target(), "exec", "-i", "head", "-1"});
  const std::string endless(1 << 16, 'y');
  ASSERT_GT(write(nacre.in.writer(), endless.data(), endless.size()), 0);
  EXPECT_EQ(nacre.Wait(), 0);
  EXPECT_EQ(ReadAll(nacre.out.reader()), "y\n");
}

TEST(NacreExec, InputThatCannotBeReadCancelsInsteadOfLookingShort) {
  const FakeNode node([](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent(1 << 16));
    v1::ExecRequest request;  // A cancel, or the end of a call that was cancelled.
    stream.Read(&request);
    EXPECT_FALSE(request.input().eof());
    stream.Write(SignalDeathEvent(15, "SIGTERM", v1::CAUSE_CANCELLED));
    return grpc::Status::OK;
  });
  const Outcome outcome = RunNacre({"-H", node.target(), "exec", "-i", "cat"}, "< /");
  EXPECT_EQ(outcome.status, 125);
  EXPECT_EQ(outcome.err, "nacre: cannot read standard input: Is a directory\n");
}

// Writes one line, and another once told to; then expects a cancel and obeys it.
ExecScript WriteIntoAClosedPipe(v1::OutputStream output, Mailbox<bool>& closed) {
  return [output, &closed](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "1\n", output));
    closed.Take();
    stream.Write(OutputEvent(2, "2\n", output));
    EXPECT_TRUE(ReadRequest(stream).has_cancel());
    const bool is_out = output == v1::OUTPUT_STREAM_STDOUT;
    stream.Write(SignalDeathEvent(15, "SIGTERM", v1::CAUSE_CANCELLED, is_out ? "1\n2\n" : "",
                                  is_out ? "" : "1\n2\n"));
    return grpc::Status::OK;
  };
}

TEST(NacreExec, CancelsTheCommandWhenNobodyReadsItsOutput) {
  Mailbox<bool> closed;
  const FakeNode node(WriteIntoAClosedPipe(v1::OUTPUT_STREAM_STDOUT, closed));
  Nacre nacre({"-H", node.target(), "exec", "yes"});
  std::array<char, 2> line;
  ASSERT_EQ(read(nacre.out.reader(), line.data(), line.size()), 2);
  nacre.out.CloseReader();
  closed.Put(true);
  EXPECT_EQ(nacre.Wait(), 141);
  EXPECT_EQ(ReadAll(nacre.err.reader()), "");
}

TEST(NacreExec, CancelsTheCommandWhenNobodyReadsItsErrors) {
  Mailbox<bool> closed;
  const FakeNode node(WriteIntoAClosedPipe(v1::OUTPUT_STREAM_STDERR, closed));
  Nacre nacre({"-H", node.target(), "exec", "yes"});
  std::array<char, 2> line;
  ASSERT_EQ(read(nacre.err.reader(), line.data(), line.size()), 2);
  nacre.err.CloseReader();
  closed.Put(true);
  EXPECT_EQ(nacre.Wait(), 141);
}

TEST(NacreExec, OutputThatCannotBeWrittenCancelsAndIsReported) {
  for (const auto& [redirection, message] :
       {std::pair("> /dev/full", "No space left on device"), {">&-", "Bad file descriptor"}}) {
    const FakeNode node([](const v1::Start&, ExecStream& stream) {
      stream.Write(StartedEvent());
      stream.Write(OutputEvent(0, "1\n"));
      EXPECT_TRUE(ReadRequest(stream).has_cancel());
      stream.Write(SignalDeathEvent(15, "SIGTERM", v1::CAUSE_CANCELLED, "1\n"));
      return grpc::Status::OK;
    });
    const Outcome outcome = RunNacre({"-H", node.target(), "exec", "yes"}, redirection);
    EXPECT_EQ(outcome.status, 125);
    EXPECT_EQ(outcome.err, std::string("nacre: cannot write standard output: ") + message + "\n");
  }
}

TEST(NacreExec, AClosedStandardOutputDoesNotMatterToASilentCommand) {
  const FakeNode node(EndWith(ExitEvent(3)));
  EXPECT_EQ(RunNacre({"-H", node.target(), "exec", "true"}, "<&- >&- 2>&-").status, 3);
}

// Tells on standard output that it runs, then passes on the requests it gets until `until` of them
// came, then dies of SIGINT.
ExecScript CollectRequests(int until, Mailbox<v1::ExecRequest>& requests) {
  return [until, &requests](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "runs"));
    for (int i = 0; i < until; ++i) requests.Put(ReadRequest(stream));
    stream.Write(SignalDeathEvent(2, "SIGINT", v1::CAUSE_SIGNALED, "runs"));
    return grpc::Status::OK;
  };
}

void AwaitRunning(const Nacre& nacre) {
  std::array<char, 4> word;
  ASSERT_EQ(read(nacre.out.reader(), word.data(), word.size()), 4);
}

class ForwardedSignal : public testing::TestWithParam<int> {};

TEST_P(ForwardedSignal, ReachesTheCommand) {
  Mailbox<v1::ExecRequest> requests;
  const FakeNode node(CollectRequests(1, requests));
  Nacre nacre({"-H", node.target(), "exec", "program"});
  AwaitRunning(nacre);
  nacre.Signal(GetParam());
  EXPECT_EQ(requests.Take().signal().number(), static_cast<uint32_t>(GetParam()));
  EXPECT_EQ(nacre.Wait(), 130);
}

INSTANTIATE_TEST_SUITE_P(All, ForwardedSignal, testing::Values(SIGINT, SIGTERM, SIGHUP, SIGQUIT));

TEST(NacreExec, TheThirdInterruptCancelsAndTheFifthGivesUp) {
  Mailbox<v1::ExecRequest> requests;
  Mailbox<bool> gone;
  const FakeNode node([&](const v1::Start&, ExecStream& stream) {
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "runs"));
    for (int i = 0; i < 4; ++i) requests.Put(ReadRequest(stream));
    v1::ExecRequest request;
    gone.Put(!stream.Read(&request));  // Never ends by itself.
    return grpc::Status::OK;
  });
  Nacre nacre({"-H", node.target(), "exec", "program"});
  AwaitRunning(nacre);
  for (const bool cancels : {false, false, true, false}) {
    nacre.Signal(SIGINT);
    EXPECT_EQ(requests.Take().has_cancel(), cancels);
  }
  nacre.Signal(SIGINT);
  EXPECT_EQ(nacre.Wait(), 130);
  EXPECT_TRUE(gone.Take());
}

TEST(NacreExec, ASignalThatOurStarterIgnoredStaysIgnored) {
  Mailbox<v1::ExecRequest> requests;
  const FakeNode node(CollectRequests(1, requests));
  // As nohup does.
  const auto before = std::signal(SIGHUP, SIG_IGN);
  Nacre nacre({"-H", node.target(), "exec", "program"});
  std::signal(SIGHUP, before);
  AwaitRunning(nacre);
  nacre.Signal(SIGHUP);
  nacre.Signal(SIGTERM);
  EXPECT_EQ(requests.Take().signal().number(), static_cast<uint32_t>(SIGTERM));
  EXPECT_EQ(nacre.Wait(), 130);
}

TEST(NacreExec, AChangeOfTheWindowIsNoSignalForTheCommand) {
  Mailbox<v1::ExecRequest> requests;
  Mailbox<bool> asked;
  Mailbox<bool> changed;
  const FakeNode node([&](const v1::Start&, ExecStream& stream) {
    asked.Put(true);
    EXPECT_TRUE(changed.Take());
    stream.Write(StartedEvent());
    stream.Write(OutputEvent(0, "runs"));
    requests.Put(ReadRequest(stream));
    stream.Write(SignalDeathEvent(2, "SIGINT", v1::CAUSE_SIGNALED, "runs"));
    return grpc::Status::OK;
  });
  Nacre nacre({"-H", node.target(), "exec", "program"});
  EXPECT_TRUE(asked.Take());
  nacre.Signal(SIGWINCH);
  changed.Put(true);
  AwaitRunning(nacre);
  nacre.Signal(SIGWINCH);
  nacre.Signal(SIGTERM);
  EXPECT_EQ(requests.Take().signal().number(), static_cast<uint32_t>(SIGTERM));
  EXPECT_EQ(nacre.Wait(), 130);
}

TEST(NacreExec, AnInterruptBeforeTheCommandRunsCancelsTheStart) {
  Mailbox<bool> asked;
  const FakeNode node([&](const v1::Start&, ExecStream& stream) {
    asked.Put(true);
    // A node that has read the start but whose command does not run yet.
    EXPECT_TRUE(ReadRequest(stream).has_cancel());
    return grpc::Status(grpc::StatusCode::CANCELLED, "cancelled");
  });
  Nacre nacre({"-H", node.target(), "exec", "program"});
  asked.Take();
  nacre.Signal(SIGINT);
  EXPECT_EQ(nacre.Wait(), 130);
  EXPECT_EQ(ReadAll(nacre.err.reader()), "");
}

TEST(NacreExec, AnInterruptWorksWhileTheNodeIsSilent) {
  Mailbox<bool> asked;
  const FakeNode node([&](const v1::Start&, ExecStream& stream) {
    asked.Put(true);
    v1::ExecRequest request;
    while (stream.Read(&request)) {
    }
    return grpc::Status::OK;
  });
  Nacre nacre({"-H", node.target(), "exec", "program"});
  asked.Take();
  nacre.Signal(SIGTERM);
  EXPECT_EQ(nacre.Wait(), 143);
}

TEST(NacreExec, TellsOnRequestHowItEnded) {
  const Outcome outcome = RunAgainst(
      [](const v1::Start&, ExecStream& stream) {
        v1::ExecResponse end = ExitEvent(7, "four");
        auto* record = end.mutable_events(0)->mutable_terminated()->mutable_termination();
        record->mutable_run_time()->set_seconds(2);
        record->set_output_complete(false);
        record->set_output_held_open(true);
        stream.Write(StartedEvent());
        stream.Write(OutputEvent(0, "four"));
        stream.Write(end);
        return grpc::Status::OK;
      },
      {"exec", "-v", "program"});
  EXPECT_EQ(outcome.status, 7);
  EXPECT_EQ(outcome.out, "four");
  EXPECT_EQ(outcome.err,
            "nacre: session session-1: exited, status 7, after 2s, stdout 4 bytes, stderr 0 bytes, "
            "output still held open by background children\n");
}

TEST(NacreExec, SaysUnaskedThatOutputIsIncomplete) {
  v1::ExecResponse end = ExitEvent(0);
  end.mutable_events(0)->mutable_terminated()->mutable_termination()->set_output_complete(false);
  EXPECT_EQ(RunAgainst(EndWith(end), {"exec", "program"}).err, "nacre: the output is incomplete\n");
}

// Starts, writes "one", and is lost.
grpc::Status StartAndLose(const v1::Start&, ExecStream& stream) {
  stream.Write(StartedEvent());
  stream.Write(OutputEvent(0, "one"));
  return ConnectionLost();
}

grpc::Status FinishElsewhere(const v1::Attach& attach, AttachStream& stream) {
  EXPECT_EQ(attach.position(), 3U);
  stream.Write(ForAttach(AttachedEvent(3)));
  stream.Write(ForAttach(OutputEvent(3, "two")));
  stream.Write(ForAttach(ExitEvent(7, "onetwo")));
  return grpc::Status::OK;
}

TEST(NacreExec, GoesOnWhenTheConnectionIsLost) {
  const Outcome outcome =
      RunAgainst({.exec = StartAndLose, .attach = FinishElsewhere}, {"exec", "program"});
  EXPECT_EQ(outcome.status, 7);
  EXPECT_EQ(outcome.out, "onetwo");
  EXPECT_EQ(outcome.err, "");
}

TEST(NacreExec, TellsOnRequestThatItWasAway) {
  const Outcome outcome =
      RunAgainst({.exec = StartAndLose, .attach = FinishElsewhere}, {"exec", "-v", "program"});
  EXPECT_EQ(outcome.err.rfind("nacre: connected again after ", 0), 0U) << outcome.err;
}

TEST(NacreExec, TellsUnaskedThatItIsAwayForLong) {
  std::atomic<bool> back = false;
  const FakeNode node({.exec = StartAndLose, .attach = [&](const auto& attach, auto& stream) {
                         return back ? FinishElsewhere(attach, stream) : ConnectionLost();
                       }});
  Nacre nacre({"-H", node.target(), "exec", "program"});
  const std::string expected =
      "nacre: lost the connection to " + node.target() + "; trying again\n";
  std::string line(expected.size(), '\0');
  ASSERT_EQ(read(nacre.err.reader(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
  EXPECT_EQ(line, expected);
  back = true;
  EXPECT_EQ(nacre.Wait(), 7);
  EXPECT_EQ(ReadAll(nacre.err.reader()).rfind("nacre: connected again after ", 0), 0U);
}

TEST(NacreExec, WithNoResumeALossIs125AndTellsHowToComeBack) {
  const Outcome outcome = RunAgainst({.exec = StartAndLose, .attach = FinishElsewhere},
                                     {"exec", "--no-resume", "program"});
  EXPECT_EQ(outcome.status, 125);
  EXPECT_EQ(outcome.out, "one");
  EXPECT_NE(outcome.err.find("'nacre attach session-1'"), std::string::npos) << outcome.err;
}

TEST(NacrePing, PrintsTheRoundTripTime) {
  const Outcome outcome = RunAgainst(EndWith(ExitEvent(0)), {"ping"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find(" serves, round trip "), std::string::npos) << outcome.out;
  EXPECT_EQ(outcome.err, "");
}

TEST(NacrePing, FailsWith1) {
  const Outcome outcome = RunNacre({"-H", "unix:/nowhere", "ping"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err,
            "nacre: cannot connect to unix:/nowhere: No such file or directory (is nacred "
            "running?)\n");
}

TEST(Nacre, WrongUsageIs2AndNamesTheHelp) {
  const std::vector<std::vector<std::string>> cases = {{},
                                                       {"nosuchverb"},
                                                       {"--nosuch"},
                                                       {"exec"},
                                                       {"exec", "--"},
                                                       {"exec", "--nosuch", "ls"},
                                                       {"exec", "-e", "=x", "ls"},
                                                       {"exec", "-e", "NOVALUE", "ls"},
                                                       {"exec", "--timeout", "0", "ls"},
                                                       {"exec", "--timeout", "-1s", "ls"},
                                                       {"exec", "--timeout", "inf", "ls"},
                                                       {"exec", "--timeout", "5", "ls"},
                                                       {"exec", "-w"},
                                                       {"exec", "--tag", "x", "ls"},
                                                       {"exec", "--on-disconnect", "x", "ls"},
                                                       {"exec", "--grace", "-1s", "ls"},
                                                       {"start"},
                                                       {"start", "-i", "ls"},
                                                       {"start", "--keep", "x", "ls"},
                                                       {"start", "--keep", "-1", "ls"},
                                                       {"start", "--overflow", "x", "ls"},
                                                       {"attach"},
                                                       {"attach", "-i", "--read-only", "1"},
                                                       {"attach", "--from", "-1", "1"},
                                                       {"attach", "1", "2"},
                                                       {"logs"},
                                                       {"logs", "--tail", "x", "1"},
                                                       {"logs", "--tail", "-1", "1"},
                                                       {"ps", "extra"},
                                                       {"ps", "-a", "--state", "ended"},
                                                       {"ps", "--state", "x"},
                                                       {"wait"},
                                                       {"wait", "-o", "x", "1"},
                                                       {"end"},
                                                       {"kill", "-s", "NOSUCH", "1"},
                                                       {"kill", "-s", "0", "1"},
                                                       {"kill"},
                                                       {"rm"},
                                                       {"status", "extra"},
                                                       {"status", "-o", "x"},
                                                       {"ping", "extra"}};
  for (const auto& arguments : cases) {
    const Outcome outcome = RunNacre(arguments);
    EXPECT_EQ(outcome.status, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.rfind("nacre: ", 0), 0U) << outcome.err;
    EXPECT_NE(outcome.err.find("--help'"), std::string::npos) << outcome.err;
  }
}

TEST(Nacre, HelpAndVersionAreOutput) {
  EXPECT_EQ(RunNacre({"--version"}).out, "nacre " NACRE_VERSION "\n");
  EXPECT_NE(RunNacre({"--help"}).out.find("Examples:"), std::string::npos);
  for (const char* verb : {"exec", "start", "attach", "logs", "ps", "wait", "end", "kill", "rm",
                           "cp", "ls", "cat", "stat", "mkdir", "mv", "watch", "status", "ping"}) {
    const Outcome outcome = RunNacre({verb, "--help"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_NE(outcome.out.find(verb), std::string::npos);
    EXPECT_NE(outcome.out.find("Examples:"), std::string::npos);
    EXPECT_EQ(outcome.err, "");
  }
}

}  // namespace
}  // namespace nacre::client
