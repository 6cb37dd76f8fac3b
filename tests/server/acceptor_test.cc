#include "server/acceptor.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <vector>

#include "tests/support/temp_dir.h"

namespace nacre {
namespace {

class AcceptorTest : public ::testing::Test {
 protected:
  // Room for so many connections.
  static constexpr int kBudget = 8;

  void Serve(uint32_t owner) {
    address_ = *Address::Parse("unix:" + dir_.path() + "/s");
    UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un name = Name();
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    ASSERT_EQ(listen(listener.get(), 100), 0);
    policy_.emplace(NodeUser{owner, "owner"}, std::vector<NodeUser>{}, false);
    acceptor_.emplace(loop_, budget_, *policy_,
                      [this](const Identity& identity, UniqueFd connection) {
                        identities_.push_back(identity.name);
                        received_.push_back(std::move(connection));
                        return true;
                      });
    acceptor_->Listen(address_, std::move(listener));
  }

  sockaddr_un Name() const {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    address_.path.copy(name.sun_path, sizeof(name.sun_path) - 1);
    return name;
  }

  UniqueFd Connect() {
    UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name = Name();
    EXPECT_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    return client;
  }

  // Runs the loop until `condition` holds; fails after a while.
  template <typename Condition>
  bool Await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_.run_one_for(std::chrono::milliseconds(20));
      loop_.restart();
    }
    return true;
  }

  static bool Closed(const UniqueFd& client) {
    char byte;
    return recv(client.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
  }

  const TempDir dir_;
  Address address_;
  asio::io_context loop_;
  FdBudget budget_{2 * kBudget};
  std::vector<std::string> identities_;
  std::vector<UniqueFd> received_;
  std::optional<OwnerPolicy> policy_;
  std::optional<Acceptor> acceptor_;
};

TEST_F(AcceptorTest, AConnectionIsHandedOnWithItsCallerOnceItSpeaks) {
  Serve(getuid());
  const UniqueFd silent = Connect(), client = Connect();
  ASSERT_EQ(write(client.get(), "x", 1), 1);
  ASSERT_TRUE(Await([&] { return received_.size() == 1; }));
  EXPECT_EQ(identities_[0], "uid:" + std::to_string(getuid()));
  char byte;
  EXPECT_EQ(read(received_[0].get(), &byte, 1), 1);
}

TEST_F(AcceptorTest, AStrangersConnectionIsClosed) {
  if (getuid() == 0) GTEST_SKIP() << "root is never a stranger";
  Serve(getuid() + 1);
  const UniqueFd client = Connect();
  EXPECT_TRUE(Await([&] { return Closed(client); }));
}

TEST_F(AcceptorTest, SilentConnectionsMakeWayForTheNextCaller) {
  Serve(getuid());
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 3 * kBudget; ++i) silent.push_back(Connect());
  const UniqueFd client = Connect();
  ASSERT_EQ(write(client.get(), "x", 1), 1);
  EXPECT_TRUE(Await([&] { return received_.size() == 1; }));
  EXPECT_TRUE(Closed(silent[0]));
}

TEST_F(AcceptorTest, ConnectionsBeyondTheBudgetAreClosedAndRoomComesBack) {
  Serve(getuid());
  std::vector<UniqueFd> clients;
  for (int i = 0; i < kBudget; ++i) {
    clients.push_back(Connect());
    ASSERT_EQ(write(clients.back().get(), "x", 1), 1);
  }
  ASSERT_TRUE(Await([&] { return received_.size() == kBudget; }));
  const UniqueFd beyond = Connect();
  EXPECT_TRUE(Await([&] { return Closed(beyond); }));
  clients.clear();
  received_.clear();
  EXPECT_TRUE(Await([&] {
    const UniqueFd client = Connect();
    if (write(client.get(), "x", 1) != 1) return false;
    loop_.run_one_for(std::chrono::milliseconds(20));
    return !received_.empty();
  }));
}

TEST_F(AcceptorTest, StoppingClosesTheSilentAndLeavesTheAdmitted) {
  Serve(getuid());
  const UniqueFd silent = Connect(), client = Connect();
  ASSERT_EQ(write(client.get(), "x", 1), 1);
  ASSERT_TRUE(Await([&] { return received_.size() == 1; }));
  acceptor_->Stop();
  EXPECT_TRUE(Await([&] { return Closed(silent); }));
  EXPECT_FALSE(Closed(client));
}

}  // namespace
}  // namespace nacre
