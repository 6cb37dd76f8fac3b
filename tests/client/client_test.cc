#include "nacre/client.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "tests/client/fake_node.h"

namespace nacre::client {
namespace {

grpc::Status NoExec(const v1::Start&, ExecStream&) { return grpc::Status::OK; }

std::unique_ptr<Client> ConnectTo(const std::string& target) {
  auto client = Client::Connect({.target = target});
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

// A Unix socket bound to a path of its own.
class BoundSocket {
 public:
  BoundSocket() : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX};
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~BoundSocket() { close(fd_); }

  int fd() const { return fd_; }
  std::string path() const { return directory_.path() + "/s"; }

 private:
  TemporaryDirectory directory_;
  int fd_;
};

TEST(Client, RefusesPlaintextBeyondThisMachine) {
  EXPECT_TRUE(absl::IsFailedPrecondition(Client::Connect({.target = "10.0.0.1:1"}).status()));
}

TEST(Client, RefusesWhatIsNoTarget) {
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Connect({.target = "nowhere"}).status()));
}

TEST(Client, SaysThatThereIsNoSocket) {
  const TemporaryDirectory directory;
  const std::string target = "unix:" + directory.path() + "/none";
  const absl::Status status = ConnectTo(target)->Ping().status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(status.message(),
            "cannot connect to " + target + ": No such file or directory (is nacred running?)");
}

TEST(Client, SaysThatNobodyListens) {
  const BoundSocket socket;
  const std::string target = "unix:" + socket.path();
  EXPECT_EQ(ConnectTo(target)->Ping().status().message(),
            "cannot connect to " + target + ": Connection refused (is nacred running?)");
}

TEST(Client, SaysThatTheNodeClosesTheConnection) {
  const BoundSocket socket;
  ASSERT_EQ(listen(socket.fd(), 8), 0);
  std::thread closer([&socket] {
    for (int fd = 0; (fd = accept(socket.fd(), nullptr, nullptr)) >= 0;) close(fd);
  });
  const absl::Status status = ConnectTo("unix:" + socket.path())->Ping().status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_NE(status.ToString().find("closes the connection at once"), std::string::npos) << status;
  shutdown(socket.fd(), SHUT_RDWR);
  closer.join();
}

TEST(Client, ReachesASocketWhosePathNeedsEscaping) {
  const FakeNode node(NoExec);
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/odd %20#?";
  ASSERT_EQ(symlink(node.target().substr(5).c_str(), path.c_str()), 0);
  EXPECT_TRUE(ConnectTo("unix:" + path)->Ping().ok());
}

TEST(Ping, MeasuresANodeThatServes) {
  const FakeNode node(NoExec);
  const auto client = ConnectTo(node.target());
  const auto time = client->Ping();
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_GT(*time, absl::ZeroDuration());
}

TEST(Ping, FailsOnANodeThatDoesNotServe) {
  FakeNode node(NoExec);
  node.SetServing(false);
  EXPECT_TRUE(absl::IsUnavailable(ConnectTo(node.target())->Ping().status()));
}

Command Program() {
  Command command;
  command.argv = {"program"};
  return command;
}

// Answers with `out` and `err`, counted as `counted_out` and `err`.
RunScript Answer(const std::string& out, const std::string& err, const std::string& counted_out,
                 bool truncated = false) {
  return [=](const v1::RunRequest& request, v1::RunResponse* response) {
    EXPECT_EQ(request.start().command().argv(0), "program");
    response->mutable_session()->set_id("session-1");
    response->set_stdout(out);
    response->set_stderr(err);
    response->set_truncated(truncated);
    *response->mutable_termination() =
        ExitEvent(7, counted_out, err).events(0).terminated().termination();
    return grpc::Status::OK;
  };
}

TEST(Run, ReturnsOutputAndEnd) {
  const FakeNode node(NoExec, Answer("out", "err", "out"));
  const auto result = ConnectTo(node.target())->Run(Program());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->session_id, "session-1");
  EXPECT_EQ(result->out, "out");
  EXPECT_EQ(result->err, "err");
  EXPECT_FALSE(result->truncated);
  EXPECT_EQ(std::get<Exited>(result->termination.result).code, 7);
}

TEST(Run, AChangedByteIsDataLoss) {
  const FakeNode node(NoExec, Answer("out", "err", "oat"));
  EXPECT_TRUE(absl::IsDataLoss(ConnectTo(node.target())->Run(Program()).status()));
}

TEST(Run, TruncatedOutputIsNoLoss) {
  const FakeNode node(NoExec, Answer("out", "", "out and more", /*truncated=*/true));
  const auto result = ConnectTo(node.target())->Run(Program());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->truncated);
}

TEST(Run, TheNodesErrorKeepsItsReason) {
  const FakeNode node(NoExec, [](const v1::RunRequest&, v1::RunResponse*) {
    return ErrorWithReason(grpc::StatusCode::PERMISSION_DENIED, "no", "POLICY_DENIED");
  });
  const absl::Status status = ConnectTo(node.target())->Run(Program()).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_EQ(ErrorReason(status), "POLICY_DENIED");
}

TEST(ErrorReason, IsEmptyWithoutOne) {
  EXPECT_EQ(ErrorReason(absl::OkStatus()), "");
  EXPECT_EQ(ErrorReason(absl::InternalError("x")), "");
}

}  // namespace
}  // namespace nacre::client
