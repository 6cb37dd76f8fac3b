#include "executor/files.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/seqpacket.h"
#include "executor/errors.h"

namespace nacre {
namespace {

// A keeper that does what the test says.
class FakeKeeper : public KeeperLink {
 public:
  void Send(const keeper::v1::FrontRequest& request, UniqueFd /*record_fd*/) override {
    sent.push_back(request);
  }
  void WhenSent(std::function<void()> then) override { then(); }
  const keeper::v1::Welcome& welcome() const override { return welcome_; }
  const SharedRings& rings() const override { abort(); }

  void Speak(uint32_t version) { welcome_.set_protocol_version(version); }

  // What was sent, but for what the tests do not look at.
  std::vector<keeper::v1::FrontRequest> sent;

 private:
  keeper::v1::Welcome welcome_;
};

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override { keeper_.Speak(3); }

  static FileRequest Request(FileVerb verb, const std::string& path) {
    FileRequest request;
    request.verb = verb;
    if (verb == FileVerb::kRead) {
      request.operation.mutable_open_read()->mutable_path()->set_path(path);
    } else {
      request.operation.mutable_stat()->mutable_path()->set_path(path);
    }
    return request;
  }

  void Do(FileVerb verb, const Identity& identity = Identity::Local(1000)) {
    files_.Do(identity, Request(verb, "/f"), [this](absl::StatusOr<Files::Answer> answer) {
      answers_.push_back(answer.ok() ? absl::OkStatus() : answer.status());
      if (answer.ok()) calls_.push_back(std::move(answer->call));
    });
    Turn();
  }

  void Turn() {
    loop_.restart();
    loop_.poll();
  }

  // Until a callback has brought something.
  void Await(const std::function<bool()>& holds) {
    for (int i = 0; i < 10'000 && !holds(); ++i) {
      loop_.restart();
      loop_.run_for(std::chrono::milliseconds(1));
    }
    ASSERT_TRUE(holds());
  }

  void Opened(const std::string& failed = "") {
    keeper::v1::FilesOpened opened;
    opened.set_user("ann");
    opened.set_failed(failed);
    UniqueFd channel;
    if (failed.empty()) {
      auto pair = *seqpacket::Pair();
      channel = std::move(pair.first);
      helper_ = std::move(pair.second);
    }
    files_.OnOpened(opened, std::move(channel));
    Turn();
  }

  void Audited(const std::string& failed = "") {
    keeper::v1::Audited audited;
    audited.set_id(keeper_.sent.back().audit().id());
    audited.set_failed(failed);
    files_.OnAudited(audited);
    Turn();
  }

  // The request that the helper gets next.
  files::v1::Request Asked() {
    std::optional<seqpacket::Datagram> datagram;
    Await([&] {
      if (datagram.has_value()) return true;
      auto received = seqpacket::Receive(helper_.get());
      if (received.ok()) datagram = *std::move(received);
      return datagram.has_value();
    });
    files::v1::Request request;
    EXPECT_TRUE(datagram.has_value() && request.ParseFromString(datagram->bytes));
    return request;
  }

  void Reply(uint64_t id, uint32_t error = 0) {
    files::v1::Reply reply;
    reply.set_id(id);
    reply.set_error(error);
    ASSERT_TRUE(seqpacket::Send(helper_.get(), reply.SerializeAsString()).ok());
  }

  size_t Asks() const {
    return static_cast<size_t>(
        std::count_if(keeper_.sent.begin(), keeper_.sent.end(),
                      [](const auto& request) { return request.has_open_files(); }));
  }

