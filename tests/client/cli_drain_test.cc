// nacre drain, against a scripted node.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "tests/client/fake_node.h"
#include "tests/client/nacre_process.h"

namespace nacre::client {
namespace {

// A node on which so many sessions run, one less with each GetNode.
Scripts Busy(uint32_t sessions) {
  const auto running = std::make_shared<std::atomic<uint32_t>>(sessions);
  const auto draining = std::make_shared<std::atomic<bool>>(false);
  const auto tell = [running, draining](v1::Node* node) {
    node->set_running_sessions(*running);
    node->set_draining(*draining);
  };
  return {.get_node =
              [=](const v1::GetNodeRequest&, v1::GetNodeResponse* response) {
                --*running;
                tell(response->mutable_node());
                return grpc::Status::OK;
              },
          .drain =
              [=](const v1::DrainRequest& request, v1::DrainResponse* response) {
                *draining = !request.undo();
                tell(response->mutable_node());
                return grpc::Status::OK;
              }};
}

TEST(NacreDrain, SaysWhatItHasDone) {
  for (const auto& [sessions, text] : std::map<uint32_t, std::string>{
           {0, "no session runs"}, {1, "1 session runs"}, {2, "2 sessions run"}}) {
    const Outcome outcome = RunAgainst(Busy(sessions), {"drain"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.out, "it takes no new sessions; " + text + "\n");
    EXPECT_EQ(outcome.err, "");
  }
  const Outcome undone = RunAgainst(Busy(2), {"drain", "--undo"});
  EXPECT_EQ(undone.status, 0);
  EXPECT_EQ(undone.out, "it takes new sessions again\n");
}

TEST(NacreDrain, WaitsUntilNoSessionRuns) {
  const Outcome outcome = RunAgainst(Busy(3), {"drain", "--wait"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "it takes no new sessions; no session runs\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(NacreDrain, LeavesWith124WhenSessionsStillRun) {
  const Outcome outcome = RunAgainst(Busy(1000), {"drain", "--wait", "--timeout", "100ms"});
  EXPECT_EQ(outcome.status, 124);
  EXPECT_NE(outcome.out.find(" sessions run\n"), std::string::npos) << outcome.out;
  EXPECT_EQ(RunAgainst(Busy(1), {"drain", "--wait", "--timeout", "0s"}).status, 124);
  EXPECT_EQ(RunAgainst(Busy(0), {"drain", "--wait", "--timeout", "0s"}).status, 0);
}

TEST(NacreDrain, StopsWaitingWhenSomebodyUndoesIt) {
  Scripts scripts = Busy(3);
  scripts.get_node = [](const v1::GetNodeRequest&, v1::GetNodeResponse* response) {
    response->mutable_node()->set_running_sessions(3);
    return grpc::Status::OK;
  };
  const Outcome outcome = RunAgainst(std::move(scripts), {"drain", "--wait"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("somebody has let the node take new sessions again"),
            std::string::npos)
      << outcome.err;
}

TEST(NacreDrain, PrintsTheNodeAsJson) {
  const Outcome outcome = RunAgainst(Busy(1), {"drain", "--wait", "-o", "json"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.out.find(R"("running_sessions":0,)"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find(R"("draining":true,)"), std::string::npos) << outcome.out;
}

TEST(NacreDrain, OptionsThatContradictEachOtherAreUsageErrors) {
  EXPECT_EQ(RunAgainst(Busy(0), {"drain", "--undo", "--wait"}).status, 2);
  EXPECT_EQ(RunAgainst(Busy(0), {"drain", "--timeout", "1s"}).status, 2);
  EXPECT_EQ(RunAgainst(Busy(0), {"drain", "--wait", "--timeout", "soon"}).status, 2);
}

TEST(NacreDrain, FailsWith1OfAnOlderNodeAndSaysSo) {
  const Outcome outcome = RunAgainst(Scripts{}, {"drain"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("can't be drained: its release is too old"), std::string::npos)
      << outcome.err;
}

TEST(NacreDrain, IsRepeatedWhenTheFrontGoes) {
  const auto calls = std::make_shared<std::atomic<int>>(0);
  Scripts scripts = Busy(0);
  scripts.drain = [calls](const v1::DrainRequest&, v1::DrainResponse* response) {
    if (++*calls == 1) return FrontRestarting();
    if (*calls == 2) return ConnectionLost();
    response->mutable_node()->set_draining(true);
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunAgainst(std::move(scripts), {"drain"}).status, 0);
  EXPECT_EQ(*calls, 3);
}

}  // namespace
}  // namespace nacre::client
