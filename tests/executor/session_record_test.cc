#include "executor/session_record.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

CommandSpec Spec(const std::string& program) {
  CommandParts parts;
  parts.argv = {program, "secret argument"};
  parts.cwd = "/tmp";
  parts.input = true;
  parts.on_disconnect.grace_ns = 7;
  return *CommandSpec::Create(parts);
}

TEST(SessionRecordTest, TheNextFrontReadsWhatThisOneWrote) {
  for (const Identity& owner :
       {Identity::Local(1000), Identity::Local(0), Identity::Anonymous("127.0.0.1", "framed")}) {
    const auto record = SessionRecord::Parse(SessionRecord::Of(owner, Spec("cat")).Serialize());
    ASSERT_TRUE(record.ok()) << record.status();
    EXPECT_EQ(record->owner.name, owner.name);
    EXPECT_EQ(record->owner.uid, owner.uid);
    EXPECT_EQ(record->owner.dialect, owner.dialect);
    EXPECT_EQ(record->program, "cat");
    EXPECT_EQ(record->cwd, "/tmp");
    EXPECT_TRUE(record->takes_input);
    EXPECT_EQ(record->on_disconnect.grace_ns, 7);
  }
}

TEST(SessionRecordTest, ItStaysSmallAndHoldsNoArguments) {
  const std::string bytes =
      SessionRecord::Of(Identity::Local(0), Spec(std::string(100'000, 'x'))).Serialize();
  EXPECT_LT(bytes.size(), 16U * 1024);
  EXPECT_EQ(bytes.find("secret"), std::string::npos);
}

TEST(SessionRecordTest, BytesThatAreNoRecordAreRefused) {
  for (const std::string& bytes : {std::string(), std::string("\xff\xff\xff"), std::string("x")}) {
    EXPECT_FALSE(SessionRecord::Parse(bytes).ok());
  }
}

}  // namespace
}  // namespace nacre