  asio::io_context loop_;
  FakeKeeper keeper_;
  OwnerPolicy policy_{{1000, "ann"}, {{1000, "ann"}}, false};
  Files files_{loop_, keeper_, policy_, std::chrono::milliseconds(20)};
  UniqueFd helper_;
  std::vector<absl::Status> answers_;
  std::vector<FileCall> calls_;
};

TEST_F(FilesTest, WhoeverLooksAsksNoAuditAndOneHelperServesAll) {
  Do(FileVerb::kStat);
  Do(FileVerb::kStat);
  EXPECT_EQ(keeper_.sent.size(), 1u);
  EXPECT_EQ(keeper_.sent[0].open_files().user(), "ann");
  Opened();
  for (int i = 0; i < 2; ++i) Reply(Asked().id());
  Await([this] { return answers_.size() == 2; });
  EXPECT_TRUE(answers_[0].ok() && answers_[1].ok());
  EXPECT_EQ(Asks(), 1u);
}

TEST_F(FilesTest, NothingIsDoneBeforeTheAuditHasHeardOfIt) {
  Do(FileVerb::kRead);
  ASSERT_EQ(keeper_.sent.size(), 1u);
  EXPECT_NE(keeper_.sent[0].audit().id(), 0u);
  EXPECT_EQ(nlohmann::json::parse(keeper_.sent[0].audit().line())["event"], "read_file");
  EXPECT_EQ(Asks(), 0u);
  Audited();
  EXPECT_EQ(Asks(), 1u);
}

TEST_F(FilesTest, WithoutTheAuditNothingIsDone) {
  Do(FileVerb::kRead);
  Audited("no space");
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(ErrorReason(answers_[0]), "AUDIT_UNAVAILABLE");
  EXPECT_EQ(Asks(), 0u);
}

TEST_F(FilesTest, ADenialIsAuditedAndReachesNoHelper) {
  Do(FileVerb::kStat, Identity::Local(7));
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(ErrorReason(answers_[0]), "POLICY_DENIED");
  ASSERT_EQ(keeper_.sent.size(), 1u);
  EXPECT_EQ(nlohmann::json::parse(keeper_.sent[0].audit().line())["event"], "denied");
}

TEST_F(FilesTest, AHelperThatCanNotBeHadIsSaidAndAskedForAgain) {
  Do(FileVerb::kStat);
  Opened("exec format error");
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(ErrorReason(answers_[0]), "FILES_UNAVAILABLE");
  Do(FileVerb::kStat);
  EXPECT_EQ(Asks(), 2u);
}

TEST_F(FilesTest, AHelperThatIsLostFailsItsCallsAndTheNextCallGetsAnother) {
  Do(FileVerb::kStat);
  Opened();
  Asked();
  helper_.reset();
  Await([this] { return answers_.size() == 1; });
  EXPECT_EQ(ErrorReason(answers_[0]), "FILE_HELPER_LOST");
  Do(FileVerb::kStat);
  EXPECT_EQ(Asks(), 2u);
}

TEST_F(FilesTest, AHelperThatSaysWhatNobodyAskedIsLost) {
  Do(FileVerb::kStat);
  Opened();
  Reply(Asked().id() + 1);
  Await([this] { return answers_.size() == 1; });
  EXPECT_EQ(ErrorReason(answers_[0]), "FILE_HELPER_LOST");
}

TEST_F(FilesTest, TheEndOfWhatWasAuditedIsAuditedToo) {
  Do(FileVerb::kRead);
  Audited();
  Opened();
  Reply(Asked().id(), ENOENT);
  Await([this] { return answers_.size() == 1; });
  EXPECT_EQ(ErrorReason(answers_[0]), "FILE_NOT_FOUND");
  const auto begin = nlohmann::json::parse(keeper_.sent.front().audit().line());
  const auto end = nlohmann::json::parse(keeper_.sent.back().audit().line());
  EXPECT_EQ(end["event"], "file_end");
  EXPECT_EQ(end["file"], begin["file"]);
  EXPECT_EQ(end["status"], "FILE_NOT_FOUND");
}

TEST_F(FilesTest, AFrontThatRetiresAnswersAllThatWaitsAndAllThatFollows) {
  Do(FileVerb::kRead);
  Do(FileVerb::kStat);
  const absl::Status why = MakeError(absl::StatusCode::kUnavailable, "FRONT_RESTARTING", "call");
  files_.Retire(why);
  Do(FileVerb::kStat);
  ASSERT_EQ(answers_.size(), 3u);
  for (const absl::Status& answer : answers_) EXPECT_EQ(ErrorReason(answer), "FRONT_RESTARTING");
  Opened();  // comes too late and harms nothing
}

TEST_F(FilesTest, AKeeperThatKnowsNothingOfFilesIsNotAsked) {
  keeper_.Speak(2);
  Do(FileVerb::kStat);
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(ErrorReason(answers_[0]), "FILES_UNAVAILABLE");
  EXPECT_TRUE(keeper_.sent.empty());
}

TEST_F(FilesTest, AHelperWithoutWorkIsLetGoButNotWhileACallHasAFileOpen) {
  const auto hung_up = [this] {
    pollfd channel{.fd = helper_.get(), .events = 0, .revents = 0};
    return poll(&channel, 1, 0) == 1 && (channel.revents & POLLHUP) != 0;
  };
  Do(FileVerb::kStat);
  Opened();
  Reply(Asked().id());
  Await([this] { return calls_.size() == 1; });
  // calls_ holds it, as a call with an open file does.
  for (int i = 0; i < 100; ++i) {
    loop_.restart();
    loop_.run_for(std::chrono::milliseconds(1));
  }
  EXPECT_FALSE(hung_up());
  calls_.clear();
  Await(hung_up);
  Do(FileVerb::kStat);
  EXPECT_EQ(Asks(), 2u);
}

TEST_F(FilesTest, CallsOfOneUserAreBounded) {
  for (size_t i = 0; i < Files::kMaxCallsOfUser; ++i) Do(FileVerb::kStat);
  EXPECT_TRUE(answers_.empty());
  Do(FileVerb::kStat);
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(ErrorReason(answers_[0]), "FILE_CALLS");
}

}  // namespace
}  // namespace nacre
