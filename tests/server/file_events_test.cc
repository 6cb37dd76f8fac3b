#include "server/file_events.h"

#include <gtest/gtest.h>
#include <sys/inotify.h>

#include <random>
#include <string>

namespace nacre {
namespace {

std::string Event(uint32_t mask, const std::string& name = "", uint32_t cookie = 0) {
  inotify_event event{};
  event.mask = mask;
  event.cookie = cookie;
  // As the kernel pads it.
  std::string padded = name;
  if (!name.empty()) padded.resize((name.size() / 16 + 1) * 16);
  event.len = static_cast<uint32_t>(padded.size());
  return std::string(reinterpret_cast<const char*>(&event), sizeof(event)) + padded;
}

TEST(FileEventsTest, EachIsToldByItsKindAndName) {
  const FileEvents read =
      ToFileEvents(Event(IN_CREATE | IN_ISDIR, "d") + Event(IN_MODIFY, "f") + Event(IN_ATTRIB) +
                   Event(IN_MOVED_FROM, "a", 7) + Event(IN_MOVED_TO, "\xff", 7));
  ASSERT_EQ(read.events.size(), 5u);
  EXPECT_EQ(read.events[0].file().kind(), v1::FILE_EVENT_KIND_CREATED);
  EXPECT_TRUE(read.events[0].file().directory());
  EXPECT_EQ(read.events[1].file().name(), "f");
  EXPECT_EQ(read.events[2].file().name(), "");
  EXPECT_EQ(read.events[3].file().move(), 7u);
  EXPECT_EQ(read.events[4].file().name_bytes(), "\xff");
  EXPECT_FALSE(read.over);
}

TEST(FileEventsTest, LostOnesAreSaid) {
  EXPECT_TRUE(ToFileEvents(Event(IN_Q_OVERFLOW)).events.at(0).has_overflow());
}

TEST(FileEventsTest, ItIsOverOnceWhatIsWatchedIsGone) {
  const FileEvents removed = ToFileEvents(Event(IN_DELETE_SELF) + Event(IN_IGNORED));
  EXPECT_EQ(removed.events.size(), 1u);
  EXPECT_TRUE(removed.over);
  EXPECT_TRUE(ToFileEvents(Event(IN_MOVE_SELF)).over);
}

TEST(FileEventsTest, BytesThatAreNoEventsHarmNothing) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    ToFileEvents(bytes);
  }
  EXPECT_TRUE(ToFileEvents(Event(IN_CREATE, "name").substr(0, 20)).events.empty());
}

}  // namespace
}  // namespace nacre
