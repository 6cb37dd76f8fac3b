#include "executor/session_record.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

CommandSpec Spec(const std::string& program) {
  CommandParts parts;
  parts.argv = {program, "--password", "hunter2", "it's", "new\nline"};
  parts.cwd = "/tmp";
  parts.input = true;
  parts.on_disconnect = {.grace_ns = 7, .keep = true};
  parts.retention = {.after_end_ns = 5, .bytes = 0, .block_on_overflow = true};
  parts.tags = {{"job", "17"}, {"a/b.c-d_e", ""}};
  parts.request_id = "one";
  return *CommandSpec::Create(parts);
}

TEST(SessionRecordTest, TheNextFrontReadsWhatThisOneWrote) {
  for (const Identity& owner :
       {Identity::Local(1000), Identity::Local(0), Identity::Anonymous("127.0.0.1", "framed")}) {
    const auto record =
        SessionRecord::Parse(SessionRecord::Of(owner, Spec("cat"), "ann").Serialize());
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_EQ(record->owner.name, owner.name);
    EXPECT_EQ(record->owner.uid, owner.uid);
    EXPECT_EQ(record->owner.dialect, owner.dialect);
    EXPECT_EQ(record->user, "ann");
    EXPECT_EQ(record->program, "cat");
    EXPECT_EQ(record->cwd, "/tmp");
    EXPECT_TRUE(record->takes_input);
    EXPECT_EQ(record->on_disconnect.grace_ns, 7);
    EXPECT_TRUE(record->on_disconnect.keep);
    EXPECT_TRUE(record->block_on_overflow);
    EXPECT_EQ(record->retention_ns, 5);
    EXPECT_EQ(record->tags, Spec("cat").tags());
    EXPECT_EQ(record->request_id, "one");
    EXPECT_EQ(record->fingerprint, Spec("cat").Fingerprint());
  }
}

TEST(SessionRecordTest, TheCommandLineIsQuotedAsForAShellAndHoldsNoNamedSecret) {
  EXPECT_EQ(SessionRecord::Of(Identity::Local(0), Spec("cat"), "root").command_line,
            R"(cat --password '[redacted]' 'it'\''s' $'new\nline')");
}

TEST(SessionRecordTest, ItStaysSmallEnoughForTheKeeper) {
  CommandParts parts;
  parts.argv = {std::string(100'000, 'x'), std::string(100'000, '\n')};
  parts.cwd = "/" + std::string(100'000, 'y');
  for (int i = 0; i < 32; ++i) {
    parts.tags[std::string(61, 'n') + std::to_string(10 + i)] = std::string(255, 'v');
  }
  parts.request_id = std::string(128, 'r');
  const std::string bytes =
      SessionRecord::Of(Identity::Local(0), *CommandSpec::Create(parts), "root").Serialize();
  EXPECT_LT(bytes.size(), 16U * 1024);
}

TEST(SessionRecordTest, BytesThatAreNoRecordAreRefused) {
  for (const std::string& bytes : {std::string(), std::string("\xff\xff\xff"), std::string("x")}) {
    EXPECT_FALSE(SessionRecord::Parse(bytes).ok());
  }
}

}  // namespace
}  // namespace nacre
